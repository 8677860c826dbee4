"""What must hold for all consents: agreement with the naive evaluator, and that nothing opens by accident."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapter.consent import Decision, decide
from tests.consent.generated import CONTEXT, PERIODS, permits, requests, rules, stores
from tests.consent.naive import Naive
from tests.consent.naive_criteria import bounds
from tests.consent.world import REASON, Json, action, coding, configuration, consent, permit, refusal, request, world

AROUND = [*world(), *CONTEXT]
CONFIGURATION = configuration()
OPENNESS = {"deny": 0, "partial": 1, "permit": 2}


def decided(store: list[Json], asked: Json) -> Decision:
    """Decide in the generated world."""
    return decide(store, asked, context=AROUND, config=CONFIGURATION)


def opens(before: Decision, after: Decision) -> bool:
    """Tell whether the second decision gives more than the first."""
    cuts = [{path for duty in decision.obligations for path in duty.paths} for decision in (before, after)]
    if before.decision == after.decision == "partial":
        return not cuts[0] <= cuts[1]
    return OPENNESS[after.decision] > OPENNESS[before.decision]


def rules_in(consent: Json) -> Iterator[Json]:
    """Yield the root and all nested rules."""
    waiting = [consent["provision"]]
    while waiting:
        rule = waiting.pop()
        yield rule
        waiting.extend(rule.get("provision", []))


def changed(store: list[Json], change: Callable[[list[Json]], Any]) -> list[Json]:
    """Return a copy that `change` has worked on."""
    found = copy.deepcopy(store)
    change(found)
    return found


@settings(max_examples=300)
@given(stores(), requests())
def test_a_naive_evaluator_agrees(store: list[Json], asked: Json) -> None:
    """Two programs written from the same rules give the same decision and reason."""
    found = decided(store, asked)
    assert (found.decision, str(found.reason)) == Naive(asked, AROUND).decide(store)


@settings(max_examples=80)
@given(stores(), requests(), rules(1, ("deny",)))
def test_adding_a_refusal_never_opens(store: list[Json], asked: Json, rule: Json) -> None:
    """A refusal beside the others, or inside one of their rules, can only close."""
    before = decided(store, asked)
    assert not opens(before, decided([*store, refusal("new") | {"provision": rule}], asked))
    for number in range(len(store)):
        for index in range(len(list(rules_in(store[number])))):

            def insert(found: list[Json], number: int = number, index: int = index) -> None:
                list(rules_in(found[number]))[index].setdefault("provision", []).append(rule)

            assert not opens(before, decided(changed(store, insert), asked))


@settings(max_examples=80)
@given(stores(), requests(), permits())
@example([consent("usual")], request(), consent("only"))
def test_removing_a_permit_never_opens(store: list[Json], asked: Json, permit: Json) -> None:
    """Neither a record that only permits, nor a nested permit, was holding anything back."""
    if permit.keys().isdisjoint(("implicitRules", "modifierExtension")):
        assert not opens(decided([*store, permit], asked), decided(store, asked))
    before = decided(store, asked)
    for number, one in enumerate(store):
        for index, rule in enumerate(rules_in(one)):
            for place, child in enumerate(rule.get("provision", [])):
                if child["type"] == "deny" or "provision" in child:
                    continue

                def remove(found: list[Json], number: int = number, index: int = index, place: int = place) -> None:
                    parent = list(rules_in(found[number]))[index]
                    del parent["provision"][place]
                    if not parent["provision"]:
                        del parent["provision"]

                assert not opens(before, decided(changed(store, remove), asked))


@settings(max_examples=80)
@given(stores(), requests(), st.randoms(use_true_random=False))
def test_order_never_matters(store: list[Json], asked: Json, chance: random.Random) -> None:
    """Consents, nested rules and the values of criteria may stand in any order."""

    def shuffle(found: list[Json]) -> None:
        chance.shuffle(found)
        for one in found:
            for rule in rules_in(one):
                for value in rule.values():
                    if isinstance(value, list):
                        chance.shuffle(value)

    one, other = decided(store, asked), decided(changed(store, shuffle), asked)
    assert (one.decision, one.reason, set(one.obligations)) == (other.decision, other.reason, set(other.obligations))


@settings(max_examples=80)
@given(stores(), requests(), permits(), st.sampled_from(PERIODS))
@example([], request(), consent("only"), {"end": "2026-02-28"})
@example([], request(), consent("only"), {"start": "2026-04"})
def test_a_narrower_period_never_opens(store: list[Json], asked: Json, permit: Json, period: Json) -> None:
    """A permit that holds for a shorter time, as a whole or in one of its rules, gives nothing more."""
    before = decided([*store, permit], asked)
    for index in range(len(list(rules_in(permit)))):

        def narrow(found: list[Json], index: int = index) -> None:
            rule = list(rules_in(found[-1]))[index]
            rule["period"] = _narrower(rule.get("period", {}), period)

        narrowed = changed([*store, permit], narrow)
        if all(_is_sound(rule.get("period", {})) for rule in rules_in(narrowed[-1])):
            assert not opens(before, decided(narrowed, asked))


@settings(max_examples=80)
@given(stores(), requests())
@example([consent("usual", permit(purpose=[coding(REASON, "HPAYMT")]))], request())
@example([consent("usual", permit(action=[action("correct")]))], request(action="disclose"))
@example([consent("usual"), refusal(purpose=[coding(REASON, "COC")])], request())
def test_unknown_codes_never_open(store: list[Json], asked: Json) -> None:
    """A purpose, action, class, code, label, role or scope that nobody knows closes, in permits and refusals."""
    before = decided(store, asked)
    for number, one in enumerate(store):
        for index, obscured in enumerate(_codings(one)):

            def obscure(found: list[Json], number: int = number, index: int = index) -> None:
                target = _codings(found[number])[index]
                target["system"], target["code"] = "urn:example:nobody-knows", "x"

            assert not opens(before, decided(changed(store, obscure), asked)), obscured


def _codings(consent: Json) -> list[Json]:
    """Codings of the consent's rules and scope; the policy is R12's: there an explicit root type decides."""
    found = list(consent["scope"]["coding"])
    for rule in rules_in(consent):
        found += [value for name in ("purpose", "class", "securityLabel") for value in rule.get(name, [])]
        for concept in rule.get("action", []) + rule.get("code", []) + [one["role"] for one in rule.get("actor", [])]:
            found += concept.get("coding", [])
    return found


def _narrower(period: Json, limit: Json) -> Json:
    starts = [bounds(part["start"])[0] for part in (period, limit) if "start" in part]
    ends = [part["end"] for part in (period, limit) if "end" in part]
    found: Json = {}
    if starts:
        found["start"] = max(starts).isoformat()
    if ends:
        found["end"] = min(ends, key=lambda text: bounds(text)[1])
    return found


def _is_sound(period: Json) -> bool:
    return not ("start" in period and "end" in period and bounds(period["start"])[0] >= bounds(period["end"])[1])
