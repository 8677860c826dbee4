"""The Bundle as it goes out: first versions are created, later versions replace what the receipt names.

Only the record that owns a resource updates it. Owned resources carry a part identifier (`use` secondary, system =
`meta.source`), a Provenance the tag `part-key`; resources merely referred to are created when missing and
otherwise left alone (design §4).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from adapter.delivery.states import Known
from adapter.mapping.run import PART_KEY_SYSTEM, RECORD_VERSION_SYSTEM
from adapter.types import CANONICAL_ROOT, Resource

RECORD_ACT_SYSTEM = f"{CANONICAL_ROOT}/record-act"
"""Tag of a resource that the adapter itself changed after its sender's version."""

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def is_owned(resource: Resource) -> bool:
    """Say whether the record that made the Bundle owns this resource."""
    meta = resource.get("meta", {})
    if any(tag.get("system") == PART_KEY_SYSTEM for tag in meta.get("tag", ())):
        return True
    identifiers = resource.get("identifier", ())
    if isinstance(identifiers, dict):
        identifiers = (identifiers,)
    return any(
        identifier.get("use") == "secondary" and identifier.get("system") == meta.get("source")
        for identifier in identifiers
    )


def outgoing(bundle: Resource, known: Mapping[str, Known], gone: Sequence[Known] = ()) -> Resource:
    """Return the transaction to send.

    Args:
        bundle: as accepted: every entry a POST with `ifNoneExist`.
        known: what receipts say about entries, by fullUrl.
        gone: parts of the record's earlier version that this one no longer has; they are deleted.
    """
    entries: list[dict[str, Any]] = [_entry(entry, known.get(entry["fullUrl"])) for entry in bundle["entry"]]
    entries += [{"request": {"method": "DELETE", "url": part.location}} for part in gone]
    return {**bundle, "entry": entries}


def renamed_core(bundle: Resource, known: Mapping[str, Known], former: Mapping[str, Known]) -> dict[str, Known]:
    """Return where the record's own resource lies when its identity changed, e.g. a temporary code became a real one.

    Its fullUrl is new then, but it is still the resource of the same record: it is replaced, not deleted (design §4).
    The mapping sees one version of a record, and lanes know codes, not places: only receipts tell where an earlier
    version lies. Without this the Patient would be deleted, and everything that refers to it would lose its client.

    Args:
        known: what receipts say about the Bundle's entries.
        former: parts of the earlier version that this one does not name any more.
    """
    core = bundle["entry"][0]
    kind = core["resource"]["resourceType"] + "/"
    places = [part for part in former.values() if part.location.startswith(kind)]
    if core["fullUrl"] in known or len(places) != 1 or not is_owned(core["resource"]):
        return {}
    return {core["fullUrl"]: places[0]}


def _entry(entry: dict[str, Any], known: Known | None) -> dict[str, Any]:
    if known is None or not is_owned(entry["resource"]):
        return entry
    resource = {**entry["resource"], "id": known.location.partition("/")[2]}
    request = {"method": "PUT", "url": known.location, "ifMatch": f'W/"{known.version}"'}
    return {**entry, "resource": resource, "request": request}


def receipts(sent: Resource, answer: Resource) -> tuple[dict[str, Known], list[str]]:
    """Read the answer to a transaction.

    Returns:
        what lies where by fullUrl, and the fullUrls of owned entries that were found instead of created: somebody
        else had made them, so they still need this record's content.

    Raises:
        ValueError: the answer does not match what was sent entry by entry.
    """
    try:
        return _receipts(sent, answer)
    except (AttributeError, KeyError, TypeError):
        raise ValueError("the answer is no transaction response") from None


def _receipts(sent: Resource, answer: Resource) -> tuple[dict[str, Known], list[str]]:
    answers = answer.get("entry", ())
    if len(answers) != len(sent["entry"]):
        raise ValueError("the answer has another number of entries than the transaction")
    resources: dict[str, Known] = {}
    found: list[str] = []
    for entry, answered in zip(sent["entry"], answers, strict=True):
        if entry["request"]["method"] == "DELETE":
            continue
        response = answered.get("response", {})
        request = entry["request"]
        # A location is promised for what was created; an update stays where it was asked for.
        place = response.get("location") or (request["url"] if request["method"] == "PUT" else "")
        resources[entry["fullUrl"]] = _known(place, response.get("etag", ""), entry["resource"]["resourceType"])
        created = response.get("status", "").startswith("201")
        if request["method"] == "POST" and not created and is_owned(entry["resource"]):
            found.append(entry["fullUrl"])
    return resources, found


def _known(location: str, etag: str, wanted: str) -> Known:
    segments = [segment for segment in urlsplit(location).path.split("/") if segment]
    version = etag.removeprefix("W/").strip('"')
    if "_history" in segments:
        cut = segments.index("_history")
        version = segments[cut + 1] if len(segments) > cut + 1 else version
        segments = segments[:cut]
    if len(segments) < 2 or segments[-2] != wanted or not _ID.fullmatch(segments[-1]) or not _ID.fullmatch(version):
        raise ValueError("the answer names no location or version")
    return Known("/".join(segments[-2:]), version)


def record_version(resource: Resource) -> str:
    """Return which version of its record a resource is, and what we ourselves did to that version, if anything."""
    tags = resource.get("meta", {}).get("tag", ())
    named = (RECORD_VERSION_SYSTEM, RECORD_ACT_SYSTEM)
    return " ".join(tag.get("code", "") for system in named for tag in tags if tag.get("system") == system)


def client_of(bundle: Resource) -> str:
    """Return `system|value` of the client that the Bundle is about, as it stands in its criterion; empty without."""
    criteria = (
        entry["request"]["ifNoneExist"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Patient"
    )
    return next((one.removeprefix("identifier=") for one in criteria if one.startswith("identifier=")), "")


def replaces(transaction: Resource) -> bool:
    """Say whether a transaction replaces something under a condition."""
    return any("ifMatch" in entry["request"] for entry in transaction["entry"])


def is_this_version(ours: Resource, theirs: Resource) -> bool:
    """Say whether the repository holds our version; what the record does not own may be anybody's."""
    return not is_owned(ours) or record_version(ours) == record_version(theirs)
