"""From a canonical record to a vendor's document, by the same rows from right to left; for tests and examples."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape, quoteattr

import msgspec

from adapter.fhir.canonical import dumps
from adapter.mapping import mapping_for
from adapter.mapping.resources import Resolver
from adapter.mapping.reverse import Reverse
from adapter.source import Schema, load_vendor
from adapter.source.vocabulary import Node
from adapter.types import Record


def native_record(record: Record, vendor: str) -> Record:
    """Return the vendor's own form of a canonical record, fields in the order of its schema."""
    mapping = mapping_for(record["record_type"], vendor).mapping
    schema = load_vendor(vendor).schema(record["record_type"])
    native = Reverse(mapping, record["source_system"], Resolver([])).read_record(record)
    ordered: Record = _ordered(native, schema.document, schema)
    return ordered


def native_document(record: Record, vendor: str) -> str:
    """Return the vendor's document of a canonical record as people would write it."""
    native = native_record(record, vendor)
    described = load_vendor(vendor)
    if described.format == "json":
        return msgspec.json.format(dumps(native), indent=2).decode() + "\n"
    root = next(name for name, record_type in described.kinds.items() if record_type == record["record_type"])
    spaces = {f"xmlns:{prefix}" if prefix else "xmlns": uri for prefix, uri in described.namespaces.items()}
    lines = _element(root, native, "", spaces)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + "\n".join(lines) + "\n"


def _ordered(value: Any, node: Node, schema: Schema) -> Any:
    node = schema.resolved(node)
    if isinstance(value, dict):
        names = [name for name in node["properties"] if name in value]
        return {name: _ordered(value[name], node["properties"][name], schema) for name in names}
    if isinstance(value, list):
        return [_ordered(item, node["items"], schema) for item in value]
    return value


def _element(name: str, value: Any, indent: str, attributes: dict[str, str]) -> list[str]:
    if not isinstance(value, dict):
        return [f"{indent}<{name}>{escape(_text(value))}</{name}>"]
    own = attributes | {key[1:]: _text(part) for key, part in value.items() if key.startswith("@")}
    head = f"{indent}<{name}" + "".join(f" {key}={quoteattr(text)}" for key, text in own.items())
    if "#text" in value:
        return [f"{head}>{escape(_text(value['#text']))}</{name}>"]
    children = [
        line
        for key, part in value.items()
        if not key.startswith("@")
        for item in (part if isinstance(part, list) else [part])
        for line in _element(key, item, indent + "  ", {})
    ]
    return [f"{head}>", *children, f"{indent}</{name}>"] if children else [f"{head}/>"]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
