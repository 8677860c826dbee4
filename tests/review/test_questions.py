"""The questions that a data-protection officer comes with, answered from the pages alone."""

from __future__ import annotations

import re
from datetime import date
from html import unescape

import pytest

from adapter import audit
from adapter.consent import decide
from adapter.review.files import end_of_day, lane_of, read_file
from adapter.review.matrix import Access
from adapter.store.tables import submission
from tests.review.conftest import CUSTODIANS, ID_KEY, MOONA, Browser, Desk

pytestmark = pytest.mark.anyio


def words(html: str) -> str:
    """The text of a page as a person reads it."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def access(desk: Desk, day: str, *withdrawn: str) -> Access:
    """The questions to the engine about Moona at the end of a day."""
    with desk.database.reading() as connection:
        file = read_file(connection, desk.cipher, lane_of(ID_KEY, MOONA), frozenset(CUSTODIANS))
    assert file is not None
    moment = end_of_day(date.fromisoformat(day))
    return Access(file.at(moment), moment, withdrawn=withdrawn)


def cells(asked: Access, name: str) -> dict[str, str]:
    """What one recipient may see, by data class."""
    recipient = next(one for one in asked.recipients if one.name == name)
    return {code: asked.cell(recipient, code, asked.purposes, "disclose").word for code in asked.data}


async def test_who_saw_her_substance_use_data_is_nobody_by_this_log(browser: Browser) -> None:
    """Moona's records stayed in the own register; the page says so, and where other reads are logged."""
    await browser.sign_in()
    page = words((await browser.get(await browser.open_moona(), **{"class": "substance-use"})).text)
    assert "ei ole yhtään luovutusta, jossa olisi näitä tietoja" in page
    assert "arkiston omaan lokiin" in page


async def test_a_disclosure_is_shown_with_recipient_and_ground(browser: Browser, desk: Desk) -> None:
    """A record released by consent is found by its data class, with to whom and why."""
    with desk.database.transaction() as connection:
        entry = {"basis": "client-consent", "purpose": "service-coordination", "recipients": "te-4100"}
        found = read_file(connection, desk.cipher, lane_of(ID_KEY, MOONA), frozenset(CUSTODIANS))
        assert found is not None
        check = next(one for one in found.kept if one.record_type == "health_check")
        audit.append(connection, desk.clock.now, "decision", {"submission": check.id, "decision": "permit", **entry})
    await browser.sign_in()
    path = await browser.open_moona()
    page = words((await browser.get(path, **{"class": "substance-use"})).text)
    assert "te-4100" in page
    assert "palvelujen koordinointi" in page
    assert "ei ole yhtään luovutusta" in words((await browser.get(path, **{"class": "education"})).text)


def test_nobody_in_the_team_may_see_her_substance_use_data(desk: Desk) -> None:
    """The network's consent leaves the class out, for every member."""
    asked = access(desk, "2021-09-01")
    members = [one for one in asked.recipients if one.team]
    assert len(members) == 6
    assert {asked.cell(one, "substance-use", asked.purposes, "disclose").word for one in members} == {"deny"}


async def test_the_matrix_says_who_may_not_see_it_in_words(browser: Browser) -> None:
    """Row, column and reason stand on the page as text."""
    await browser.sign_in()
    path = await browser.open_moona()
    page = words((await browser.get(f"{path}/matrix", day="2021-09-01")).text)
    assert "Ei saa nähdä : Kirsi Ojalehto, päihdetiedot" in page or "Ei saa nähdä : Kirsi Ojalehto, päihde" in page
    assert "Saa nähdä : Riitta Aholainen" in page
    assert "Tietoryhmä ei kuulu suostumukseen." in page


