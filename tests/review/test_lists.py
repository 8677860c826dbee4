"""Work list, consents, log and exports over all clients."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import select

from adapter.errors import AdapterError
from adapter.i18n import LANGUAGES, catalogue
from adapter.pipeline import Sender
from adapter.review.consents import Filters, fitting, rows_of
from adapter.review.files import ClientFile, Kept, lane_of, read_file
from adapter.review.findings import QUERIES, Case
from adapter.review.log import Disclosure
from adapter.review.timeline import Span, as_day, picture
from adapter.store.tables import audit_entry, submission
from adapter.types import Resource
from tests.review.conftest import CUSTODIANS, ID_KEY, MOONA, Browser, Desk

pytestmark = pytest.mark.anyio
DURING, BEFORE_END, AFTER = "2021-09-01", "2022-07-20", "2022-09-01"


def moment(day: str) -> float:
    """Noon of a day."""
    return datetime.fromisoformat(f"{day}T12:00:00+03:00").timestamp()


@pytest.fixture
def moona(desk: Desk) -> ClientFile:
    """Moona's whole file."""
    with desk.database.reading() as connection:
        found = read_file(connection, desk.cipher, lane_of(connection, ID_KEY, MOONA), frozenset(CUSTODIANS))
    assert found is not None
    return found


def found(query: str, file: ClientFile, day: str, *disclosed: Disclosure) -> list[str]:
    """What a saved query finds in a file as it was on a day."""
    return [hit.what for hit in QUERIES[query](Case(file.at(moment(day)), disclosed, moment(day), "fi"))]


def disclosure(day: str, **facts: object) -> Disclosure:
    """A disclosure to the TE office on a day."""
    usual = {"seq": 1, "at": moment(day), "judged": moment(day), "act": "disclose", "basis": "client-consent"}
    usual |= {
        "purpose": "service-coordination",
        "recipients": ("te-4100",),
        "classes": (),
        "submission": "",
        "traces": (),
    }
    return Disclosure(**(usual | facts))  # type: ignore[arg-type]


def without(file: ClientFile, record_type: str) -> ClientFile:
    """The file without records of a type."""
    return ClientFile(tuple(one for one in file.kept if one.record_type != record_type))


def changed(file: ClientFile, key: str) -> ClientFile:
    """The file with an element taken out of every consent."""

    def each() -> Iterator[Kept]:
        for one in file.kept:
            bundle: Resource = deepcopy(one.bundle)
            for entry in bundle["entry"]:
                if entry["resource"]["resourceType"] == "Consent":
                    entry["resource"].pop(key, None)
            yield replace(one, bundle=bundle)

    return ClientFile(tuple(each()))


def withdrawn(file: ClientFile) -> ClientFile:
    """The file with every consent withdrawn at the end of August."""

    def each() -> Iterator[Kept]:
        for one in file.kept:
            if one.record_type != "consent":
                yield one
                continue
            bundle: Resource = deepcopy(one.bundle)
            for entry in bundle["entry"]:
                if entry["resource"]["resourceType"] == "Consent":
                    entry["resource"]["status"] = "inactive"
            yield replace(one, bundle=bundle, recorded=moment("2021-08-31"))

    return ClientFile(tuple(each()))


def test_a_member_whom_no_consent_covers_is_found(moona: ClientFile) -> None:
    """All six when no consent is on file, none while the network's consent is in force."""
    assert found("member-not-covered", moona, DURING) == []
    assert len(found("member-not-covered", without(moona, "consent"), DURING)) == 6


def test_an_expired_consent_that_is_still_active_is_found(moona: ClientFile) -> None:
    """Both consents of Moona run out and stay active."""
    assert found("consent-expired", moona, DURING) == []
    assert len(found("consent-expired", moona, AFTER)) == 2


def test_a_consent_that_ends_soon_is_found(moona: ClientFile) -> None:
    """Within thirty days of its end, not before."""
    assert found("consent-expiring", moona, DURING) == []
    assert len(found("consent-expiring", moona, BEFORE_END)) == 1


def test_a_consent_without_evidence_is_found(moona: ClientFile) -> None:
    """The signed form is what counts."""
    assert found("no-evidence", moona, DURING) == []
    assert len(found("no-evidence", changed(moona, "sourceAttachment"), DURING)) == 1


def test_a_team_without_a_consent_is_found(moona: ClientFile) -> None:
    """An active team whose consent has run out."""
    assert found("team-without-consent", moona, DURING) == []
    assert found("team-without-consent", moona, AFTER) == ["Monialainen verkosto, TYP Esimerkkilä"]


