"""What a vendor's format is: `mappings/vendors/<vendor>/vendor.yaml` and the native schemas beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from adapter.data import DataFileError, data_root, read_yaml_with_places
from adapter.source.places import Format
from adapter.source.schema import Schema, bundled
from adapter.terminology import Terminology

# `fragments` are rows that the vendor's mappings share; they are read by `adapter.mapping.load`.
_KEYS = frozenset({"title", "format", "encoding", "time_zone", "kind_field", "namespaces", "kinds", "fragments"})


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor's format.

    Attributes:
        name: folder name, the word in `--vendor`.
        title: name for people.
        format: `json` or `xml`.
        encoding: of XML; JSON is always UTF-8.
        time_zone: IANA name, for times without an offset.
        namespaces: prefix in schema and mapping to namespace; "" is the main one. XML only.
        kind_field: the field that tells what a JSON document is; empty for XML, where the root element tells it.
        kinds: value of that field, or name of the root element, to record type.
        folder: where its files are.
    """

    name: str
    title: str
    format: Format
    encoding: str
    time_zone: str
    namespaces: Mapping[str, str]
    kind_field: str
    kinds: Mapping[str, str]
    folder: Path

    def schema(self, record_type: str) -> Schema:
        """Return the native schema of a record type.

        Raises:
            LookupError: the vendor does not send this record type.
            DataFileError: the schema is broken, or names a code list that is nowhere.
        """
        if record_type not in self.kinds.values():
            raise LookupError(f"vendor '{self.name}' has no record type '{record_type}'")
        return _schema(self.folder, record_type)


@cache
def _schema(folder: Path, record_type: str) -> Schema:
    path = folder / f"{record_type.replace('_', '-')}.schema.json"
    terminology = Terminology(folder / "codes")
    return Schema(f"{folder.name}/{record_type}", bundled(path, terminology), terminology)


@cache
def vendors() -> tuple[str, ...]:
    """Return the names of the vendor formats, sorted."""
    return tuple(sorted(path.parent.name for path in _folder().glob("*/vendor.yaml")))


@cache
def load_vendor(vendor: str | Path) -> Vendor:
    """Return the description of a vendor's format, by its name or by the folder of its files.

    Raises:
        LookupError: there is no such vendor.
        DataFileError: `vendor.yaml` is broken.
    """
    path = vendor_folder(vendor) / "vendor.yaml"
    if (vendor not in vendors()) if isinstance(vendor, str) else not path.is_file():
        raise LookupError(f"no vendor '{vendor}'")
    said, places = read_yaml_with_places(path)
    for key in said:
        if key not in _KEYS:
            raise DataFileError(path, places[(key,)][0], f"unknown key '{key}' (there are: {', '.join(sorted(_KEYS))})")
    for key in ("title", "format", "kinds"):
        if key not in said:
            raise DataFileError(path, 1, f"'{key}' is missing")
    if said["format"] not in ("json", "xml"):
        raise DataFileError(path, places[("format",)][0], "format is json or xml")
    if (said["format"] == "json") != ("kind_field" in said):
        raise DataFileError(path, 1, "a JSON format names its 'kind_field', an XML format is known by its root element")
    return Vendor(
        name=path.parent.name,
        title=said["title"],
        format=said["format"],
        encoding=said.get("encoding", "utf-8"),
        time_zone=said.get("time_zone", "Europe/Helsinki"),
        namespaces=said.get("namespaces", {}),
        kind_field=said.get("kind_field", ""),
        kinds=said["kinds"],
        folder=path.parent,
    )


def vendor_folder(vendor: str | Path) -> Path:
    """Return the folder of a vendor's files: a name stands in `mappings/vendors/`, a `Path` is the folder itself.

    Only code of one's own can hand over a `Path`; what comes over the wire is text, and so always a name.
    """
    return vendor.resolve() if isinstance(vendor, Path) else _folder() / vendor


def _folder() -> Path:
    return data_root() / "mappings" / "vendors"
