"""The invariants of the types that every record uses, as plain Python; the others run as FHIRPath.

Each function gets the JSON object that the invariant stands on and the run; False means broken. The names are
R4's own keys. Where R4's expression misses its stated intent (ppc-2…5 compare with the literal 'something')
the intent is checked. `tests/validation` compares every function with R4's FHIRPath.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from adapter.validation.fhirpath.values import compare_temporals, parse_temporal
from adapter.validation.references import target_type
from adapter.validation.run import Run

Native = Callable[[dict[str, Any], Run], bool]

UCUM = "http://unitsofmeasure.org"
CONDITION_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
CONDITION_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_ENDED = ("resolved", "remission", "inactive")
CONSENT_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"


def _has(value: dict[str, Any], *names: str) -> bool:
    """Tell whether one of the elements is there, as a value or as extensions alone."""
    for name in names:  # noqa: SIM110 - a generator costs three times as much here
        if name in value or f"_{name}" in value:
            return True
    return False


def _count(value: dict[str, Any], *names: str) -> int:
    return sum(_has(value, name) for name in names)


def _has_choice(value: dict[str, Any], name: str) -> bool:
    """Tell whether a choice is there under any of its types."""
    for key in value:
        if name in key:
            bare = key.removeprefix("_")
            if bare.startswith(name) and bare[len(name) : len(name) + 1].isupper():
                return True
    return False


def _codes(value: dict[str, Any], name: str) -> list[tuple[Any, Any]]:
    concept = value.get(name)
    codings = concept.get("coding", ()) if isinstance(concept, dict) else ()
    return [(coding.get("system"), coding.get("code")) for coding in codings if isinstance(coding, dict)]


def _not_after(start: Any, end: Any) -> bool:
    """Tell whether start lies at or before end; where the precision leaves that open, R4's rule is not met."""
    if not isinstance(start, str) or not isinstance(end, str):
        return True
    if len(start) == len(end) and start[19:] == end[19:]:
        return start <= end
    left, right = parse_temporal(start), parse_temporal(end)
    if left is None or right is None:
        return True
    order = compare_temporals(left, right)
    return order is not None and order <= 0


def _period(value: dict[str, Any], _run: Run) -> bool:
    return "start" not in value or "end" not in value or _not_after(value["start"], value["end"])


def _quantity_with_system(value: dict[str, Any], _run: Run) -> bool:
    return "code" not in value or "system" in value


def _numbers(value: dict[str, Any], *names: str) -> list[Decimal | int]:
    found = [value.get(name) for name in names]
    return [number for number in found if isinstance(number, int | Decimal) and not isinstance(number, bool)]


def _ratio(value: dict[str, Any], _run: Run) -> bool:
    same = ("numerator" in value) == ("denominator" in value)
    return same and ("numerator" in value or "extension" in value)


def _scope_needs_patient(code: str) -> Native:
    def holds(value: dict[str, Any], _run: Run) -> bool:
        return "patient" in value or (CONSENT_SCOPE, code) not in _codes(value, "scope")

    return holds


def _component_code(value: dict[str, Any], _run: Run) -> bool:
    """obs-7: with a value, no component may have a code of the Observation itself."""
    components = value.get("component")
    if not isinstance(components, list) or not _has_choice(value, "value"):
        return True
    code = value.get("code")
    own = {_as_text(coding) for coding in (code.get("coding", ()) if isinstance(code, dict) else ())}
    inner = (component.get("code") for component in components if isinstance(component, dict))
    codings = (coding for code in inner if isinstance(code, dict) for coding in code.get("coding", ()))
    return not any(_as_text(coding) in own for coding in codings)


def _as_text(value: Any) -> str:
    """Return a text that is the same for equal JSON values."""
    return repr(sorted(value.items()) if isinstance(value, dict) else value)


def _member_is_practitioner(value: dict[str, Any], run: Run) -> bool:
    """ctm-1: only a practitioner acts on behalf of an organisation; unknown members are given the benefit."""
    if "onBehalfOf" not in value:
        return True
    member = value.get("member")
    reference = member.get("reference") if isinstance(member, dict) else None
    return target_type(reference, run) in ("", "Practitioner")


def _offset(value: dict[str, Any], _run: Run) -> bool:
    if not _has(value, "offset"):
        return True
    when = value.get("when")
    return isinstance(when, list) and bool(when) and not {"C", "CM", "CD", "CV"}.intersection(map(str, when))


def _of_unit(value: dict[str, Any]) -> bool:
    return (_has(value, "code") or not _has(value, "value")) and value.get("system", UCUM) == UCUM


def _positive(value: dict[str, Any]) -> bool:
    return all(number > 0 for number in _numbers(value, "value"))


def _not_negative(name: str) -> Native:
    return lambda value, _run: all(number >= 0 for number in _numbers(value, name))


def _entered_in_error(value: dict[str, Any]) -> bool:
    return (CONDITION_VERIFICATION, "entered-in-error") in _codes(value, "verificationStatus")


