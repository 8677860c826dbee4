"""From a sender's document to a checked record: `read`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from adapter.errors import SourceError
from adapter.source import paths
from adapter.source.check import check, type_of
from adapter.source.json import encoded, read_json, read_quickly
from adapter.source.limits import DEFAULT, Limits
from adapter.source.places import Format, Locate, located, moved, places, unlocated
from adapter.source.schema import Schema, load_schema, record_types
from adapter.source.vendor import Vendor, load_vendor, vendors
from adapter.types import Issue, Json, Record, Severity, SourcePlace


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A record that was read and follows its schema.

    Attributes:
        record: the canonical record, or the vendor's own when `vendor` is set.
        record_type: as in the envelope, e.g. `work_ability_plan`.
        vendor: name of the vendor's format or folder of its files, None for the canonical form.
        place: takes a path in `record`, gives the sender's own path with line and column.
        warnings: what the sender should know though the record was taken.
    """

    record: Record
    record_type: str
    vendor: str | Path | None = None
    place: Locate = field(default=unlocated, repr=False, compare=False)
    warnings: tuple[Issue, ...] = ()


def read(
    data: bytes | str | Record,
    *,
    record_type: str | None = None,
    vendor: str | Path | None = None,
    format: Format | None = None,
    limits: Limits = DEFAULT,
    check_character: Severity = "error",
    first_line: int = 1,
) -> SourceRecord:
    """Read one record and check it against its schema.

    Args:
        data: a JSON or XML document, or a record that is already a dict (numbers as `Decimal` or `int`).
        record_type: needed only when the document does not say it; when it does, both must agree.
        vendor: name of a vendor's format, or the folder of a mapping of one's own; None means the canonical form.
        format: `json` or `xml`; None: the vendor's, else what the document looks like.
        check_character: see `adapter.source.check.check`.
        first_line: line of the file on which the document begins (NDJSON).

    Raises:
        SourceError: every problem that was found, with the sender's own path, line and column.
    """
    reading = _Reading(record_type, vendor, _vendor(vendor), limits, check_character)
    if isinstance(data, dict):
        return reading.judged(data, reading.schema_of(data), unlocated, ())
    try:
        found = reading.xml(data) if _format(data, format, reading.vendor) == "xml" else reading.json(data)
    except SourceError as error:
        raise SourceError(_moved(error.issues, first_line)) from None
    if first_line == 1:
        return found
    return replace(
        found,
        place=lambda path: moved(found.place(path), first_line),
        warnings=tuple(_moved(found.warnings, first_line)),
    )


