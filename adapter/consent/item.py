"""One resource of a request, read as the rules look at it: class, codes, labels, time, authors."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

from adapter.consent.configuration import Configuration
from adapter.consent.context import Context, identifiers_of
from adapter.consent.instants import ALWAYS, Span, period_span, span
from adapter.consent.model import Coding
from adapter.consent.references import Ref, Token, resource_key
from adapter.consent.vocabulary import read_coding
from adapter.types import Resource

PRIMARY = ("code", "category", "type")
"""Elements that say what kind of data a resource is."""

_CUTTABLE = {"Observation": "component", "CarePlan": "activity"}
_AUTHORS = ("performer", "author", "contributor")
TIMES = (
    "effectiveDateTime",
    "effectiveInstant",
    "effectivePeriod",
    "effectiveTiming",
    "period",
    "issued",
    "created",
)
"""Elements that say of which time the data are."""


class Part(NamedTuple):
    """An element that may be cut out by itself.

    Attributes:
        path: FHIRPath.
        codes: all codings inside.
        in_words: what it is about is said in text only, so that nobody can tell it from what is refused (R25).
    """

    path: str
    codes: frozenset[Coding]
    in_words: bool


class Item:
    """A resource with what the criteria ask of it, each worked out once and only when asked."""

    def __init__(self, resource: Resource, address: str, context: Context, configuration: Configuration) -> None:
        self.resource = resource
        self.context = context
        self.configuration = configuration
        kind = resource.get("resourceType")
        self.type: str = kind if isinstance(kind, str) else ""
        self.key = resource_key(resource)
        self.keys = frozenset(key for key in (self.key, address) if key)
        labels = self._security()
        self.labels: frozenset[Coding] = frozenset(filter(None, labels))
        self.has_unreadable_label = None in labels

    def _security(self) -> list[Coding | None]:
        meta = self.resource.get("meta")
        labels = meta.get("security") if isinstance(meta, dict) else None
        return [read_coding(label) for label in labels] if isinstance(labels, list) else []

    @cached_property
    def identifiers(self) -> frozenset[Token]:
        """Business identifiers of the resource."""
        return frozenset(identifiers_of(self.resource))

    @cached_property
    def profiles(self) -> frozenset[str]:
        """Profiles that the resource claims, without version (R24)."""
        meta = self.resource.get("meta")
        claimed = meta.get("profile") if isinstance(meta, dict) else None
        if not isinstance(claimed, list):
            return frozenset()
        return frozenset(profile.partition("|")[0] for profile in claimed if isinstance(profile, str))

    @cached_property
    def confidentiality(self) -> int | None:
        """Rank of the highest confidentiality label, an unknown code being the highest; None without one."""
        labels = self.configuration.labels
        ranks = [labels.rank(label.code) for label in self.labels if label.system == labels.confidentiality_system]
        return max(ranks, default=None)

    @cached_property
    def topics(self) -> frozenset[Coding]:
        """Known sensitivity labels."""
        return self.labels & self.configuration.labels.sensitivities.codes

    @cached_property
    def has_unknown_topic(self) -> bool:
        """True when a label may be a sensitivity that nobody here knows (R27)."""
        labels = self.configuration.labels
        known_systems = {labels.confidentiality_system, labels.purpose_system, *labels.neutral}
        return self.has_unreadable_label or any(
            label.system not in known_systems
            and label not in labels.sensitivities.codes
            and label not in labels.handling
            for label in self.labels
        )

    @cached_property
    def purpose_labels(self) -> frozenset[Coding]:
        """Labels that limit the purpose of use (R26)."""
        labels = self.configuration.labels
        limits = {label for label in self.labels if label.system == labels.purpose_system}
        return frozenset(limits) - labels.no_purpose

    @cached_property
    def extra_classes(self) -> frozenset[str]:
        """Data classes that the resource's topics ask for by themselves (BR-079)."""
        configuration = self.configuration
        classes = configuration.data_classes.labels
        above = configuration.labels.sensitivities.above
        return frozenset(classes[wide] for topic in self.topics for wide in above(topic) if wide in classes)

    @cached_property
    def primary_codes(self) -> tuple[frozenset[Coding], bool]:
        """Codings of `code`, `category` and `type`, and whether one of these says itself in text only."""
        found: set[Coding] = set()
        text_only = False
        for name in PRIMARY:
            value = self.resource.get(name)
            for concept in value if isinstance(value, list) else (value,):
                if isinstance(concept, dict):
                    codings = set(codings_in(concept))
                    found |= codings
                    text_only = text_only or not codings
        return frozenset(found), text_only

    @cached_property
    def cuttable(self) -> tuple[Part, ...]:
        """Elements that may be cut out (R28)."""
        name = _CUTTABLE.get(self.type, "")
        value = self.resource.get(name)
        if not isinstance(value, list):
            return ()
        return tuple(
            Part(f"{self.type}.{name}[{index}]", frozenset(codings_in(element)), _is_in_words(element))
            for index, element in enumerate(value)
        )

    @cached_property
    def codes(self) -> frozenset[Coding]:
        """All codings outside `meta` and outside the elements that may be cut out."""
        skipped = {"meta", _CUTTABLE[self.type]} if self.cuttable else {"meta"}
        rest = [value for name, value in self.resource.items() if name not in skipped]
        return frozenset(codings_in(rest))

    @cached_property
    def data_time(self) -> Span | None:
        """When the data are from (R29): effective[x], else period, else issued or created; None if undated."""
        for name in TIMES:
            value = self.resource.get(name)
            if isinstance(value, str):
                return span(value, self.configuration.zone)
            if isinstance(value, dict):
                found = period_span(value, self.configuration.zone)
                return None if found == ALWAYS else found
        return None

    @cached_property
    def authors(self) -> tuple[Ref, ...]:
        """References in `performer`, `author` and `contributor`; unreadable ones included (R30)."""
        values = [self.resource.get(name) for name in _AUTHORS]
        return tuple(self.context.reference(value) for value in references_in(values))

    @cached_property
    def references(self) -> tuple[Ref, ...]:
        """Everything the resource refers to, one step."""
        return references_of(self.resource, self.context)


def _is_in_words(element: Any) -> bool:
    """Tell whether the code of a component, or of a plan's activity, is text without a coding."""
    detail = element.get("detail", element) if isinstance(element, dict) else None
    code = detail.get("code") if isinstance(detail, dict) else None
    return isinstance(code, dict) and next(codings_in(code), None) is None


def codings_in(value: Any) -> Iterator[Coding]:
    """Yield every coding anywhere inside a JSON value: objects that have both a system and a code."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            coding = read_coding(found)
            if coding:
                yield coding
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)


def references_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every FHIR Reference anywhere inside a JSON value, also one that has only a display."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting.extend(found)
        elif isinstance(found, dict):
            if _is_reference(found):
                yield found
            else:
                waiting.extend(found.values())


def references_of(resource: Resource, context: Context) -> tuple[Ref, ...]:
    """Return everything a resource refers to, one step, contained resources included."""
    return tuple(context.reference(value) for value in references_in(list(resource.values())))


def _is_reference(value: dict[str, Any]) -> bool:
    if isinstance(value.get("reference"), str):
        return True
    names = value.keys() - {"id", "extension"}
    return bool(names) and names <= {"type", "identifier", "display"} and names & {"identifier", "display"} != set()
