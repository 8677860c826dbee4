"""A record's Bundle as it reads after the record was invalidated (mitätöity) or superseded: pure, no database.

Every resource that the record owns says that it was entered in error, or a Consent that it holds no more; a Provenance
says when and why. Resources that the record merely refers to stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from adapter.data import data_root, read_yaml
from adapter.delivery.outgoing import RECORD_ACT_SYSTEM, is_owned
from adapter.fhir.ids import ids_under
from adapter.mapping.run import PART_KEY_SYSTEM, RECORD_VERSION_SYSTEM
from adapter.types import Resource

DATA_OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
SUPERSEDED = "superseded"


class Rule(NamedTuple):
    """What is set and what is dropped on a resource of one type."""

    set: Mapping[str, Any]
    drop: tuple[str, ...]


class Mark(NamedTuple):
    """What is written on a record's resources.

    Attributes:
        part: name of the Provenance among the parts of the record.
        activity: code of v3-DataOperation and its display.
        act: code of the tag that tells this Bundle from the version that it marks; empty when it has a version.
        rules: by resource type.
    """

    part: str
    activity: tuple[str, str]
    act: str
    rules: Mapping[str, Rule]


def invalidated(bundle: Resource, *, version: int, at: str, reason: str, id_key: bytes) -> Resource:
    """Return the Bundle of the record's last version, entered in error.

    Args:
        bundle: the last version that was, or may have been, delivered.
        version: record version of the invalidation.
        at: FHIR instant.
        reason: the sender's words.
        id_key: keys the id of the Provenance.
    """
    mark = Mark("invalidation", ("NULLIFY", "nullify"), "", _rules())
    return _marked(bundle, mark, str(version), at, reason, id_key)


def superseded(bundle: Resource, *, version: int, at: str, reason: str, id_key: bytes) -> Resource:
    """Return the Bundle of a consent that another one has replaced: the same version, not active any more.

    Args:
        version: of the consent as its sender counts; the sender's next version replaces this Bundle.
        reason: a fixed sentence.
    """
    inactive = {"Consent": Rule({"status": "inactive"}, ())}
    mark = Mark("supersession", ("UPDATE", "revise"), SUPERSEDED, inactive)
    return _marked(bundle, mark, str(version), at, reason, id_key)


def _marked(bundle: Resource, mark: Mark, version: str, at: str, reason: str, id_key: bytes) -> Resource:
    entries = [_entry(entry, mark, version) for entry in bundle["entry"]]
    recordings = [entry for entry in bundle["entry"] if _part(entry["resource"]) == "recording"]
    return {**bundle, "entry": [*entries, *(_said(one, mark, version, at, reason, id_key) for one in recordings)]}


def _entry(entry: dict[str, Any], mark: Mark, version: str) -> dict[str, Any]:
    resource = entry["resource"]
    if not is_owned(resource):
        return entry
    rule = mark.rules.get(resource["resourceType"], Rule({}, ()))
    kept = {name: value for name, value in resource.items() if name not in rule.drop}
    return {**entry, "resource": {**kept, "meta": _meta(resource, mark, version), **rule.set}}


def _meta(resource: Resource, mark: Mark, version: str) -> dict[str, Any]:
    tags = [
        {**tag, "code": version} if tag["system"] == RECORD_VERSION_SYSTEM else tag
        for tag in resource["meta"]["tag"]
        if tag["system"] != RECORD_ACT_SYSTEM
    ]
    tags += [{"system": RECORD_ACT_SYSTEM, "code": mark.act}] if mark.act else []
    return {**resource["meta"], "tag": tags}


def _said(entry: dict[str, Any], mark: Mark, version: str, at: str, reason: str, id_key: bytes) -> dict[str, Any]:
    """Return the entry of a Provenance that says when and why, made like the one of the recording."""
    urn = ids_under(id_key).urn(entry["fullUrl"], mark.part)
    key = urn.removeprefix("urn:uuid:")
    meta = entry["resource"]["meta"]
    tags = [
        {**tag, "code": version} if tag["system"] == RECORD_VERSION_SYSTEM else tag
        for tag in meta["tag"]
        if tag["system"] != PART_KEY_SYSTEM
    ]
    # Not a part of the record: the sender's next version neither replaces nor deletes what was said here.
    tags.append({"system": RECORD_ACT_SYSTEM, "code": key, "display": mark.part})
    code, display = mark.activity
    kept = {name: value for name, value in entry["resource"].items() if name not in ("entity", "occurredDateTime")}
    resource = {
        **kept,
        "meta": {**meta, "tag": tags},
        "recorded": at,
        "activity": {"coding": [{"system": DATA_OPERATION, "code": code, "display": display}]},
        "reason": [{"text": reason}],
    }
    request = {"method": "POST", "url": "Provenance", "ifNoneExist": f"_tag={RECORD_ACT_SYSTEM}|{key}"}
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
