"""FHIR references as things that can be compared (R17): type and id, urn, or identifier.

The version part is dropped and our own base URL stripped. What stands on a foreign server, is contained or is
named by display only never equals anything.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Literal, NamedTuple

Token = tuple[str, str]
"""System and value of an Identifier, or system and code of a Coding."""

Kind = Literal["local", "urn", "identifier", "foreign", "unreadable"]

_LITERAL = re.compile(r"(?:(.+)/)?([A-Z][A-Za-z]{1,63}/[A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?")
_URN = re.compile(r"urn:(?:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|oid:[0-2](?:\.(?:0|[1-9]\d*))+)")


class Ref(NamedTuple):
    """A reference, read.

    Attributes:
        kind: `local` (type and id on our server), `urn` (an entry of a Bundle), `identifier`, `foreign`
            (another server: never equal to anything), `unreadable` (display only, contained, broken).
        key: `Practitioner/case1` or the urn; empty for the other kinds.
        type: resource type when it is known.
        identifier: system and value when kind is `identifier`.
    """

    kind: Kind
    key: str = ""
    type: str = ""
    identifier: Token | None = None


UNREADABLE = Ref("unreadable")
FOREIGN = Ref("foreign")


def read_reference(value: Any, own_bases: tuple[str, ...]) -> Ref:
    """Read a FHIR Reference as the server of `own_bases` sees it."""
    if not isinstance(value, dict):
        return UNREADABLE
    hint = value.get("type")
    kind = hint if isinstance(hint, str) else ""
    literal = value.get("reference")
    if isinstance(literal, str):
        found = read_literal(literal, own_bases)
        return found._replace(type=kind) if found.kind == "urn" else found
    token = identifier_token(value.get("identifier"))
    return Ref("identifier", "", kind, token) if token else UNREADABLE


def identifier_token(value: Any) -> Token | None:
    """Return system and value of an Identifier; None when one of them is missing."""
    if isinstance(value, dict):
        system, text = value.get("system"), value.get("value")
        if isinstance(system, str) and isinstance(text, str) and system and text:
            return system, text
    return None


def resource_key(resource: dict[str, Any]) -> str:
    """Return `Type/id` of a resource, or an empty text when one of them is missing."""
    kind, name = resource.get("resourceType"), resource.get("id")
    return f"{kind}/{name}" if isinstance(kind, str) and isinstance(name, str) and kind and name else ""


@lru_cache(maxsize=8192)
def read_literal(text: str, own_bases: tuple[str, ...]) -> Ref:
    """Read a reference written as text: `Patient/1`, an absolute URL, a urn."""
    if _URN.fullmatch(text):
        return Ref("urn", text)
    parts = _LITERAL.fullmatch(text)
    if parts is None:
        return UNREADABLE
    base, key = parts.groups()
    if base is not None and base not in own_bases:
        return FOREIGN if ":" in base else UNREADABLE
    return Ref("local", key, key.partition("/")[0])
