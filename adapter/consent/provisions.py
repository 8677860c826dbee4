"""One Consent's provisions compiled into rules that can be asked: base effect, nesting, criteria (R12 – R15)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from adapter.consent.configuration import CANONICALS, RESOURCE_TYPES, Configuration, ConsentType
from adapter.consent.criteria import (
    ActionCriterion,
    ClassCriterion,
    CodeCriterion,
    Criterion,
    DataPeriodCriterion,
    LabelCriterion,
    PeriodCriterion,
    PurposeCriterion,
)
from adapter.consent.instants import ALWAYS, period_span
from adapter.consent.model import Coding, Effect
from adapter.consent.parties import ActorCriterion, DataCriterion
from adapter.consent.references import read_reference
from adapter.consent.vocabulary import read_coding
from adapter.fhir.definitions import is_resource_type
from adapter.types import Resource

_COLLECTIVE = ("CareTeam", "Group", "")
_CRITERIA_KEYS = ("actor", "action", "securityLabel", "purpose", "class", "code", "dataPeriod", "data")


@dataclass(slots=True, eq=False)
class Provision:
    """A rule: it applies where all its criteria and all its ancestors do.

    Attributes:
        path: FHIRPath, `Consent.provision.provision[0]`.
        effect: what it does where it applies.
        is_default: a base deny that only frames an opt-in: it refuses nothing itself (R14).
        specific: its path names at least one actor and one purpose (R15).
        criteria: in the order of R32; a missing one is not there, because missing means all.
        refuses_codes: it, or a rule below, refuses by code, so that elements may have to be cut out (R28).
    """

    path: str
    effect: Effect
    is_default: bool
    specific: bool
    criteria: tuple[Criterion, ...]
    children: tuple[Provision, ...]
    refuses_codes: bool


class Frame(NamedTuple):
    """What all rules of one Consent share while they are compiled.

    Attributes:
        types: the types of ours that the consent has; empty for one from elsewhere.
    """

    configuration: Configuration
    signing_day_end: float | None
    types: tuple[ConsentType, ...]

    @property
    def openable(self) -> frozenset[Coding] | None:
        """Purposes that the consent's types can open at all; None without a type of ours."""
        if not self.types:
            return None
        return frozenset.intersection(*(kind.purposes for kind in self.types))


def compile_provisions(consent: Resource, frame: Frame) -> Provision:
    """Return the root rule of a structurally sound Consent; one without `provision` has a bare base."""
    root = consent.get("provision", {})
    policies = _policy_codes(consent, frame.configuration)
    effect = _base_effect(root, policies, frame.configuration)
    nested = root.get("provision", [])
    is_default = (
        effect == "deny"
        and not any(name in root for name in _CRITERIA_KEYS)
        and any(rule["type"] == "permit" for rule in nested)
        and bool(policies & frame.configuration.policies.permit)
        and not policies & frame.configuration.policies.deny
    )
    return _compile(root, effect, "Consent.provision", (False, False), frame, is_default=is_default)


def _policy_codes(consent: Resource, configuration: Configuration) -> frozenset[str]:
    codings = map(read_coding, consent.get("policyRule", {}).get("coding", []))
    return frozenset(found.code for found in codings if found and found.system == configuration.policies.system)


def _base_effect(root: dict[str, Any], policies: frozenset[str], configuration: Configuration) -> Effect:
    """Read what the base does (R12): a refusing policy beats the root's type, which beats a permitting policy."""
    if policies & configuration.policies.deny:
        return "deny"
    if "type" in root:
        return "permit" if root["type"] == "permit" else "deny"
    return "permit" if policies & configuration.policies.permit else "deny"


def _compile(
    rule: dict[str, Any],
    effect: Effect,
    path: str,
    named_above: tuple[bool, bool],
    frame: Frame,
    *,
    is_default: bool = False,
) -> Provision:
    named = (named_above[0] or "actor" in rule, named_above[1] or "purpose" in rule)
    children = tuple(
        _compile(child, child["type"], f"{path}.provision[{index}]", named, frame)
        for index, child in enumerate(rule.get("provision", []))
    )
    criteria = _criteria(rule, frame, permit=effect == "permit", is_root=path == "Consent.provision")
    return Provision(
        path=path,
        effect=effect,
        is_default=is_default,
        specific=all(named),
        criteria=criteria,
        children=children,
        refuses_codes=(effect == "deny" and "code" in rule) or any(child.refuses_codes for child in children),
    )


