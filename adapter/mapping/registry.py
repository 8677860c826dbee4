"""Which mappings there are: by record type, and by vendor. Loaded and compiled when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from adapter.data import data_root
from adapter.errors import MappingError
from adapter.mapping.compile import Compiled, compiled
from adapter.mapping.load import load_mapping
from adapter.mapping.model import Mapping
from adapter.mapping.replay import Paths, Readers, Reading
from adapter.mapping.run import Hop, Run
from adapter.source import vendor_folder, vendors
from adapter.types import Issue, Json


@dataclass(frozen=True)
class LoadedMapping:
    """A mapping and the function made from it."""

    mapping: Mapping

    @cached_property
    def compiled(self) -> Compiled:
        """The compiled mapping (see `adapter.mapping.compile.compiled`)."""
        return compiled(self.mapping)

    @property
    def make(self) -> Callable[[Run | Hop], Json]:
        """The function of the compiled mapping."""
        return self.compiled.make

    @cached_property
    def read_resources(self) -> Callable[[Reading, Paths], None]:
        """What reads the notes of canonical → FHIR."""
        return Readers(self.compiled.numbers).resources(self.mapping.rules)

    @cached_property
    def read_record(self) -> Callable[[Reading, str, Paths], bool]:
        """What reads the notes of vendor → canonical."""
        return Readers(self.compiled.numbers).whole(self.mapping.rules[0].tree, root=True)

    def describe(self) -> dict[str, str]:
        """Return id, version, digest (sha256), record type and vendor (empty for our own form)."""
        mapping = self.mapping
        return {
            "id": mapping.id,
            "version": mapping.version,
            "digest": mapping.digest,
            "record_type": mapping.record_type,
            "vendor": mapping.vendor,
        }


def records_folder() -> Path:
    """Return the folder of the canonical records and their mappings."""
    return data_root() / "mappings" / "records"


@cache
def record_types() -> tuple[str, ...]:
    """Return the record types that have a mapping, sorted."""
    return tuple(sorted(path.parent.name.replace("-", "_") for path in records_folder().glob("*/mapping.yaml")))


@cache
def vendor_record_types(vendor: str | Path) -> tuple[str, ...]:
    """Return the record types that a vendor's format is mapped for, sorted; see `adapter.source.vendor_folder`."""
    files = vendor_folder(vendor).glob("*.yaml")
    return tuple(sorted(path.stem.replace("-", "_") for path in files if path.name != "vendor.yaml"))


@cache
def mapping_for(record_type: str, vendor: str | Path = "") -> LoadedMapping:
    """Return the mapping of a record type: canonical → FHIR, or with `vendor` (name or folder) its form → canonical.

    Raises:
        MappingError: there is none; the message names those that exist.
        MappingFileError: the mapping's files are broken.
    """
    name = record_type.replace("_", "-")
    if vendor:
        known, path = vendor_record_types(vendor), vendor_folder(vendor) / f"{name}.yaml"
    else:
        known, path = record_types(), records_folder() / name / "mapping.yaml"
    if record_type not in known:
        raise MappingError(Issue("error", "mapping.unknown-record-type", {"known": ", ".join(known) or "-"}))
    return LoadedMapping(load_mapping(path, records_folder(), path.parent.name if vendor else ""))


def mappings() -> tuple[LoadedMapping, ...]:
    """Return every mapping, records first, then vendors."""
    own = [mapping_for(record_type) for record_type in record_types()]
    theirs = [mapping_for(record_type, vendor) for vendor in vendors() for record_type in vendor_record_types(vendor)]
    return (*own, *theirs)
