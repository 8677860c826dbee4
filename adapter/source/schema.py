"""Source schemas: JSON Schema 2020-12 files, bundled into one document and compiled once.

Of the vocabulary, a closed part is understood (`adapter.source.vocabulary`); a schema that uses more is refused
when it is loaded, so that no keyword is ever silently ignored. Codes come from `mappings/codes/` or from a vendor's
own folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from typing import Any, get_args

from adapter.data import DataFileError, data_root
from adapter.source import paths
from adapter.source.check import satisfies
from adapter.source.formats import FORMATS
from adapter.source.json_places import scan
from adapter.source.straight import compiled
from adapter.source.vocabulary import DESCRIBING, JUDGING, NAMED_NODES, ONE_NODE, SEVERAL_NODES, Node
from adapter.terminology import PACKAGED, Kind, Terminology
from adapter.types import CANONICAL_ROOT, Json

_FILE = "source.schema.json"
_IDS = f"{CANONICAL_ROOT}/schema/"


class Schema:
    """One bundled schema and what was compiled from it.

    Attributes:
        name: record type, or `vendor/record` for a vendor's own schema.
        document: the whole schema without references to other files; valid JSON Schema 2020-12.
    """

    def __init__(self, name: str, document: dict[str, Any], terminology: Terminology = PACKAGED) -> None:
        self.name = name
        self.document = document
        self._terminology = terminology
        self._codes: dict[str, tuple[str, ...]] = {}

    def resolved(self, node: Node) -> Node:
        """Return a schema object with its `$ref` (inside the document) followed; siblings of `$ref` win."""
        while "$ref" in node:
            target = self.document["$defs"][node["$ref"].removeprefix("#/$defs/")]
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        return node

    @cached_property
    def text_names(self) -> dict[str | int, str]:
        """Names of the definitions of texts (`line`, `uri`, `moment`, …) by their pattern, or by the identity of their
        list of alternatives; what has a name has a message of its own.
        """
        definitions: dict[str, Node] = self.document.get("$defs", {})
        patterns: dict[str | int, str] = {
            node["pattern"]: name for name, node in definitions.items() if "pattern" in node
        }
        return patterns | {id(node["anyOf"]): name for name, node in definitions.items() if "anyOf" in node}

    def codes(self, name: str) -> tuple[str, ...]:
        """Return the codes of the list that `x-codes` names; empty when the list is known but not enumerated.

        Raises:
            LookupError: there is no such list.
        """
        found = self._codes.get(name)
        if found is None:
            found = self._codes[name] = tuple(_listed(self._terminology, name))
        return found

    def words(self, name: str) -> tuple[str, ...]:
        """Return the codes of a list for people: a bare number has its Finnish name beside it, `10 (maksussa)`."""
        names = self._terminology.concept_map(name).names if self._terminology.has("ConceptMap", name) else {}
        return tuple(
            f"{code} ({names[code]})" if code.isdigit() and code in names else code for code in self.codes(name)
        )

    @cached_property
    def count(self) -> Callable[[Json], int]:
        """The fast judgement: how many names and texts stand in a value in which the exact check finds nothing, -1 for
        «look exactly».
        """
        return compiled(self, satisfies)

    def accepts(self, value: Json) -> bool:
        """Tell at once whether the exact check finds nothing; False means «look exactly»."""
        return self.count(value) >= 0


@cache
def record_types() -> tuple[str, ...]:
    """Return the record types that have a schema, sorted."""
    return tuple(sorted(path.parent.name.replace("-", "_") for path in _folder().glob(f"*/{_FILE}")))


def _folder() -> Path:
    return data_root() / "mappings" / "records"


@cache
def load_schema(record_type: str) -> Schema:
    """Return the schema of a canonical record type.

    Raises:
        LookupError: there is no such record type.
        DataFileError: the schema is broken or uses a keyword that is not understood.
    """
    if record_type not in record_types():
        raise LookupError(f"no record type '{record_type}'")
    return Schema(record_type, bundled(_folder() / record_type.replace("_", "-") / _FILE))


def bundled_schema(record_type: str) -> dict[str, Any]:
    """Return the JSON Schema 2020-12 document of a canonical record type, complete in itself.

    Raises:
        LookupError: there is no such record type.
    """
    return load_schema(record_type).document


def bundled(path: Path, terminology: Terminology = PACKAGED) -> dict[str, Any]:
    """Return the schema of a file with everything it refers to under its own `$defs`.

    Args:
        path: the file.
        terminology: the lists that `x-codes` may name.

    `$ref` may be `#/$defs/Name`, `<relative file>#/$defs/Name` or `<$id of common.schema.json>#/$defs/Name`.

    Raises:
        DataFileError: a file or definition is missing, a definition contains itself, two files define the same name,
            a keyword or format is not understood, or `x-codes` names no list.
    """
    return _Bundle(path.resolve(), terminology).document()


@dataclass(slots=True)
class _Bundle:
    path: Path
    terminology: Terminology

    def document(self) -> dict[str, Any]:
        top: dict[str, Any] = _read(self.path)
        definitions: dict[str, tuple[Path, Any]] = {}
        body: dict[str, Any] = self._moved(
            {key: value for key, value in top.items() if key != "$defs"}, self.path, definitions, ()
        )
        if definitions:
            body["$defs"] = {name: definition for name, (_, definition) in sorted(definitions.items())}
        return body

    def _moved(self, node: Any, file: Path, found: dict[str, tuple[Path, Any]], inside: tuple[str, ...]) -> Any:
        if not isinstance(node, dict):
            return node
        _refuse_unknown(node, file)
        self._refuse_unknown_list(node, file)
        moved = dict(node)
        if "$ref" in node:
            moved["$ref"] = self._reference(node, file, found, inside)
        for key in ONE_NODE:
            if key in node:
                moved[key] = self._moved(node[key], file, found, inside)
        for key in NAMED_NODES:
            if key in node:
                moved[key] = {name: self._moved(part, file, found, inside) for name, part in node[key].items()}
        for key in SEVERAL_NODES:
            if key in node:
                moved[key] = [self._moved(part, file, found, inside) for part in node[key]]
        return moved

    def _reference(self, node: Node, file: Path, found: dict[str, tuple[Path, Any]], inside: tuple[str, ...]) -> str:
        reference: str = node["$ref"]
        where, _, name = reference.partition("#/$defs/")
        target = schema_file(where, file)
        if name in inside:
            raise _fault(file, node, "$ref", f"definition '{name}' contains itself")
        known = found.get(name)
        if known is None:
            if not target.is_file():
                raise _fault(file, node, "$ref", f"no such schema file: {where}")
            definition = _read(target).get("$defs", {}).get(name)
            if definition is None:
                raise _fault(file, node, "$ref", f"$ref '{reference}' leads nowhere")
            found[name] = (target, None)
            found[name] = (target, self._moved(definition, target, found, (*inside, name)))
        elif known[0] != target:
            text = f"two definitions have the name '{name}': {known[0].name}, {target.name}"
            raise _fault(file, node, "$ref", text)
        return f"#/$defs/{name}"

    def _refuse_unknown_list(self, node: Node, file: Path) -> None:
        name = node.get("x-codes")
        if name is not None and not any(self.terminology.has(kind, name) for kind in get_args(Kind)):
            text = f"x-codes '{name}' is no code list: codes/{name}.conceptmap.json is missing"
            raise _fault(file, node, "x-codes", text)


@cache
def schema_file(name: str, file: Path) -> Path:
    """Return the file that a `$ref` in `file` names: one of ours by `$id`, else by path; no name is `file`."""
    if name.startswith(_IDS):
        return (_folder() / name.removeprefix(_IDS)).resolve()
    return (file.parent / name).resolve() if name else file


def _refuse_unknown(node: dict[str, Any], file: Path) -> None:
    for key in node:
        if key not in JUDGING and key not in DESCRIBING and not key.startswith("x-"):
            raise _fault(file, node, key, f"keyword '{key}' is not understood")
    if node.get("format", "date") not in FORMATS:
        raise _fault(file, node, "format", f"format '{node['format']}' is not understood: {', '.join(FORMATS)}")


def _fault(file: Path, node: Node, key: str, text: str) -> DataFileError:
    """Return what is wrong with a keyword of a schema object, with its line; the file is scanned for it only then."""
    path = next((path for path, found in _objects(_read(file), paths.ROOT) if found is node), paths.ROOT)
    line, _ = scan(file.read_bytes()).places.get(paths.field(path, key), (1, 1))
    return DataFileError(file, line, text)


def _objects(value: Json, path: str) -> Iterator[tuple[str, Json]]:
    """Yield every object of a document with its path."""
    if isinstance(value, dict):
        yield path, value
        for name, child in value.items():
            yield from _objects(child, paths.field(path, name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _objects(child, paths.item(path, index))


@cache
def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError:
        raise DataFileError(path, 1, "no such schema file") from None
    except json.JSONDecodeError as error:
        raise DataFileError(path, error.lineno, error.msg) from None


def _listed(terminology: Terminology, name: str) -> Iterator[str]:
    if terminology.has("CodeSystem", name):
        yield from terminology.code_system(name).codes
    elif terminology.has("ValueSet", name):
        yield from dict.fromkeys(code for _, code in terminology.value_set(name).concepts)
    else:
        yield from terminology.concept_map(name).codes
