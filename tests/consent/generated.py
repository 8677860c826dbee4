"""Generated consents and requests over a small vocabulary, so that rules meet and collide often."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from tests.consent.world import (
    ACT,
    BASE,
    CLIENT_IDS,
    CONFIDENTIALITY,
    LOINC,
    REASON,
    V3,
    Json,
    action,
    actor,
    coding,
    concept,
    consent,
    observation,
    plan,
    ref,
    request,
    requester,
    resource_class,
    team,
)

SNOMED = "http://snomed.info/sct"
ENDED = team("ended", status="inactive")
GOAL: Json = {"resourceType": "Goal", "id": "goal", "subject": ref("Patient/p1")}
COACHES: Json = {
    "resourceType": "Group",
    "id": "coaches",
    "active": True,
    "actual": True,
    "type": "practitioner",
    "member": [
        {"entity": ref("Practitioner/doctor"), "inactive": True},
        {"entity": ref("Practitioner/coach"), "period": {"end": "2026-04-30"}},
    ],
}
CONTEXT = [ENDED, COACHES, plan(goal=[ref("Goal/goal")]) | {"id": "anchor"}]

ACTORS = [
    actor("Practitioner/coach"),
    actor("Practitioner/doctor"),
    actor("PractitionerRole/social-unit"),
    actor("Organization/jobs"),
    actor("Organization/county"),
    actor("CareTeam/team"),
    actor("CareTeam/ended"),
    actor("CareTeam/gone"),
    actor({"display": "Valmentaja"}),
    actor("Practitioner/coach", "CST"),
    actor("Group/coaches"),
    actor("Practitioner/coach/_history/2"),
    actor(f"{BASE}/Organization/jobs"),
    actor("https://elsewhere.example/fhir/Practitioner/coach"),
    actor({"identifier": {"system": "urn:example:staff", "value": "coach"}}),
    actor({"identifier": {"system": "urn:example:staff", "value": "nobody"}}),
    actor({"identifier": {"value": "coach"}}),
    actor("Practitioner/coach") | {"role": concept(f"{V3}/v3-RoleCode", "DELEGATEE")},
]
CLIENTS = [
    *[ref("Patient/p1")] * 12,
    ref(f"{BASE}/Patient/p1"),
    {"identifier": {"system": CLIENT_IDS, "value": "P1"}},
    ref("Patient/p2"),
    ref("https://elsewhere.example/fhir/Patient/p1"),
]
STATUSES = [*["active"] * 14, "inactive", "rejected", "draft", "proposed", "entered-in-error"]
PURPOSES = [
    *(coding(REASON, code) for code in ("COC", "TREAT", "BTG", "HPAYMT", "coc")),
    coding("urn:example:purpose", "a"),
    {"code": "COC"},
]
ACTIONS = [*(action(code) for code in ("access", "correct", "disclose", "read")), {"text": "luku"}]
CLASSES = [resource_class("CarePlan"), resource_class("Observation"), coding("urn:example:classes", "plan")]
CODES = [concept(LOINC, "96760-4"), concept(SNOMED, "1"), concept(SNOMED, "2"), {"text": "työkyky"}]
LABELS = [
    *(coding(CONFIDENTIALITY, code) for code in "NRV"),
    *(coding(ACT, code) for code in ("PSY", "SUD", "ETHUD")),
    coding("urn:example:labels", "X9"),
]
PERIODS = [
    {"start": "2026-01-01", "end": "2026-12-31"},
    {"end": "2026-02-28"},
    {"start": "2026-04"},
    {"start": "2026-03-10"},
    {"start": "2026-02-20", "end": "2026-02-20"},
]
DATA = [
    {"meaning": meaning, "reference": ref(key)}
    for meaning, key in (
        ("instance", "CarePlan/plan"),
        ("related", "CarePlan/anchor"),
        ("related", "CarePlan/gone"),
        ("dependents", "CarePlan/anchor"),
        ("authoredby", "Practitioner/social"),
        ("authoredby", "Practitioner/coach"),
    )
]


def some(values: list[Any], likely: int = 0) -> st.SearchStrategy[list[Any]]:
    """One to three of the values, the first `likely` ones more often."""
    return st.lists(st.sampled_from(values + values[:likely] * 3), min_size=1, max_size=3)


_CRITERIA: dict[str, st.SearchStrategy[Any]] = {
    "actor": some(ACTORS, 6),
    "purpose": some(PURPOSES, 2),
    "action": some(ACTIONS, 2),
    "class": some(CLASSES, 2),
    "code": some(CODES, 2),
    "securityLabel": some(LABELS, 2),
    "dataPeriod": st.sampled_from(PERIODS),
    "data": some(DATA),
    "period": st.sampled_from(PERIODS),
}


@st.composite
def rules(draw: st.DrawFn, depth: int, effects: tuple[str, ...] = ("permit", "deny")) -> Json:
    """A nested rule with few criteria."""
    names = draw(st.lists(st.sampled_from(sorted(_CRITERIA)), max_size=2, unique=True))
    rule: Json = {"type": draw(st.sampled_from(effects)), **{name: draw(_CRITERIA[name]) for name in names}}
    if depth:
        below = draw(st.lists(rules(depth - 1, effects), max_size=2))
        if below:
            rule["provision"] = below
    return rule


@st.composite
def consents(draw: st.DrawFn, name: str = "c", effects: tuple[str, ...] = ("permit", "deny")) -> Json:
    """A structurally sound consent, mostly in force, mostly near the usual one."""
    root = draw(rules(2, effects))
    if draw(st.integers(0, 3)):
        root = {
            "actor": draw(_CRITERIA["actor"]),
            "purpose": draw(_CRITERIA["purpose"]),
            **root,
            "type": draw(st.sampled_from([*effects, effects[0]])),
        }
    if len(root) > 1 and root["type"] == "permit" and draw(st.integers(0, 9)) == 0:
        del root["type"]
    policy = st.just("OPTIN") if "deny" not in effects else st.sampled_from(["OPTIN", "OPTIN", "OPTINR", "OPTOUT", "x"])
    made = st.sampled_from(["2026-01-15T09:00:00+02:00"] * 4 + ["2026-01-06", "2026-03-11", None])
    found = consent(name, root, policyRule=concept(ACT, draw(policy)), dateTime=draw(made))
    for key, value in (
        ("status", draw(st.sampled_from(STATUSES))),
        ("patient", draw(st.sampled_from(CLIENTS))),
        ("scope", concept(f"{V3}/consentscope", draw(st.sampled_from(["patient-privacy"] * 12 + ["treatment"])))),
        ("sourceReference", draw(st.sampled_from([found["sourceReference"]] * 6 + [None]))),
        ("performer", draw(st.sampled_from([found["performer"]] * 6 + [[ref("Organization/jobs")]]))),
        ("organization", draw(st.sampled_from([found["organization"]] * 4 + [None, [ref("Organization/kela")]]))),
        ("modifierExtension", draw(st.sampled_from([None] * 20 + [[{"url": "urn:x", "valueBoolean": True}]]))),
        ("implicitRules", draw(st.sampled_from([None] * 15 + ["https://example.org/rules"]))),
    ):
        found[key] = value
    return {key: value for key, value in found.items() if value is not None}


@st.composite
def stores(draw: st.DrawFn, most: int = 3) -> list[Json]:
    """A few consents of the client, each its own record; in half the stores the usual one, which often permits."""
    usual = [consent("usual")] if draw(st.booleans()) else []
    return usual + [draw(consents(f"c{number}")) for number in range(draw(st.integers(0, most)))]


def permits() -> st.SearchStrategy[Json]:
    """A record that only permits: the usual one or any other."""
    return st.one_of(st.just(consent("only")), consents("only", ("permit",)))


def _items() -> list[Json]:
    labels = [
        [coding(CONFIDENTIALITY, "N")],
        [coding(CONFIDENTIALITY, "R"), coding(ACT, "PSY")],
        [coding(CONFIDENTIALITY, "V")],
        [coding(CONFIDENTIALITY, "N"), coding("urn:example:labels", "X9")],
        [],
    ]
    component = [{"code": concept(SNOMED, "1")}, {"code": concept(SNOMED, "3")}, {"code": {"text": "sanoin"}}]
    activity = [{"detail": {"status": "scheduled", "code": concept(SNOMED, "2")}}]
    kinds = [
        plan(),
        plan(period=None, author=None),
        plan(activity=activity),
        observation(),
        observation(component=component),
        observation(code=concept(SNOMED, "1"), basedOn=[ref("CarePlan/anchor")]),
    ]
    return [
        copy.deepcopy(kind) | ({"meta": {"security": marks}} if marks else {"meta": {"profile": ["urn:x"]}})
        for kind in kinds
        for marks in labels
    ]


ITEMS = _items()
TIMES = ["2026-03-10T12:00:00+02:00"] * 3 + ["2026-05-01T00:00:00+03:00", "2026-06-02T12:00:00Z"]


@st.composite
def requests(draw: st.DrawFn) -> Json:
    """A request that passes the gate."""
    return request(
        time=draw(
            st.sampled_from(["2026-03-10T12:00:00+02:00"] * 3 + ["2026-05-01T00:00:00+03:00", "2026-06-02T12:00:00Z"])
        ),
        requester=draw(
            st.sampled_from(
                [requester()] * 3
                + [requester("doctor", "health"), requester("social", "unit"), requester("rehab"), requester(None)]
            )
        ),
        purpose=[draw(st.sampled_from(PURPOSES[:4] + [PURPOSES[0]] * 4 + [coding("urn:example:purpose", "a")]))],
        action=draw(st.sampled_from(["access", "access", "correct", "disclose"])),
        resource=draw(st.sampled_from(ITEMS)),
    )
