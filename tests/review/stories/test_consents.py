"""Stories of the work list, the consents and the client's page."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest

from tests.review.stories.features import story
from tests.review.stories.files import json_of
from tests.review.stories.log import acts_since_sign_in
from tests.review.windows import ask, go, main_of, reads, tab_to, taken, window

pytestmark = [pytest.mark.chromium, pytest.mark.filterwarnings("ignore")]
EXPIRED, STRANGER = "Voimassaolo päättynyt, tila yhä voimassa", "Suostumuksessa on vastaanottaja, joka ei ole tiimissä"


def rows_of(page: Any, table: str) -> list[str]:
    """The text of the rows of a table, without the headings."""
    return page.get_by_role("table", name=table).locator("tbody tr").all_inner_texts()  # type: ignore[no-any-return]


@story("F1")
def test_the_work_list_says_what_to_act_on(officer: Any) -> None:
    """A tile counts and leads to its table, newest first; a row leads to what to do, and to the client."""
    tile = officer.get_by_role("link", name=re.compile(rf"^2 {EXPIRED}"))
    tile.click()
    officer.wait_for_url("**#finding-*")
    days = [re.findall(r"\t(\d+\.\d+\.\d{4})\t", row)[0] for row in rows_of(officer, EXPIRED)]
    assert days == ["9.8.2022", "20.1.2022"]
    assert days == sorted(days, key=lambda day: datetime.strptime(day, "%d.%m.%Y"), reverse=True)
    officer.get_by_role("link", name="palaute lähettävälle taholle luvalla 20.7.2021").click()
    reads(officer, "Uusi se tai merkitse se päättyneeksi lähdejärjestelmässä.")
    officer.get_by_role("link", name="Moona Tuulispää").click()
    officer.get_by_role("heading", name="Moona Emilia Tuulispää").wait_for()


@story("F6")
def test_a_mismatch_is_followed_from_the_finding_to_consent_and_team(officer: Any) -> None:
    """The consent names somebody who is no member: both stand on the client's page, and nothing was shared so far."""
    (row, *_) = [each for each in rows_of(officer, STRANGER) if "Olavi Verstola" in each]
    assert row.startswith("Kaino Perämaa")
    officer.get_by_role("link", name=re.compile("^Olavi Verstola")).click()
    reads(officer, "Tarkista, kuuluuko vastaanottaja tiimiin vai onko suostumus liian laaja.")
    officer.get_by_role("link", name="Kaino Perämaa").click()
    consent = officer.get_by_role("row", name=re.compile("jakamiseen tiimissä 1.8.2023 2 aktiivinen, voimassa nyt"))
    consent.filter(has_text="Olavi Verstola").wait_for()
    members = rows_of(officer, "Tiimin jäsenet jäsenyysaikoineen")
    assert len(members) == 9
    assert not any("Olavi Verstola" in each for each in members)
    assert "Havainto avattiin" in acts_since_sign_in(officer)


@story("F11")
def test_a_finding_is_noted_and_handed_over_by_keyboard_alone(officer: Any) -> None:
    """Without a mouse: reviewed, with a note, for a colleague; opened again. The consent stays as it is."""
    open_before = int(re.findall(r"Selvitettävää: (\d+) avoinna", main_of(officer))[0])
    tab_to(officer, officer.get_by_role("link", name="Työkykytutkimuksen rekisteri: tutkimuskäyttö (Kykyviisari)"))
    officer.keyboard.press("Enter")
    note = officer.get_by_label("Muistiinpano", exact=True)
    note.wait_for()
    tab_to(officer, note)
    officer.keyboard.type("Kysytty tutkimuksen yhteyshenkilöltä.")
    tab_to(officer, officer.get_by_label("Vastuuhenkilö"))
    officer.keyboard.type("kaksonen")
    tab_to(officer, officer.get_by_role("button", name="Merkitse tarkastetuksi"))
    officer.keyboard.press("Enter")
    reads(officer, "Tila: tarkastettu", "kaikki: tarkastettu → kaksonen", "Kysytty tutkimuksen yhteyshenkilöltä.")
    go(officer, "Työlista")
    reads(officer, f"Selvitettävää: {open_before - 1} avoinna")
    assert any(row.endswith("tarkastettu, kaksonen") for row in rows_of(officer, STRANGER))
    officer.get_by_role("link", name="Työkykytutkimuksen rekisteri: tutkimuskäyttö (Kykyviisari)").click()
    officer.get_by_role("button", name="Avaa uudelleen").click()
    reads(officer, "Tila: avoinna")
    officer.get_by_role("link", name="Kaino Perämaa").click()
    officer.get_by_role("row", name=re.compile(r"tutkimuskäyttö .* 12.4.2023 1 aktiivinen, voimassa nyt")).wait_for()
    assert acts_since_sign_in(officer).count("Havaintoon kirjattiin merkintä") == 2