def test_two_like_consents_in_force_are_found(moona: ClientFile) -> None:
    """A copy under another record would survive the withdrawal of the first."""
    copies = tuple(replace(one, id=one.id + "2", record=one.id) for one in moona.kept)
    assert found("duplicate", moona, DURING) == []
    assert len(found("duplicate", ClientFile(moona.kept + copies), DURING)) == 2


def test_a_disclosure_after_the_withdrawal_is_found(moona: ClientFile) -> None:
    """By consent, for a purpose that no other consent covers; before it nothing is wrong."""
    gone = withdrawn(moona)
    assert found("after-withdrawal", gone, DURING, disclosure("2021-08-20")) == []
    assert len(found("after-withdrawal", gone, DURING, disclosure(DURING))) == 1
    assert found("after-withdrawal", moona, DURING, disclosure(DURING)) == []


def test_a_disclosure_under_a_consent_that_has_ended_since_is_no_finding(moona: ClientFile) -> None:
    """What counts is the day of the decision: another consent covered the purpose then."""
    gone = withdrawn(moona)
    kept = tuple(replace(one, id=f"{one.id}-2", record=f"{one.record}-2") for one in moona.kept)
    both = ClientFile((*gone.kept, *(one for one in kept if one.record_type == "consent")))
    assert found("after-withdrawal", both, AFTER, disclosure(DURING)) == []
    assert len(found("after-withdrawal", both, AFTER, disclosure(AFTER))) == 1


def test_a_disclosure_without_a_ground_is_found(moona: ClientFile) -> None:
    """No ground at all, or a consent without a purpose."""
    assert found("without-ground", moona, DURING, disclosure(DURING)) == []
    assert found("without-ground", moona, DURING, disclosure(DURING, basis="")) == ["Esimerkkilän TE-toimisto"]
    assert len(found("without-ground", moona, DURING, disclosure(DURING, purpose=""))) == 1


def test_who_left_the_team_and_still_receives_is_found(moona: ClientFile) -> None:
    """The last member of Kela left on 10.11.2021; the TYP office's is still there."""
    everybody = tuple(moona.organisations)
    early, late = disclosure("2021-10-01", recipients=everybody), disclosure(AFTER, recipients=everybody)
    assert found("left-but-receiving", moona, "2024-07-01", early) == []
    assert "Kansaneläkelaitos" in found("left-but-receiving", moona, "2024-07-01", late)
    assert "TYP Esimerkkilä" not in found("left-but-receiving", moona, "2024-07-01", late)


def test_a_statutory_disclosure_is_for_review(moona: ClientFile) -> None:
    """Each such event is looked at (R31)."""
    assert found("statutory", moona, DURING, disclosure(DURING)) == []
    assert len(found("statutory", moona, DURING, disclosure(DURING, basis="other-statutory"))) == 1


def test_a_recipient_who_is_not_in_the_team_is_found(moona: ClientFile) -> None:
    """The feedback goes to the TE office, which has no member in the team."""
    assert found("not-in-team", moona, DURING) == [
        "Esimerkkilän TE-toimisto: palaute lähettävälle taholle luvalla 20.7.2021"
    ]
    assert found("not-in-team", without(moona, "team"), DURING) == []


def test_a_purpose_that_is_never_used_is_found(moona: ClientFile) -> None:
    """After ninety days, when nothing went out by it."""
    assert found("purpose-unused", moona, DURING) == []
    assert len(found("purpose-unused", moona, "2021-12-01")) == 2
    assert len(found("purpose-unused", moona, "2021-12-01", disclosure("2021-11-01"))) == 1


def test_a_consent_that_cannot_be_read_is_found(moona: ClientFile) -> None:
    """Without scope it is malformed (R8); an unknown purpose is said too."""
    assert found("flawed", moona, DURING) == []
    assert len(found("flawed", changed(moona, "scope"), DURING)) == 2


@pytest.mark.parametrize(
    ("filters", "day", "count"),
    [
        (Filters(), DURING, 2),
        (Filters(state="in-force"), DURING, 2),
        (Filters(state="in-force"), AFTER, 0),
        (Filters(state="expiring-30"), BEFORE_END, 1),
        (Filters(state="expiring-14"), BEFORE_END, 0),
        (Filters(state="expiring-7"), "2022-08-05", 1),
        (Filters(state="expired"), AFTER, 2),
        (Filters(state="withdrawn"), DURING, 0),
        (Filters(state="no-evidence"), DURING, 0),
        (Filters(recipient="te-toimisto"), DURING, 1),
        (Filters(data_class="work-ability-plan"), DURING, 1),
        (Filters(purpose="service-coordination"), DURING, 1),
        (Filters(document="verkostossa"), DURING, 1),
        (Filters(performer="client"), DURING, 2),
        (Filters(performer="representative"), DURING, 0),
        (Filters(state="malformed"), DURING, 0),
        (Filters(state="unknown-codes"), DURING, 0),
        (Filters(state="blocked"), DURING, 0),
        (Filters(state="status-rejected"), DURING, 0),
        (Filters(withdrawn_days="30"), DURING, 0),
        (Filters(state="nonsense"), DURING, 0),
    ],
)
def test_consents_are_filtered(moona: ClientFile, filters: Filters, day: str, count: int) -> None:
    """By state, recipient, class and purpose."""
    rows = rows_of(moona, moment(day), "fi")
    assert len(fitting(moona, rows, filters, moment(day))) == count


