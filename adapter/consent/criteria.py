"""The criteria of a provision that compare codes and times: R9, R22 – R25, R27, R29 (three-valued, R16).

They are never changed after compilation; plain classes, because consents are read by the thousand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from adapter.consent.instants import Span
from adapter.consent.model import NO, UNKNOWN, YES, Coding, CriterionName, Match
from adapter.consent.question import Question

Shown = tuple[str, ...]
"""Codes and references for the trace, sorted."""


class Criterion(Protocol):
    """One criterion of one provision, compiled."""

    @property
    def name(self) -> CriterionName:
        """Which one."""

    def match(self, question: Question) -> Match:
        """Say YES, UNKNOWN or one of the kinds of NO."""

    def wanted(self) -> Shown:
        """Return what the provision asks for."""

    def given(self, question: Question) -> Shown:
        """Return what the request has."""


def shown(values: Iterable[object]) -> Shown:
    """Return values as sorted texts."""
    return tuple(sorted(map(str, values)))


@dataclass(slots=True, eq=False)
class PeriodCriterion:
    """The rule's own period holds the moment asked about (R9)."""

    name: ClassVar[CriterionName] = "period"
    span: Span
    text: Shown

    def match(self, question: Question) -> Match:
        """Say YES inside; OVER and NO tell the two sides apart."""
        if self.span.holds(question.moment):
            return YES
        return Match.OVER if question.moment >= self.span.high else NO

    def wanted(self) -> Shown:
        """Return start and end as written."""
        return self.text

    def given(self, question: Question) -> Shown:  # noqa: ARG002 - the moment stands in the request
        """Return nothing: the moment is the request's own."""
        return ()


@dataclass(slots=True, eq=False)
class PurposeCriterion:
    """The purpose of use (R22): equal or below; a permit never implies the override purposes.

    Attributes:
        purposes: codings listed; `unknown` is true when one of them is not known or not readable.
        systems: systems of the known ones; a known code of another system is not comparable.
        openable: purposes that the consent's type can open at all; None when it has no type of ours.
    """

    name: ClassVar[CriterionName] = "purpose"
    permit: bool
    purposes: frozenset[Coding]
    unknown: bool
    systems: frozenset[str]
    openable: frozenset[Coding] | None

    def match(self, question: Question) -> Match:
        """Compare with the one purpose requested."""
        asking = question.asking
        requested = asking.request.purpose
        if self.openable is not None and requested not in self.openable:
            return NO
        if not (asking.permitting_purposes if self.permit else asking.refusing_purposes).isdisjoint(self.purposes):
            return YES
        comparable = asking.purpose_is_known and not self.unknown and self.systems <= {requested.system}
        return NO if comparable else UNKNOWN

    def wanted(self) -> Shown:
        """Return the purposes listed."""
        return shown(self.purposes)

    def given(self, question: Question) -> Shown:
        """Return the purpose requested."""
        return (str(question.asking.request.purpose),)


@dataclass(slots=True, eq=False)
class ActionCriterion:
    """The action (R23)."""

    name: ClassVar[CriterionName] = "action"
    permit: bool
    actions: frozenset[str]
    unknown: bool

    def match(self, question: Question) -> Match:
        """Compare with the action requested."""
        asking = question.asking
        if not (asking.permitting_actions if self.permit else asking.refusing_actions).isdisjoint(self.actions):
            return YES
        return UNKNOWN if self.unknown else NO

    def wanted(self) -> Shown:
        """Return the actions listed."""
        return shown(self.actions)

    def given(self, question: Question) -> Shown:
        """Return the action requested."""
        return (question.asking.request.action,)


@dataclass(slots=True, eq=False)
class ClassCriterion:
    """The class of data (R24): resource type or claimed profile.

    Attributes:
        listed: false when the rule names no class; then only the extra classes can fail it.
        own: data classes listed, when the consent has a type of ours and its extra data need their own class
            (BR-079); None otherwise.
    """

    name: ClassVar[CriterionName] = "class"
    listed: bool
    types: frozenset[str]
    profiles: frozenset[str]
    unknown: bool
    own: frozenset[str] | None

    def match(self, question: Question) -> Match:
        """Compare with the resource's type and profiles."""
        item = question.item
        if self.own is not None and not item.extra_classes <= self.own:
            return NO
        if not self.listed or item.type in self.types:
            return YES
        if self.profiles and not self.profiles.isdisjoint(item.profiles):
            return YES
        return UNKNOWN if self.unknown else NO

    def wanted(self) -> Shown:
        """Return the types and profiles listed."""
        return shown(self.types | self.profiles)

    def given(self, question: Question) -> Shown:
        """Return the resource's type and profiles."""
        return shown({question.item.type} | question.item.profiles)