def _criteria(rule: dict[str, Any], frame: Frame, *, permit: bool, is_root: bool) -> tuple[Criterion, ...]:
    """Return the criteria that a rule has, in the order of R32; the root's period is the agreement's (R9)."""
    found: list[Criterion] = []
    if "period" in rule and not is_root:
        span = period_span(rule["period"], frame.configuration.zone) or ALWAYS
        found.append(PeriodCriterion(span, _bounds(rule["period"])))
    if "actor" in rule:
        found.append(_actor(rule["actor"], frame, permit=permit))
    if "purpose" in rule:
        found.append(_purpose(rule["purpose"], frame, permit=permit))
    if "action" in rule:
        found.append(_action(rule["action"], frame, permit=permit))
    if "class" in rule or (permit and frame.types):
        found.append(_class(rule.get("class"), frame, permit=permit))
    if "code" in rule:
        found.append(_code(rule["code"], permit=permit))
    if "securityLabel" in rule:
        found.append(_label(rule["securityLabel"], frame, permit=permit))
    elif permit:
        found.append(_unlisted_labels(frame.configuration.labels.highest))
    if "dataPeriod" in rule:
        span = period_span(rule["dataPeriod"], frame.configuration.zone) or ALWAYS
        found.append(DataPeriodCriterion(permit, span, _bounds(rule["dataPeriod"])))
    if "data" in rule:
        own = frame.configuration.own_bases
        found.append(
            DataCriterion(tuple((part["meaning"], read_reference(part["reference"], own)) for part in rule["data"]))
        )
    return tuple(found)


def _bounds(period: dict[str, Any]) -> tuple[str, ...]:
    return (period.get("start", ""), period.get("end", ""))


def _actor(actors: list[dict[str, Any]], frame: Frame, *, permit: bool) -> ActorCriterion:
    configuration = frame.configuration
    keys, identifiers, collective = set(), set(), []
    organizations = unknown = False
    for actor in actors:
        roles = {read_coding(coding) for coding in actor["role"].get("coding", [])}
        ref = read_reference(actor["reference"], configuration.own_bases)
        if ref.kind == "unreadable" or not roles & configuration.recipient_roles:
            unknown = True
        elif ref.identifier:
            identifiers.add(ref.identifier)
            collective.append(ref)
        elif ref.key:
            keys.add(ref.key)
            organizations = organizations or ref.type == "Organization"
            if ref.type in _COLLECTIVE:
                collective.append(ref)
    return ActorCriterion(
        permit=permit,
        keys=frozenset(keys),
        identifiers=frozenset(identifiers),
        collective=tuple(collective),
        organizations=organizations,
        unknown=unknown,
        signing_day_end=frame.signing_day_end,
    )


def _purpose(purposes: list[Any], frame: Frame, *, permit: bool) -> PurposeCriterion:
    codings = [read_coding(purpose) for purpose in purposes]
    known = frame.configuration.purposes.tree.codes
    found = frozenset(filter(None, codings))
    return PurposeCriterion(
        permit=permit,
        purposes=found,
        unknown=None in codings or not found <= known,
        systems=frozenset(coding.system for coding in found & known),
        openable=frame.openable if permit else None,
    )


def _action(actions: list[dict[str, Any]], frame: Frame, *, permit: bool) -> ActionCriterion:
    known = frame.configuration.actions
    found: set[str] = set()
    unknown = False
    for concept in actions:
        codings = filter(None, map(read_coding, concept.get("coding", [])))
        codes = {coding.code for coding in codings if coding.system == known.system} & known.codes
        found |= codes
        unknown = unknown or not codes
    return ActionCriterion(permit, frozenset(found), unknown)


def _class(classes: list[Any] | None, frame: Frame, *, permit: bool) -> ClassCriterion:
    types, profiles = set(), set()
    unknown = False
    for coding in map(read_coding, classes or ()):
        if coding is not None and coding.system == CANONICALS:
            profiles.add(coding.code.partition("|")[0])
        elif coding is not None and coding.system == RESOURCE_TYPES and is_resource_type(coding.code):
            types.add(coding.code)
        else:
            unknown = True
    own: frozenset[str] | None = None
    if permit and frame.types:
        of = frame.configuration.data_classes.classes
        own = frozenset(of[profile] for profile in profiles if profile in of)
    return ClassCriterion(classes is not None, frozenset(types), frozenset(profiles), unknown, own)


def _code(concepts: list[dict[str, Any]], *, permit: bool) -> CodeCriterion:
    codings = [[read_coding(coding) for coding in concept.get("coding", [])] for concept in concepts]
    found = frozenset(coding for concept in codings for coding in concept if coding)
    return CodeCriterion(permit, found, unknown=any(not any(concept) for concept in codings))


@cache
def _unlisted_labels(highest: int) -> LabelCriterion:
    """Return what a permit without labels asks: anything but the highest confidentiality (R27)."""
    nothing: frozenset[Coding] = frozenset()
    return LabelCriterion(True, nothing, None, False, nothing, False, highest)


def _label(values: list[Any], frame: Frame, *, permit: bool) -> LabelCriterion:
    labels = frame.configuration.labels
    codings = [read_coding(value) for value in values]
    found = frozenset(filter(None, codings))
    ranks = [
        labels.confidentiality_order.index(coding.code)
        for coding in found
        if coding.system == labels.confidentiality_system and coding.code in labels.confidentiality_order
    ]
    listed = found & labels.sensitivities.codes
    return LabelCriterion(
        permit=permit,
        listed=found,
        level=None if not ranks else max(ranks) if permit else min(ranks),
        has_topics=bool(listed),
        topics=labels.sensitivities.below(listed) if listed else listed,
        unknown=None in codings or len(ranks) + len(listed) < len(found),
        highest=labels.highest,
    )
