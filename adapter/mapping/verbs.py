"""One row's right side: from the words in the file to a producer, checked against source and target."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from adapter.mapping import codes, functions
from adapter.mapping.context import FileContext, Unusable, account_for
from adapter.mapping.conversions import find_conversion
from adapter.mapping.model import (
    Condition,
    Constant,
    Convert,
    CopyValue,
    How,
    Link,
    Producer,
    Row,
    SmallTable,
    Step,
    UseType,
    Value,
)
from adapter.mapping.scope import Scope
from adapter.mapping.shape import Shape
from adapter.mapping.target import FhirPlace, Place
from adapter.types import Json

VALUE_VERBS = frozenset(
    [
        "from",
        "code",
        "unmatched",
        "values",
        "as",
        "to",
        "system",
        "default",
        "because",
        "copy",
        "one_way",
        "required",
        "call",
        "inverse",
        "when",
    ]
)
VERBS = VALUE_VERBS | frozenset(["value", "coding", "ref", "each", "fields", "include"])
_CONDITION = frozenset(["present", "absent", "from", "equals", "in", "not"])
_NUMBERS = {"decimal", "integer", "positiveInt", "unsignedInt", "number"}
_FITS = {
    "number": {"decimal", "number"},
    "integer": _NUMBERS,
    "boolean": {"boolean"},
}


def producer(spec: dict[str, Any], place: Place, scope: Scope, row: Row, context: FileContext) -> Producer:
    """Return what a row makes (without its loops).

    Raises:
        Unusable: the row is wrong; `context.problems` says how.
    """
    context.rows += 1
    try:
        unknown = sorted(set(spec) - VERBS)
        if unknown:
            raise LookupError(f"unknown verb '{unknown[0]}' (there are: {', '.join(sorted(VERBS))})")
        if place.is_choice:
            raise LookupError("a choice is written by its JSON name, e.g. valueQuantity")
        main = [verb for verb in ("value", "coding", "ref") if verb in spec]
        if len(main) + bool(set(spec) & {"from", "code", "as", "values", "system", "call"}) > 1:
            raise LookupError("a row has one source: from, value, coding or ref")
        if main == ["ref"]:
            return _link(spec, place, scope, row, context)
        if main:
            return _constant(spec, main[0], place, scope, row, context)
        return _value(spec, place, scope, row, context)
    except LookupError as error:
        context.problem(row, str(error.args[0]))
        raise Unusable from None


def condition(spec: Any, scope: Scope, row: Row, context: FileContext) -> Condition | None:
    """Return the condition of `when`, None when there is none; what is wrong is noted."""
    if spec is None:
        return None
    try:
        if not isinstance(spec, dict) or not spec or set(spec) - _CONDITION:
            raise LookupError(f"when has {', '.join(sorted(_CONDITION))}")
        for test in ("present", "absent"):
            if test in spec:
                names = spec[test] if isinstance(spec[test], list) else [spec[test]]
                return Condition(test, tuple(scope.find(name)[0] for name in names))
        path, shape, _ = scope.find(spec["from"])
        test = next(test for test in ("equals", "in", "not") if test in spec)
        wanted = spec[test] if isinstance(spec[test], list) else [spec[test]]
        values = tuple(typed(value, shape.kind) for value in wanted)
        if test == "equals":
            account_for(scope, spec["from"], True, "", row, context)
        return Condition("not" if test == "not" else "in", (path,), values, test == "equals" and len(values) == 1)
    except (LookupError, StopIteration) as error:
        context.problem(row, str(error.args[0]) if error.args else "when needs equals, in or not beside from")
        return None


def typed(text: str, kind: str) -> Json:
    """Return a word of the file as a value of a schema kind or FHIR type.

    Raises:
        LookupError: it is none.
    """
    if kind == "boolean":
        if text not in ("true", "false"):
            raise LookupError(f"'{text}' is neither true nor false")
        return text == "true"
    if kind in _NUMBERS:
        try:
            return int(text) if kind not in ("decimal", "number") or text.isdigit() else Decimal(text)
        except (ValueError, InvalidOperation):
            raise LookupError(f"'{text}' is no {kind}") from None
    return text


def _constant(spec: dict[str, Any], verb: str, place: Place, scope: Scope, row: Row, context: FileContext) -> Constant:
    extra = set(spec) - {verb, "when"}
    if extra:
        raise LookupError(f"'{min(extra)}' does not go with {verb}")
    when = condition(spec.get("when"), scope, row, context)
    if verb == "coding":
        shape = _shape(place)
        return Constant(row, codes.constant_of(codes.constant_coding(spec[verb], context.terminology), shape), when)
    return Constant(row, typed(spec[verb], place.types[0]), when)


def _link(spec: dict[str, Any], place: Place, scope: Scope, row: Row, context: FileContext) -> Link:
    extra = set(spec) - {"ref", "when"}
    if extra:
        raise LookupError(f"'{min(extra)}' does not go with ref")
    names = spec["ref"] if isinstance(spec["ref"], list) else [spec["ref"]]
    bare = isinstance(place, FhirPlace) and place.path.endswith("reference") and "Reference" not in place.types
    if not bare and "Reference" not in place.types:
        raise LookupError("ref needs an element of type Reference")
    when = condition(spec.get("when"), scope, row, context)
    if names == ["*"]:
        return Link(row, (), (), (), many=True, when=when)
    missing = [name for name in names if name not in context.rules]
    if missing:
        raise LookupError(f"there is no rule '{missing[0]}' (there are: {', '.join(context.rules)})")
    heads = [context.rules[name] for name in names]
    types = tuple(head.type for head in heads)
    _check_targets(types, place)
    common = tuple(_common(scope.steps, head.steps) for head in heads)
    left = [head.steps[shared:] for head, shared in zip(heads, common, strict=True)]
    many = any(step.is_list for steps in left for step in steps)
    sure = when is None and any(head.sure and not steps for head, steps in zip(heads, left, strict=True))
    if many and not place.is_list:
        raise LookupError("there are several such resources here, but the element occurs once")
    return Link(row, tuple(names), common, types, bare, many, when, sure)


def _common(around: tuple[Step, ...], loops: tuple[Step, ...]) -> int:
    count = 0
    for ours, theirs in zip(around, loops, strict=False):
        if ours.source != theirs.source:
            break
        count += 1
    return count


def _value(spec: dict[str, Any], place: Place, scope: Scope, row: Row, context: FileContext) -> Value:
    names = spec.get("from", ".")
    names = names if isinstance(names, list) else [names]
    found = [scope.find(name) for name in names]
    copy, one_way = spec.get("copy") == "true", spec.get("one_way", "")
    shape = found[0][1]
    how, reads, subtree = _how(spec, place, shape, len(found) > 1, context)
    back = not copy and not one_way
    if back and not _invertible(how):
        raise LookupError("cannot be read back: give an inverse, copy: true, or one_way: <reason>")
    for name, (path, _, _) in zip(names, found, strict=True):
        if not path.special:
            for read in reads or ("",):
                account_for(scope, _below(name, read), back, one_way, row, context, subtree)
    default = spec.get("default")
    if (default is None) != ("because" not in spec) and "call" not in spec:
        raise LookupError("default and because go together: say why")
    return Value(
        row=row,
        sources=tuple(path for path, _, _ in found),
        how=how,
        when=condition(spec.get("when"), scope, row, context),
        default=None if default is None else typed(default, shape.kind),
        because=spec.get("because", ""),
        copy=copy,
        one_way=one_way,
        required=spec.get("required") == "true",
        is_call="call" in spec,
    )


def _below(name: str, field_name: str) -> str:
    if not field_name:
        return name
    return field_name if name == "." else f"{name}.{field_name}"


def _how(
    spec: dict[str, Any], place: Place, shape: Shape, several: bool, context: FileContext
) -> tuple[How, tuple[str, ...], bool]:
    """Return how the value is made, the fields read from an object, and whether all below is read."""
    ways = [verb for verb in ("code", "values", "as", "system", "call") if verb in spec]
    if len(ways) > 1:
        raise LookupError(f"one of {' and '.join(ways)}, not both")
    if several and ways not in (["call"], ["as"]):
        raise LookupError("a list of fields goes with call or a conversion only")
    if not ways:
        return _copied(place, shape, context), (), False
    if ways == ["as"]:
        return _converted(spec, place, shape, several, context)
    if ways == ["call"]:
        context.calls += 1
        forward, inverse = functions.find(spec["call"]), spec.get("inverse")
        found = functions.find(inverse) if inverse else None
        return Convert(spec["call"], forward, found, partial=True), (), False
    if shape.kind in ("object", "array"):
        raise LookupError(f"{ways[0]} needs a single value, the field is an {shape.kind}")
    if ways == ["code"]:
        unmatched = spec.get("unmatched") == "text"
        if unmatched and _shape(place) != "CodeableConcept":
            raise LookupError("unmatched: text needs a CodeableConcept")
        return codes.translate_by(spec["code"], _shape(place), unmatched, context.terminology), (), False
    if ways == ["system"]:
        return _with_system(spec["system"], spec.get("to", ""), place, context), (), False
    rows = {typed(key, shape.kind): typed(value, place.types[0]) for key, value in spec["values"].items()}
    return SmallTable(rows), (), False


def _copied(place: Place, shape: Shape, context: FileContext) -> CopyValue:
    if shape.kind in ("object", "array"):
        verb = "as or fields" if shape.kind == "object" else "each"
        raise LookupError(f"the field is an {shape.kind}: use {verb}")
    fits = _FITS.get(shape.kind)
    if fits is not None and not fits & set(place.types):
        raise LookupError(f"a value of type {shape.kind} cannot stand in {', '.join(place.types)}")
    if shape.kind == "string" and (_NUMBERS | {"boolean"}) & set(place.types):
        raise LookupError(f"a text cannot stand in {place.types[0]}: use as")
    if isinstance(place, FhirPlace) and place.types[0][:1].isupper():
        raise LookupError(f"a plain value cannot stand in {place.types[0]}: name one of its elements, or use as")
    if not shape.codes:
        return CopyValue()
    return CopyValue(frozenset(codes.allowed_codes(shape.codes, context.terminology)) or None, shape.codes)


def _converted(
    spec: dict[str, Any], place: Place, shape: Shape, several: bool, context: FileContext
) -> tuple[How, tuple[str, ...], bool]:
    name, to = spec["as"], spec.get("to", "")
    if name[:1].isupper():
        embedded = context.find_type(name)
        context.used_types[name] = embedded
        if isinstance(place, FhirPlace) and embedded.element not in place.types:
            raise LookupError(f"{name} makes {embedded.element}, the element is {', '.join(place.types)}")
        _check_targets(embedded.reference_types, place)
        return UseType(embedded), (), True
    found = find_conversion(name, "fields" if several else shape.kind)
    if found is None:
        raise LookupError(f"there is no conversion '{name}' for a field of type {shape.kind or 'unknown'}")
    if isinstance(place, FhirPlace) and not set(found.element) & set(place.types):
        raise LookupError(f"{name} makes {found.element}, the element is {', '.join(place.types)}")
    if "Reference" in found.element:
        to = to or (place.targets[0] if len(place.targets) == 1 else "")
        if not to:
            raise LookupError(f"say to: which of {', '.join(place.targets) or 'the resource types'}")
        _check_targets((to,), place)
    always = tuple(
        (path, to if value == "{to}" else (to or "official") if value == "{to|official}" else value)
        for path, value in found.always
    )
    partial = found.kinds == ("fields",) or bool(found.reads and "id" not in shape.required)
    if found.whole and not place.is_list:
        raise LookupError(f"{name} makes a list, the element occurs once")
    return Convert(name, found.forward, found.inverse, to, always, partial, found.whole), found.reads, False


def _with_system(short: str, use: str, place: Place, context: FileContext) -> Convert:
    """Return the pair for `system: name`: text ↔ Identifier of that system."""
    if "Identifier" not in place.types:
        raise LookupError("system needs an element of type Identifier")
    uri = "" if short == "source" else context.terminology.system(short)

    def forward(value: Any, run: Any, _to: str) -> Json:
        made = {"use": use} if use else {}
        return {**made, "system": uri or run.source_system, "value": value}

    always = ((("system",), uri),) if uri else ()
    return Convert(
        f"system {short}",
        forward,
        _identifier_value,
        use,
        (
            *always,
            ((("use",), use)),
        )
        if use
        else always,
    )


def _identifier_value(element: Any, _run: Any, _to: str) -> Json:
    return element["value"]


def _invertible(how: How) -> bool:
    if isinstance(how, Convert):
        return how.inverse is not None
    if isinstance(how, SmallTable):
        return len({str(value) for value in how.table.values()}) == len(how.table)
    if isinstance(how, CopyValue | UseType):
        return True
    return all(
        coding is not None and how.back.get((coding.system, coding.code)) == code for code, coding in how.table.items()
    )


def _check_targets(types: tuple[str, ...], place: Place) -> None:
    wrong = [type_ for type_ in types if place.targets and type_ not in place.targets]
    if wrong:
        raise LookupError(f"a reference to {wrong[0]} is not allowed here (only {', '.join(place.targets)})")


def _shape(place: Place) -> str:
    return next((type_ for type_ in codes.CODED_SHAPES if type_ in place.types), "code")