@dataclass(slots=True, eq=False)
class CodeCriterion:
    """Codes in the data (R25): a permit looks at the primary elements, a refusal everywhere outside `meta`.

    What a refusal finds only inside an element that may be cut out is asked about element by element (R28).
    """

    name: ClassVar[CriterionName] = "code"
    permit: bool
    codes: frozenset[Coding]
    unknown: bool

    def match(self, question: Question) -> Match:
        """Compare with the codings of the resource, or of the one element in question."""
        item = question.item
        primary, text_only = item.primary_codes
        found = primary if self.permit else item.codes
        if not self.codes.isdisjoint(found):
            return YES
        element = None if self.permit else question.element
        if element is not None and not self.codes.isdisjoint(element.codes):
            return YES
        return UNKNOWN if self.unknown or text_only or (element is not None and element.in_words) else NO

    def wanted(self) -> Shown:
        """Return the codes listed."""
        return shown(self.codes)

    def given(self, question: Question) -> Shown:
        """Return the codes of the primary elements."""
        return shown(question.item.primary_codes[0])


@dataclass(slots=True, eq=False)
class LabelCriterion:
    """Security labels (R27). Every permit has one: the highest confidentiality must always be listed.

    Attributes:
        listed: the labels as written.
        level: for a permit the highest, for a refusal the lowest confidentiality listed; None without one.
        topics: sensitivities listed, with all below them.
        unknown: a label listed cannot be read as either.
    """

    name: ClassVar[CriterionName] = "label"
    permit: bool
    listed: frozenset[Coding]
    level: int | None
    has_topics: bool
    topics: frozenset[Coding]
    unknown: bool
    highest: int

    def match(self, question: Question) -> Match:
        """Compare with the labels of the resource."""
        item = question.item
        rank = item.confidentiality
        if self.permit and not self.listed and not self.unknown:
            return NO if rank == self.highest else YES
        if rank is None:
            rank = self.highest
        if self.permit:
            return min(self._level_permits(rank), self._topics_permit(question))
        if (self.level is not None and rank >= self.level) or not self.topics.isdisjoint(item.topics):
            return YES
        return UNKNOWN if self.unknown or (self.has_topics and item.has_unknown_topic) else NO

    def _level_permits(self, rank: int) -> Match:
        highest = self.highest - 1 if self.level is None else self.level
        return YES if rank <= highest else NO

    def _topics_permit(self, question: Question) -> Match:
        item = question.item
        if self.unknown:
            return UNKNOWN
        if not self.has_topics:
            return YES
        if not item.topics <= self.topics:
            return NO
        return UNKNOWN if item.has_unknown_topic else YES

    def wanted(self) -> Shown:
        """Return the labels listed."""
        return shown(self.listed)

    def given(self, question: Question) -> Shown:
        """Return the labels of the resource."""
        return shown(question.item.labels)


@dataclass(slots=True, eq=False)
class DataPeriodCriterion:
    """The time of the data (R29): wholly inside for a permit, any overlap for a refusal."""

    name: ClassVar[CriterionName] = "dataPeriod"
    permit: bool
    span: Span
    text: Shown

    def match(self, question: Question) -> Match:
        """Compare with the data's time; undated data fit no permit and every refusal."""
        found = question.item.data_time
        if self.permit:
            return YES if found is not None and self.span.covers(found) else NO
        return YES if found is None or self.span.touches(found) else NO

    def wanted(self) -> Shown:
        """Return start and end as written."""
        return self.text

    def given(self, question: Question) -> Shown:
        """Return whether the data are dated."""
        return ("dated" if question.item.data_time is not None else "undated",)
