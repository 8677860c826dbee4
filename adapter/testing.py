"""For vendors: a test of your own mapping in five lines.

    from adapter.testing import Vendor

    def test_our_plan() -> None:
        plan = Vendor("acme").example("plan.json")
        plan.made("CarePlan.status", by="suunnitelma.tila")
        plan.loses_nothing()
        plan.comes_back()
        plan.is_as_expected("expected/plan.bundle.json")

`acme` is a folder of your own, anywhere. It holds what a vendor's folder in `mappings/vendors/` holds: `vendor.yaml`,
a mapping and a schema for each record type, `codes/`, and `examples/`. Its schemas may use our common types by their
`$id`: `https://kykysilta.example/fhir/schema/common.schema.json#/$defs/line`. Every check raises `AssertionError` with
words that say what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from adapter.errors import AdapterError
from adapter.fhir.canonical import canonical, dumps
from adapter.fhir.ids import DEMO_KEY
from adapter.mapping import Mapped, explain, map_record, unmap
from adapter.source.json import read_json
from adapter.source.vendor import load_vendor, vendor_folder, vendors
from adapter.types import Json


class Vendor:
    """A vendor's format.

    Args:
        vendor: the folder of the format, or the name of one that comes with the adapter.

    Attributes:
        folder: where its files are.
    """

    def __init__(self, vendor: str | Path) -> None:
        self._vendor: str | Path = vendor if vendor in vendors() else Path(vendor)
        load_vendor(self._vendor)
        self.folder = vendor_folder(self._vendor)

    def example(self, name: str, *, record_type: str | None = None) -> Example:
        """Return the mapped document `examples/<name>`.

        Args:
            name: file name, e.g. `plan.json`.
            record_type: needed only when the document does not say it itself.

        Raises:
            SourceError, MappingError: what is wrong in the document, in the vendor's own paths; every problem is a note
                of the error, so that the test's output shows it.
            DataFileError: what is wrong in the vendor's mapping, with file, line and row.
        """
        data = (self.folder / "examples" / name).read_bytes()
        try:
            mapped = map_record(data, record_type=record_type, vendor=self._vendor, id_key=DEMO_KEY)
        except AdapterError as error:
            _tell(error)
            raise
        return Example(mapped, self.folder)


class Example:
    """A vendor's document that became FHIR, and what can be said of it.

    Attributes:
        mapped: the result of `adapter.map_record`, with `bundle`, `record`, `trace` and `report`.
        folder: the vendor's folder.
    """

    def __init__(self, mapped: Mapped, folder: Path) -> None:
        self.mapped = mapped
        self.folder = folder

    def made(self, element: str, *, by: str) -> None:
        """Assert that a field of the vendor made an element, or something below it.

        Args:
            element: `CarePlan.status`, or in full `Bundle.entry[0].resource.status`.
            by: the vendor's own path, e.g. `suunnitelma.tila` or `/Plan/@status`.
        """
        sources = {row.source for row in explain(self.mapped, element) if row.source}
        if not sources:
            _fail(f"no field of the document made {element}")
        if by not in sources:
            _fail(f"{element} was not made by {by}, but by:", sources)

    def loses_nothing(self) -> None:
        """Assert that every field of the document is mapped, or ignored in the mapping with a reason."""
        unknown = self.mapped.report.unknown
        if unknown:
            _fail("these fields have no place in the mapping:", unknown)

    def comes_back(self) -> None:
        """Assert that the Bundle becomes the canonical record again, except what the mappings declare one-way."""
        own = map_record(self.mapped.record, id_key=DEMO_KEY).report  # with canonical paths
        one_way = {*own.one_way, *own.ignored}
        back = unmap(self.mapped.bundle)
        if len(back) != 1:
            _fail(f"the Bundle became {len(back)} records instead of one")
        changed = [path for path in _differences(self.mapped.record, back[0]) if not _inside(path, one_way)]
        if changed:
            _fail("these canonical fields do not come back the same:", changed)

    def is_as_expected(self, expected: str | Path, *, update: bool = False) -> None:
        """Assert that the Bundle is the one in a file.

        Args:
            expected: file of FHIR JSON; a relative path begins in the vendor's folder.
            update: write the file anew for review instead of comparing.
        """
        path = self.folder / expected
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(dumps(self.mapped.bundle) + b"\n")
        elif not path.is_file():
            _fail(f"there is no {path}; write it once with update=True and read what it says")
        else:
            changed = list(_differences(read_json(path.read_bytes()), self.mapped.bundle))
            if changed:
                _fail(f"the Bundle is not that of {path.name}; it differs at:", changed)


def _differences(wanted: Json, found: Json, path: str = "") -> Iterable[str]:
    """Yield the innermost paths at which two JSON values differ; numbers differ when their digits do."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in {**wanted, **found}:
            below = f"{path}.{key}" if path else key
            if key in wanted and key in found:
                yield from _differences(wanted[key], found[key], below)
            else:
                yield below
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for position, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from _differences(one, other, f"{path}[{position}]")
    elif canonical(wanted) != canonical(found):
        yield path


def _inside(path: str, tops: Iterable[str]) -> bool:
    return any(path == top or path.startswith((f"{top}.", f"{top}[")) for top in tops)


def _tell(error: AdapterError) -> None:
    for issue in error.issues:
        place = f" ({issue.source.path}, {issue.source.line}:{issue.source.column})" if issue.source else ""
        error.add_note(f"{issue.rule_id} {issue.text()}{place}")


def _fail(text: str, paths: Iterable[str] = ()) -> NoReturn:
    raise AssertionError("\n  ".join([text, *sorted(paths)]))
