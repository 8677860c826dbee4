"""The questions that a data-protection officer comes with, answered from the pages alone."""

from __future__ import annotations

import re
from datetime import date, datetime
from html import unescape

import pytest

from adapter import audit
from adapter.consent import Decision, Reason, decide
from adapter.consent.model import DecidedBy
from adapter.fhir.canonical import canonical
from adapter.mapping import map_record
from adapter.mapping.contained import contain
from adapter.mapping.lifting import lifted
from adapter.review.files import end_of_day, lane_of, read_file
from adapter.review.kept_decisions import agree
from adapter.review.matrix import Access
from adapter.source.json import read_json
from adapter.source.record import read
from adapter.store.tables import submission
from tests.review.conftest import BASE, CUSTODIANS, ID_KEY, KAINO, MOONA, Browser, Desk, moonas

pytestmark = pytest.mark.anyio


def words(html: str) -> str:
    """The text of a page as a person reads it."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def access(desk: Desk, day: str, *withdrawn: str) -> Access:
    """The questions to the engine about Moona at the end of a day."""
    with desk.database.reading() as connection:
        file = read_file(connection, desk.cipher, lane_of(connection, ID_KEY, MOONA), frozenset(CUSTODIANS))
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
    page = words((await browser.get(f"{await browser.open_moona()}/seen", **{"class": "substance-use"})).text)
    assert "ei ole yhtään luovutusta, jossa olisi näitä tietoja" in page
    assert "arkiston omaan lokiin" in page


async def test_who_handled_her_data_in_the_own_register_is_told_by_role_and_organisation(browser: Browser) -> None:
    """The use log says who recorded the class of data asked about; nobody else's entries stand there."""
    await browser.sign_in()
    path = await browser.open_moona()
    page = (await browser.get(f"{path}/seen", **{"class": "substance-use"})).text
    _, _, rest = page.partition('id="handled"')
    told, _, _ = rest.partition("Estetyt yritykset")
    assert "terveydenhoitaja, Esimerkkilän terveysasema" in told
    assert told.count("<tr>") - 1 == told.count("päihdetieto") - 1 > 0
    every = (await browser.get(f"{path}/seen")).text
    assert every.count("<tr>") > told.count("<tr>")


async def test_a_refused_attempt_is_told_in_words(browser: Browser) -> None:
    """Another controller's reviewer tried the address: when, and why it was refused."""
    await browser.sign_in()
    path = await browser.open_moona()
    await browser.sign_in(name="naapuri")
    assert (await browser.get(path)).status_code == 404
    await browser.sign_in()
    assert "1.9.2021 12.00.00: asiakas on toisen rekisterinpitäjän" in (await browser.get(f"{path}/seen")).text


async def test_the_effect_of_a_withdrawal_is_shown_before_a_consent_is_chosen(browser: Browser) -> None:
    """The page opens with the answer for the first consent; another one is a choice away."""
    await browser.sign_in()
    path = await browser.open_moona()
    assert "eivät enää näkisi" in (await browser.get(f"{path}/withdrawal")).text


async def test_a_disclosure_is_shown_with_recipient_and_ground(browser: Browser, desk: Desk) -> None:
    """A record released by consent is found by its data class, with to whom and why, by name."""
    with desk.database.transaction() as connection:
        entry = {"basis": "client-consent", "purpose": "service-coordination", "recipients": "te-4100"}
        found = read_file(connection, desk.cipher, lane_of(connection, ID_KEY, MOONA), frozenset(CUSTODIANS))
        assert found is not None
        check = next(one for one in found.kept if one.record_type == "health_check")
        audit.append(connection, desk.clock.now, "decision", {"submission": check.id, "decision": "permit", **entry})
    await browser.sign_in()
    path = await browser.open_moona()
    page = words((await browser.get(f"{path}/seen", **{"class": "substance-use"})).text)
    assert "Esimerkkilän TE-toimisto" in page
    assert "palvelujen koordinointi" in page
    assert "ei ole yhtään luovutusta" in words((await browser.get(f"{path}/seen", **{"class": "education"})).text)


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


async def test_the_three_questions_are_one_form_away_from_the_first_page(browser: Browser) -> None:
    """By name or by code: who saw her substance-use data, who may not, what a withdrawal would change."""
    await browser.sign_in()
    asked = {"client": "moona", "class": "substance-use"}
    seen = words((await browser.post("/clients/_search", question="seen", **asked)).text)
    assert "Tietoja ei ole luovutettu kenellekään tämän palvelun kautta." in seen
    may = words((await browser.post("/clients/_search", question="may", **asked)).text)
    assert "Tiimin jäsenet Saa nähdä kokonaan tai osaksi (0) Ei saa nähdä (6): Riitta Aholainen, Lauri Kivikoski" in may
    assert "Ei saa nähdä (2): Esimerkkilän TE-toimisto, Kansaneläkelaitos" in may
    change = await browser.post("/clients/_search", question="withdrawal", **asked)
    assert "20.7.2021: Esimerkkilän TE-toimisto" in words(change.text)