def _condition_status_known(value: dict[str, Any], _run: Run) -> bool:
    """con-3 (a warning): R4 compares a CodeableConcept with a text, which is never equal; its intent is kept."""
    if "clinicalStatus" in value or "category" not in value or _entered_in_error(value):
        return True
    held = value["category"]
    concepts = held if isinstance(held, list) else []
    return not any(code == "problem-list-item" for one in concepts for _, code in _codes({"category": one}, "category"))


def _percent_at_most(value: dict[str, Any], _run: Run) -> bool:
    """ras-2: R4's expression is empty, not true, where there is no probability; its intent is a limit."""
    return all(number <= 100 for number in _numbers(value, "probabilityDecimal"))


def _needs(name: str, other: str) -> Native:
    return lambda value, _run: not _has(value, name) or _has(value, other)


def _one_of(*names: str) -> Native:
    return lambda value, _run: _has(value, *names)


def _not_both(left: str, right: str) -> Native:
    return lambda value, _run: not (_has(value, left) and _has(value, right))


def _duration(value: dict[str, Any], _run: Run) -> bool:
    return not _has(value, "code") or (value.get("system") == UCUM and _has(value, "value"))


def _count_unit(value: dict[str, Any], _run: Run) -> bool:
    whole = all(isinstance(number, int) for number in _numbers(value, "value"))
    return _of_unit(value) and value.get("code", "1") == "1" and whole


def _no_absent_reason_with_value(value: dict[str, Any], _run: Run) -> bool:
    return "dataAbsentReason" not in value or not _has_choice(value, "value")


NATIVE: dict[str, Native] = {
    "Age age-1": lambda value, _run: _of_unit(value) and _positive(value),
    "Attachment att-1": _needs("data", "contentType"),
    "AuditEvent.entity sev-1": _not_both("name", "query"),
    "CarePlan.activity cpl-3": _not_both("detail", "reference"),
    "CareTeam.participant ctm-1": _member_is_practitioner,
    "Composition.section cmp-1": _one_of("text", "entry", "section"),
    "Composition.section cmp-2": _not_both("emptyReason", "entry"),
    "Consent ppc-1": _one_of("policy", "policyRule"),
    "Consent ppc-2": _scope_needs_patient("patient-privacy"),
    "Consent ppc-3": _scope_needs_patient("research"),
    "Consent ppc-4": _scope_needs_patient("adr"),
    "Consent ppc-5": _scope_needs_patient("treatment"),
    "Condition con-3": _condition_status_known,
    "Condition con-4": lambda value, _run: (
        not _has_choice(value, "abatement")
        or any((CONDITION_CLINICAL, code) in _codes(value, "clinicalStatus") for code in _ENDED)
    ),
    "Condition con-5": lambda value, _run: "clinicalStatus" not in value or not _entered_in_error(value),
    "ContactPoint cpt-2": _needs("value", "system"),
    "Count cnt-3": _count_unit,
    "Distance dis-1": lambda value, _run: _of_unit(value),
    "Duration drt-1": _duration,
    "Expression exp-1": _one_of("expression", "reference"),
    "Goal.target gol-1": lambda value, _run: not _has_choice(value, "detail") or _has(value, "measure"),
    "Observation obs-6": _no_absent_reason_with_value,
    "Observation obs-7": _component_code,
    "Observation.referenceRange obs-3": _one_of("low", "high", "text"),
    "Organization org-1": _one_of("identifier", "name"),
    "Patient.contact pat-1": _one_of("name", "telecom", "address", "organization"),
    "Period per-1": _period,
    "QuestionnaireResponse.item qrs-1": _not_both("answer", "item"),
    "Ratio rat-1": _ratio,
    "RiskAssessment.prediction ras-2": _percent_at_most,
    "Timing.repeat tim-1": _needs("duration", "durationUnit"),
    "Timing.repeat tim-2": _needs("period", "periodUnit"),
    "Timing.repeat tim-4": _not_negative("duration"),
    "Timing.repeat tim-5": _not_negative("period"),
    "Timing.repeat tim-6": _needs("periodMax", "period"),
    "Timing.repeat tim-7": _needs("durationMax", "duration"),
    "Timing.repeat tim-8": _needs("countMax", "count"),
    "Timing.repeat tim-9": _offset,
    "Timing.repeat tim-10": _not_both("timeOfDay", "when"),
} | {
    f"{name} qty-3": _quantity_with_system
    for name in ("Quantity", "Age", "Count", "Distance", "Duration", "SimpleQuantity")
}
"""Native functions by definition path and key."""

ELSEWHERE = frozenset(("ele-1", "ext-1", "ref-1", "txt-1", "txt-2", "dom-2", "dom-3", "dom-4", "dom-5", "dom-6")) | {
    f"bdl-{number}" for number in (1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12)
}
"""Invariants checked by the structure, reference, narrative, contained and Bundle checks."""
