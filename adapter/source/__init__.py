"""Bytes from outside become checked records: JSON, XML and NDJSON readers, schemas, exact explanations.

    read(data, vendor="lahde")            a checked record, or SourceError with every problem and its place
    read_json(data)                       any JSON, decimals kept
    load_schema("consent")                the schema of a record type, for `check`

Pure: nothing here reads a clock, a network or a file other than the packaged data.
"""

from adapter.source.check import check
from adapter.source.json import read_json
from adapter.source.limits import DEFAULT, Limits
from adapter.source.ndjson import read_ndjson
from adapter.source.places import Format, Locate, places
from adapter.source.record import SourceRecord, read
from adapter.source.schema import Schema, bundled_schema, load_schema, record_types
from adapter.source.vendor import Vendor, load_vendor, vendor_folder, vendors

__all__ = [
    "DEFAULT",
    "Format",
    "Limits",
    "Locate",
    "Schema",
    "SourceRecord",
    "Vendor",
    "bundled_schema",
    "check",
    "load_schema",
    "load_vendor",
    "places",
    "read",
    "read_json",
    "read_ndjson",
    "record_types",
    "vendor_folder",
    "vendors",
]
