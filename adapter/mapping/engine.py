"""A record in, a Bundle out, and everything that can be asked about it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from adapter.errors import MappingError, SourceError
from adapter.fhir.ids import DEMO_KEY
from adapter.mapping import registry
from adapter.mapping.conversions import Unfit
from adapter.mapping.interpret import ABSENT, Frame, Interpreter, rendered
from adapter.mapping.model import Mapping
from adapter.mapping.report import Report
from adapter.mapping.run import DescribedTwice, NoIdentity, Run
from adapter.mapping.trace import Places, envelope_rows, joined
from adapter.source.check import check
from adapter.source.schema import load_schema
from adapter.types import Issue, Json, Record, Resource, SourcePlace, TraceRow

_FAILURES = (KeyError, TypeError, AttributeError, IndexError, ValueError, Unfit, DescribedTwice, NoIdentity)
"""What the compiled mapping raises on a record that cannot be mapped; the interpreter then says why."""


@dataclass
class Mapped:
    """A record that became FHIR. Do not change `record` or `native` while you still want trace or report.

    Attributes:
        bundle: the transaction Bundle (R4), a plain dict; decimals are `Decimal`.
        record: the canonical record.
        native: the vendor's own record, the canonical one when there was no vendor.
        mapping: canonical → FHIR.
        hop: vendor → canonical, or None.
    """

    bundle: Resource
    record: Record
    native: Record
    mapping: Mapping
    hop: Mapping | None = None
    warnings: tuple[Issue, ...] = ()
    place: Callable[[str], SourcePlace] = field(default=SourcePlace, repr=False)

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

        Read off the rows a second time when it is first asked for, so mapping itself pays nothing for it.
        """
        reading = _interpret(self.mapping, self.record, b"\0")
        rows = rendered(reading.trace, reading.run.bundle() if reading.run else {"entry": []})
        rows += envelope_rows(self.bundle, self.record, self.mapping)
        return joined(rows, self._hop_places) if self.hop is not None else rows

    @cached_property
    def _hop_places(self) -> Places:
        assert self.hop is not None
        return Places.of(_hop_trace(self.hop, self.native)[1])

    @cached_property
    def report(self) -> Report:
        """The loss report; `.issues` has the warnings of the mapping."""
        own = Report(self.record, self.mapping, lambda: self.trace, self.warnings)
        if self.hop is None:
            return own
        return Report(self.native, self.hop, lambda: self.trace, own.issues, own)

    def locate(self, expression: str) -> SourcePlace | None:
        """Return the sender's place that made an element, for `Bundle.entry[2].resource.status` and the like.

        Without an exact row the nearest element around it that came from a field answers; else None.
        """
        path = self._places.nearest(expression)
        return self.place(path) if path else None

    @cached_property
    def _places(self) -> Places:
        return Places.of([(row.element, row.source) for row in self.trace])

    def models(self) -> Any:
        """Return the Bundle as a typed `fhir.resources` (R4B) model; slow, for looking at, not for sending."""
        from fhir.resources.R4B.bundle import Bundle

        return Bundle.model_validate(self.bundle)


def map_record(
    record: Any, *, record_type: str | None = None, vendor: str | None = None, id_key: bytes | None = None
) -> Mapped:
    """Map one record to a FHIR R4 transaction Bundle.

    Args:
        record: dict, JSON or XML as bytes or str, or what `adapter.source.read` returned. Decimals must be
            `Decimal`, as `adapter.source.read_json` gives them.
        record_type: needed only when the record does not say it itself.
        vendor: name of a vendor's format; None means the canonical form.
        id_key: key of the deterministic ids, at most 64 bytes. None: a published demo key, warned about in
            `report.issues`.

    Raises:
        SourceError: it cannot be read, or breaks its schema; every problem with the sender's path.
        MappingError: something in it cannot be said in FHIR.
    """
    if isinstance(record, bytes | str):
        from adapter.source import read

        record = read(record, record_type=record_type, vendor=vendor)
    place: Callable[[str], SourcePlace] = SourcePlace
    if not isinstance(record, dict):
        if not hasattr(record, "record"):
            raise SourceError(Issue("error", "mapping.not-a-record", {"type": type(record).__name__}))
        place, vendor = record.place, record.vendor or vendor
        record_type, record = record.record_type or record_type, record.record
    elif vendor is None:
        _refuse(record, record_type or str(record.get("record_type", "")))
    warnings = () if id_key is not None else (Issue("warning", "mapping.demo-key"),)
    if not vendor:
        return _mapped(record, record, None, id_key or DEMO_KEY, warnings, place)
    hop = registry.mapping_for(record_type or registry.recognised(record, vendor), vendor)
    canonical = _canonical(hop, record, place)
    return _mapped(canonical, record, hop.mapping, id_key or DEMO_KEY, warnings, place)


