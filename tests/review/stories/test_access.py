"""Stories of who may see what: the three questions of a newcomer, the matrix, the reasons, the simulator, languages."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.review.stories.features import story
from tests.review.stories.log import acts_since_sign_in
from tests.review.windows import CLIENT_PAGES, ask, go, main_of, reads, window

pytestmark = [pytest.mark.chromium, pytest.mark.filterwarnings("ignore")]
WHO_SAW, WHO_MAY = "Kuka on nähnyt tietoja ja miksi?", "Kuka saa ja kuka ei saa nähdä tietoja?"
TEAM = "Riitta Aholainen, Lauri Kivikoski, Hanna Pihlajisto, Sanna Niittyranta, Kirsi Ojalehto, Pirjo Hallasuo"


def show(page: Any, **chosen: str) -> None:
    """Narrow an answer by its form."""
    for label, value in chosen.items():
        field = page.get_by_label(label, exact=True)
        if field.evaluate("each => each.tagName") == "SELECT":
            field.select_option(label=value)
        else:
            field.fill(value)
    page.locator("main form p button").first.click()


@story("F4", "F12")
def test_three_questions_of_a_newcomer(chromium: Any, pages: str) -> None:
    """One form on the first page each, years after the consents: who saw it, who in the team may not, what changes."""
    page = window(chromium, pages, name="kaikki")
    ask(page, WHO_SAW, "päihdetieto")
    reads(page, "Tietoja ei ole luovutettu kenellekään tämän palvelun kautta.")
    reads(page, "Omassa rekisterissä näitä tietoja käsitteli: lääkäri, Esimerkkilän terveysasema; terveydenhoitaja,")
    go(page, "Työlista")
    ask(page, WHO_MAY, "päihdetieto")
    reads(page, f"Tiimin jäsenet Saa nähdä kokonaan tai osaksi (0) Ei saa nähdä (6): {TEAM}")
    page.get_by_role("link", name="Näytä tilanne 9.8.2022, jolloin suostumus oli viimeksi voimassa").click()
    reads(page, f"päihdetieto, 9.8.2022: Tiimin jäsenet Saa nähdä kokonaan tai osaksi (0) Ei saa nähdä (6): {TEAM}")
    go(page, "Työlista")
    ask(page, "Mitä tapahtuu, jos suostumus perutaan?")
    reads(page, "palaute lähettävälle taholle luvalla 20.7.2021: Esimerkkilän TE-toimisto. Tilanne 20.1.2022.")
    lost = "terveystarkastuksen tulos, työkykyarvio, työllisyyspalvelutieto, työnhakuvelvoite"
    reads(page, f"Seuraavat eivät enää näkisi näitä tietoja: Esimerkkilän TE-toimisto: {lost}")
    wanted = page.get_by_role("option", name=re.compile("jakamiseen tiimissä 10.8.2021"))
    page.get_by_label("Suostumus", exact=True).select_option(wanted.get_attribute("value"))
    page.get_by_role("button", name="Näytä", exact=True).click()
    reads(page, "Monialainen verkosto, TYP Esimerkkilä. Tilanne 9.8.2022.", "Riitta Aholainen: ")
    page.context.close()


@story("F4")
def test_a_cell_of_the_matrix_leads_to_its_reason_on_that_day(officer: Any) -> None:
    """Before the consent nobody, during it the plan but not what was left out; picture and table say the same."""
    ask(officer, WHO_MAY)
    officer.get_by_role("heading", name="Kuka saa nähdä mitä: Moona").wait_for()
    show(officer, Päivä="2021-07-01")
    reads(officer, "Suostumuksissa ja tiimeissä ei ole ketään, jolle tietoja voisi luovuttaa.")
    show(officer, Päivä="2021-09-01")
    officer.get_by_role(
        "link", name=re.compile("^Saa nähdä ?: Riitta Aholainen, työkyvyn tuen suunnitelma$")
    ).wait_for()
    words = officer.locator("table.matrix td").count()
    assert officer.get_by_role("img", name="Sama ruudukkona").locator(".sign").count() == words > 0
    officer.get_by_role("link", name=re.compile("^Ei saa nähdä ?: Kirsi Ojalehto, päihdetieto$")).click()
    reads(officer, "Ei saa nähdä: Kirsi Ojalehto, päihdetieto, 1.9.2021", "Tietoja ei saa luovuttaa.")
    assert {"Tarkistettiin, kuka saa nähdä tiedot", "Selvitettiin, miksi tiedot saa nähdä tai ei"} <= set(
        acts_since_sign_in(officer)
    )


@story("F5")
def test_a_disclosure_is_explained_from_its_entry_of_the_log(officer: Any) -> None:
    """Who was allowed what then, and who was not: by which consent, though a newer one is in force today."""
    ask(officer, WHO_SAW, "työkyvyn tuen suunnitelma", who="Kaino")
    reads(officer, "Luovutuksia: 3. Kenelle: Kansaneläkelaitos, Harjunpään sosiaali- ja terveyskeskus")
    officer.get_by_role("link", name=re.compile("^Selitä merkintä")).last.click()
    reads(officer, "Tilanne sellaisena kuin se oli 4.5.2023.", "asiakkaan suostumus / lupa")
    reads(officer, "Ratkaisu perustuu suostumukseen ”kirjallinen suostumus tiedon jakamiseen tiimissä 4.5.2023”")
    reads(officer, "Kirsti Hämeenkorpi: työkyvyn tuen suunnitelma")
    assert "1.8.2023" not in main_of(officer)


@story("F5")
def test_an_access_is_explained_by_a_form(officer: Any) -> None:
    """Person, class, purpose and day: allowed by which consent, and after its end what it lacks."""
    ask(officer, "Yhteenveto")
    officer.get_by_role("heading", name="Moona Emilia Tuulispää").wait_for()
    go(officer, "Selitä tämä pääsy", CLIENT_PAGES)
    plan = {"Tietoryhmä": "työkyvyn tuen suunnitelma", "Käyttötarkoitus": "palvelujen koordinointi"}
    who = officer.get_by_role("option", name=re.compile("^Lauri Kivikoski")).inner_text()
    show(officer, Kenelle=who, Päivä="2021-09-01", **plan)
    reads(officer, "Saa nähdä: Lauri Kivikoski, työkyvyn tuen suunnitelma, 1.9.2021", "Tiedot saa luovuttaa.")
    show(officer, Päivä="2022-09-01")
    reads(officer, "Ei saa nähdä: Lauri Kivikoski, työkyvyn tuen suunnitelma, 1.9.2022")
    reads(officer, "Suostumuksen voimassaolo on päättynyt.")


@story("F12")
def test_a_draft_is_tried_without_javascript(chromium: Any, pages: str) -> None:
    """What it would open is shown before and after; the client's consents stay as they are."""
    page = window(chromium, pages, name="kaikki")
    ask(page, "Yhteenveto")
    before = page.get_by_role("table", name="Kaikki versiot, uusin ensin").locator("tbody tr").all_inner_texts()
    go(page, "Kokeile luonnosta", CLIENT_PAGES)
    for group, choice in (
        ("Kenelle", "Hanna Pihlajisto, Esimerkkilän terveysasema"),
        ("Käyttötarkoitus", "hoito"),
        ("Tietoryhmät", "hoito ja lääkitys"),
    ):
        page.get_by_role("group", name=group).get_by_label(choice, exact=True).check()
    page.get_by_label("Alkaa (voimassa vuoden)").fill("2021-09-01")
    page.get_by_role("button", name="Kokeile").click()
    reads(page, "1 muutosta", "Mikä muuttuisi, jos asiakas antaisi suostumuksen 1.9.2021")
    page.get_by_role(
        "row", name=re.compile("^Hanna Pihlajisto .* hoito ja lääkitys Ei saa nähdä Saa nähdä$")
    ).wait_for()
    go(page, "Yhteenveto", CLIENT_PAGES)
    after = page.get_by_role("table", name="Kaikki versiot, uusin ensin").locator("tbody tr").all_inner_texts()
    assert after == before
    assert "Kokeiltiin suostumusluonnosta" in acts_since_sign_in(page)
    page.context.close()


@story("F16")
def test_the_pages_speak_swedish_and_english(officer: Any) -> None:
    """One click, on the same page and on the next ones; days and codes are for people in each language."""
    go(officer, "Suostumukset")
    officer.get_by_role("link", name="Svenska").click()
    officer.get_by_role("heading", name="Samtycken", exact=True).wait_for()
    assert officer.locator("html").get_attribute("lang") == "sv"
    officer.get_by_text("har inte granskats").wait_for()
    go(officer, "Arbetslista", "Sidor")
    reads(officer, "Klient", "20.1.2022")
    officer.get_by_role("link", name="English").click()
    officer.get_by_role("heading", name="Work list", exact=True).wait_for()
    go(officer, "Consents", "Pages")
    officer.get_by_role("row", name=re.compile("feedback to referrer 20.7.2021 .* 20.7.2021–20.1.2022")).wait_for()
    reads(officer, "substance use → Esimerkkilän TE-toimisto")
    assert "substance-use" not in main_of(officer)
