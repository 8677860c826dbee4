"""A team member's system fetches another organisation's plan: through the gate, and what is refused looks absent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from adapter.audit import traces
from adapter.audit.rows import read_rows
from adapter.consent.written import read_decision
from adapter.delivery import keeping
from adapter.delivery.keeping import forget_bodies
from adapter.delivery.messages import Delivered
from adapter.delivery.states import Known
from adapter.lifecycle.fetching import Elsewhere, Fetched, Question
from adapter.pipeline import Line
from adapter.review.words import refusal
from adapter.source.json import read_json
from adapter.store import Database
from adapter.store.tables import outbox, submission
from adapter.types import Record
from tests.pipeline.conftest import AT, CIPHER, Send, record
from tests.pipeline.test_races import WITHDRAWN

CLIENT = {"personal_identity_code": "080885-906S"}
TE_OFFICE = {"id": "te-6100", "system": "https://toimistot.te-palvelut.example"}
SPECIALIST = {"id": "te-1204", "system": "https://henkilosto.te-palvelut.example"}
PLAN = Question(CLIENT, TE_OFFICE, SPECIALIST, "service-coordination", ("work_ability_plan",))
Fetch = Callable[..., list[Record]]


@pytest.fixture
def fetch(line: Line, send: Send, agreed: None) -> Fetch:
    """Ask as the specialist of the TE office, with changes; a plan for the own register is on file."""
    send(record("12-work-ability-plan", release=None))

    def ask(**changes: Any) -> list[Record]:
        return line.afterwards.fetch(replace(PLAN, **changes), "te-system").records

    return ask


def test_a_member_of_the_team_gets_the_plan_as_it_was_handed_over(fetch: Fetch) -> None:
    """The canonical record comes back; the client is named as the asker named the client."""
    (found,) = fetch()
    sent = record("12-work-ability-plan", release=None)
    assert found["goals"] == sent["goals"]
    assert (found["record_id"], found["custodian"], found["client"]) == (sent["record_id"], sent["custodian"], CLIENT)


@pytest.mark.parametrize(
    "changes",
    [
        {"practitioner": {}},
        {"practitioner": {"id": "te-9999", "system": SPECIALIST["system"]}},
        {"organisation": {"id": "1.2.246.10.99"}},
        {"purpose": "research"},
        {"legal_basis": "no-such-right"},
        {"client": {"personal_identity_code": "010594Y9032"}},
        {"record_types": ("health_check",)},
    ],
)
def test_everybody_else_gets_the_same_nothing(fetch: Fetch, changes: dict[str, Any]) -> None:
    """No membership, another person, organisation, purpose, right or client, or no such record: an empty list."""
    assert fetch(**changes) == []


def test_a_withdrawal_acts_on_the_next_fetch(fetch: Fetch, send: Send) -> None:
    """The plan was there a moment ago; after the withdrawal it is not."""
    assert len(fetch()) == 1
    send(record("10-consent", **WITHDRAWN))
    assert fetch() == []


def test_a_refused_class_is_missing_from_the_record(fetch: Fetch, send: Send) -> None:
    """The client takes income and debt out for the TE office; the rest of the plan still comes."""
    (whole,) = fetch()
    exclusion = {"data_class": "income-and-debt", "recipients": [{"organisation": TE_OFFICE | NAMED}]}
    consent = record("10-consent")
    send(record("10-consent", record_version=2, exclusions=[*consent["exclusions"], exclusion]))
    (found,) = fetch()
    assert whole["benefits"]
    assert (found.get("benefits"), found["goals"]) == (None, whole["goals"])


NAMED = {"name": "Pirkanmaan TE-toimisto", "organisation_type": "te-office"}


def test_every_look_stands_in_the_log_of_the_client(fetch: Fetch, database: Database) -> None:
    """A release names client, reader, purpose, classes and submission; a refusal names the client and the reason."""
    fetch()
    fetch(purpose="research")
    with database.reading() as connection:
        rows = [row for row in read_rows(connection) if row.fact("sender") == "te-system"]
    given, refused = rows
    assert (given.kind, given.act, given.fact("recipients")) == ("release", "fetch", "te-6100")
    assert "work-ability-plan" in given.parts("classes")
    assert len(given.fact("consents")) == 32
    assert (refused.kind, refused.act) == ("refusal", "refuse")
    assert "PURPOSE_NOT_COVERED" in refused.fact("rules")
    assert given.fact("client") == refused.fact("client") != ""
    assert len(given.fact("user")) == 32
    assert given.fact("user") == refused.fact("user")
    assert "080885-906S" not in str(rows)
    assert SPECIALIST["id"] not in str(rows)


def test_every_look_names_the_trace_of_its_decision(fetch: Fetch, database: Database) -> None:
    """A release, the same again and a refusal: three entries, two traces, each the decision that was made."""
    for purpose in ("service-coordination", "service-coordination", "research"):
        fetch(purpose=purpose)
    with database.reading() as connection:
        rows = [row for row in read_rows(connection) if row.fact("sender") == "te-system"]
        given, again, refused = (traces.read(connection, row.fact(traces.FACT), CIPHER) for row in rows)
    assert given == again
    assert read_decision(given).decision != "deny"
    assert {step.outcome for step in read_decision(refused).trace} >= {"nearest-miss", "PURPOSE_NOT_COVERED"}


def test_a_question_in_a_foreign_name_stands_in_the_log_too(fetch: Fetch, line: Line, database: Database) -> None:
    """Who asked, about whom, in whose name, and the rule; nothing was looked at."""
    line.afterwards.refuse_fetch(PLAN, "stranger", "foreign-custodian")
    with database.reading() as connection:
        *_, row = read_rows(connection, kinds=("refusal",))
    assert (row.act, row.fact("sender"), row.fact("stage"), row.fact("rules")) == (
        "refuse", "stranger", "fetch", "foreign-custodian",
    )  # fmt: skip
    assert (row.fact("organisation"), len(row.fact("client"))) == (TE_OFFICE["id"], 32)


def test_an_invalidated_plan_is_not_fetched_and_its_readers_are_listed(fetch: Fetch, line: Line, send: Send) -> None:
    """Who fetched it stands among the recipients to be told; nobody gets it afterwards as a valid plan."""
    (found,) = fetch()
    taken = send(record("12-work-ability-plan", release=None)).submission
    done = line.afterwards.invalidate(taken, "väärä asiakas")
    assert [(one.organisation, one.times) for one in done.recipients] == [("te-6100", 1)]
    assert (done.submission, done.cancelled) == ("", (taken,))
    assert found
    assert fetch() == []


def test_released_records_list_every_organisation_of_the_team(line: Line, send: Send, agreed: None) -> None:
    """A plan released to a team lists the organisations of its members, once each."""
    taken = send(record("12-work-ability-plan")).submission
    done = line.afterwards.invalidate(taken, "väärä asiakas")
    assert {one.organisation for one in done.recipients} >= {"te-6100", "0246246-0", "sote-101"}
    assert {one.purpose for one in done.recipients} == {"service-coordination"}


LATER = AT + 31 * 86_400.0
CHANGES: list[dict[str, Any]] = [
    {},
    {"practitioner": {}},
    {"practitioner": {"id": "te-9999", "system": SPECIALIST["system"]}},
    {"organisation": {"id": "0246246-0"}, "practitioner": {}},
    {"organisation": {"id": "0246246-0"}, "practitioner": {}, "purpose": "benefit-handling"},
    {"organisation": {"id": "1.2.246.10.99"}},
    {"purpose": "research"},
    {"legal_basis": "no-such-right"},
    {"client": {"personal_identity_code": "010594Y9032"}},
    {"record_types": ("client", "health_check", "functional_assessment")},
]


def deliver(line: Line) -> None:
    """Everything that is queued reaches the repository; what comes first in a Bundle lies there as Type/1."""
    while messages := line.outbox.claim("worker", AT, limit=20):
        for message in messages:
            entries = read_json(message.body)["entry"]
            places = {
                entry["fullUrl"]: Known(f"{entry['resource']['resourceType']}/{number}", "1")
                for number, entry in enumerate(entries, 1)
            }
            line.outbox.turn(AT, outcomes=[Delivered(message, "r-1", places, (), "receipt", attempts=1)])


def asked(line: Line, **changes: Any) -> Fetched:
    """The whole answer to the specialist's question."""
    return line.afterwards.fetch(replace(PLAN, **changes), "te-system")