def test_what_is_withdrawn_malformed_or_blocked_is_filtered(moona: ClientFile) -> None:
    """Withdrawn within days, broken structure, and a consent that an older refusal stops."""
    now = moment(DURING)

    def names(file: ClientFile, **filters: str) -> int:
        return len(fitting(file, rows_of(file, now, "fi"), Filters(**filters), now))

    assert (names(withdrawn(moona), withdrawn_days="7"), names(withdrawn(moona), state="withdrawn")) == (2, 2)
    assert names(withdrawn(moona), withdrawn_days="0") == 0
    assert names(changed(moona, "scope"), state="malformed") == 2
    assert names(refusing(moona), state="blocked") == 1


def refusing(file: ClientFile) -> ClientFile:
    """The file whose older consent refuses everything to everybody."""

    def each() -> Iterator[Kept]:
        for one in file.kept:
            bundle: Resource = deepcopy(one.bundle)
            for entry in bundle["entry"]:
                if "lupa-10904-1" in str(entry["resource"].get("identifier")):
                    entry["resource"]["provision"] = {"type": "deny"}
            yield replace(one, bundle=bundle)

    return ClientFile(tuple(each()))


async def test_the_list_leads_to_the_client(browser: Browser) -> None:
    """Filtered by a form in the body; the address holds no filter."""
    await browser.sign_in()
    answer = await browser.post("/consents", recipient="TE-toimisto")
    assert "Löytyi 1" in answer.text
    assert "TE-toimisto" not in str(answer.url)
    assert "Moona" in answer.text


async def test_the_log_is_searched_by_client_kind_and_time(browser: Browser) -> None:
    """Whose, what and when; the reviewer's own acts are there too."""
    await browser.sign_in()
    handle = (await browser.open_moona()).rpartition("/")[2]
    why = {"reason": "client-request"}
    hers = await browser.post("/log", client=handle, kind="decision", since="2021-09-01", until="2021-09-01", **why)
    assert "Löytyi 13" in hers.text
    assert "Löytyi 0" in (await browser.post("/log", client="f" * 32, **why)).text
    assert "Löytyi 0" in (await browser.post("/log", kind="decision", until="2021-08-31", **why)).text
    assert (
        "Asiakkaan suostumuksia ja luovutuksia katsottiin"
        in (await browser.post("/log", kind="review", client=handle, **why)).text
    )


async def test_the_reason_for_looking_is_asked_and_logged(browser: Browser, desk: Desk) -> None:
    """Without a reason nothing is shown; with one it stands in the log beside the number of rows."""
    await browser.sign_in()
    refused = await browser.post("/log", kind="decision")
    assert "Valitse ensin syy" in refused.text
    assert "Löytyi" not in refused.text
    await browser.post("/log", kind="decision", reason="suspicion")
    acts = [entry for entry in entries(desk) if entry.get("act") == "search-log"]
    assert [entry["reason"] for entry in acts] == ["suspicion"]


async def test_refused_attempts_are_found(browser: Browser, desk: Desk) -> None:
    """A record that was refused leaves an entry; so does a decision of the gate against a release."""
    with pytest.raises(AdapterError):
        desk.line.accept(b'{"record_type": "consent"}', sender=Sender("ehr"))
    await browser.sign_in()
    page = await browser.post("/log", kind="denied", reason="supervision")
    assert "Löytyi 1" in page.text


async def test_the_log_is_searched_by_purpose_organisation_and_ground(browser: Browser) -> None:
    """Kaino's plans went to his team by consent; the own register is another ground."""
    await browser.sign_in(name="naapuri")
    why = {"reason": "supervision"}
    assert "Löytyi 3" in (await browser.post("/log", ground="client-consent", **why)).text
    assert "Löytyi 3" in (await browser.post("/log", purpose="service-coordination", **why)).text
    assert "Löytyi 0" in (await browser.post("/log", purpose="research", **why)).text
    assert "Löytyi 0" in (await browser.post("/log", organisation="0000000-0", **why)).text


