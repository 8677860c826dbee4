"""Granular scopes (`system/Observation.rs?category=…`): a token that holds for some resources of a type alone.

A resource lies inside a scope when a search with the scope's parameters finds it; nothing outside is shown, counted
or changed (rule S6). A parameter that the type does not have grants nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy

from adapter.mock.consent_gate import Gate
from adapter.mock.outcomes import Refusal
from adapter.mock.search.compile import Compiler, UnknownParameter
from adapter.mock.storage import Store, Stored
from adapter.mock.world import World
from adapter.security.scopes import Scope, covering
from adapter.security.tokens import Access
from adapter.types import Resource


class ScopeGate(Gate):
    """Decides as the consents do, and shows besides only what lies inside the token's scopes.

    Args:
        base: FHIR base URL.
        letter: of the interaction that asks: `c`, `r`, `u`, `d` or `s`.
        consents: whether consents are asked too.
    """

    def __init__(self, world: World, access: Access, base: str, letter: str, *, consents: bool) -> None:
        super().__init__(world, access)
        self.base = base
        self.letter = letter
        self.consents = consents

    def at(self, letter: str) -> ScopeGate:
        """Return the same gate for another interaction of the same request (entries of a Bundle)."""
        found = copy(self)
        found.letter = letter
        return found

    def show(self, stored: Stored) -> Resource | None:
        """Return what the requester may see of a version: all, a part, or None."""
        if not self.covers(stored, self.letter):
            return None
        return super().show(stored) if self.consents else stored.resource

    def seen(self, kinds: Iterable[str], found: list[int]) -> frozenset[int]:
        """Return which resources a chain may look at; types of a narrowed scope are in no chain at all."""
        if self.consents:
            return super().seen(kinds, found)
        rows = (self.world.store.rows("SELECT pk FROM resource WHERE type = ? AND deleted = 0", [one]) for one in kinds)
        return frozenset(pk for found_rows in rows for (pk,) in found_rows)

    def protects(self, stored: Stored) -> bool:
        """True when the resource is about a client with TURVAKIELTO and the requester is not its custodian."""
        return self.consents and super().protects(stored)

    def covers(self, stored: Stored, letter: str) -> bool:
        """Say whether a version lies inside the scopes for an interaction; a type without a narrowed one does."""
        scopes = self.access.scopes
        if not any(one.query and one.resource_type in ("*", stored.type) for one in scopes):
            return True
        found = covering(scopes, stored.type, letter)
        return any(not one.query or self._inside(stored, one) for one in found)

    def _inside(self, stored: Stored, scope: Scope) -> bool:
        if stored.body is None:
            return False
        store = self.world.store
        current = store.current(stored.type, stored.id)
        if current is not None and current.seq == stored.seq:
            return self._found(store, stored, scope)
        scratch = Store()  # an older version is in no index: it gets one of its own
        try:
            resource = stored.resource
            older = scratch.put(resource, stored.method, stored.updated, self.base)
            return self._found(scratch, older, scope)
        finally:
            scratch.close()

    def _found(self, store: Store, stored: Stored, scope: Scope) -> bool:
        compiler = Compiler(self.base, self.world.clock.now())
        conditions, arguments = ["r.type = ?", "r.id = ?"], [stored.type, stored.id]
        try:
            for name, value in scope.query:
                sql, values = compiler.criterion(stored.type, name, value)
                conditions.append(sql)
                arguments += values
        except (UnknownParameter, Refusal):
            return False
        where = " AND ".join(conditions)
        return bool(store.rows(f"SELECT 1 FROM resource r WHERE {where}", arguments)) and not compiler.touched
