"""SMART scopes, version 1 and 2, for systems: parse, and ask whether they allow an interaction.

Source: SMART App Launch 2.2 «Scopes and Launch Context»; rules S1–S8 of our reference. A scope that cannot be
read exactly grants nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl

LETTERS = "cruds"
"""create, read, update, delete, search: in a scope always in this order."""

V1_LETTERS = {"read": "rs", "write": "cud", "*": "cruds"}
_SCOPE = re.compile(r"(system|user|patient)/([A-Z][A-Za-z]{1,63}|\*)\.(c?r?u?d?s?|read|write|\*)(?:\?(.{1,500}))?")


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope.

    Attributes:
        context: `system`, `user` or `patient`.
        resource_type: a FHIR type, or `*`.
        letters: subset of `cruds`.
        query: search parameters that narrow it (`category=…`), as pairs.
    """

    context: str
    resource_type: str
    letters: str
    query: tuple[tuple[str, str], ...] = ()

    def covers(self, resource_type: str, letter: str) -> bool:
        """Say whether the scope allows the interaction `letter` on the type, its query aside."""
        return letter in self.letters and self.resource_type in ("*", resource_type)

    def contains(self, other: Scope) -> bool:
        """Say whether everything that `other` allows is allowed by this one."""
        return (
            self.context == other.context
            and self.resource_type in ("*", other.resource_type)
            and set(other.letters) <= set(self.letters)
            and (not self.query or set(self.query) == set(other.query))
        )

    def __str__(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.query)
        return f"{self.context}/{self.resource_type}.{self.letters}" + (f"?{query}" if query else "")


def parse(text: str) -> tuple[Scope, ...]:
    """Read a space-separated scope string; words that are no such scope are left out, so they grant nothing."""
    return tuple(scope for word in text.split() if (scope := _parse_one(word)) is not None)


def _parse_one(word: str) -> Scope | None:
    match = _SCOPE.fullmatch(word)
    if match is None:
        return None
    context, resource_type, letters, query = match.groups()
    letters = V1_LETTERS.get(letters, letters)
    if not letters:
        return None
    pairs = tuple(parse_qsl(query, strict_parsing=False, max_num_fields=20)) if query else ()
    if query and not pairs:
        return None
    return Scope(context, resource_type, letters, pairs)


def covering(scopes: Iterable[Scope], resource_type: str, letter: str) -> tuple[Scope, ...]:
    """Return the scopes that allow the interaction; one without a query allows it for every resource."""
    return tuple(scope for scope in scopes if scope.covers(resource_type, letter))


def granted(asked: Iterable[Scope], registered: Iterable[Scope]) -> tuple[Scope, ...]:
    """Return what of the asked scopes lies inside the registered ones (rule T13: never more)."""
    allowed = tuple(registered)
    found: list[Scope] = []
    for scope in asked:
        if any(each.contains(scope) for each in allowed):
            found.append(scope)
        else:
            found.extend(_inside(scope, each) for each in allowed if _overlaps(scope, each))
    return tuple(dict.fromkeys(found))


def _overlaps(asked: Scope, allowed: Scope) -> bool:
    types_meet = "*" in (asked.resource_type, allowed.resource_type) or asked.resource_type == allowed.resource_type
    letters_meet = bool(set(asked.letters) & set(allowed.letters))
    queries_agree = not (asked.query and allowed.query and set(asked.query) != set(allowed.query))
    return asked.context == allowed.context and types_meet and letters_meet and queries_agree


def _inside(asked: Scope, allowed: Scope) -> Scope:
    resource_type = allowed.resource_type if asked.resource_type == "*" else asked.resource_type
    letters = "".join(letter for letter in LETTERS if letter in asked.letters and letter in allowed.letters)
    return Scope(asked.context, resource_type, letters, asked.query or allowed.query)
