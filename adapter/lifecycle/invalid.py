"""A record's Bundle as it reads after the record was invalidated (mitätöity): pure, no database.

Every resource that the record owns says that it was entered in error; a Provenance says who, when and why. Resources
that the record merely refers to stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from adapter.data import data_root, read_yaml
from adapter.delivery.outgoing import is_owned
from adapter.fhir.ids import ids_under
from adapter.mapping.run import PART_KEY_SYSTEM, RECORD_VERSION_SYSTEM
from adapter.types import Resource

NULLIFY = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/v3-DataOperation",
            "code": "NULLIFY",
            "display": "nullify",
        }
    ]
}
PART = "invalidation"


class Rule(NamedTuple):
    """What is set and what is dropped on a resource of one type."""

    set: Mapping[str, Any]
    drop: tuple[str, ...]


def invalidated(bundle: Resource, *, version: int, at: str, reason: str, id_key: bytes) -> Resource:
    """Return the Bundle of the record's last version, entered in error.

    Args:
        bundle: the last version that was, or may have been, delivered.
        version: record version of the invalidation.
        at: FHIR instant.
        reason: the sender's words.
        id_key: keys the id of the Provenance.
    """
    entries = [_entry(entry, str(version)) for entry in bundle["entry"]]
    return {**bundle, "entry": [*entries, *_provenance(bundle, str(version), at, reason, id_key)]}


def _entry(entry: dict[str, Any], version: str) -> dict[str, Any]:
    resource = entry["resource"]
    if not is_owned(resource):
        return entry
    rule = _rules().get(resource["resourceType"], Rule({}, ()))
    kept = {name: value for name, value in resource.items() if name not in rule.drop}
    return {**entry, "resource": {**kept, "meta": _meta(resource, version), **rule.set}}


def _meta(resource: Resource, version: str) -> dict[str, Any]:
    tags = [
        {**tag, "code": version} if tag["system"] == RECORD_VERSION_SYSTEM else tag for tag in resource["meta"]["tag"]
    ]
    return {**resource["meta"], "tag": tags}


def _provenance(bundle: Resource, version: str, at: str, reason: str, id_key: bytes) -> list[dict[str, Any]]:
    """Return the Provenance of the invalidation, made like the one of the recording; none in the contained form."""
    recordings = [entry for entry in bundle["entry"] if _part(entry["resource"]) == "recording"]
    return [_nullifying(entry, version, at, reason, id_key) for entry in recordings]


def _nullifying(entry: dict[str, Any], version: str, at: str, reason: str, id_key: bytes) -> dict[str, Any]:
    recording = entry["resource"]
    urn = ids_under(id_key).urn(entry["fullUrl"], PART)
    key = urn.removeprefix("urn:uuid:")
    meta = _meta(recording, version)
    tags = [{**tag, "code": key, "display": PART} if tag["system"] == PART_KEY_SYSTEM else tag for tag in meta["tag"]]
    kept = {name: value for name, value in recording.items() if name not in ("entity", "occurredDateTime")}
    resource = {
        **kept,
        "meta": {**meta, "tag": tags},
        "recorded": at,
        "activity": NULLIFY,
        "reason": [{"text": reason}],
    }
    request = {"method": "POST", "url": "Provenance", "ifNoneExist": f"_tag={PART_KEY_SYSTEM}|{key}"}
    return {"fullUrl": urn, "resource": resource, "request": request}


def _part(resource: Resource) -> str:
    tags = resource.get("meta", {}).get("tag", ())
    return next((str(tag.get("display")) for tag in tags if tag["system"] == PART_KEY_SYSTEM), "")


@cache
def _rules() -> Mapping[str, Rule]:
    types = read_yaml(data_root() / "mappings" / "invalidation.yaml")["types"]
    return {
        name: Rule({key: _value(value) for key, value in part["set"].items()}, tuple(part.get("drop", ())))
        for name, part in types.items()
    }


def _value(written: Any) -> Any:
    """The strict YAML reader knows texts only; a boolean is written as one."""
    return written == "true" if written in ("true", "false") else written
