"""The `resources:` of a file: each becomes a rule with its loops, identity and tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from adapter.data import YamlPath
from adapter.fhir import definitions
from adapter.mapping.context import FileContext, RuleHead, Unusable
from adapter.mapping.model import (
    Constant,
    Convert,
    Element,
    Identity,
    Items,
    Link,
    Object,
    Row,
    Rule,
    SourcePath,
    UseType,
    Value,
    profile_canonical,
)
from adapter.mapping.run import SENSITIVITIES
from adapter.mapping.scope import NoSuchField, Scope
from adapter.mapping.target import FhirPlace
from adapter.mapping.tree import fill_placed, with_fragments
from adapter.mapping.verbs import condition, producer

_KEYS = frozenset(["type", "each", "when", "core", "profile", "sensitivity", "fields", "include", "identity", "shared"])


def read_heads(document: dict[str, Any], scope: Scope, context: FileContext) -> None:
    """Note name, type and loops of every rule, so that rows can refer to rules that come later."""
    for name, spec in document.get("resources", {}).items():
        inner = _opened(spec, scope, context.row(name, ("resources", name)), context)
        present = all(step.is_list or step.source.surely for step in inner.steps)
        context.rules[name] = RuleHead(spec.get("type", ""), inner.steps, present and "when" not in spec)


def read_rules(document: dict[str, Any], scope: Scope, context: FileContext, owned: bool = True) -> Iterator[Rule]:
    """Yield the rules of a file; what is wrong is noted. `owned`: False for what types bring along."""
    for name, spec in document.get("resources", {}).items():
        row = context.row(name, ("resources", name))
        for key in sorted(set(spec) - _KEYS):
            context.problem(row, f"unknown key '{key}' (there are: {', '.join(sorted(_KEYS))})")
        if spec.get("sensitivity", SENSITIVITIES[0]) not in SENSITIVITIES:
            context.problem(row, f"sensitivity is one of {', '.join(SENSITIVITIES)}")
        if definitions.is_resource_type(spec.get("type", "")):
            yield _rule(name, spec, scope, context, owned)
        else:
            context.problem(row, f"'{spec.get('type', '')}' is no R4 resource type")


def reference_types(tree: Element) -> tuple[str, ...]:
    """Return the resource types that an element of type Reference can point at; empty = any."""
    if isinstance(tree, Link):
        return tree.types
    if isinstance(tree, Items):
        return tuple(type_ for kind in tree.kinds for type_ in reference_types(kind.content))
    if isinstance(tree, Value) and isinstance(tree.how, UseType):
        return tree.how.type.reference_types
    if isinstance(tree, Value) and isinstance(tree.how, Convert):
        return tuple(value for path, value in tree.how.always if path == ("type",))
    if isinstance(tree, Object):
        fields = dict(tree.fields)
        type_ = fields.get("type")
        if isinstance(type_, Constant):
            return (type_.value,)
        return reference_types(fields["reference"]) if "reference" in fields else ()
    return ()


def _rule(name: str, spec: dict[str, Any], scope: Scope, context: FileContext, owned: bool) -> Rule:
    at: YamlPath = ("resources", name)
    row = context.row(name, at)
    inner = _opened(spec, scope, row, context)
    owned = owned and spec.get("shared") != "true"
    identity = _identity(spec.get("identity"), inner, (*at, "identity"), context, name)
    if identity is None and not owned:
        context.problem(row, "a shared resource needs an identity")
    rows = with_fragments(spec, at, context, row)
    return Rule(
        name=name,
        type=spec["type"],
        row=row,
        steps=inner.steps,
        when=condition(spec.get("when"), inner, row, context),
        tree=fill_placed(rows, FhirPlace(spec["type"]), inner, context, spec["type"]),
        core=spec.get("core") == "true",
        owned=owned,
        profiles=tuple(profile_canonical(profile) for profile in _listed(spec.get("profile", []))),
        sensitivity=spec.get("sensitivity", ""),
        identity=identity,
        identifier=_identifier_form(spec["type"]),
    )


def _opened(spec: dict[str, Any], scope: Scope, row: Row, context: FileContext) -> Scope:
    if "each" not in spec:
        return scope
    try:
        return scope.opened(spec["each"])
    except NoSuchField as error:
        context.problem(row, str(error.args[0]))
        return scope


def _identity(spec: Any, scope: Scope, at: YamlPath, context: FileContext, name: str) -> Identity | None:
    if spec is None:
        return None
    row = context.row(f"{name}.identity", at)
    try:
        if isinstance(spec, dict):
            return Identity(key=tuple(_text(path, scope) for path in spec["key"]))
        quiet = replace(context, uses=[])
        options = [dict(option, one_way="identity") for option in _listed(spec)]
        found = [producer(option, FhirPlace("Identifier"), scope, row, quiet) for option in options]
        return Identity(first=tuple(value for value in found if isinstance(value, Value)))
    except LookupError as error:
        context.problem(row, str(error.args[0]))
    except Unusable:
        pass
    return None


def _text(path: str, scope: Scope) -> SourcePath:
    """Return a field of a key.

    Raises:
        LookupError: there is none, or it is no text: `1` and `True` would be one key.
    """
    found, shape, _ = scope.find(path)
    if shape.kind != "string":
        raise LookupError(f"'{path}' in a key must be a text, it is {shape.kind or 'unknown'}")
    return found


def _listed(spec: Any) -> list[Any]:
    return spec if isinstance(spec, list) else [spec]


def _identifier_form(type_: str) -> str:
    found = definitions.element(type_, "identifier")
    if found is None:
        return "none"
    return "list" if found.is_list else "single"