def _refuse(record: Record, record_type: str) -> None:
    """Raise what the schema says against a canonical record that came as a dict."""
    if record_type not in registry.record_types():
        known = ", ".join(registry.record_types())
        raise MappingError(Issue("error", "mapping.unknown-record-type", {"known": known}))
    issues = check(record, load_schema(record_type))
    if any(issue.severity in ("fatal", "error") for issue in issues):
        raise SourceError(issues)


def _mapped(
    record: Record,
    native: Record,
    hop: Mapping | None,
    key: bytes,
    warnings: tuple[Issue, ...],
    place: Callable[[str], SourcePlace],
) -> Mapped:
    loaded = registry.mapping_for(record["record_type"])
    run = Run(loaded.mapping, record, key)
    try:
        loaded.make(run)
    except _FAILURES:
        reading = _interpret(loaded.mapping, record, key)
        if not reading.problems:
            raise
        places = Places.of(_hop_trace(hop, native)[1]) if hop is not None else None
        raise MappingError([_placed(issue, places, place) for issue in reading.problems]) from None
    return Mapped(run.bundle(), record, native, loaded.mapping, hop, warnings, place)


def _interpret(mapping: Mapping, record: Record, key: bytes) -> Interpreter:
    reading = Interpreter(Run(mapping, record, key))
    reading.resources(mapping.rules, Frame((record,), ("",)))
    return reading


def _canonical(hop: registry.LoadedMapping, native: Record, place: Callable[[str], SourcePlace]) -> Record:
    """Return the canonical record of a vendor's record, checked against its schema.

    Raises:
        MappingError, SourceError: what is wrong, in the vendor's own paths.
    """
    record: Record = {}
    problems: list[Issue] = []
    try:
        record = hop.make(HopRun(native, hop.mapping))  # type: ignore[arg-type]
    except _FAILURES:
        problems = _hop_trace(hop.mapping, native)[0].problems
        if not problems:
            raise
    if problems:
        raise MappingError([_placed(issue, None, place) for issue in problems])
    issues = check(record, load_schema(hop.mapping.record_type))
    if any(issue.severity in ("fatal", "error") for issue in issues):
        places = Places.of(_hop_trace(hop.mapping, native)[1])
        raise SourceError([_placed(issue, places, place) for issue in issues])
    return record


@dataclass(frozen=True, slots=True)
class HopRun:
    """What vendor → canonical needs to know of a record."""

    record: Record
    mapping: Mapping
    source_system: str = ""

    def special(self, name: str) -> str:
        """Return the mapping's own `id`, `version` or `digest`."""
        return {"mapping": self.mapping.id, "version": self.mapping.version, "digest": self.mapping.digest}[name]


def _hop_trace(hop: Mapping, native: Record) -> tuple[Interpreter, list[tuple[str, str]]]:
    """Return the interpreter after reading a vendor's record, and (canonical path, vendor's path)."""
    reading = Interpreter(HopRun(native, hop))  # type: ignore[arg-type]
    made = reading.object(hop.rules[0].tree, Frame((native,), ("",)), {}, root=True)
    return reading, [(at.removeprefix("."), source) for at, source, _, _ in made.trace if source]


def _placed(issue: Issue, places: Places | None, place: Callable[[str], SourcePlace]) -> Issue:
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
            Bundle), or a field: `services[0].service_code`. Empty is everything.
    """
    if not element:
        return list(mapped.trace)
    wanted = list(_elements(mapped, element))
    found = [row for row in mapped.trace if any(_under(row.element, path) for path in wanted)]
    return found or [row for row in mapped.trace if row.source and _under(row.source, element)]


def _elements(mapped: Mapped, element: str) -> Iterator[str]:
    yield element
    type_, dot, rest = element.partition(".")
    for number, entry in enumerate(mapped.bundle["entry"]):
        if entry["resource"]["resourceType"] == type_:
            yield f"Bundle.entry[{number}].resource{dot}{rest}"


def _under(path: str, top: str) -> bool:
    return path == top or (path.startswith(top) and path[len(top)] in ".[")


__all__ = ["ABSENT", "Json", "Mapped", "Resource", "explain", "map_record"]
