"""The criteria of a provision that compare references: actors (R17 – R21) and data (R30)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from adapter.consent.context import Context
from adapter.consent.criteria import Shown, shown
from adapter.consent.item import Item, references_of
from adapter.consent.model import NO, UNKNOWN, YES, CriterionName, Match
from adapter.consent.question import Question
from adapter.consent.references import Ref, Token, resource_key
from adapter.consent.teams import standing


@dataclass(slots=True, eq=False)
class ActorCriterion:
    """Recipients (R17 – R21), sorted so that a person among hundreds is found at once.

    Attributes:
        keys, identifiers: every actor by key and by identifier.
        collective: actors that are, or may be, teams and groups.
        organizations: some actor is an organisation by key (a refusal also reaches the units below it).
        unknown: some actor cannot be read, or its role is no recipient's.
        signing_day_end: end of the local day of `Consent.dateTime`; None when the day is not known.
    """

    name: ClassVar[CriterionName] = "actor"
    permit: bool
    keys: frozenset[str]
    identifiers: frozenset[Token]
    collective: tuple[Ref, ...]
    organizations: bool
    unknown: bool
    signing_day_end: float | None

    def match(self, question: Question) -> Match:
        """Tell whether the requester is among the actors."""
        asking = question.asking
        if not asking.direct_keys.isdisjoint(self.keys):
            return YES
        if self.identifiers and not asking.direct_identifiers.isdisjoint(self.identifiers):
            return YES
        best = UNKNOWN if self.unknown or not asking.possible_role_keys.isdisjoint(self.keys) else NO
        if not self.permit:
            best = max(best, self._reaches_unit(question))
        for ref in self.collective:
            if best is YES:
                break
            best = max(best, self._in(ref, question))
        return best

    def _reaches_unit(self, question: Question) -> Match:
        """Tell whether a refusal of a unit above reaches the requester's organisation (R18)."""
        keys, identifiers, complete = question.asking.units_above
        if not keys.isdisjoint(self.keys) or not identifiers.isdisjoint(self.identifiers):
            return YES
        return UNKNOWN if not complete and (self.organizations or self.identifiers) else NO

    def _in(self, ref: Ref, question: Question) -> Match:
        known = question.standings
        found = known[ref] if ref in known else standing(ref, question.asking, question.client)
        if found is not None:
            return found.permitted(self.signing_day_end) if self.permit else found.refused
        if question.asking.context.look_up(ref) is not None:
            return NO
        # What only an identifier names may be a team that nobody knows here; a refusal counts with that.
        may_be_team = not ref.type and not self.permit
        surely_other = ref.kind == "identifier" and not may_be_team and question.asking.names_are_complete
        return NO if surely_other else UNKNOWN

    def wanted(self) -> Shown:
        """Return the actors."""
        return shown(self.keys | {f"identifier of {system}" for system, _ in self.identifiers})

    def given(self, question: Question) -> Shown:
        """Return the names of the requester."""
        return shown(question.asking.direct_keys)


@dataclass(slots=True, eq=False)
class DataCriterion:
    """Named data (R30): instance, related, dependents, authoredby; one step, no walks."""

    name: ClassVar[CriterionName] = "data"
    data: tuple[tuple[str, Ref], ...]

    def match(self, question: Question) -> Match:
        """Tell whether the resource is among the data."""
        item = question.item
        return max((_named(meaning, anchor, item) for meaning, anchor in self.data), default=NO)

    def wanted(self) -> Shown:
        """Return meaning and reference of each."""
        return shown(f"{meaning} {_name(anchor)}" for meaning, anchor in self.data)

    def given(self, question: Question) -> Shown:
        """Return the resource and its authors."""
        return shown({question.item.key, *map(_name, question.item.authors)})


def _named(meaning: str, anchor: Ref, item: Item) -> Match:
    if anchor.kind == "unreadable":
        return UNKNOWN
    if anchor.kind == "foreign":
        return NO
    if meaning == "authoredby":
        return _authored(anchor, item)
    if _is_item(anchor, item):
        return YES
    if meaning == "related":
        known = item.context.look_up(anchor)
        if known is None:
            return UNKNOWN
        return YES if any(_is_item(ref, item) for ref in references_of(known, item.context)) else NO
    if meaning == "dependents":
        if any(_same(ref, anchor, item.context) for ref in item.references):
            return YES
        return UNKNOWN if anchor.kind == "identifier" and item.context.look_up(anchor) is None else NO
    return NO


def _authored(anchor: Ref, item: Item) -> Match:
    if any(_same(author, anchor, item.context) for author in item.authors):
        return YES
    unsure = not item.authors or any(author.kind == "unreadable" for author in item.authors)
    return UNKNOWN if unsure or not all(_comparable(author, anchor, item) for author in item.authors) else NO


def _comparable(author: Ref, anchor: Ref, item: Item) -> bool:
    """Tell whether two references that differ surely name different things: same kind, or both looked up."""
    if author.kind == anchor.kind or author.kind == "foreign":
        return True
    return item.context.look_up(author) is not None or item.context.look_up(anchor) is not None


def _is_item(ref: Ref, item: Item) -> bool:
    if ref.key in item.keys or ref.identifier in item.identifiers:
        return True
    known = item.context.look_up(ref)
    return known is not None and bool(item.key) and resource_key(known) == item.key


def _same(left: Ref, right: Ref, context: Context) -> bool:
    if left.kind == "foreign" or right.kind == "foreign":
        return False
    if (left.key and left.key == right.key) or (left.identifier and left.identifier == right.identifier):
        return True
    found = context.look_up(left)
    return found is not None and found is context.look_up(right)


def _name(ref: Ref) -> str:
    """Name a reference without its identifier's value, which may be an identity code."""
    return ref.key or (f"identifier of {ref.identifier[0]}" if ref.identifier else ref.kind)
