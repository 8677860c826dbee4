"""What a reviewer is told, and that hostile input never brings the engine down."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.consent import Reason, decide, explain, read_consents
from tests.consent.world import (
    OURS,
    REASON,
    Json,
    ask,
    coding,
    concept,
    configuration,
    consent,
    frame,
    observation,
    permit,
    plan,
    refusal,
    request,
    several,
    with_nested,
    world,
)


def test_a_deny_says_what_a_permit_would_need() -> None:
    """Finnish text: word, reason, nearest permit, and the codes by their Finnish names."""
    local = f"{OURS}/CodeSystem/consent-purpose"
    store = consent(provision=permit(purpose=[coding(local, "service-coordination")]))
    found = explain(ask(store, purpose=[coding(local, "feedback")]), "fi")
    assert found[:2] == ("Tietoja ei saa luovuttaa.", "Pyynnön käyttötarkoitus ei kuulu suostumukseen.")
    assert "palaute" in found[-1]
    assert "palvelujen koordinointi" in found[-1]


@pytest.mark.parametrize(
    ("store", "place"),
    [
        (refusal(), "the main rule"),
        (with_nested({"type": "deny"}), "refinement 1"),
        (
            with_nested(
                {"type": "permit"},
                {"type": "deny", "provision": [{"type": "permit", "purpose": [coding(REASON, "BTG")]}]},
            ),
            "refinement 2",
        ),
        (consent(status="inactive"), "the consent as a whole"),
    ],
)
def test_a_decision_names_the_place_that_decided(store: Json, place: str) -> None:
    """The reviewer sees which rule of which version it was."""
    (line,) = [line for line in explain(ask(store), "en") if "rests on" in line]
    assert line.endswith(f"at: {place}.")
    assert "(version 1)" in line


def test_every_resource_of_a_search_is_explained() -> None:
    """One sentence an entry, and one a cut."""
    secret = concept("http://snomed.info/sct", "74732009")
    store = with_nested({"type": "deny", "code": [secret]})
    said = explain(ask(store, asked=several(plan(), observation(component=[{"code": secret}]))), "en")
    assert sum(line.startswith(("CarePlan/plan:", "Observation/obs:")) for line in said) == 2
    assert any("Observation.component[0]" in line for line in said)


def test_the_trace_shows_no_identifier_value() -> None:
    """An actor named by identifier appears by the system alone: the value may be an identity code."""
    by_code = {"identifier": {"system": "urn:oid:1.2.246.21", "value": "010594Y9032"}}
    actor = {**permit()["actor"][0], "reference": by_code}
    decision = ask(frame(permit(actor=[actor])))
    assert "identifier of urn:oid:1.2.246.21" in str(decision.trace)
    assert "010594Y9032" not in str(decision.trace) + str(explain(decision))


def test_the_trace_follows_the_rules_in_order() -> None:
    """Gate, what counts, what each rule says, the end."""
    steps = [step.rule for step in ask(with_nested({"type": "deny"})).trace]
    assert steps == ["R2", "R3", "R26", "R31", "R4", "R11", "R16", "R16", "R13", "R10"]
    assert [step.rule for step in ask(consent(), time="2026-03-10").trace] == ["R2"]


def test_decisions_may_be_made_in_many_threads() -> None:
    """Consents read once are shared without locks."""
    store = [consent(f"c{number}") for number in range(10)]
    on_file = read_consents(store, config=configuration())
    asked = [request(), request(action="use")] * 20

    def decided(one: Json) -> Reason:
        return decide(on_file, one, context=world(), config=configuration()).reason

    with ThreadPoolExecutor(4) as pool:
        reasons = list(pool.map(decided, asked))
    assert reasons == [Reason.CONSENT_PERMIT, Reason.ACTION_NOT_COVERED] * 20


def test_consents_read_for_one_configuration_serve_another() -> None:
    """A server base changes what a reference means; the same store is read again for it."""
    far = consent(patient={"reference": "https://other.example/fhir/Patient/p1"})
    on_file = read_consents([far], config=configuration())
    assert decide(on_file, request(), context=world(), config=configuration()).reason is Reason.NO_CONSENT
    other = configuration().on_server("https://other.example/fhir/")
    mine = request(resource=plan(), patient="Patient/p1")
    assert decide(on_file, mine, context=world(), config=other).reason is Reason.CONSENT_PERMIT


def test_depth_without_end_is_malformed() -> None:
    """Nested thousands of levels deep, anywhere, a consent is refused and nothing recurses away."""
    deep: Json = {"type": "deny"}
    value: Any = "x"
    for _ in range(5000):
        deep = {"type": "deny", "provision": [deep]}
        value = [value]
    for name, endless in (("provision", deep), ("extension", value)):
        found = consent() | {name: endless}
        assert ask(found).reason is Reason.CONSENT_MALFORMED
        assert ask(found, consent("c1", language="fi")).reason is Reason.VERSION_AMBIGUOUS


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["Patient/p1", "permit", "#", "2026"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_BASE = {"consent": consent(), "request": request(), "context": world()[-1], "resource": observation(component=[{}])}


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [at, *(place for key in keys for place in _places(value[key], (*at, key)))]


@settings(max_examples=300)
@given(st.sampled_from(sorted(_BASE)), st.data(), _JSON)
def test_no_input_brings_it_down(part: str, data: st.DataObject, junk: Any) -> None:
    """Any JSON in any place of consent, request, context or resource gives a decision, its trace and its text."""
    world_now = copy.deepcopy(_BASE)
    place = data.draw(st.sampled_from(_places(world_now[part])[1:]))
    target = world_now[part]
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = junk
    asked = world_now["request"]
    if part == "resource":
        asked["resource"] = world_now["resource"]
    related = {"meaning": "related", "reference": {"reference": "Patient/p1"}}
    store = [world_now["consent"], refusal(code=[concept("urn:x", "y")], data=[related])]
    decision = decide(store, asked, context=[*world(), world_now["context"]], config=configuration())
    assert decision.trace
    assert explain(decision, "fi")
    assert decision.team_member in (True, False)
