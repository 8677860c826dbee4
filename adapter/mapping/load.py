"""From mapping files to checked `Mapping`s. Everything that is wrong is found at once, with file, line and row."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from adapter.data import DataFileError, YamlPath, parse_yaml_with_places
from adapter.fhir import definitions
from adapter.mapping import checks
from adapter.mapping.model import (
    Constant,
    Convert,
    Element,
    EmbeddedType,
    Identity,
    Items,
    Kind,
    Link,
    Mapping,
    Object,
    Row,
    Rule,
    UseType,
    Value,
)
from adapter.mapping.problems import MappingFileError, Problem
from adapter.mapping.scope import NoSuchField, Scope
from adapter.mapping.shape import Shape, read_shape
from adapter.mapping.target import FhirPlace, RecordPlace
from adapter.mapping.tree import fill_placed, with_fragments
from adapter.mapping.verbs import FileContext, RuleHead, Unusable, Use, condition, producer
from adapter.terminology import PACKAGED, Terminology
from adapter.types import CANONICAL_ROOT

ENVELOPE = ("record_type", "record_id", "record_version", "source_system", "register", "language", "security_labels")
"""Fields that the engine itself writes: part identifiers, meta, language (see `adapter.mapping.run`)."""

SENSITIVITIES = ("mental-health", "substance-use", "social-welfare")

_TOP = frozenset("mapping version record_type source target fragments resources fields ignored recognise".split())
_RULE = frozenset(
    "type each when core profile sensitivity fields include identity shared".split()
)
_TYPE = frozenset("type source element fragments fields resources ignored".split())


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
    document, context, content = _open(path, records, _TOP, Terminology(path.parent / "codes") if vendor else PACKAGED)
    shape = _source(document, path.parent, context)
    scope = Scope(shape)
    record_type = document.get("record_type", "")
    digests = [content]
    if vendor:
        rules: tuple[Rule, ...] = (_record_rule(document, scope, records, record_type, context),)
        contexts = [context]
    else:
        envelope_path = records / "envelope.yaml"
        contexts = [context]
        parts: list[tuple[dict[str, Any], FileContext]] = [(document, context)]
        if envelope_path.is_file():
            extra, envelope, text = _open(envelope_path, records, _TOP, PACKAGED, context.mapping)
            envelope.rules = context.rules
            parts.append((extra, envelope))
            contexts.append(envelope)
            digests.append(text)
        for part, part_context in parts:
            _headers(part, scope, part_context)
        rules = tuple(rule for part, part_context in parts for rule in _rules(part, scope, part_context))
        rules = tuple(replace(rule, main=number == 0) for number, rule in enumerate(rules))
    uses = [use for each in contexts for use in each.uses]
    if not vendor:
        uses += [Use(name, False, True, "", context.row("envelope", ())) for name in ENVELOPE if name in shape.fields]
    ignored = {**contexts[-1].fragments.get("@ignored", {}), **document.get("ignored", {})}
    for each in contexts[1:]:
        ignored = {**each.fragments["@ignored"], **document.get("ignored", {})}
    recognise = condition(document.get("recognise"), scope, context.row("recognise", ("recognise",)), context)
    checks.check_coverage(shape, uses, ignored, context)
    checks.check_calls(contexts)
    used = {name: found for each in contexts for name, found in each.used_types.items()}
    for rule in rules:
        checks.check_tree(rule.tree, context)
    problems = tuple(problem for each in contexts for problem in each.problems)
    if problems:
        raise MappingFileError(problems)
    types = _closure(used)
    digest = hashlib.sha256()
    for text in (*digests, *(embedded.digest.encode() for embedded in types)):
        digest.update(text)
    return Mapping(
        id=document["mapping"],
        version=document["version"],
        record_type=record_type,
        vendor=vendor,
        rules=rules,
        ignored=ignored,
        shape=shape,
        file=context.file,
        digest=digest.hexdigest(),
        types=types,
        recognise=recognise,
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
    document, context, content = _open(path, records, _TYPE, PACKAGED, name)
    scope = Scope(_source(document, records, context))
    element = document.get("element", "")
    _headers(document, scope, context)
    row = context.row(name, ("fields",))
    rows = with_fragments(document, (), context, row)
    tree: Element
    if not definitions.is_type(element):
        context.problem(row, f"'{element}' is no R4 type")
        tree = Object(())
    elif set(rows) == {"."}:
        tree = _whole(rows["."], FhirPlace(element), scope, context, name)
    else:
        tree = fill_placed(rows, FhirPlace(element), scope, context, name)
    rules = tuple(_rules(document, scope, context, owned=False))
    checks.check_coverage(scope.shape, context.uses, document.get("ignored", {}), context)
    checks.check_tree(tree, context)
    for rule in rules:
        checks.check_tree(rule.tree, context)
    if context.problems:
        raise MappingFileError(tuple(context.problems))
    digest = hashlib.sha256(content)
    for used in context.used_types.values():
        digest.update(used.digest.encode())
    return EmbeddedType(
        name, element, tree, rules, _reference_types(tree) if element == "Reference" else (), context.file,
        digest.hexdigest(),
    )


def _whole(placed: tuple[Any, YamlPath], place: FhirPlace, scope: Scope, context: FileContext, name: str) -> Element:
    spec, at = placed
    row = context.row(f"{name}.", at)
    options = spec if isinstance(spec, list) else [spec]
    kinds = []
    for number, option in enumerate(options):
        words = {"from": option} if isinstance(option, str) else option
        try:
            kinds.append(Kind(str(number), (), None, producer(words, place, scope, row, context), row))
        except Unusable:
            continue
    return kinds[0].content if len(options) == 1 and kinds else Items(tuple(kinds), False)


def _open(
    path: Path, records: Path, known: frozenset[str], terminology: Terminology, mapping: str = ""
) -> tuple[dict[str, Any], FileContext, bytes]:
    content = path.read_bytes()
    document, places = parse_yaml_with_places(content.decode(), path)
    file = f"{path.parent.name}/{path.name}"
    if not isinstance(document, dict):
        raise DataFileError(path, 1, "a mapping file is a table of keys")
    context = FileContext(
        mapping or document.get("mapping", path.stem),
        str(path),
        places,
        terminology,
        lambda name: load_type(name, records),
        {**document.get("fragments", {}), "@ignored": document.get("ignored", {})},
    )
    for key in document:
        if key not in known:
            context.problem(context.row(key, (key,)), f"unknown key '{key}' (there are: {', '.join(sorted(known))})")
    for key in ("mapping", "version", "record_type", "source") if known is _TOP and not mapping else ():
        if key not in document:
            context.problem(context.row(key, ()), f"{file} needs '{key}'")
    return document, context, content


def _source(document: dict[str, Any], folder: Path, context: FileContext) -> Shape:
    name, _, fragment = document.get("source", "").partition("#")
    try:
        return read_shape((folder / name).resolve(), fragment)
    except (OSError, ValueError, LookupError):
        problem = Problem(context.file, context.row("", ("source",)).line, "source", f"cannot read schema '{name}'")
        raise MappingFileError((*context.problems, problem)) from None


def _record_rule(
    document: dict[str, Any], scope: Scope, records: Path, record_type: str, context: FileContext
) -> Rule:
    row = context.row("record", ("fields",))
    folder = records / record_type.replace("_", "-")
    try:
        place = RecordPlace(read_shape((folder / "source.schema.json").resolve()))
    except (OSError, ValueError):
        context.problem(context.row("record_type", ("record_type",)), f"there is no record type '{record_type}'")
        raise MappingFileError(tuple(context.problems)) from None
    rows = with_fragments(document, (), context, row)
    tree = fill_placed(rows, place, scope, context, record_type)
    return Rule("record", "record", row, (), None, tree, main=True)


def _headers(document: dict[str, Any], scope: Scope, context: FileContext) -> None:
    """Note name, type and loops of every rule, so that rows can refer to rules that come later."""
    for name, spec in document.get("resources", {}).items():
        row = context.row(name, ("resources", name))
        inner = _opened(spec, scope, row, context)
        present = all(step.is_list or step.source.surely for step in inner.steps)
        context.rules[name] = RuleHead(spec.get("type", ""), inner.steps, present and "when" not in spec)


def _opened(spec: dict[str, Any], scope: Scope, row: Row, context: FileContext) -> Scope:
    if "each" not in spec:
        return scope
    try:
        return scope.opened(spec["each"])
    except NoSuchField as error:
        context.problem(row, str(error.args[0]))
        return scope


def _rules(document: dict[str, Any], scope: Scope, context: FileContext, owned: bool = True) -> list[Rule]:
    return [
        _rule(name, spec, scope, context, owned)
        for name, spec in document.get("resources", {}).items()
        if _known_rule(name, spec, context)
    ]


def _known_rule(name: str, spec: dict[str, Any], context: FileContext) -> bool:
    row = context.row(name, ("resources", name))
    for key in set(spec) - _RULE:
        context.problem(row, f"unknown key '{key}' (there are: {', '.join(sorted(_RULE))})")
    if not definitions.is_resource_type(spec.get("type", "")):
        context.problem(row, f"'{spec.get('type', '')}' is no R4 resource type")
        return False
    if spec.get("sensitivity", SENSITIVITIES[0]) not in SENSITIVITIES:
        context.problem(row, f"sensitivity is one of {', '.join(SENSITIVITIES)}")
    return True


def _rule(name: str, spec: dict[str, Any], scope: Scope, context: FileContext, owned: bool) -> Rule:
    at: YamlPath = ("resources", name)
    row = context.row(name, at)
    type_ = spec["type"]
    inner = _opened(spec, scope, row, context)
    owned = owned and spec.get("shared") != "true"
    identity = _identity(spec.get("identity"), inner, (*at, "identity"), context, name)
    if identity is None and not owned:
        context.problem(row, "a shared resource needs an identity")
    rows = with_fragments(spec, at, context, row)
    tree = fill_placed(rows, FhirPlace(type_), inner, context, f"{type_}")
    return Rule(
        name=name,
        type=type_,
        row=row,
        steps=inner.steps,
        when=condition(spec.get("when"), inner, row, context),
        tree=tree,
        core=spec.get("core") == "true",
        owned=owned,
        profiles=tuple(_canonical(profile) for profile in _listed(spec.get("profile", []))),
        sensitivity=spec.get("sensitivity", ""),
        identity=identity,
        identifier=_identifier_form(type_),
    )


def _identity(spec: Any, scope: Scope, at: YamlPath, context: FileContext, name: str) -> Identity | None:
    if spec is None:
        return None
    row = context.row(f"{name}.identity", at)
    try:
        if isinstance(spec, dict):
            return Identity(key=tuple(scope.find(path)[0] for path in spec["key"]))
        quiet = replace(context, uses=[])
        found = [producer(option, FhirPlace("Identifier"), scope, row, quiet) for option in _listed(spec)]
        return Identity(first=tuple(value for value in found if isinstance(value, Value)))
    except LookupError as error:
        context.problem(row, str(error.args[0]))
    except Unusable:
        pass
    return None


def _listed(spec: Any) -> list[Any]:
    return spec if isinstance(spec, list) else [spec]


def _canonical(profile: str) -> str:
    return profile if ":" in profile else f"{CANONICAL_ROOT}/StructureDefinition/{profile}"


def _identifier_form(type_: str) -> Literal["list", "single", "none"]:
    found = definitions.element(type_, "identifier")
    if found is None:
        return "none"
    return "list" if found.is_list else "single"


def _reference_types(tree: Element) -> tuple[str, ...]:
    """Return the resource types that an element of type Reference can point at; empty = any."""
    if isinstance(tree, Link):
        return tree.types
    if isinstance(tree, Value):
        if isinstance(tree.how, UseType):
            return tree.how.type.reference_types
        if isinstance(tree.how, Convert):
            return tuple(value for path, value in tree.how.always if path == ("type",))
        return ()
    if isinstance(tree, Items):
        return tuple(type_ for kind in tree.kinds for type_ in _reference_types(kind.content))
    if isinstance(tree, Object):
        fields = dict(tree.fields)
        if isinstance(fields.get("type"), Constant):
            return (fields["type"].value,)  # type: ignore[union-attr]
        if "reference" in fields:
            return _reference_types(fields["reference"])
    return ()


def _closure(used: dict[str, EmbeddedType]) -> tuple[EmbeddedType, ...]:
    """Return the types and the types that they use, each once."""
    found: dict[str, EmbeddedType] = {}

    def visit(embedded: EmbeddedType) -> None:
        if embedded.name not in found:
            for inner in checks.types_in(embedded):
                visit(inner)
            found[embedded.name] = embedded

    for embedded in used.values():
        visit(embedded)
    return tuple(found.values())
