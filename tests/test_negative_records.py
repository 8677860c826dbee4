"""Scenario records with one thing wrong are refused by the line, and the sender learns which field and why.

Numbers N-… are those of the domain model's negative fixtures; the business rules have their own in
`fixtures/negative/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from adapter.delivery import Repository
from adapter.errors import AdapterError, ConsentRefused, SourceError, ValidationFailed
from adapter.fhir.canonical import canonical
from adapter.fhir.ids import DEMO_KEY
from adapter.mapping import map_record
from adapter.pipeline import Line, Sender
from adapter.source.json import read_json
from adapter.store import Cipher, Database
from adapter.types import Record

ROOT = Path(__file__).resolve().parent.parent / "fixtures" / "scenarios"
PATH = "SCN-5-tyoton-polku"

Send = Callable[..., None]


def record(name: str, scenario: str = PATH, **changes: Any) -> Record:
    """Return a scenario record with some fields replaced; None takes a field away."""
    found: Record = {**read_json((ROOT / scenario / "records" / name).read_bytes()), **changes}
    return {key: value for key, value in found.items() if value is not None}


@pytest.fixture
def send(tmp_path: Path) -> Iterator[Send]:
    """Send records through a line of their own, each judged when it was recorded, or at `at`."""
    database = Database(f"sqlite:///{tmp_path / 'k.sqlite'}")
    moment: list[str] = []
    line = Line(
        database,
        Cipher({"test": bytes(range(32))}),
        id_key=DEMO_KEY,
        repository=Repository("http://repository.invalid/fhir"),
        judged_at=lambda sent: datetime.fromisoformat(moment[-1] or sent["recorded_at"]).timestamp(),
    )

    def sending(*records: Record, at: str = "") -> None:
        moment.append(at)
        for each in records:
            line.accept(canonical(each), sender=Sender("negative"))

    yield sending
    database.close()


def refusal(send: Send, wrong: Record, kind: type[AdapterError], at: str = "") -> set[tuple[str, str]]:
    """Return rule and field of every issue of the refusal, after seeing that no text holds a name of the client."""
    with pytest.raises(kind) as caught:
        send(wrong, at=at)
    issues = caught.value.issues
    texts = " ".join(issue.text(language) for issue in issues for language in ("fi", "en"))
    assert "Perämaa" not in texts
    assert "Lehtokari" not in texts
    return {(issue.rule_id, issue.source.path if issue.source else issue.expression) for issue in issues}


def test_n_08_no_consent(send: Send) -> None:
    """A plan is not released to the team before the client has consented."""
    send(record("11-team-v2.json"))
    assert refusal(send, record("12-work-ability-plan.json"), ConsentRefused) == {
        ("NO_CONSENT", "release.recipients[0]")
    }


def test_n_10_consent_ended(send: Send) -> None:
    """A consent whose period ended yesterday permits nothing, though its status is active."""
    send(record("10-consent.json"), record("11-team-v2.json"))
    plan = record("12-work-ability-plan.json")
    assert refusal(send, plan, ConsentRefused, at="2024-05-04T00:00:00+03:00") == {
        ("CONSENT_EXPIRED", "release.recipients[0]")
    }
    send(plan, at="2024-05-03T23:59:59+03:00")


def test_n_11_consent_withdrawn(send: Send) -> None:
    """From the withdrawal on nothing is released, and nothing tells that there once was a consent."""
    send(record("10-consent.json"), record("11-team-v2.json"), record("16-consent-v2.json"))
    found = refusal(send, record("12-work-ability-plan.json"), ConsentRefused)
    assert found == {("CONSENT_INACTIVE", "release.recipients[0]")}


def test_n_12_member_joined_after_the_signing_day(send: Send) -> None:
    """A team named as a group does not cover who joined after the consent; the renewed consent does."""
    send(record("10-consent.json"), record("11-team-v2.json"), record("17-team-v3.json", record_version=3))
    plan = record("18-work-ability-plan-v4.json")
    assert refusal(send, plan, ConsentRefused) == {("MEMBER_ADDED_AFTER_CONSENT", "release.recipients[0]")}
    send(record("15-consent.json"), plan)


def test_n_20_score_out_of_range(send: Send) -> None:
    """A Kykyviisari score of 11 is carried and refused in plain words, at the sender's field."""
    wrong = record("07-functional-assessment.json", result={"total_score": 11})
    assert refusal(send, wrong, ValidationFailed) == {("BR-108", "result.total_score")}


@pytest.mark.parametrize("code", ["080885-906T", "080885-9060"])
def test_n_27_identity_code_with_a_wrong_check_character(send: Send, code: str) -> None:
    """An identity code whose check character is wrong is refused where it stands, and not repeated."""
    with pytest.raises(SourceError) as caught:
        send(record("01-client.json", personal_identity_code=code))
    (issue,) = caught.value.issues
    assert issue.source is not None
    assert issue.source.path == "personal_identity_code"
    assert code not in issue.text("fi") + issue.text("en")


def test_n_30_a_te_case_officer_is_no_responsible_worker() -> None:
    """A vendor's profession «asiakasvastaava» of the TE services is never made the responsible worker."""
    path = ROOT / PATH / "records" / "11-team-v2.lahde.json"
    text = path.read_text(encoding="utf-8").replace("työllistymisen-asiantuntija", "asiakasvastaava")
    members = map_record(text, vendor="lahde", id_key=DEMO_KEY).record["members"]
    roles = [member["member"].get("practitioner", {}).get("member_role") for member in members]
    officer = members[roles.index("te-case-officer")]
    assert "team_function" not in officer


def test_n_31_protected_contact_data(send: Send) -> None:
    """With a turvakielto no contact data leave by consent; in the own register they stay, with the label."""
    scenario = "SCN-6-tyossa-kayva"
    county = record("03-client-v2.json", scenario)["custodian"]
    release = {"basis": "client-consent", "purpose": "service-coordination", "recipients": [{"organisation": county}]}
    wrong = record("03-client-v2.json", scenario, release=release)
    found = refusal(send, wrong, ConsentRefused)
    assert {place for rule, place in found if rule == "BR-150"} == {
        "phone[0]",
        "street_address",
        "home_county",
        "municipality",
        "close_person[0].phone[0]",
    }
    right = record("03-client-v2.json", scenario)
    send(right)
    labels = map_record(right, id_key=DEMO_KEY).bundle["meta"]["security"]
    assert "TURVAKIELTO" in {label["code"] for label in labels}


def test_n_34_client_without_any_identifier(send: Send) -> None:
    """A client needs an identity code or a temporary identifier."""
    with pytest.raises(SourceError) as caught:
        send(record("01-client.json", personal_identity_code=None))
    texts = " ".join(issue.text("en") for issue in caught.value.issues)
    assert "personal_identity_code" in texts
    assert "temporary_id" in texts
