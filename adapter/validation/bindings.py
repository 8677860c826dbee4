"""Bindings: whether codes stand in the value set that the element asks for.

A required binding refuses; extensible and preferred ones tell (see `ValidationSettings`). Where a value set
cannot be enumerated here, only the form of the code is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from adapter.fhir.definitions import Binding
from adapter.fhir.terminology import Codes, core_terminology
from adapter.types import Severity
from adapter.validation.explain import SHOWN_CODES
from adapter.validation.findings import Finding, Findings, has_errors, joined
from adapter.validation.grammars import GRAMMARS
from adapter.validation.run import Run

Check = Callable[[Any, Run], Findings]

CODED = ("code", "Coding", "CodeableConcept", "Quantity", "string", "uri")


@cache
def required_codes(value_set: str) -> frozenset[str] | None:
    """Return the codes of a required value set of base R4 for a `code` element; None when it is open."""
    codes = core_terminology().value_set(value_set)
    return codes.all_codes if codes is not None else None


def bound(plain: Check, code: str, binding: Binding | None) -> Check:
    """Return the check of a data type with its base R4 binding, required or extensible."""
    if binding is None or code not in CODED or binding.strength not in ("required", "extensible"):
        return plain

    def check(value: Any, run: Run) -> Findings:
        found = plain(value, run)
        if run.structure_only or (found is not None and has_errors(found)):
            return found
        return joined(found, binding_findings(value, binding.strength, binding.value_set, run))

    return check


def binding_findings(value: Any, strength: str, value_set: str, run: Run) -> Findings:
    """Return what is wrong with a coded value under a binding."""
    if strength == "required":
        severity: str = "error"
    else:
        severity = run.settings.extensible if strength == "extensible" else run.settings.preferred
    if severity == "ignore":
        return None
    codes = run.registry.terminology.value_set(value_set)
    if codes is None or _fits(value, codes, value_set, strength):
        return None
    level: Severity = severity  # type: ignore[assignment]
    key, values = f"binding-{strength}", {"value_set": value_set}
    if strength == "required" and (allowed := codes.all_codes) and len(allowed) <= SHOWN_CODES:
        key, values["codes"] = "binding-required-listed", _listed(codes)
    return run.found(Finding(key, values, severity=level))


def _listed(codes: Codes) -> str:
    """Return the codes for people, by their system."""
    return "; ".join(f"{system}: {', '.join(sorted(of_it))}" for system, of_it in sorted(codes.by_system.items()))


def _fits(value: Any, codes: Codes, value_set: str, strength: str) -> bool:
    """Tell whether one code is in the set or may be."""
    if isinstance(value, str):
        grammar = GRAMMARS.get(value_set)
        return grammar.holds(value) if grammar else codes.holds(None, value) is not False
    if not isinstance(value, dict):
        return True
    if "coding" in value or "text" in value:
        has_code = False
        codings = value.get("coding")
        for coding in codings if isinstance(codings, list) else ():
            if coding.__class__ is dict and "code" in coding:
                if _coding_fits(coding, codes):
                    return True
                has_code = True
        return not has_code and (strength != "required" or "extension" in value)
    if "code" not in value:
        has_more = "value" in value or "system" in value or "display" in value
        return not (strength == "required" and has_more and "extension" not in value)
    return _coding_fits(value, codes)


def fits_surely(codes: Codes, value_set: str, strength: str) -> Callable[[Any], bool]:
    """Return the test that a value of the right shape keeps a binding, whatever its strength."""
    by_system, opened = codes.by_system, codes.open_systems

    def test(value: Any) -> bool:
        if value.__class__ is dict:
            for coding in value.get("coding", (value,)):
                if "code" in coding and "system" in coding:
                    system = coding["system"]
                    if coding["code"] in by_system.get(system, ()) or system in opened or "*" in opened:
                        return True
        return _fits(value, codes, value_set, strength)

    return test


def _coding_fits(coding: dict[str, Any], codes: Codes) -> bool:
    system, code = coding.get("system"), coding.get("code")
    if not isinstance(code, str) or not isinstance(system, str):
        return False
    return codes.holds(system, code) is not False


def holds_code(value: Any, codes: Codes) -> bool | None:
    """Tell whether a code, Coding, CodeableConcept or Quantity has a code of the set; None: not known."""
    if isinstance(value, str):
        return codes.holds(None, value)
    if not isinstance(value, dict):
        return False
    codings = value.get("coding", [value] if "code" in value else [])
    codings = codings if isinstance(codings, list) else []
    answers = [
        codes.holds(coding.get("system"), coding["code"])
        for coding in codings
        if isinstance(coding, dict)
        and isinstance(coding.get("code"), str)
        and isinstance(coding.get("system", ""), str)
    ]
    return True if True in answers else None if None in answers else False