def test_whoever_may_see_a_plan_is_told_where_it_lies_when_its_content_is_gone(
    fetch: Fetch, line: Line, send: Send, database: Database
) -> None:
    """Who saw it before is told since when it is gone and where it is; everybody else still gets the same nothing."""
    for name in ("03-client-v2", "04-functional-assessment", "05-health-check"):
        send(record(name, release=None))
    before = [asked(line, **changes) for changes in CHANGES]
    deliver(line)
    assert forget_bodies(database, CIPHER, LATER, LATER) == 4
    after = [asked(line, **changes) for changes in CHANGES]
    assert [one.records for one in after] == [[]] * len(CHANGES)
    told = [[place.record_type for place in one.elsewhere] for one in after]
    assert told == [[shown["record_type"] for shown in one.records] for one in before]
    assert after[0].elsewhere == [Elsewhere("work_ability_plan", LATER, "CarePlan/1")]
    assert [] in told


def test_a_withdrawal_acts_on_what_is_said_of_deleted_content(
    fetch: Fetch, line: Line, send: Send, database: Database
) -> None:
    """Afterwards not even that it is there; the log keeps each look as one that gave nothing."""
    deliver(line)
    forget_bodies(database, CIPHER, LATER, LATER)
    assert asked(line).elsewhere
    send(record("10-consent", **WITHDRAWN))
    assert asked(line) == Fetched([], [])
    with database.reading() as connection:
        first, second = [row for row in read_rows(connection) if row.fact("sender") == "te-system"]
    assert refusal(first, "en") == "the content had been deleted; the asker was told where the record lies"
    assert (first.kind, first.fact("rules")) == ("refusal", "content-deleted")
    assert (second.kind, "content-deleted" in second.fact("rules")) == ("refusal", False)


