"""Stories of the log: search, the copy for the client, a breach, whether everything is still enforced."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from typing import Any

import pytest

from tests.review.stories.features import story
from tests.review.stories.files import json_of
from tests.review.stories.log import acts_since_sign_in, search
from tests.review.windows import CLIENT_PAGES, ask, go, main_of, reads, taken, window

pytestmark = [pytest.mark.chromium, pytest.mark.filterwarnings("ignore")]


@story("F7")
def test_a_log_search_asks_why_first(officer: Any) -> None:
    """The browser itself holds the form back until a reason is chosen; then rows lead to the client."""
    go(officer, "Loki")
    officer.get_by_role("button", name="Hae").click()
    assert "Löytyi" not in main_of(officer)
    officer.get_by_label("Miksi katsot lokia?").select_option(label="väärinkäytön epäily")
    officer.get_by_label("Tapahtuma").select_option(label="ratkaisu")
    officer.get_by_label("Peruste").select_option(label="asiakkaan suostumus / lupa")
    officer.get_by_role("button", name="Hae").click()
    reads(officer, "Löytyi 3")
    row = officer.get_by_role("row", name=re.compile("Tiedot luovutettiin .* Käyttötarkoitus: palvelujen koordinointi"))
    row.filter(has_text="Kenelle: Kansaneläkelaitos, Harjunpään").first.get_by_role("link").click()
    officer.get_by_role("heading", name="Kuka on nähnyt: Kaino").wait_for()


@story("F7")
def test_the_log_of_one_client_is_searched_by_name(officer: Any) -> None:
    """A name comes to neither address nor log; one that leads to nobody is said, and the attempt is in the log."""
    go(officer, "Loki")
    officer.get_by_label("Miksi katsot lokia?").select_option(label="asiakkaan pyyntö")
    client = officer.get_by_label("Asiakas: henkilötunnus, nimi tai satunnaistunnus")
    client.fill("kaino perämaa")
    officer.get_by_label("Tapahtuma").select_option(label="ratkaisu")
    officer.get_by_role("button", name="Hae").click()
    reads(officer, "Suostumus peruutettiin")
    clients = officer.locator("tbody tr td:nth-of-type(3)").all_inner_texts()
    assert {re.sub(r"\s*\d+$", "", each) for each in clients} == {"Kaino Tuisku Perämaa"}
    client.fill("Aapo Tuntematon")
    officer.get_by_role("button", name="Hae").click()
    reads(officer, "Nimellä ei löydy yhtä asiakasta. Kirjoita koko nimi tai henkilötunnus.")
    search(officer, "estetyt yritykset")
    officer.locator("tbody tr").filter(has_text="nimi ei osoita yhtä asiakasta").first.wait_for()
    assert "Aapo" not in main_of(officer)


@story("F7")
def test_a_refused_attempt_is_found(chromium: Any, pages: str, officer: Any) -> None:
    """Somebody of another controller opens an address that was sent around: refused there, told here with the rule."""
    ask(officer, "Yhteenveto", who="Moona")
    officer.get_by_role("heading", name="Moona Emilia Tuulispää").wait_for()
    stranger = window(chromium, pages, name="naapuri")
    stranger.goto(officer.url)
    reads(stranger, "Sivua tai asiakasta ei löydy.")
    stranger.context.close()
    search(officer, "estetyt yritykset", reason="väärinkäytön epäily")
    officer.locator("tbody tr").filter(has_text="asiakas on toisen rekisterinpitäjän").first.wait_for()


@story("F8")
def test_a_client_asks_for_the_log_in_swedish(officer: Any) -> None:
    """Staff as organisations, one entry withheld on a ground, the day of the answer; older entries need a reason."""
    ask(officer, "Yhteenveto", who="Kaino")
    officer.get_by_role("heading", name="Kaino Tuisku Perämaa").wait_for()
    go(officer, "Lokitieto asiakkaalle", CLIENT_PAGES)
    reads(officer, "Vastaus on annettava 2.1.2024 mennessä, jos pyyntö tuli tänään.")
    assert officer.get_by_label("Alkaen").input_value() == "2021-12-02"
    officer.get_by_label("Pyyntö saapui").fill("2023-12-01")
    officer.get_by_label("Jäljennöksen kieli").select_option(label="svenska")
    ground = "salataan: toisen oikeudet"
    officer.get_by_role("combobox", name=re.compile("^Jätetäänkö kertomatta")).last.select_option(label=ground)
    copy = json_of(taken(officer, "log-copy", officer.get_by_role("button", name="JSON")), "log-copy")
    assert any("1.1.2024" in sentence for sentence in copy["lead"])
    assert any("visas: 1." in sentence and "rättigheter" in sentence for sentence in copy["lead"])
    assert "Kansaneläkelaitos" in str(copy)
    officer.get_by_label("Alkaen").fill("2019-01-01")
    officer.get_by_role("button", name="PDF").click()
    officer.get_by_role("heading", name="Sivua ei näytetä").wait_for()
    reads(officer, "syy")
    assert "Lokitiedot annettiin asiakkaalle" in acts_since_sign_in(officer)
    search(officer, "estetyt yritykset")
    officer.locator("tbody tr").filter(has_text="Lokitietojen antaminen evättiin").first.wait_for()


@story("art. 33")
def test_a_breach_is_worked_out_for_the_notification(officer: Any) -> None:
    """Who saw what on one day, by name; the file alone holds the identity codes of those to be told."""
    go(officer, "Loukkauksen selvitys")
    officer.get_by_label("Alkaen").fill("2023-12-01T00:00")
    officer.get_by_label("Päättyen").fill("2023-12-01T23:59")
    officer.get_by_role("button", name="Hae").click()
    reads(officer, "3 katselua tai luovutusta, 1 asiakasta, 0 estettyä yritystä", "työkyvyn tuen suunnitelma: 3")
    sights = officer.get_by_role("table", name="Katselut ja luovutukset").locator("tbody tr")
    assert sights.count() == 3
    assert all("Kansaneläkelaitos, Harjunpään" in sight for sight in sights.all_inner_texts())
    assert "080885-906S" not in main_of(officer)
    with zipfile.ZipFile(taken(officer, "breach", officer.get_by_role("button", name="CSV"))) as archive:
        affected = csv.DictReader(io.StringIO(archive.read("kykysilta-breach-2.csv").decode("utf-8-sig")))
        assert ["080885-906S" in row.values() for row in affected] == [True]
    acts = acts_since_sign_in(officer)
    assert {"Lokista selvitettiin, kuka näki mitä", "Selvitys vietiin tiedostoon"} <= set(acts)


@story("F15")
def test_the_health_of_enforcement_is_read_at_a_glance(officer: Any) -> None:
    """Log checked now, last decision, newest consent; what is missing is said with what to set."""
    officer.get_by_role("link", name="Valvonnan tila").last.click()
    officer.get_by_role("heading", name="Valvonnan tila").wait_for()
    told = dict(
        zip(
            officer.locator("dl.facts dt").all_inner_texts(),
            officer.locator("dl.facts dd").all_inner_texts(),
            strict=True,
        )
    )
    assert re.fullmatch(r"Ehjä: \d+ merkintää\.", told["Lokin eheys"])
    assert told["Loki tarkistettu"] == "2.12.2023 12.00.00"
    assert re.fullmatch(r"[12]\.12\.2023 12\.00\.00", told["Viimeisin ratkaisu"])
    assert told["Uusin suostumus vastaanotettu"] == "1.12.2023 12.00.00"
    assert "KYKYSILTA_AUDIT_KEY_FILE" in told["Viimeisin allekirjoitettu tarkistuspiste"]
    assert told["Tiedostot allekirjoitetaan"] == "kyllä"
    assert "Valvonnan tila avattiin" in acts_since_sign_in(officer)
