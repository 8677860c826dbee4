"""Value sets that are a grammar, not a list: a code of a required one must have its form."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grammar:
    """The form of the codes of a value set, the whole code, and one of them to show it."""

    form: re.Pattern[str]
    example: str

    def holds(self, code: str) -> bool:
        """Tell whether a code has the form."""
        return self.form.fullmatch(code) is not None

    def fast(self, plain: Callable[[object], object]) -> Callable[[str], bool]:
        """Return the test of a code, true when it has the form and `plain` holds for it; TypeError for no text."""
        fullmatch = self.form.fullmatch
        return lambda code: fullmatch(code) is not None and bool(plain(code))


GRAMMARS = {
    "http://hl7.org/fhir/ValueSet/mimetypes": Grammar(
        re.compile(r"[^\s/;]+/[^\s/;]+(?:\s*;.*)?|json|xml|ttl", re.DOTALL), "application/pdf"
    ),
    "http://hl7.org/fhir/ValueSet/currencies": Grammar(re.compile(r"[A-Z]{3}"), "EUR"),
    "http://hl7.org/fhir/ValueSet/all-languages": Grammar(re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*"), "fi-FI"),
}
"""By value set: BCP 13 with the short names of R4 §3.1.0.1.11, ISO 4217, BCP 47."""
