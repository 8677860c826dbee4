"""Bytes from outside become checked records: JSON, XML and NDJSON readers, schemas, exact explanations.

    read(data, vendor="lahde")            a checked record, or SourceError with every problem and its place
    read_json(data)                       any JSON, decimals kept
    load_schema("consent")                the schema of a record type, for `check`

Pure: nothing here reads a clock, a network or a file other than the packaged data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.lazy import lazily

if TYPE_CHECKING:
    from adapter.source.json import read_json
    from adapter.source.limits import DEFAULT, Limits
    from adapter.source.ndjson import read_ndjson
    from adapter.source.places import Format, Locate
    from adapter.source.record import SourceRecord, read
    from adapter.source.schema import Schema, bundled_schema, load_schema, record_types
    from adapter.source.vendor import Vendor, load_vendor, vendor_folder, vendors

_HOMES = {
    "DEFAULT": "adapter.source.limits",
    "Format": "adapter.source.places",
    "Limits": "adapter.source.limits",
    "Locate": "adapter.source.places",
    "Schema": "adapter.source.schema",
    "SourceRecord": "adapter.source.record",
    "Vendor": "adapter.source.vendor",
    "bundled_schema": "adapter.source.schema",
    "load_schema": "adapter.source.schema",
    "load_vendor": "adapter.source.vendor",
    "read": "adapter.source.record",
    "read_json": "adapter.source.json",
    "read_ndjson": "adapter.source.ndjson",
    "record_types": "adapter.source.schema",
    "vendor_folder": "adapter.source.vendor",
    "vendors": "adapter.source.vendor",
}

__all__ = [
    "DEFAULT",
    "Format",
    "Limits",
    "Locate",
    "Schema",
    "SourceRecord",
    "Vendor",
    "bundled_schema",
    "load_schema",
    "load_vendor",
    "read",
    "read_json",
    "read_ndjson",
    "record_types",
    "vendor_folder",
    "vendors",
]

__getattr__ = lazily(__name__, _HOMES)