async def test_a_broken_chain_is_said_on_the_first_page(browser: Browser, desk: Desk) -> None:
    """The log is checked when the page is shown."""
    await browser.sign_in()
    assert "se on ehjä" in (await browser.get("/")).text
    desk.clock.now += 61
    with desk.database.transaction() as connection:
        connection.execute(audit_entry.update().where(audit_entry.c.seq == 2).values(at=0.0))
    assert "ei täsmää kohdasta 2" in (await browser.get("/")).text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_page_speaks_three_languages(browser: Browser, language: str) -> None:
    """The language of the page is declared, and every text of the pages exists in it."""
    await browser.sign_in()
    path = await browser.open_moona()
    parts = [f"{path}{part}" for part in ("", "/seen", "/matrix", "/explain", "/withdrawal", "/draft", "/log-copy")]
    for page in (
        *parts,
        "/",
        "/consents",
        "/log",
        "/breach",
        "/exports",
        "/record",
        "/facts",
        "/health",
        "/accessibility",
    ):
        answer = await browser.get(page, lang=language)
        assert answer.status_code == 200
        assert f'<html lang="{language}">' in answer.text
    for area in ("review", "review-client", "review-log", "review-service", "review-sheets"):
        assert all(language in message.texts for message in catalogue(area).values())


async def test_swedish_says_that_nobody_has_reviewed_it(browser: Browser) -> None:
    """Only there; a change of language stays on the page."""
    await browser.sign_in()
    answer = await browser.get("/consents", lang="sv")
    assert "har inte granskats" in answer.text
    assert 'href="/review/consents?lang=fi"' in answer.text
    assert "har inte granskats" not in (await browser.get("/consents", lang="fi")).text


async def test_a_finding_is_marked_handed_over_and_opened_again(browser: Browser, desk: Desk) -> None:
    """Notes stand beside the finding with who and when; no consent changes, and each act is in the log."""
    desk.clock.set("2022-09-01T12:00:00+03:00")
    await browser.sign_in()
    home = await browser.get("/")
    before = submissions(desk)
    key = re.findall(r"/review/findings/([0-9a-f]{32})", home.text)[0]
    colleague = re.search(r'<option value="([0-9a-f]{32})">kollega', (await browser.get(f"/findings/{key}")).text)
    assert colleague is not None
    note = "<b>Soitettu</b> yksikköön"
    page = await browser.post(f"/findings/{key}", state="reviewed", text=note, assignee=colleague[1])
    assert "tarkastettu" in page.text
    assert "&lt;b&gt;Soitettu&lt;/b&gt; yksikköön" in page.text
    assert "→ kollega" in page.text
    assert "avoinna" in (await browser.post(f"/findings/{key}", state="open")).text
    assert [entry["state"] for entry in entries(desk) if entry.get("act") == "note"] == ["reviewed", "open"]
    assert submissions(desk) == before
    assert note not in json.dumps(entries(desk), ensure_ascii=False)
    assert (await browser.get("/findings/" + "0" * 32)).status_code == 404


async def test_a_filter_is_saved_without_names(browser: Browser) -> None:
    """Under a random id; the recipient typed in is not kept."""
    await browser.sign_in()
    answer = await browser.post("/consents/filters", state="expired", recipient="TE-toimisto", purpose="feedback")
    assert re.search(r"/consents\?filter=[0-9a-f]{32}$", str(answer.url))
    assert "TE-toimisto" not in answer.text.split("Löytyi")[0]
    assert '<option value="feedback" selected>' in answer.text
    assert "Voimassaolo päättynyt" in answer.text


def entries(desk: Desk) -> list[dict[str, object]]:
    """The facts of every entry of the log."""
    with desk.database.reading() as connection:
        return [json.loads(each) for each in connection.execute(select(audit_entry.c.entry)).scalars()]


def submissions(desk: Desk) -> list[tuple[str, bytes]]:
    """Ids and bodies of everything that was taken in."""
    with desk.database.reading() as connection:
        rows = connection.execute(select(submission.c.id, submission.c.body).order_by(submission.c.id))
        return [tuple(row) for row in rows]  # type: ignore[misc]


def test_a_picture_keeps_its_bars_inside() -> None:
    """Every bar lies in the view box, in order; nothing gives no picture."""
    today = datetime(2021, 9, 1).date()
    spans = [Span("consent", "a", as_day("2020") or today, None, ""), Span("member", "b", today, today, "")]
    drawn = picture(spans, today)
    assert drawn is not None
    assert all(bar.x >= 0 and bar.x + bar.width <= drawn.width for bar in drawn.bars)
    assert drawn.years[0][1] == 2021
    assert picture([], today) is None
