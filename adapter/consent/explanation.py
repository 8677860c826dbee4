"""A decision in plain words for reviewers, from the same trace (texts: `mappings/messages/consent.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from adapter.consent.configuration import packaged_configuration
from adapter.consent.model import CriterionResult, DecidedBy, Decision, Entry, TraceStep, Verdict
from adapter.i18n import text
from adapter.terminology import code_system
from adapter.types import CANONICAL_ROOT

_OURS = f"{CANONICAL_ROOT}/CodeSystem/"
_SHOWN = frozenset({"purpose", "action", "class", "code", "label"})
"""Criteria whose codes help to understand; the others would show references, which say nothing to people."""


def explain(decision: Decision, language: str = "fi") -> tuple[str, ...]:
    """Return the decision as sentences in fi, sv or en: word, reason, ground, and what a permit would need."""
    said = [text(f"consent.verdict-{decision.decision}", language), _reason(decision.reason, language)]
    if decision.entries:
        said.extend(_entries(decision.entries.values(), language))
    said.extend(_grounds(decision.decided_by, language))
    if decision.statutory_rule:
        said.append(text("consent.statute", language, rule=decision.statutory_rule))
    for obligation in decision.obligations:
        paths = ", ".join(obligation.paths)
        said.append(text("consent.cut", language, resource=obligation.resource, paths=paths))
    if decision.decision == "deny":
        said.extend(_nearest(decision.trace, language))
    else:
        said.append(text("consent.handling", language))
    return tuple(said)


def _reason(reason: str, language: str) -> str:
    return text(f"consent.reason-{reason.lower().replace('_', '-')}", language)


def _entries(entries: Iterable[Entry], language: str) -> Iterator[str]:
    for entry in entries:
        verdict: Verdict = entry.decision
        word = f"{text(f'consent.verdict-{verdict}', language)} {_reason(entry.reason, language)}"
        yield text("consent.entry", language, resource=entry.key, text=word)


def _grounds(decided_by: Iterable[DecidedBy], language: str) -> Iterator[str]:
    for by in decided_by:
        place = _place(by.path, language)
        yield text("consent.decided-by", language, consent=by.consent, version=by.version or "–", place=place)


def _nearest(trace: Iterable[TraceStep], language: str) -> Iterator[str]:
    """Say which permit came nearest and what it lacks, resource by resource."""
    steps = list(trace)
    for near in steps:
        if near.outcome != "nearest-miss":
            continue
        place = _place(near.path, language)
        yield text("consent.nearest", language, consent=near.consent, version=near.version or "–", place=place)
        results = {
            result.name: result
            for step in steps
            if step.rule == "R16" and step.resource == near.resource and step.consent == near.consent
            for result in step.criteria
            if result.result != "YES" and near.path.startswith(step.path)
        }
        for need in near.needs:
            yield _need(need, results.get(need), language)  # type: ignore[call-overload]


def _need(need: str, result: CriterionResult | None, language: str) -> str:
    """Say one thing that a permit would need, with the codes compared where they help."""
    kebab = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", need).lower().replace("_", "-")
    said = f"– {text(f'consent.need-{kebab}', language)}"
    if result is None or result.name not in _SHOWN:
        return said
    given, wanted = (_names(codes, language) for codes in (result.given, result.wanted))
    return f"{said}. {text('consent.compared', language, given=given, wanted=wanted)}"


def _place(path: str, language: str) -> str:
    """Name a provision for people: the main rule, or the numbers of its refinements from the top, from 1."""
    if not path.startswith("Consent.provision"):
        return text("consent.place-record", language)
    numbers = [str(int(index) + 1) for index in re.findall(r"\[(\d+)\]", path)]
    return (
        text("consent.place-nested", language, number=".".join(numbers))
        if numbers
        else text("consent.place-root", language)
    )


def _names(codes: Iterable[str], language: str) -> str:
    """Return codes by their names where they are ours, else as they are; each name once."""
    return ", ".join(dict.fromkeys(_name(code, language) for code in codes)) or text("consent.nothing", language)


def _name(code: str, language: str) -> str:
    data_class = packaged_configuration().data_classes.classes.get(code)
    system, value = (f"{_OURS}data-class", data_class) if data_class else (code.rpartition("|")[::2])
    if not system.startswith(_OURS):
        return value
    try:
        return code_system(system.removeprefix(_OURS)).display(value, language)
    except LookupError:
        return value
