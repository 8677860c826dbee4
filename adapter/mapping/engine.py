"""A record in, a Bundle out, and everything that can be asked about it afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from adapter.errors import MappingError, SourceError
from adapter.fhir.ids import DEMO_KEY
from adapter.mapping import registry
from adapter.mapping.conversions import Unfit
from adapter.mapping.interpret import Frame, Interpreter
from adapter.mapping.model import Mapping
from adapter.mapping.report import Report
from adapter.mapping.run import DescribedTwice, Hop, NoIdentity, Run
from adapter.mapping.trace import Places, Recorded, envelope_rows, field_of, joined
from adapter.source import Locate, SourceRecord, load_schema, read
from adapter.source.check import check
from adapter.source.paths import ROOT
from adapter.types import Issue, Record, Resource, SourcePlace, TraceRow

_FAILURES = (KeyError, TypeError, AttributeError, IndexError, ValueError, Unfit, DescribedTwice, NoIdentity)
"""What the compiled mapping raises on a record that cannot be mapped; the interpreter then says why."""


@dataclass
class Mapped:
    """A record that became FHIR. Do not change `record` or `native` while you still want trace or report.

    Attributes:
        bundle: the transaction Bundle (R4), a plain dict; decimals are `Decimal`.
        record: the canonical record.
        native: the vendor's own record, the canonical one when there was no vendor.
        made: the mapping canonical → FHIR and what it noted.
        renamed: the same of vendor → canonical, None without a vendor.
        warnings: what the caller should know; `report.issues` has them and more.
        place: takes a path of `native`, gives the sender's place with line and column.
    """

    bundle: Resource
    record: Record
    native: Record
    made: Recorded = field(repr=False)
    renamed: Recorded | None = field(default=None, repr=False)
    warnings: tuple[Issue, ...] = ()
    place: Locate = field(default=SourcePlace, repr=False)

    @property
    def mapping(self) -> Mapping:
        """Canonical → FHIR."""
        return self.made.loaded.mapping

    @property
    def hop(self) -> Mapping | None:
        """Vendor → canonical, or None."""
        return None if self.renamed is None else self.renamed.loaded.mapping

    @property
    def record_type(self) -> str:
        """As in the envelope."""
        return self.mapping.record_type

    @property
    def provenance(self) -> str:
        """Id, version and sha256 digest of the mapping(s), divided by `|`, vendor's first."""
        used = [mapping for mapping in (self.hop, self.mapping) if mapping is not None]
        return " ".join(f"{mapping.id}|{mapping.version}|{mapping.digest}" for mapping in used)

    @cached_property
    def trace(self) -> list[TraceRow]:
        """Which field made which element, in the order of the Bundle; paths are the sender's own.

        The mapping has noted it while it worked; the notes are spelled out when it is first asked for.
        """
        rows = [*self.made.rows(self.bundle), *envelope_rows(self.bundle, self.record, self.mapping)]
        return joined(rows, self.renamed.places()) if self.renamed is not None else rows

    @cached_property
    def report(self) -> Report:
        """The loss report; `.issues` has the warnings of the mapping."""
        own = Report(self.record, self.mapping, lambda: self.trace, self.warnings)
        if self.hop is None:
            return own
        return Report(self.native, self.hop, lambda: self.trace, own.issues, own)

    def locate(self, expression: str) -> SourcePlace | None:
        """Return the sender's place that made an element, for `Bundle.entry[2].resource.status` and the like.

        Without an exact row the place of what should hold it answers. A path that is none of the Bundle is a field of
        the canonical record, told by the sender's name of it; None when the record's type has no such field.
        """
        if expression.partition(".")[0] != "Bundle":
            path = self._field(expression)
            return self.place(path) if path else None
        return self.place(self._places.origin(expression) or ROOT)

    def _field(self, field: str) -> str:
        """Return the sender's path of a field of the canonical record, present or not; empty when there is none."""
        names = tuple(field.split("."))
        if names[0] not in load_schema(self.record_type).document["properties"]:
            return ""
        if self.renamed is None or self.hop is None:
            return field
        rule = self.hop.rules[0]
        return self.renamed.places().origin(field) or ".".join(field_of(rule.tree, names))

    @cached_property
    def _places(self) -> Places:
        return Places.of([(row.element, row.source) for row in self.trace])

    def models(self) -> Any:
        """Return the Bundle as a typed `fhir.resources` (R4B) model; slow, for looking at, not for sending."""
        from fhir.resources.R4B.bundle import Bundle

        return Bundle.model_validate(self.bundle)