async def test_a_day_after_all_consents_leads_to_the_last_day_with_one(browser: Browser, desk: Desk) -> None:
    """Years later the answer is still one click away: the page names the last day that had a consent."""
    desk.clock.set("2024-07-01T12:00:00+03:00")
    await browser.sign_in()
    path = await browser.open_moona()
    page = await browser.get(f"{path}/matrix", **{"class": "substance-use"})
    assert "Yksikään suostumus ei ole voimassa 1.7.2024." in page.text
    assert f"{BASE}{path}/matrix?day=2022-08-09&amp;class=substance-use" in page.text
    feedback = next(kept.id for kept, one in access(desk, "2021-09-01").file.consents if "10904-1" in str(one))
    page = words((await browser.get(f"{path}/withdrawal", consent=feedback)).text)
    assert "Tilanne 20.1.2022." in page
    assert "3 muutosta" in page


async def test_several_clients_of_one_name_are_listed(browser: Browser) -> None:
    """Words of a name may fit several; too short a word fits nobody."""
    await browser.sign_in(name="kaikki")
    listed = words((await browser.post("/clients/_search", client="a", question="open")).text)
    assert "Asiakkaasta ei ole tietoja" in listed
    listed = await browser.post("/clients/_search", client="a n", question="seen")
    assert "Moona Emilia Tuulispää" in listed.text
    assert "Kaino Tuisku Perämaa" in listed.text
    assert "/seen" in listed.text


async def test_an_entry_of_the_log_is_explained_as_of_its_own_day(browser: Browser) -> None:
    """From the disclosure by one link to the provision that allowed it, though the consent has ended since."""
    await browser.sign_in(name="naapuri")
    path = await browser.open(KAINO)
    seen = await browser.get(f"{path}/seen")
    entry = re.findall(r"explain\?entry=(\d+)", seen.text)[-1]
    page = words((await browser.get(f"{path}/explain", entry=entry)).text)
    assert "Tilanne sellaisena kuin se oli 4.5.2023" in page
    assert "Saa nähdä Kaarina Jokiharju : työkyvyn tuen suunnitelma" in page
    assert "kirjallinen suostumus tiedon jakamiseen tiimissä 4.5.2023" in page
    assert (await browser.get(f"{path}/explain", entry="999999")).status_code == 404


async def test_a_draft_opens_what_it_names_and_refuses_what_it_refuses(browser: Browser, desk: Desk) -> None:
    """Decided by the engine, for the recipients, purposes and classes that were ticked; nothing is stored."""
    await browser.sign_in()
    path = await browser.open_moona()
    nurse = next(one for one in access(desk, "2021-09-01").recipients if one.name == "Hanna Pihlajisto")
    query = {"day": "2021-09-01", "recipient": nurse.key, "purpose": "treatment", "class": "treatment"}
    opened = words((await browser.get(f"{path}/draft", **query)).text)
    assert "1 muutosta" in opened
    assert re.search(r"Hanna Pihlajisto .{0,80} hoito ja lääkitys Ei saa nähdä Saa nähdä", opened)
    refused = words((await browser.get(f"{path}/draft", day="2021-09-01", refused="work-ability-plan")).text)
    assert "6 muutosta" in refused
    assert "Valitse vastaanottaja" in words((await browser.get(f"{path}/draft")).text)
    assert len(access(desk, "2021-09-01").file.consents) == 2


async def test_basis_of_processing_and_ground_for_disclosure_stand_beside_each_other(browser: Browser) -> None:
    """On what the register is kept is one thing, on what data go to others another; neither is the Kanta permission."""
    await browser.sign_in()
    page = words((await browser.get(await browser.open_moona())).text)
    assert "Käsittely: rekisterinpitäjän lakisääteinen velvoite" in page
    assert "Luovuttaminen: asiakkaan suostumus" in page


async def test_the_national_permission_is_entered_by_hand(browser: Browser) -> None:
    """Unknown at first; what somebody saw stands with the day and who looked, and is never read from a consent."""
    await browser.sign_in()
    path = await browser.open_moona()
    assert "ei tiedossa" in words((await browser.get(path)).text)
    page = words((await browser.post(f"{path}/permission", status="restricted", checked_on="2021-08-30")).text)
    assert "30.8.2021: lupa annettu, kieltoja asetettu (tarkastaja)" in page
    assert (await browser.post(f"{path}/permission", status="granted")).status_code == 400