@story("F2")
def test_a_filter_of_consents_is_saved_without_the_name(chromium: Any, pages: str) -> None:
    """By a form without JavaScript; what was saved is there again tomorrow, the recipient's name is not."""
    page = window(chromium, pages, name="kaikki")
    go(page, "Suostumukset")
    page.get_by_label("Tila").select_option(label=EXPIRED.partition(",")[0])
    page.get_by_label("Kenelle").fill("TE-toimisto")
    page.get_by_label("Käyttötarkoitus").select_option(label="palaute")
    page.get_by_role("button", name="Näytä").click()
    reads(page, "Löytyi 1")
    page.get_by_role("button", name="Tallenna suodatin (ilman nimiä)").click()
    go(page, "Työlista")
    go(page, "Suostumukset")
    everything = page.locator("tbody tr").count()
    page.get_by_role("navigation", name="Tallennetut suodattimet").get_by_role("link").last.click()
    reads(page, "Löytyi 1", "palaute lähettävälle taholle luvalla 20.7.2021")
    assert everything > 1
    assert page.get_by_label("Kenelle").input_value() == ""
    assert page.get_by_label("Käyttötarkoitus").locator("option:checked").inner_text() == "palaute"
    page.get_by_role("link", name="Moona Tuulispää").click()
    page.get_by_role("heading", name="Moona Emilia Tuulispää").wait_for()
    assert "Suostumusten luettelo avattiin" in acts_since_sign_in(page)
    page.context.close()


@story("F3")
def test_the_course_of_a_client_is_told_and_the_national_permission_entered(officer: Any) -> None:
    """Consents, refusals, members, disclosures and versions by day, as a table before the picture."""
    ask(officer, "Yhteenveto", who="Kaino")
    course = "Tapahtumat aikajärjestyksessä"
    officer.get_by_role("table", name=course).wait_for()
    kinds = {row.split("\t")[2] for row in rows_of(officer, course)}
    assert kinds >= {"suostumus", "kielto", "tiimin jäsen", "luovutus", "uusi versio"}
    table, picture = (
        officer.get_by_role(role, name=name) for role, name in (("table", course), ("img", "Sama kuvana"))
    )
    assert table.bounding_box()["y"] < picture.bounding_box()["y"]
    officer.get_by_text("Kirjaa tila").click()
    officer.get_by_label("Kanta-luovutuslupa").select_option(label="lupa annettu, kieltoja asetettu")
    officer.get_by_label("Tarkistettu").fill("2023-11-30")
    officer.get_by_role("button", name="Tallenna").click()
    reads(officer, "30.11.2023: lupa annettu, kieltoja asetettu (kaikki)")
    assert any("Kanta-luvan tila" in row and row.startswith("30.11.2023") for row in rows_of(officer, course))
    assert "Kanta-luvan tila kirjattiin" in acts_since_sign_in(officer)


@story("F3")
def test_the_identity_code_is_masked_until_it_is_asked_for(officer: Any) -> None:
    """Showing it is an act of its own in the log; the address never holds it."""
    ask(officer, "Yhteenveto", who="Kaino")
    officer.get_by_role("heading", name="Kaino Tuisku Perämaa").wait_for()
    assert "080885-906S" not in main_of(officer)
    officer.get_by_role("button", name="Näytä henkilötunnus (tallentuu lokiin)").click()
    reads(officer, "080885-906S")
    assert "906S" not in officer.url
    assert "Henkilötunnus näytettiin" in acts_since_sign_in(officer)


@story("F10")
def test_after_a_withdrawal_the_receipt_names_those_to_be_told(officer: Any) -> None:
    """At the withdrawn consent, and nowhere else: whom it named, and who had got data by it."""
    ask(officer, "Yhteenveto", who="Kaino")
    withdrawn = officer.get_by_role("row", name=re.compile("jakamiseen tiimissä 4.5.2023 2 peruttu"))
    receipts = officer.get_by_role("table", name="Kaikki versiot, uusin ensin").get_by_role("button", name="JSON")
    assert receipts.count() == 1
    told = json_of(taken(officer, "receipt", withdrawn.get_by_role("button", name="JSON")), "receipt")
    recipients = {row["Vastaanottaja"]: row["Miksi"] for row in told["tables"][0]["rows"]}
    assert "Työkyvyn tuen tiimi, Harjunpää" in recipients
    assert "saanut tietoja" in recipients["Kansaneläkelaitos"]
    assert "Peruutuksen kuittaus vietiin tiedostoon" in acts_since_sign_in(officer)