def map_record(
    record: Any,
    *,
    record_type: str | None = None,
    vendor: str | Path | None = None,
    id_key: bytes | None = None,
) -> Mapped:
    """Map one record to a FHIR R4 transaction Bundle.

    Args:
        record: dict, JSON or XML as bytes or str, or what `adapter.source.read` returned. Decimals must be
            `Decimal`, as `adapter.source.read_json` gives them.
        record_type: needed only when the record does not say it itself.
        vendor: name of a vendor's format, or as `Path` the folder of one of your own; None means the canonical form.
        id_key: key of the deterministic ids, at most 64 bytes. None: a published demo key, warned about in
            `report.issues`.

    Raises:
        SourceError: it cannot be read, or breaks its schema; every problem with the sender's path.
        MappingError: something in it cannot be said in FHIR.
    """
    source = record if isinstance(record, SourceRecord) else _read(record, record_type, vendor)
    warnings = source.warnings if id_key is not None else (*source.warnings, Issue("warning", "mapping.demo-key"))
    key = DEMO_KEY if id_key is None else id_key
    if source.vendor is None:
        return _mapped(source.record, source, None, key, warnings)
    canonical, renamed = _canonical(source, source.vendor)
    return _mapped(canonical, source, renamed, key, warnings)


def _read(record: Any, record_type: str | None, vendor: str | Path | None) -> SourceRecord:
    if not isinstance(record, dict | bytes | str):
        raise SourceError(Issue("error", "mapping.not-a-record", {"type": type(record).__name__}))
    return read(record, record_type=record_type, vendor=vendor)


def _mapped(
    record: Record, source: SourceRecord, renamed: Recorded | None, key: bytes, warnings: tuple[Issue, ...]
) -> Mapped:
    loaded = registry.mapping_for(record["record_type"])
    run = Run(loaded.mapping, record, key)
    try:
        loaded.make(run)
    except _FAILURES:
        reading = Interpreter(Run(loaded.mapping, record, key))
        reading.resources(loaded.mapping.rules, Frame((record,), ("",)))
        if not reading.problems:
            raise
        raise MappingError(_placed(reading.problems, renamed, source.place)) from None
    made = Recorded(loaded, run.notes)
    return Mapped(run.bundle(), record, source.record, made, renamed, warnings, source.place)


def _canonical(source: SourceRecord, vendor: str | Path) -> tuple[Record, Recorded]:
    """Return the canonical record of a vendor's record, checked against its schema, and what was noted.

    Raises:
        MappingError, SourceError: what is wrong, in the vendor's own paths.
    """
    loaded = registry.mapping_for(source.record_type, vendor)
    hop = Hop(loaded.mapping, source.record)
    try:
        record: Record = loaded.make(hop)
    except _FAILURES:
        reading = Interpreter(Hop(loaded.mapping, source.record))
        reading.object(loaded.mapping.rules[0].tree, Frame((source.record,), ("",)), {}, root=True)
        if not reading.problems:
            raise
        raise MappingError(_placed(reading.problems, None, source.place)) from None
    renamed = Recorded(loaded, hop.notes)
    issues = check(record, load_schema(loaded.mapping.record_type))
    if any(issue.severity in ("fatal", "error") for issue in issues):
        raise SourceError(_placed(issues, renamed, source.place))
    return record, renamed


def _placed(issues: Iterable[Issue], renamed: Recorded | None, place: Locate) -> list[Issue]:
    """Return issues with the sender's own places, each once: one field of a vendor may have made several of ours."""
    told: list[Issue] = []
    places = renamed.places() if renamed is not None else None
    for issue in issues:
        at_home = _at_home(issue, places, place)
        if at_home not in told:
            told.append(at_home)
    return told


def _at_home(issue: Issue, places: Places | None, place: Locate) -> Issue:
    """Return an issue with the sender's own place."""
    if issue.source is None:
        return issue
    path = issue.source.path
    if places is not None:
        path = places.nearest(path) or path
    values = {**issue.values, "field": path} if "field" in issue.values else issue.values
    return replace(issue, source=place(path), values=values)


def explain(mapped: Mapped, element: str = "") -> list[TraceRow]:
    """Return the trace rows of an element, or of a field of the sender, with everything below it.

    Args:
        mapped: what `map_record` returned.
        element: `Bundle.entry[0].resource.goal[1].reference`, shorter `CarePlan.goal[1]` (every CarePlan of the
            Bundle), or a field: `services[0].service_code`, in XML also as errors name it: `/Plan/Service[1]/@code`.
            Empty is everything.
    """
    if not element:
        return list(mapped.trace)
    wanted = list(_elements(mapped, element))
    found = [row for row in mapped.trace if any(_under(row.element, path) for path in wanted)]
    if found or not element.startswith("/"):
        return found or [row for row in mapped.trace if row.source and _under(row.source, element)]
    return [row for row in mapped.trace if row.source and _under(mapped.place(row.source).path, element)]


def _elements(mapped: Mapped, element: str) -> Iterator[str]:
    yield element
    type_, dot, rest = element.partition(".")
    for number, entry in enumerate(mapped.bundle["entry"]):
        if entry["resource"]["resourceType"] == type_:
            yield f"Bundle.entry[{number}].resource{dot}{rest}"


def _under(path: str, top: str) -> bool:
    return path == top or (path.startswith(top) and path[len(top)] in ".[/")