@pytest.mark.parametrize("number", ["06-consent", "07-team", "08-work-ability-plan", "05-health-check"])
def test_a_contained_bundle_reads_like_any_other(number: str) -> None:
    """Lifted out again, core and supporting resources are those of the form with entries."""
    record = next(path for path in moonas() if path.name.startswith(number)).read_bytes()
    whole = map_record(read(record)).bundle
    again = lifted(contain(whole))
    core = {entry["fullUrl"]: entry["resource"] for entry in whole["entry"]}
    for entry in again["entry"]:
        expected = {**core[entry["fullUrl"]], "meta": None}
        assert {**entry["resource"], "meta": None, "focus": None} == {**expected, "focus": None}
    supporting = {"Patient", "Organization", "Practitioner", "PractitionerRole"}
    kinds = {each["resource"]["resourceType"] for each in again["entry"]}
    assert supporting & {each["resourceType"] for each in core.values()} <= kinds


async def test_pages_of_contained_records_answer_alike(browser: Browser, desk: Desk) -> None:
    """The same cells come out when every record was sent with contained resources."""
    expected = cells(access(desk, "2021-09-01"), "Riitta Aholainen")
    with desk.database.transaction() as connection:
        for row in connection.execute(submission.select()).all():
            name = f"submission/body/{row.id}"
            bundle = read_json(desk.cipher.decrypt(name, row.body))
            stamps = (entry["resource"].get("recorded", "") for entry in bundle["entry"])
            sealed = desk.cipher.encrypt(name, canonical(contain(bundle)))
            values = {"body": sealed, "received_at": datetime.fromisoformat(max(stamps)).timestamp()}
            connection.execute(submission.update().where(submission.c.id == row.id).values(**values))
    assert cells(access(desk, "2021-09-01"), "Riitta Aholainen") == expected
    await browser.sign_in()
    assert "Moona Emilia Tuulispää" in (await browser.get(await browser.open_moona())).text


async def explained(browser: Browser) -> str:
    """The page about the newest disclosure of Kaino's records, as text."""
    await browser.sign_in(name="naapuri")
    path = await browser.open(KAINO)
    entry = re.findall(r"explain\?entry=(\d+)", (await browser.get(f"{path}/seen")).text)[-1]
    return words((await browser.get(f"{path}/explain", entry=entry)).text)


async def test_what_was_decided_then_stands_beside_what_is_decided_today(browser: Browser, desk: Desk) -> None:
    """The stored decision is told first, with its consent by name; where the engine says the same, once."""
    page = await explained(browser)
    then, _, today = page.partition("Näin sama ratkaistaan tänään")
    assert "Näin ratkaistiin silloin" in then
    assert "”kirjallinen suostumus tiedon jakamiseen tiimissä 4.5.2023”" in then
    assert ("Sama tilanne ratkaistaan tänään samoin." in then) == (not today)


@pytest.mark.parametrize(
    "statement", ["DELETE FROM decision_trace", "UPDATE decision_trace SET body = substr(body, 1, length(body) - 1)"]
)
async def test_a_trace_that_was_bent_is_not_told_as_true(browser: Browser, desk: Desk, statement: str) -> None:
    """The page says that the trace does not match the log, and tells only what the engine says today."""
    with desk.database.transaction() as connection:
        connection.exec_driver_sql(statement)
    page = await explained(browser)
    assert "Ratkaisun jälki ei vastaa lokin tiivistettä" in page
    assert "Näin ratkaistiin silloin" not in page
    assert (
        "Saa nähdä Kaarina Jokiharju : työkyvyn tuen suunnitelma" in page.partition("Näin sama ratkaistaan tänään")[2]
    )


def test_decisions_agree_by_word_consents_and_statutes() -> None:
    """One more consent, another word or another statute is another decision."""
    by = (DecidedBy("Consent/a", "1", "Consent.provision"),)
    permit = Decision("permit", Reason.CONSENT_PERMIT, decided_by=by)
    others = (
        Decision("deny", Reason.EXPLICIT_DENY, decided_by=by),
        Decision("permit", Reason.CONSENT_PERMIT, decided_by=(DecidedBy("Consent/b", "1", "Consent.provision"),)),
        Decision("permit", Reason.STATUTORY_BASIS, decided_by=by, statutory_rule="r"),
    )
    assert agree([permit], [permit, permit])
    assert [agree([permit], [permit, other]) for other in others] == [False] * 3
