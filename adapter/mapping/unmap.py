"""A Bundle of ours becomes canonical records again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adapter.errors import MappingError
from adapter.mapping import registry
from adapter.mapping.resources import Found, Resolver, every_resource, part_of, record_type_of, split_part
from adapter.mapping.reverse import Reverse
from adapter.mapping.run import CONFIDENTIALITY, NON_DISCLOSURE, RECORD_VERSION_SYSTEM
from adapter.terminology import code_system
from adapter.types import Issue, Json, Record, Resource

_Key = tuple[str, str, str]
"""Record type, source system, record_id."""

_BROKEN = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What reading raises where an element has a shape that R4 does not allow; the rows ask for no shape themselves."""


def unmap(bundle: Resource, *, kept: Iterable[Json] = ()) -> list[Record]:
    """Return the canonical records that a Bundle was made from, in the order of their resources.

    Args:
        bundle: as `map_record` makes it, with entries or contained resources; the whole of each record.
        kept: the entries that the contained form leaves out (`contained.kept_by_adapter`).

    Raises:
        MappingError: it is no Bundle, no resource in it is one of ours, a record's type is not known here, or a
            resource breaks R4 so that it cannot be read.
    """
    try:
        return _records(bundle, kept)
    except _BROKEN:
        raise MappingError(Issue("error", "mapping.broken-bundle")) from None


def _records(bundle: Resource, kept: Iterable[Json]) -> list[Record]:
    entries = [*_entries(bundle), *kept]
    resolver = Resolver(entries)
    groups: dict[_Key, dict[str, Found]] = {}
    homeless: list[tuple[str, Resource]] = []
    for resource in every_resource(entries):
        record_type, source = record_type_of(resource), resource.get("meta", {}).get("source", "")
        value = part_of(resource, source)
        if record_type is None or value is None:
            continue
        record_id, rule, positions = split_part(value)
        if record_id:
            group = groups.setdefault((record_type, source, record_id), {})
            group.setdefault(value.partition("/")[2], Found(rule, positions, resource))
        else:
            homeless.append((value[1:], resource))
    if not groups:
        raise MappingError(Issue("error", "mapping.not-ours"))
    for part, resource in homeless:
        _, rule, positions = split_part(f"/{part}")
        key = _home(resource, groups, resolver)
        if key is not None:
            groups[key].setdefault(part, Found(rule, positions, resource))
    return [_record(key, group, resolver, bundle) for key, group in groups.items()]


def _entries(bundle: Json) -> list[Json]:
    """Return the entries of what may be anything that JSON can say."""
    entries = bundle.get("entry", []) if isinstance(bundle, dict) else None
    if not isinstance(entries, list) or not all(isinstance(_resource(entry), dict) for entry in entries):
        raise MappingError(Issue("error", "mapping.not-ours"))
    return entries


def _resource(entry: Json) -> Json:
    return entry.get("resource") if isinstance(entry, dict) else None


def _home(resource: Resource, groups: dict[_Key, dict[str, Found]], resolver: Resolver) -> _Key | None:
    """Return the record that a resource without identifier belongs to: the only one, else its target's."""
    if len(groups) == 1:
        return next(iter(groups))
    for target in resource.get("target", ()):
        found, _ = resolver.resolve(target.get("reference", ""), resource)
        for key, group in groups.items():
            if any(part.resource is found for part in group.values()):
                return key
    return None


def _record(key: _Key, group: dict[str, Found], resolver: Resolver, bundle: Resource) -> Record:
    record_type, source, record_id = key
    mapping = registry.mapping_for(record_type).mapping
    main = mapping.rules[0].name
    parts = [found if found.rule else found._replace(rule=main) for found in group.values()]
    reverse = Reverse(mapping, source, resolver)
    reverse.read(parts)
    first = next((found.resource for found in parts if found.rule == main), parts[0].resource)
    envelope = {"record_type": record_type, "record_id": record_id, "source_system": source}
    return {**envelope, **_envelope(first, bundle), **reverse.record}


def _envelope(resource: Resource, bundle: Resource) -> Record:
    """Return the fields of the envelope that stand in `meta` and `language` of the main resource."""
    made: dict[str, Any] = {"language": resource.get("language")}
    registers = code_system("register").url
    for tag in resource["meta"]["tag"]:
        if tag["system"] == RECORD_VERSION_SYSTEM:
            made["record_version"] = int(tag["code"])
        elif tag["system"] == registers:
            made["register"] = tag["code"]
    labels = _labels(resource, bundle)
    return {**made, "security_labels": labels} if labels else made


def _labels(resource: Resource, bundle: Resource) -> list[str]:
    """Return the sender's labels: as the Bundle says them, else what the resource has beyond the default."""
    sent = bundle.get("meta", {}).get("security")
    if sent is not None:
        return [label["code"] for label in sent]
    codes = [label["code"] for label in resource["meta"].get("security", ())]
    return [code for code in codes if code == NON_DISCLOSURE or (code in CONFIDENTIALITY and code not in "NR")]
