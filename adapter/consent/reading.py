"""Consents read once: checked, versions sorted out, indexed by client (R4, R6, R7).

on_file = read_consents(consents)
decide(on_file, request)      # as often as wanted
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from adapter.consent.configuration import Configuration, packaged_configuration
from adapter.consent.context import Party
from adapter.consent.records import Version, identities
from adapter.consent.references import Token
from adapter.consent.structure import StructureCheck
from adapter.types import Resource


class Consents:
    """The consents on file, in any order, for any number of clients. Made by `read_consents`.

    Safe to share between threads; the documents must not be changed afterwards.
    """

    def __init__(self, documents: Iterable[Any], check: StructureCheck) -> None:
        self.documents: tuple[Resource, ...] = tuple(doc for doc in documents if isinstance(doc, dict))
        self._check = check
        self._shelves: dict[Configuration, Shelf] = {}

    def __len__(self) -> int:
        return len(self.documents)

    def shelf(self, configuration: Configuration) -> Shelf:
        """Return the consents as one configuration reads them; read once for each."""
        shelf = self._shelves.get(configuration)
        if shelf is None:
            shelf = self._shelves[configuration] = Shelf(self.documents, configuration, self._check)
        return shelf


class Group:
    """All versions of one record (R6)."""

    def __init__(self, versions: list[Version]) -> None:
        self.versions = versions

    @cached_property
    def newest(self) -> tuple[Version, ...]:
        """The version that counts in live mode; several when they cannot be ordered."""
        return _newest(self.versions)

    def newest_at(self, moment: int) -> tuple[Version, ...]:
        """Return the version that counted at an instant; one that cannot be dated stays in (R7)."""
        return _newest([one for one in self.versions if one.recorded is None or one.recorded <= moment])


class Shelf:
    """The consents as one configuration reads them, found by client."""

    def __init__(self, documents: Iterable[Resource], configuration: Configuration, check: StructureCheck) -> None:
        self._by_client: dict[str | Token, list[Group]] = {}
        groups = _grouped([Version(document, configuration, check) for document in documents])
        for group in groups:
            for name in {name for version in group.versions for name in version.clients}:
                self._by_client.setdefault(name, []).append(group)
        active = [version for group in groups for version in group.newest if version.without_effect is None]
        # All are checked before any is compiled: the two in turns are an eighth slower.
        sound = [version for version in active if version.flaw is None]
        for version in sound:
            _ = version.rules

    def groups_of(self, client: Party) -> list[Group]:
        """Return the records of which some version may concern a client, each once, in a fixed order."""
        found: dict[int, Group] = {}
        names: tuple[str | Token, ...] = (*client.keys, *client.identifiers)
        for name in names:
            found.update((id(group), group) for group in self._by_client.get(name, ()))
        return list(found.values())


def read_consents(
    consents: Iterable[Resource], *, config: Configuration | None = None, check: StructureCheck | None = None
) -> Consents:
    """Check and index consents once, for many decisions.

    Args:
        consents: FHIR R4 Consent resources as dicts: the whole store, of any clients, every version on file.
        config: configuration they will be asked with; another one is read when first met.
        check: judges the base R4 structure; the packaged validator when not given.
    """
    from adapter.consent.shape import base_structure

    found = Consents(consents, check or base_structure)
    found.shelf(config or packaged_configuration())
    return found


def _newest(versions: list[Version]) -> tuple[Version, ...]:
    """Return the versions that no other is surely newer than; copies that say the same count as one."""
    top: list[Version] = []
    for version in versions:
        if not any(version.is_older(other) or _same(version, other) for other in top):
            top = [other for other in top if not other.is_older(version)]
            top.append(version)
    return tuple(top)


def _same(one: Version, other: Version) -> bool:
    try:
        return one.document == other.document
    except RecursionError:  # nested without end: malformed anyway, and not to be thrown away
        return False


def _grouped(versions: list[Version]) -> list[Group]:
    """Join entries that share a business identifier or an id, also over several steps."""
    leader = list(range(len(versions)))

    def lead(index: int) -> int:
        while leader[index] != index:
            leader[index] = index = leader[leader[index]]
        return index

    home: dict[Token, int] = {}
    for index, version in enumerate(versions):
        for token in identities(version.document):
            leader[lead(index)] = lead(home.setdefault(token, index))
    groups: dict[int, list[Version]] = {}
    for index, version in enumerate(versions):
        groups.setdefault(lead(index), []).append(version)
    return [Group(members) for members in groups.values()]
