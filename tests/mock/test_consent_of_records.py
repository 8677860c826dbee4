"""Records that our own mapping made, at an endpoint that enforces consents: the team reads, others see nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import httpx
import pytest

from adapter.data import data_root
from adapter.fhir.canonical import dumps
from adapter.mapping import map_record
from adapter.mock.client import MockClient
from adapter.mock.serve import running_mock
from adapter.mock.settings import ClientSettings, MockSettings
from tests.mock.consent_world import JWKS, POLICY, reader

RECORDS = data_root() / "fixtures" / "scenarios" / "SCN-5-tyoton-polku" / "records"
SENT = ("11-team-v2", "10-consent", "12-work-ability-plan")
NOW = datetime(2023, 5, 5, 9, tzinfo=UTC)
PURPOSE = "https://kykysilta.example/fhir/CodeSystem/consent-purpose|service-coordination"
ORGANISATIONS = {
    "county": "urn:ietf:rfc:3986|urn:oid:1.2.246.10.32213086.19.0",
    "te-office": "https://toimistot.te-palvelut.example|te-6100",
    "stranger": "urn:org|stranger",
}
SPECIALIST = "https://henkilosto.te-palvelut.example|te-1204"


@pytest.fixture(scope="module")
def repository() -> Iterator[str]:
    """An endpoint with consent, team and plan of a scenario, on the day after."""
    clients = tuple(
        ClientSettings(name, JWKS, organization=organisation, purpose=PURPOSE)
        for name, organisation in ORGANISATIONS.items()
    )
    with running_mock(MockSettings(port=0, auth="smart", clients=clients)) as base:
        with MockClient(base.removesuffix("/fhir")) as control:
            control.freeze(NOW)
            control.behave(policy=POLICY)
        with asking(base, "county") as client:
            for name in SENT:
                bundle = map_record((RECORDS / f"{name}.json").read_bytes(), id_key=b"k" * 32).bundle
                answer = client.post("", content=dumps(bundle), headers={"Content-Type": "application/fhir+json"})
                assert answer.status_code == 200, answer.text
        yield base


def asking(base: str, name: str, **b2b: str) -> AbstractContextManager[httpx.Client]:
    """The system of an organisation on that day."""
    return reader(base, name, now=NOW, **b2b)


def plans(base: str, name: str, **b2b: str) -> list[str]:
    """Titles of the plans that an organisation finds."""
    with asking(base, name, **b2b) as client:
        found = client.get("CarePlan").json()
    return [one["resource"]["title"] for one in found.get("entry", [])]


def test_the_keeper_of_the_register_and_the_team_read_the_plan(repository: str) -> None:
    """The controller by its OID under whatever code system; the specialist named in the team, by the consent."""
    assert len(plans(repository, "county")) == 1
    assert plans(repository, "te-office", subject_id=SPECIALIST) == plans(repository, "county")


def test_nobody_else_reads_it(repository: str) -> None:
    """Neither the office's own system, nor another person, another purpose, another organisation."""
    assert plans(repository, "te-office") == []
    assert plans(repository, "te-office", subject_id=f"{SPECIALIST}0") == []
    other = PURPOSE.replace("service-coordination", "research")
    assert plans(repository, "te-office", subject_id=SPECIALIST, purpose_of_use=other) == []
    assert plans(repository, "stranger", subject_id=SPECIALIST) == []