def test_every_cell_is_what_the_engine_says(desk: Desk) -> None:
    """The matrix has no rules of its own: asked again one by one, the engine gives the same words."""
    asked = access(desk, "2021-09-01")
    for recipient in asked.recipients:
        for code, resources in asked.data.items():
            cell = asked.cell(recipient, code, ["service-coordination"], "disclose")
            request = {
                "time": "2021-09-01T23:59:59+03:00",
                "requester": recipient.requester,
                "purpose": {"system": "https://kykysilta.example/fhir/CodeSystem/consent-purpose",
                            "code": "service-coordination"},
                "action": "disclose",
                "patient": {"reference": asked.file.address},
            }  # fmt: skip
            said = {
                decide(asked.documents, {**request, "resource": resource, "custodian": custodian},
                       context=asked.file.context).decision
                for resource, custodian in resources
            }  # fmt: skip
            assert cell.word == (said.pop() if len(said) == 1 else "partial"), (recipient.name, code)


def test_the_day_decides(desk: Desk) -> None:
    """Before the consent nothing is open, during it the plan is, after its end nothing again."""
    assert {one.name for one in access(desk, "2021-07-01").recipients} == set()
    assert cells(access(desk, "2021-09-01"), "Riitta Aholainen")["work-ability-plan"] == "permit"
    assert set(cells(access(desk, "2022-09-01"), "Riitta Aholainen").values()) == {"deny"}


def test_withdrawing_the_consent_for_the_te_office_closes_what_it_opened(desk: Desk) -> None:
    """The feedback consent alone opens the health check to the TE office; the team is not touched."""
    before = access(desk, "2021-09-01")
    feedback = next(kept.id for kept, one in before.file.consents if "lupa-10904-1" in str(one["identifier"]))
    after = access(desk, "2021-09-01", feedback)
    office, member = "Esimerkkilän TE-toimisto", "Kirsi Ojalehto"
    opened = {code for code, word in cells(before, office).items() if word == "permit"}
    assert opened == {"health-check", "work-ability-evaluation", "employment-service"}
    changed = {code for code, word in cells(after, office).items() if word != cells(before, office)[code]}
    assert changed == opened
    assert cells(after, member) == cells(before, member)


async def test_the_page_of_a_withdrawal_lists_what_changes(browser: Browser, desk: Desk) -> None:
    """From the client's page to the changes by one link; nothing is changed in the file."""
    await browser.sign_in()
    path = await browser.open_moona()
    before = access(desk, "2021-09-01")
    feedback = next(kept.id for kept, one in before.file.consents if "lupa-10904-1" in str(one["identifier"]))
    assert f"withdrawal?consent={feedback}" in (await browser.get(path)).text
    page = words((await browser.get(f"{path}/withdrawal", consent=feedback, day="2021-09-01")).text)
    assert "3 muutosta" in page
    assert "Esimerkkilän TE-toimisto" in page
    assert cells(access(desk, "2021-09-01"), "Esimerkkilän TE-toimisto")["health-check"] == "permit"


async def test_an_access_is_explained_in_plain_finnish(browser: Browser, desk: Desk) -> None:
    """Why the TE office may not see the substance-use data: which consent came nearest, and what it lacks."""
    await browser.sign_in()
    path = await browser.open_moona()
    office = next(one for one in access(desk, "2021-09-01").recipients if one.name == "Esimerkkilän TE-toimisto")
    query = {"recipient": office.key, "class": "substance-use", "day": "2021-09-01", "purpose": "feedback"}
    page = words((await browser.get(f"{path}/explain", **query)).text)
    assert "Tietoja ei saa luovuttaa." in page
    assert "20.7.2021" in page
    assert "Consent/" not in page


def test_a_body_that_was_erased_is_left_out(desk: Desk) -> None:
    """A submission whose body is gone does not stop the page."""
    with desk.database.transaction() as connection:
        connection.execute(submission.update().where(submission.c.record_type == "health_check").values(body=None))
    assert (
        access(desk, "2021-09-01")
        .cell(access(desk, "2021-09-01").recipients[0], "health-check", ["service-coordination"], "disclose")
        .example
    )
