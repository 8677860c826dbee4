"""What a client left behind, and what it did after an answer: the judgements behind the assertions on effect."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, Field

from adapter.mock.definitions import patient_compartment
from adapter.mock.journal import Entry
from adapter.mock.storage import Stored
from adapter.mock.world import World

STILL_ALLOWED = frozenset(("Consent", "Provenance", "AuditEvent", "Patient", "RelatedPerson", "Communication"))
"""What may still arrive about a client who withdrew a consent: who, the consent itself, and the trail of it."""


class Verdict(BaseModel):
    """What an assertion found.

    Attributes:
        evidence: numbers of the journal entries that decide.
        advice: what to do when it does not hold; empty when it does.
    """

    ok: bool
    message: str
    evidence: list[int] = Field(default_factory=list)
    advice: str = ""

    @property
    def text(self) -> str:
        """What was found, where, and what to do."""
        numbers = ", ".join(map(str, self.evidence))
        where = f" (journal {'entry' if len(self.evidence) == 1 else 'entries'} {numbers})" if numbers else ""
        return f"{self.message}{where}" + (f". {self.advice}" if self.advice else "")


def effect_verdict(world: World, kind: str, entries: list[Entry]) -> Verdict:
    """Judge `no-duplicates`, `updated-with-if-match`, `withdrawal-respected`, `delivered-after` or `followed-up`.

    Args:
        entries: the requests that the assertion is about.
    """
    if kind == "no-duplicates":
        return _no_duplicates(world)
    if kind == "updated-with-if-match":
        return _updated(world)
    if kind == "withdrawal-respected":
        return _withdrawal(world)
    later = _later(world, entries, same=kind == "delivered-after")
    missing = [one.number for one, followed in later if not followed]
    what = "delivered afterwards" if kind == "delivered-after" else "followed up"
    message = f"{len(later) - len(missing)} of {len(later)} requests were {what}"
    return Verdict(ok=bool(later) and not missing, message=message, evidence=missing)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Resources of one type that carry the same identifier.

    Attributes:
        resource_type: their type.
        paths: `Type/id` of each, in the order of their creation.
        numbers: the requests of the journal that made them.
    """

    resource_type: str
    paths: tuple[str, ...]
    numbers: tuple[int, ...]


def duplicates(world: World) -> list[Duplicate]:
    """Return which present resources carry an identifier that another one of their type carries too."""
    rows = world.store.rows(
        "SELECT r.type, group_concat(DISTINCT r.id) FROM index_identifier t JOIN resource r ON r.pk = t.pk "
        "WHERE r.deleted = 0 AND t.parameter = r.type || '.identifier' AND t.code IS NOT NULL "
        "GROUP BY t.parameter, t.system, t.code HAVING count(DISTINCT t.pk) > 1",
        [],
    )
    made = {one.path: entry.number for entry in world.journal.find() for one in entry.changes if one.version == 1}
    found = {}
    for kind, ids in rows:
        paths = tuple(sorted((f"{kind}/{one}" for one in ids.split(",")), key=lambda path: made.get(path, 0)))
        found[paths] = Duplicate(kind, paths, tuple(made[one] for one in paths if one in made))
    return list(found.values())


def _no_duplicates(world: World) -> Verdict:
    found = duplicates(world)
    kinds = sorted({one.resource_type for one in found})
    message = (
        f"the same identifier on several of {', '.join(kinds)}" if found else "no identifier stands on two resources"
    )
    return Verdict(ok=not found, message=message, evidence=sorted({number for one in found for number in one.numbers}))


def _updated(world: World) -> Verdict:
    """At least one resource got a further version by a request that named the version it changes."""
    changing = [one for one in world.journal.find() if any(change.version > 1 for change in one.changes)]
    named = [one for one in changing if "if-match" in one.request.headers or b'"ifMatch"' in one.request.body]
    message = f"{len(named)} of {len(changing)} updates named the version that they change"
    return Verdict(
        ok=bool(named) and len(named) == len(changing), message=message, evidence=[one.number for one in changing]
    )


def _withdrawal(world: World) -> Verdict:
    """A consent was withdrawn, and nothing of substance about a client was stored by a later request."""
    entries = world.journal.find()
    withdrawn = [one.number for one in entries if any(_is_withdrawal(change) for change in one.changes)]
    substance = patient_compartment().keys() - STILL_ALLOWED
    after = [
        one.number
        for one in entries
        if withdrawn and one.number > withdrawn[0] and any(change.type in substance for change in one.changes)
    ]
    if not withdrawn:
        return Verdict(ok=False, message="no consent was withdrawn")
    return Verdict(ok=not after, message=f"{len(after)} deliveries after the withdrawal, none wanted", evidence=after)


def _is_withdrawal(change: Stored) -> bool:
    return change.type == "Consent" and change.body is not None and change.resource.get("status") == "inactive"


def _later(world: World, entries: list[Entry], *, same: bool) -> list[tuple[Entry, bool]]:
    """For each entry, whether a later request succeeded: the same one again, or any at all."""
    done = [one for one in world.journal.find() if one.decision == "done"]
    return [
        (
            one,
            any(other.number > one.number and (not same or _is_same(one, other)) for other in done),
        )
        for one in entries
    ]


def _is_same(one: Entry, other: Entry) -> bool:
    return (one.request.method, one.request.path) == (other.request.method, other.request.path)