def test_the_next_version_brings_a_deleted_record_back(
    fetch: Fetch, line: Line, send: Send, database: Database
) -> None:
    """And nothing is left of the one before."""
    deliver(line)
    forget_bodies(database, CIPHER, LATER, LATER)
    send(record("12-work-ability-plan", release=None, record_version=2))
    found = asked(line)
    assert ([one["record_version"] for one in found.records], found.elsewhere) == ([2], [])
    forget_bodies(database, CIPHER, AT, LATER)
    with database.reading() as connection:
        kept = submission.c.source.is_not(None) & submission.c.body.is_(None)
        assert connection.execute(select(submission.c.id).where(kept)).all() == []


def test_of_deleted_content_nothing_is_kept_but_what_the_gate_needs(
    fetch: Fetch, line: Line, database: Database
) -> None:
    """No text of the plan, no goal, no name; whose it is, who keeps it, its class, label and time."""
    deliver(line)
    forget_bodies(database, CIPHER, LATER, LATER)
    with database.reading() as connection:
        (lane,) = connection.execute(select(outbox.c.lane).distinct()).scalars()
        (kept,) = keeping.left(connection, CIPHER, lane, PLAN.record_types)
    types = {entry["resource"]["resourceType"] for entry in kept.outline["entry"]}
    core = kept.outline["entry"][0]["resource"]
    sent = record("12-work-ability-plan")
    texts = [sent["title"], *(goal["description"] for goal in sent["goals"]), "Nieminen", "display"]
    assert types == {"CarePlan", "Patient", "Organization", "Practitioner", "PractitionerRole", "Provenance"}
    assert not core.keys() & {"title", "description", "note"}
    assert not any("name" in entry["resource"] for entry in kept.outline["entry"])
    assert [text for text in texts if text in str(core["activity"])] == []
    assert core["period"]
    assert core["meta"]["security"]
