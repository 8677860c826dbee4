"""The client's identity (BR-144)."""

from __future__ import annotations

from collections.abc import Iterator

from adapter.source import identity_code
from adapter.types import Resource
from adapter.validation.rules.model import Breach
from adapter.validation.rules.named import judgement
from adapter.validation.rules.scope import Scope, objects

HETU = "urn:oid:1.2.246.21"


@judgement("hetu_valid")
def hetu_valid(_scope: Scope, patient: Resource) -> Iterator[Breach]:
    """BR-144: an identity code or a temporary identifier; each identity code, also an old one, is right."""
    identifiers = objects(patient.get("identifier"))
    known = any(
        (item.get("system") == HETU and item.get("use") != "old") or item.get("use") == "temp" for item in identifiers
    )
    # A patient that another record only refers to may be known by the source system's own identifier.
    if not known and "managingOrganization" in patient:
        yield Breach("identifier", variant="unknown")
    for index, item in enumerate(identifiers):
        value = item.get("value")
        if item.get("system") == HETU and isinstance(value, str):
            problem = identity_code.problem(value)
            if problem is not None:
                yield Breach(f"identifier[{index}].value", values={"problem": problem})
