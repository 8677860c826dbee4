"""Rows become straight-line Python: one function for a mapping, one for each embedded type.

The generated text is registered in `linecache`, so a traceback shows it, with the place of the row as a comment.
It holds no error handling: a record that cannot be mapped makes it raise, and then the interpreter says exactly
what is wrong and where. A property test proves that both make the same Bundle, and that the notes tell the same trace.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from adapter.mapping.checks import types_in
from adapter.mapping.emit import Emitter, conversion_key
from adapter.mapping.model import Convert, EmbeddedType, Mapping, Object, Rule, is_sure
from adapter.mapping.run import Hop, NoIdentity, Run
from adapter.mapping.writer import Numbers
from adapter.types import Json


@dataclass(frozen=True, slots=True)
class Compiled:
    """The function that makes what a mapping says, and what the numbers stand for that it notes.

    Attributes:
        make: for canonical → FHIR it fills the `Run` and returns None; for vendor → canonical it returns the record.
            What it does it notes in `run.notes`, for `adapter.mapping.replay`.
        numbers: node of the trees → number among the notes.
    """

    make: Callable[[Run | Hop], Json]
    numbers: Numbers


def compiled(mapping: Mapping, *, notes: bool = True) -> Compiled:
    """Compile a mapping; without `notes` there is nothing to read a trace from (the benchmark weighs them)."""
    text, names, numbers = generated(mapping, notes=notes)
    _execute(text, f"{mapping.vendor or 'records'}/{mapping.id} {mapping.version} {mapping.digest[:12]}", names)
    return Compiled(names["make"], numbers)


def generated(mapping: Mapping, *, notes: bool = True) -> tuple[str, dict[str, Any], Numbers]:
    """Return the generated Python text, the objects that it names, and the numbers that it notes."""
    writer = _writer(mapping.types, not mapping.to_fhir, notes)
    with writer.block("def make(run):"):
        writer.line("s0 = run.record")
        writer.line("notes = run.notes")
        if mapping.to_fhir:
            _rules(mapping.rules, writer)
            writer.line("return None")
        else:
            writer.made(mapping.rules[0].tree, _returned, known=True)
    return writer.text(), writer.names, writer.numbers


def _writer(types: Iterable[EmbeddedType], skips_empty: bool, notes: bool) -> Emitter:
    """Return a writer that knows the functions of embedded types."""
    names: dict[str, Any] = {"E": {}, "NoIdentity": NoIdentity}
    numbers: Numbers = {}
    for type_ in types:
        function, inside = _type_function(type_, skips_empty, notes)
        names[f"type_{type_.name}"] = function
        numbers |= inside
    return Emitter(names, skips_empty, notes, numbers)


def _execute(text: str, name: str, names: dict[str, Any]) -> None:
    file = f"<mapping {name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), names)  # noqa: S102 - the text is generated from checked rows


@cache
def _type_function(type_: EmbeddedType, skips_empty: bool, notes: bool) -> tuple[Callable[..., Json], Numbers]:
    """Compile `type_X(s0, run, notes)`, once for all mappings: the element, None when there is nothing to write.

    What was said before in the same words (the same professional named in five places) is not made again: the notes
    lead back to the first time. Its numbers are higher than those of the types in it, and lower than those around it,
    so the notes of what follows are never taken for its own.
    """
    writer, name = _writer(types_in(type_), skips_empty, notes), f"type_{type_.name}"
    certain = isinstance(type_.tree, Object) and is_sure(type_.tree)
    with writer.block(f"def {name}(s0, run, notes):"):
        if type_.rules:
            _remembered(type_, writer, certain)
        else:
            writer.made(type_.tree, _returned)
            if not certain:
                writer.line("return None")
    _execute(writer.text(), f"types/{type_.name} {type_.digest[:12]}", writer.names)
    return writer.names[name], writer.numbers


def _remembered(type_: EmbeddedType, writer: Emitter, certain: bool) -> None:
    """Write what makes a value that brings resources along, and leads back to the first time when there was one."""
    writer.line(f'seen = run.seen["{type_.name}"]')
    writer.line('m = seen.get(s0.get("id"))')
    with writer.block("if m is not None and (m[0] is s0 or m[0] == s0):"):
        writer.note_expression("m[2]")
        writer.line("return m[1].copy()")
    writer.line("n = ~len(notes)")
    _rules(type_.rules, writer)
    if not certain:
        writer.line("r = None")
    writer.made(type_.tree, lambda value: f"r = {value}")
    with writer.block("if m is None:" if certain else "if r is not None and m is None:"):
        writer.line('seen[s0.get("id")] = (s0, r, n)')
    writer.line("return r")


def _rules(rules: tuple[Rule, ...], writer: Emitter) -> None:
    writer.rules = {rule.name: rule for rule in rules}
    notes, writer.notes = writer.notes, False  # the resources themselves note what they are made of
    for rule in rules:
        _identities(rule, writer)
    writer.notes = notes
    for rule in rules:
        _resources(rule, writer)


def _identities(rule: Rule, writer: Emitter) -> None:
    """Write `u_rule` (and `n_rule` where the rule has an identifier of its own): ids by loop position."""
    u, n = writer.id_names(rule)
    left = sum(step.is_list for step in rule.steps)
    names = [name for name in (u, n) if name]
    for name in names:
        writer.line(f"{name} = {'[]' if left else 'None'}")
    with writer.nested():
        for step in rule.steps:
            writer.loop(step, positions=True)
            if not step.is_list:
                continue
            left -= 1
            inner = [writer.temporary() for _ in names]
            for around, here in zip(names, inner, strict=True):
                writer.line(f"{here} = []" if left else f"{around}.append(None)")
                if left:
                    writer.line(f"{around}.append({here})")
            names = inner if left else [f"{around}[-1]" for around in names]
        with writer.condition(rule.when):
            _identity(rule, names[0], names[1] if n else "", writer)


def _identity(rule: Rule, u: str, n: str, writer: Emitter) -> None:
    if rule.identity is None:
        writer.line(f"{u} = run.part_urn({writer.part(rule)})")
    elif rule.identity.key:
        fields = ", ".join(writer.get(source) for source in rule.identity.key)
        writer.line(f'{u} = run.key_urn("{rule.type}", ({fields},))')
    else:
        for number, option in enumerate(rule.identity.first):
            if number == 0:
                writer.made(option, lambda value: f"{n} = {value}")
                continue
            with writer.block(f"if {n} is None:"):
                writer.made(option, lambda value: f"{n} = {value}")
        with writer.block(f"if {n} is None:"):
            writer.line("raise NoIdentity()")
        writer.line(f'{u} = run.identity_urn("{rule.type}", {n})')


def _resources(rule: Rule, writer: Emitter) -> None:
    u, n = writer.id_names(rule)
    writer.note_expression(u)
    with writer.nested():
        for step in rule.steps:
            writer.loop(step, positions=True)
        index = "".join(f"[i{number + 1}]" for number, step in enumerate(rule.steps) if step.is_list)
        here = u
        if index:
            here = writer.temporary()
            writer.line(f"{here} = {u}{index}")
        if rule.when is not None:
            writer.enter(f"if {here} is not None:")
        if index:
            writer.note_expression(here)  # so that the notes of one turn and of the next stay apart
        body = writer.temporary()
        writer.at_hand = _identifier_at_hand(rule, f"{n}{index}")
        writer.whole(rule.tree, body, {"resourceType": repr(rule.type)})
        writer.at_hand = {}
        identifier = f"{n}{index}" if n else "None"
        if rule.owned:
            part = writer.part(rule)
            writer.line(f"run.own({writer.named('R', rule)}, {part}, {here}, {body}, {identifier})")
        else:
            writer.line(f"run.share({writer.named('R', rule)}, {here}, {body}, {identifier})")


def _identifier_at_hand(rule: Rule, name: str) -> dict[tuple[Any, ...], str]:
    """The only identity of a rule has been made; a row that says the same need not make it again."""
    options = rule.identity.first if rule.identity is not None else ()
    if len(options) != 1 or not isinstance(options[0].how, Convert):
        return {}
    return {conversion_key(options[0]): name}


def _returned(value: str) -> str:
    return f"return {value}"