@dataclass(slots=True)
class _Reading:
    record_type: str | None
    asked: str | Path | None
    vendor: Vendor | None
    limits: Limits
    check_character: Severity

    def json(self, data: bytes | str) -> SourceRecord:
        place = places(data, "json")
        quick = self.quick_json(encoded(data))
        if quick is not None:
            return SourceRecord(*quick, self.asked, place)
        record = read_json(data, limits=self.limits)
        if not isinstance(record, dict):
            values = {"found": type_of(record)}
            raise SourceError(Issue("error", "source.record-not-an-object", values, source=place(paths.ROOT)))
        try:
            schema = self.schema_of(record)
        except SourceError as error:
            raise SourceError(located(error.issues, place)) from None
        return self.judged(record, schema, place, ())

    def quick_json(self, body: bytes) -> tuple[Record, str] | None:
        """Return record and type when all is well, None when `read_json` and the exact check must look.

        A closed schema bounds depth and numbers by itself (`adapter.source.accept`), so only what a schema cannot
        see is looked at here: size, duplicate keys, NUL. Limits of the caller's own are for the exact way.
        """
        found = None if len(body) > 2 * DEFAULT.nodes or self.limits is not DEFAULT else read_quickly(body)
        if found is None or not isinstance(found[0], dict):
            return None
        record, names_and_texts = found
        try:
            schema = self.schema_of(record)
        except SourceError:
            return None
        return (record, _type_of_schema(schema)) if schema.count(record) == names_and_texts else None

    def xml(self, data: bytes | str) -> SourceRecord:
        from adapter.source.xml import convert_xml, parse_xml

        namespaces = self.vendor.namespaces if self.vendor else None
        encoding = self.vendor.encoding if self.vendor else "utf-8"
        root = parse_xml(data, limits=self.limits, encoding=encoding)
        place = places(data, "xml", namespaces=namespaces, encoding=encoding)
        try:
            schema = self.schema_of_root(root)
        except SourceError as error:
            raise SourceError(located(error.issues, place)) from None
        record, issues = convert_xml(root, schema, namespaces)
        return self.judged(record, schema, place, issues)

    def judged(self, record: Record, schema: Schema, place: Locate, before: Iterable[Issue]) -> SourceRecord:
        if self.vendor is None and "record_type" not in record:
            record = {"record_type": schema.name, **record}
        issues = located([*before, *check(record, schema, check_character=self.check_character)], place)
        if any(issue.severity in ("fatal", "error") for issue in issues):
            raise SourceError(issues)
        return SourceRecord(record, _type_of_schema(schema), self.asked, place, tuple(issues))

    def schema_of(self, record: Record) -> Schema:
        """Return the schema of a JSON record by what it says it is.

        Raises:
            SourceError: it says nothing, or something that is not known.
        """
        if self.vendor is None:
            return self.canonical(record.get("record_type", self.record_type))
        if self.vendor.format == "json":
            found: Json = record
            for key in self.vendor.kind_field.split("."):
                found = found.get(key) if isinstance(found, dict) else None
            kind = self.vendor.kinds.get(found) if isinstance(found, str) else None
            return self.native(kind, "source.vendor-record-type", self.vendor.kind_field)
        return self.native(self.record_type, "source.unknown-record-type", paths.ROOT)

    def schema_of_root(self, root: Any) -> Schema:
        """Return the schema of an XML document by its root element; errors as in `schema_of`."""
        from lxml import etree

        name = etree.QName(root)
        if self.vendor is None:
            return self.canonical(name.localname)
        ours = (name.namespace or "") == self.vendor.namespaces.get("", "")
        return self.native(self.vendor.kinds.get(name.localname) if ours else None, "source.vendor-root", paths.ROOT)

    def canonical(self, said: Json) -> Schema:
        known = record_types()
        if said is None:
            raise _refusal("source.record-type-missing", "record_type", known=", ".join(known))
        if said not in known:
            raise _refusal("source.unknown-record-type", "record_type", known=", ".join(known))
        self.agree(said, "record_type")
        return load_schema(said)

    def native(self, found: str | None, key: str, path: str) -> Schema:
        assert self.vendor is not None
        if found is None:
            raise _refusal(key, path, field=path, known=", ".join(self.vendor.kinds))
        self.agree(found, path)
        return self.vendor.schema(found)

    def agree(self, found: str, path: str) -> None:
        if self.record_type is not None and found != self.record_type:
            if self.record_type not in record_types():
                raise _refusal("source.unknown-record-type", path, known=", ".join(record_types()))
            raise _refusal("source.record-type-mismatch", path, expected=self.record_type)


def _refusal(key: str, path: str, **values: str) -> SourceError:
    return SourceError(Issue("error", key, values, source=SourcePlace(path)))


def _vendor(name: str | Path | None) -> Vendor | None:
    if name is None:
        return None
    try:
        return load_vendor(name)
    except LookupError:
        raise SourceError(Issue("error", "source.unknown-vendor", {"known": ", ".join(vendors())})) from None


def _format(data: bytes | str, wanted: Format | None, vendor: Vendor | None) -> Format:
    if wanted is None:
        if vendor is not None:
            return vendor.format
        start = encoded(data[:64]).removeprefix(b"\xef\xbb\xbf").lstrip()
        return "xml" if start.startswith(b"<") else "json"
    if vendor is not None and wanted != vendor.format:
        values: dict[str, str] = {"found": wanted, "expected": vendor.format}
        raise SourceError(Issue("error", "source.unknown-format", values))
    return wanted


def _moved(issues: Iterable[Issue], first_line: int) -> list[Issue]:
    return [replace(one, source=moved(one.source, first_line)) if one.source else one for one in issues]


def _type_of_schema(schema: Schema) -> str:
    return schema.name.rpartition("/")[2]
