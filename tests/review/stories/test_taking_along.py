"""Stories of files: data for the client, the sheets for the authority, the second pair of eyes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.review.stories.features import story
from tests.review.stories.files import contents, json_of
from tests.review.stories.log import acts_since_sign_in
from tests.review.windows import ask, go, main_of, reads, taken, window

pytestmark = [pytest.mark.chromium, pytest.mark.filterwarnings("ignore")]


@story("F9", "F16")
def test_a_client_gets_her_data_in_swedish(officer: Any) -> None:
    """As PDF, CSV and JSON, each hashed and signed; recipients by name, no identity code."""
    ask(officer, "Yhteenveto", who="Kaino")
    officer.get_by_role("heading", name="Kaino Tuisku Perämaa").wait_for()
    officer.get_by_role("link", name="Svenska").click()
    officer.get_by_role("heading", name="Uppgifter till klienten (dataskyddsförordningen, artikel 15)").wait_for()
    last = officer.locator("form", has=officer.locator("input[name=what][value=client]"))
    found = {kind: taken(officer, "client", last.get_by_role("button", name=kind)) for kind in ("PDF", "CSV", "JSON")}
    assert contents(found["PDF"])["kykysilta-client.pdf"].startswith(b"%PDF-")
    assert len(contents(found["CSV"])) == 3
    told = json_of(found["JSON"], "client")
    sizes = {table["title"]: len(table["rows"]) for table in told["tables"]}
    assert (sizes["Samtycken"], sizes["Utlämnanden"]) == (6, 3)
    assert "Harjunpään sosiaali- ja terveyskeskus" in str(told)
    assert "080885-906S" not in str(told)
    officer.get_by_role("link", name="Suomi").click()
    officer.get_by_role("heading", name="Ajallinen kulku").wait_for()
    assert acts_since_sign_in(officer).count("Asiakkaan tiedot vietiin tiedostoon") == 3


@story("F14")
def test_a_large_file_is_approved_by_a_second_reviewer(chromium: Any, pages: str, officer: Any) -> None:
    """Asked for, approved by somebody else, taken: as a ZIP whose name tells nothing."""
    go(officer, "Suostumukset")
    officer.get_by_role("button", name="PDF").click()
    reads(officer, "Odottaa toisen tarkastajan hyväksyntää")
    second = window(chromium, pages, name="kaksonen")
    go(second, "Vienti")
    second.get_by_role("button", name="Hyväksy").first.click()
    reads(second, "Hyväksyjä: kaksonen.")
    second.context.close()
    go(officer, "Työlista")
    go(officer, "Vienti")
    path = taken(officer, "consents", officer.get_by_role("button", name="Lataa tiedosto").first)
    assert list(contents(path)) == ["kykysilta-consents.pdf"]


@story("F13")
def test_the_record_of_processing_is_read_and_taken_along_in_english(officer: Any) -> None:
    """Purposes, statutory rules with the day from which they are in force, configuration with its hash."""
    officer.get_by_role("link", name="English").click()
    officer.get_by_role("heading", name="Work list").wait_for()
    go(officer, "Processing", "Pages")
    officer.get_by_role("heading", name="Record of processing activities").wait_for()
    rules = officer.get_by_role("table", name="Statutory grounds").locator("tbody tr").all_inner_texts()
    assert any("Sosiaalihuoltolaki (1301/2014) 35 §\t1.4.2015–" in row for row in rules)
    assert "statutory-rules.yaml" in main_of(officer)
    told = json_of(taken(officer, "record", officer.get_by_role("button", name="JSON")), "record")
    assert told["title"] == "Record of processing activities"
    officer.get_by_role("link", name="Suomi").click()
    officer.get_by_role("heading", name="Seloste käsittelytoimista").wait_for()
    acts = acts_since_sign_in(officer)
    assert {"Seloste käsittelytoimista avattiin", "Seloste käsittelytoimista vietiin tiedostoon"} <= set(acts)


@story("art. 35")
def test_the_facts_for_an_impact_assessment_are_at_hand(officer: Any) -> None:
    """Volumes, disclosures by ground, open findings as on the work list; as a file for the assessment."""
    open_findings = int(main_of(officer).partition("Selvitettävää: ")[2].split()[0])
    go(officer, "Vaikutustenarviointi")
    officer.get_by_role("heading", name="Tosiasiat vaikutustenarviointia varten").wait_for()
    officer.get_by_role("row", name="asiakkaan suostumus / lupa 3").wait_for()
    findings = officer.get_by_role("table", name="Avoimet havainnot").locator("tbody tr").all_inner_texts()
    assert sum(int(row.rpartition("\t")[2]) for row in findings) == open_findings > 0
    assert list(contents(taken(officer, "facts", officer.get_by_role("button", name="PDF")))) == ["kykysilta-facts.pdf"]
    acts = acts_since_sign_in(officer)
    assert {"Vaikutustenarvioinnin tosiasiat avattiin", "Vaikutustenarvioinnin tosiasiat vietiin tiedostoon"} <= set(
        acts
    )
