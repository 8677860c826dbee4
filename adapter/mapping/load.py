"""From mapping files to checked `Mapping`s. Everything that is wrong is found at once, with file, line and row."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from adapter.data import DataFileError, Place, YamlPath, parse_yaml_with_places
from adapter.fhir import definitions
from adapter.mapping import checks
from adapter.mapping.context import FileContext, Use
from adapter.mapping.model import Element, EmbeddedType, Mapping, Object, Rule
from adapter.mapping.problems import MappingFileError
from adapter.mapping.rules import read_heads, read_rules, reference_types
from adapter.mapping.scope import Scope
from adapter.mapping.shape import Shape, read_shape
from adapter.mapping.target import FhirPlace, RecordPlace
from adapter.mapping.tree import fill_placed, whole_value, with_fragments
from adapter.terminology import PACKAGED, Terminology

ENVELOPE = ("record_type", "record_id", "record_version", "source_system", "register", "language", "security_labels")
"""Fields that the engine itself writes: part identifiers, meta, language (see `adapter.mapping.run`)."""

_KEYS = {
    "mapping": frozenset(["mapping", "version", "record_type", "source", "fragments", "resources", "ignored"]),
    "envelope": frozenset(["mapping", "version", "fragments", "resources", "ignored"]),
    "vendor": frozenset(
        ["mapping", "version", "record_type", "source", "target", "fragments", "fields", "include", "ignored"]
    ),
    "type": frozenset(["type", "source", "element", "fragments", "fields", "resources", "ignored"]),
}
_NEEDED = {
    "mapping": ("mapping", "version", "record_type", "source", "resources"),
    "envelope": ("resources",),
    "vendor": ("mapping", "version", "record_type", "source", "fields"),
    "type": ("type", "source", "element", "fields"),
}


@dataclass(slots=True)
class _File:
    """An opened file: its document, its bytes, and what its rows share."""

    document: dict[str, Any]
    content: bytes
    context: FileContext

    @property
    def ignored(self) -> dict[str, str]:
        found: dict[str, str] = self.document.get("ignored", {})
        return found


def load_mapping(path: Path, records: Path, vendor: str = "") -> Mapping:
    """Read and check one mapping file.

    Args:
        path: `mapping.yaml` of a record, or `<record>.yaml` of a vendor.
        records: the folder with `types/`, `envelope.yaml` and the canonical schemas.
        vendor: name of the vendor; empty for canonical → FHIR.

    Raises:
        MappingFileError: everything that is wrong with it, with file, line and row.
        DataFileError: it is no YAML, or a key stands twice.
    """
    main = _open(path, records, "vendor" if vendor else "mapping")
    files = [main]
    shape = _source(main, path.parent)
    if vendor:
        rules: tuple[Rule, ...] = (_record_rule(main, Scope(shape), records),)
    else:
        if (records / "envelope.yaml").is_file():
            files.append(_open(records / "envelope.yaml", records, "envelope", main.context))
        for file in files:
            read_heads(file.document, Scope(shape), file.context)
        found = [rule for file in files for rule in read_rules(file.document, Scope(shape), file.context)]
        rules = tuple(replace(rule, main=number == 0) for number, rule in enumerate(found))
    ignored = {path: reason for file in reversed(files) for path, reason in file.ignored.items()}
    uses = [use for file in files for use in file.context.uses]
    if not vendor:
        row = main.context.row("envelope", ())
        uses += [Use(name, False, True, "", row) for name in ENVELOPE if name in shape.fields]
    checks.check_coverage(shape, uses, ignored, main.context)
    checks.check_calls([file.context for file in files])
    for rule in rules:
        checks.check_tree(rule.tree, main.context)
    _refuse(files)
    types = _closure({name: type_ for file in files for name, type_ in file.context.used_types.items()})
    return Mapping(
        id=main.document["mapping"],
        version=main.document["version"],
        record_type=main.document["record_type"],
        vendor=vendor,
        rules=rules,
        ignored=ignored,
        shape=shape,
        file=str(path),
        digest=_digest(*(file.content for file in files), *(type_.digest.encode() for type_ in types)),
        types=types,
    )


@cache
def load_type(name: str, records: Path) -> EmbeddedType:
    """Read and check an embedded type, `types/<Name>.yaml`.

    Raises:
        MappingFileError, DataFileError: as `load_mapping`.
        LookupError: there is no such type.
    """
    path = records / "types" / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in path.parent.glob("*.yaml")))
        raise LookupError(f"there is no type '{name}' (there are: {known})")
    file = _open(path, records, "type")
    document, context = file.document, file.context
    scope = Scope(_source(file, records))
    element = document.get("element", "")
    read_heads(document, scope, context)
    row = context.row(name, ("fields",))
    tree: Element = Object(())
    if definitions.is_type(element):
        rows = with_fragments(document, (), context, row)
        if set(rows) == {"."}:
            tree = whole_value(rows["."], FhirPlace(element), scope, context, name)
        else:
            tree = fill_placed(rows, FhirPlace(element), scope, context, name)
    else:
        context.problem(row, f"'{element}' is no R4 type")
    rules = tuple(read_rules(document, scope, context, owned=False))
    checks.check_coverage(scope.shape, context.uses, file.ignored, context)
    for checked in (tree, *(rule.tree for rule in rules)):
        checks.check_tree(checked, context)
    _refuse([file])
    types = reference_types(tree) if element == "Reference" else ()
    inner = (used.digest.encode() for used in context.used_types.values())
    return EmbeddedType(
        name=name,
        element=element,
        tree=tree,
        rules=rules,
        reference_types=types,
        shape=scope.shape,
        ignored=file.ignored,
        file=str(path),
        digest=_digest(file.content, *inner),
    )


def _open(path: Path, records: Path, kind: str, around: FileContext | None = None) -> _File:
    """Read a file; rows of the envelope (`around` given) belong to the mapping around them and know its rules."""
    content = path.read_bytes()
    document, places = _parsed(content, path)
    if not isinstance(document, dict):
        raise DataFileError(path, 1, "a mapping file is a table of keys")
    shared = _shared(path.with_name("vendor.yaml")) if kind == "vendor" else _Shared("", b"", {}, {})
    context = FileContext(
        mapping=around.mapping if around else str(document.get("mapping", document.get("type", path.stem))),
        file=str(path),
        places=places,
        terminology=Terminology(path.parent / "codes") if kind == "vendor" else PACKAGED,
        find_type=lambda name: load_type(name, records),
        fragments={**shared.fragments, **document.get("fragments", {})},
        shared=(shared.file, shared.places),
        rules=around.rules if around else {},
    )
    known = ", ".join(sorted(_KEYS[kind]))
    for key in document:
        if key not in _KEYS[kind]:
            context.problem(context.row(key, (key,)), f"unknown key '{key}' (there are: {known})")
    missing = [key for key in _NEEDED[kind] if key not in document]
    file = _File(document, content + shared.content, context)
    if missing:
        context.problem(context.row(missing[0], ()), f"'{missing[0]}' is missing")
        _refuse([file])
    return file


@lru_cache(maxsize=16)
def _parsed(content: bytes, path: Path) -> tuple[Any, dict[YamlPath, Place]]:
    """Parse a file once though several mappings share it (the envelope)."""
    return parse_yaml_with_places(content.decode(), path)


@dataclass(frozen=True, slots=True)
class _Shared:
    """The fragments that all record types of a vendor share."""

    file: str
    content: bytes
    places: dict[YamlPath, Place]
    fragments: dict[str, Any]


def _shared(path: Path) -> _Shared:
    """Read the fragments of `vendor.yaml`."""
    content = path.read_bytes()
    document, places = _parsed(content, path)
    return _Shared(str(path), content, places, document.get("fragments", {}))


def _source(file: _File, folder: Path) -> Shape:
    name, _, fragment = file.document["source"].partition("#")
    try:
        return read_shape((folder / name).resolve(), fragment)
    except (OSError, ValueError, LookupError):
        file.context.problem(file.context.row("source", ("source",)), f"cannot read the schema '{name}#{fragment}'")
        raise MappingFileError(tuple(file.context.problems)) from None


def _record_rule(file: _File, scope: Scope, records: Path) -> Rule:
    """Return the one rule of a vendor's mapping: its tree is the canonical record."""
    document, context = file.document, file.context
    record_type: str = document["record_type"]
    try:
        place = RecordPlace(read_shape((records / record_type.replace("_", "-") / "source.schema.json").resolve()))
    except (OSError, ValueError):
        context.problem(context.row("record_type", ("record_type",)), f"there is no record type '{record_type}'")
        raise MappingFileError(tuple(context.problems)) from None
    row = context.row("record", ("fields",))
    rows = with_fragments(document, (), context, row)
    return Rule("record", "record", row, (), None, fill_placed(rows, place, scope, context, record_type), main=True)


def _refuse(files: list[_File]) -> None:
    problems = tuple(problem for file in files for problem in file.context.problems)
    if problems:
        raise MappingFileError(problems)


def _digest(*contents: bytes) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()


def _closure(used: dict[str, EmbeddedType]) -> tuple[EmbeddedType, ...]:
    """Return the types and the types that they use, each once, inner ones first."""
    found: dict[str, EmbeddedType] = {}

    def visit(embedded: EmbeddedType) -> None:
        if embedded.name not in found:
            for inner in checks.types_in(embedded):
                visit(inner)
            found[embedded.name] = embedded

    for embedded in used.values():
        visit(embedded)
    return tuple(found.values())
