"""Codes that the rules relate to each other: purposes, sensitivities, confidentiality, actions.

Only configured relations count; everything else is equal to itself and unknown to all others (R22–R27).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from adapter.consent.model import Coding


def read_coding(value: Any) -> Coding | None:
    """Return a FHIR Coding as system and code; None when one of them is missing."""
    if value.__class__ is dict:
        system, code = value.get("system"), value.get("code")
        if system.__class__ is str and code.__class__ is str and system and code:
            return _coding(system, code)
    return None


_coding = lru_cache(maxsize=4096)(Coding)
"""The same few codes stand in every consent: found again, not made anew."""


@dataclass(frozen=True)
class CodeTree:
    """Known codes of some systems and their is-a relations.

    Attributes:
        codes: all known codings.
        parents: the codings directly above one, by coding.
    """

    codes: frozenset[Coding]
    parents: Mapping[Coding, frozenset[Coding]] = field(default_factory=dict)

    def above(self, coding: Coding) -> frozenset[Coding]:
        """Return the coding itself and everything above it."""
        found = {coding}
        waiting = [coding]
        while waiting:
            for parent in self.parents.get(waiting.pop(), ()):
                if parent not in found:
                    found.add(parent)
                    waiting.append(parent)
        return frozenset(found)

    def below(self, codings: frozenset[Coding]) -> frozenset[Coding]:
        """Return the codings themselves and everything below one of them."""
        return codings.union(*(self._below.get(coding, ()) for coding in codings))

    @cached_property
    def _below(self) -> dict[Coding, frozenset[Coding]]:
        """Everything below each coding that has something below it."""
        found: dict[Coding, set[Coding]] = {}
        for code in self.codes:
            for above in self.above(code):
                found.setdefault(above, set()).add(code)
        return {coding: frozenset(below) for coding, below in found.items()}


def read_code_tree(systems: Iterable[Mapping[str, Any]]) -> CodeTree:
    """Read code systems written as `{system, children: {parent: [child …]}, flat: [code …]}`."""
    codes: set[Coding] = set()
    parents: dict[Coding, set[Coding]] = {}
    for part in systems:
        system = part["system"]
        codes.update(Coding(system, code) for code in part.get("flat", ()))
        for parent, children in part.get("children", {}).items():
            codes.add(Coding(system, parent))
            for child in children:
                codes.add(Coding(system, child))
                parents.setdefault(Coding(system, child), set()).add(Coding(system, parent))
    return CodeTree(frozenset(codes), {child: frozenset(above) for child, above in parents.items()})


@dataclass(frozen=True)
class Purposes:
    """Purposes of use (R22): known codes, is-a, and those that a permit must name itself."""

    tree: CodeTree
    never_implied: frozenset[Coding] = frozenset()

    def permitting(self, requested: Coding) -> frozenset[Coding]:
        """Return the consented purposes that cover the requested one."""
        return frozenset({requested}) if requested in self.never_implied else self.tree.above(requested)

    def refusing(self, requested: Coding) -> frozenset[Coding]:
        """Return the refused purposes that stop the requested one."""
        return self.tree.above(requested)


@dataclass(frozen=True)
class Labels:
    """Security labels (R26, R27).

    Attributes:
        confidentiality: system and codes from low to high; no or an unknown code counts as the highest.
        sensitivities: known topics and their is-a relations.
        neutral: systems whose labels are no topics (national marks such as TURVAKIELTO).
        handling: labels of a topic system that only tell how to handle the data.
        purpose_system: system of purpose labels.
        no_purpose: purpose labels that limit nothing (test data).
    """

    confidentiality_system: str
    confidentiality_order: tuple[str, ...]
    sensitivities: CodeTree
    neutral: frozenset[str]
    handling: frozenset[Coding]
    purpose_system: str
    no_purpose: frozenset[Coding]

    @property
    def highest(self) -> int:
        """Rank of the highest confidentiality."""
        return len(self.confidentiality_order) - 1

    def rank(self, code: str) -> int:
        """Return how confidential a code is, from 0; an unknown code is the highest."""
        return self.confidentiality_order.index(code) if code in self.confidentiality_order else self.highest
