"""Which codes a value set of R4 holds, as far as it can be known without a terminology server.

Code systems and value sets come from the snapshot in `profiles/r4/` and from what a caller adds. An answer is
yes, no, or None: not known, because a code system is not here (SNOMED CT, LOINC) or a filter is not understood.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from adapter.data import data_root

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes of a value set.

    Attributes:
        by_system: known codes by code system.
        open_systems: systems of which the set holds codes that are not known here; `*` is any system.
    """

    by_system: Mapping[str, frozenset[str]] = field(default_factory=dict)
    open_systems: frozenset[str] = frozenset()

    def holds(self, system: str | None, code: str) -> bool | None:
        """Tell whether the code is in the set; without a system in any of its systems. None: not known."""
        if system is None:
            if any(code in codes for codes in self.by_system.values()):
                return True
            return None if self.open_systems else False
        if code in self.by_system.get(system, ()):
            return True
        return None if system in self.open_systems or "*" in self.open_systems else False

    @property
    def all_codes(self) -> frozenset[str] | None:
        """All codes without their systems; None when the set is open."""
        if self.open_systems:
            return None
        return frozenset(code for codes in self.by_system.values() for code in codes)


class CodeSystemTree:
    """The codes of one complete code system, and what lies below each."""

    def __init__(self, concepts: Iterable[Any]) -> None:
        self.below: dict[str, list[str]] = {}
        self._add(concepts)
        self.codes = frozenset(self.below)

    def _add(self, concepts: Iterable[Any]) -> list[str]:
        names = []
        for concept in concepts:
            code, narrower = (concept, ()) if isinstance(concept, str) else concept
            self.below[code] = self._add(narrower)
            names.append(code)
        return names

    def is_a(self, code: str) -> frozenset[str]:
        """Return the code and everything below it."""
        found, todo = set(), [code]
        while todo:
            present = todo.pop()
            if present in self.below and present not in found:
                found.add(present)
                todo.extend(self.below[present])
        return frozenset(found)


WATCHED: dict[str, frozenset[str]] = {}
"""Complete code systems that somebody in this process has added, with the codes that all who added one agree on.

A fast test may let such a code pass without asking whose terminology it is; any other code needs the exact one."""


class Terminology:
    """Code systems and value sets of the R4 core package plus those added; expands lazily.

    Args:
        resources: further CodeSystem and ValueSet resources; they win over the core package's.

    Attributes:
        added: the complete code systems among them, by URL.
    """

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self._systems: dict[str, CodeSystemTree | None] = {}
        self._sets: dict[str, Resource] = {}
        self._expanded: dict[str, Codes | None] = {}
        self.added: dict[str, CodeSystemTree] = {}
        for resource in resources:
            url = resource.get("url")
            if resource.get("resourceType") == "ValueSet" and isinstance(url, str):
                self._sets[url] = resource
            elif resource.get("resourceType") == "CodeSystem" and isinstance(url, str):
                complete = resource.get("content") == "complete"
                tree = self._systems[url] = CodeSystemTree(_concepts(resource)) if complete else None
                if tree is not None:
                    self.added[url] = tree
                    WATCHED[url] = WATCHED.get(url, tree.codes) & tree.codes

    def code_system(self, url: str) -> CodeSystemTree | None:
        """Return a complete code system, or None when it is not known in full."""
        if url not in self._systems:
            row = _core("codesystems.json").get(url)
            self._systems[url] = CodeSystemTree(row["concepts"]) if row else None
        return self._systems[url]

    def is_value_set(self, url: str) -> bool:
        """True when a value set, and no code system, has this URL."""
        known = url in self._sets or url in _core("valuesets.json")
        return known and url not in self._systems and url not in _core("codesystems.json")

    def value_set(self, canonical: str) -> Codes | None:
        """Return the codes of a value set (a `|version` is ignored), or None when the set is not known."""
        url = canonical.split("|", 1)[0]
        if url not in self._expanded:
            self._expanded[url] = Codes(open_systems=frozenset("*"))
            self._expanded[url] = self._expand(url)
        return self._expanded[url]

    def _expand(self, url: str) -> Codes | None:
        found = self._sets.get(url)
        compose = found.get("compose") if found else _core("valuesets.json").get(url)
        if not compose and found and "expansion" in found:
            return _union(_contained_codes(found["expansion"].get("contains", ())))
        if not compose:
            return None
        codes = _union(self._include(include) for include in compose.get("include", ()))
        for exclude in compose.get("exclude", ()):
            codes = _without(codes, self._include(exclude))
        return codes

    def _include(self, include: Mapping[str, Any]) -> Codes:
        parts = [self.value_set(url) or Codes(open_systems=frozenset("*")) for url in include.get("valueSet", ())]
        if "system" in include:
            parts.append(self._of_system(include))
        return _intersection(parts)

    def _of_system(self, include: Mapping[str, Any]) -> Codes:
        system = include["system"]
        if "concept" in include:
            return Codes({system: frozenset(concept["code"] for concept in include["concept"])})
        tree = self.code_system(system)
        if tree is None:
            return Codes(open_systems=frozenset((system,)))
        codes = tree.codes
        for rule in include.get("filter", ()):
            kept = _filtered(tree, rule)
            if kept is None:
                return Codes(open_systems=frozenset((system,)))
            codes &= kept
        return Codes({system: codes})


@cache
def core_terminology() -> Terminology:
    """Return the terminology of the R4 core package alone."""
    return Terminology()


@cache
def _core(name: str) -> Any:
    return json.loads((data_root() / "profiles" / "r4" / name).read_bytes())


def _concepts(resource: Mapping[str, Any]) -> list[Any]:
    return [
        [concept["code"], _concepts(concept)] if concept.get("concept") else concept["code"]
        for concept in resource.get("concept", ())
    ]


def _contained_codes(rows: Iterable[Mapping[str, Any]]) -> Iterable[Codes]:
    for row in rows:
        if "code" in row and not row.get("abstract"):
            yield Codes({row.get("system", ""): frozenset((row["code"],))})
        yield from _contained_codes(row.get("contains", ()))


def _filtered(tree: CodeSystemTree, rule: Mapping[str, Any]) -> frozenset[str] | None:
    if rule.get("property") not in ("concept", "code"):
        return None
    named = tree.is_a(rule.get("value", ""))
    match rule.get("op"):
        case "is-a":
            return named
        case "descendent-of":
            return named - {rule["value"]}
        case "is-not-a":
            return tree.codes - named
        case "in":
            return frozenset(rule["value"].split(","))
        case _:
            return None


def _union(parts: Iterable[Codes]) -> Codes:
    by_system: dict[str, set[str]] = {}
    opened: set[str] = set()
    for part in parts:
        opened |= part.open_systems
        for system, codes in part.by_system.items():
            by_system.setdefault(system, set()).update(codes)
    return Codes({system: frozenset(codes) for system, codes in by_system.items()}, frozenset(opened))


def _intersection(parts: list[Codes]) -> Codes:
    if len(parts) == 1:
        return parts[0]
    if not parts or any(part.open_systems for part in parts):
        return Codes(open_systems=frozenset("*"))
    systems = set.intersection(*(set(part.by_system) for part in parts))
    return Codes({system: frozenset.intersection(*(part.by_system[system] for part in parts)) for system in systems})


def _without(codes: Codes, excluded: Codes) -> Codes:
    kept = {system: found - excluded.by_system.get(system, frozenset()) for system, found in codes.by_system.items()}
    return Codes(kept, codes.open_systems)
