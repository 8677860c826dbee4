"""The record of processing and the facts sheet say what is in force, in every language."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.audit.processing import facts_sheet, processing_record
from adapter.audit.sheets import Sheet
from adapter.data import data_root, read_yaml
from adapter.i18n import LANGUAGES
from adapter.settings import Settings, Signing
from adapter.store import Database
from tests.audit.conftest import AT, CODE


def record(database: Database, language: str = "fi", settings: Settings | None = None, contact: str = "") -> Sheet:
    """The record of processing."""
    with database.reading() as connection:
        return processing_record(connection, settings or Settings(), language, contact)


def facts(database: Database, language: str = "fi", **more: object) -> Sheet:
    """The facts sheet."""
    with database.reading() as connection:
        return facts_sheet(connection, Settings(), AT, language, **more)  # type: ignore[arg-type]


def cells(sheet: Sheet, title: str) -> list[tuple[str, ...]]:
    """Rows of the table with this title."""
    return next(list(table.rows) for table in sheet.tables if table.title == title)


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_sheets_are_whole_in_every_language(told: Database, language: str) -> None:
    """Every table has a title, columns that its rows fit, and words; no code of a list of ours is left in English."""
    for sheet in (record(told, language, contact="Tea Tietosuoja"), facts(told, language, open_findings={"x": 1})):
        assert sheet.lead
        for table in sheet.tables:
            assert table.title
            assert all(len(row) == len(table.columns) for row in table.rows)
        assert CODE not in sheet.as_text()
        assert "audit." not in sheet.as_text()


def test_the_record_follows_the_configuration(told: Database) -> None:
    """Purposes, data classes and statutes are those of the consent configuration; controllers those of the records."""
    sheet = record(told)
    folder = data_root() / "mappings" / "consent"
    assert len(cells(sheet, "Tietoryhmät")) == len(read_yaml(folder / "data-classes.yaml")["classes"])
    assert [row[0] for row in cells(sheet, "Lakiperusteet")] == [
        rule["id"] for rule in read_yaml(folder / "statutory-rules.yaml")["rules"]
    ]
    assert [row[0] for row in cells(sheet, "Määritykset")] == sorted(path.name for path in folder.glob("*.yaml"))
    assert sum(int(row[1]) for row in cells(sheet, "Rekisterinpitäjät")) > 5
    assert all(row[1] for row in cells(sheet, "Käyttötarkoitukset"))


def test_the_record_follows_the_settings(database: Database, tmp_path: Path) -> None:
    """Retention and protection are those of the running adapter."""
    key = tmp_path / "key.pem"
    key.write_text("", encoding="utf-8")
    plain = dict(cells(record(database), "Suojaus"))
    signing = Signing(key_file=key, organisation="1.2.3")
    signed = record(database, settings=Settings(retention_days=7, signing=signing, audit_key_file=key))
    assert "7 vuorokautta kuittauksesta" in signed.as_text()
    changed = {name for name, state in cells(signed, "Suojaus") if state != plain[name]}
    assert changed == {"lähetykset allekirjoitettuina", "lokin tarkistuspisteet allekirjoitettuina"}


def test_the_facts_are_counted_from_store_and_log(told: Database) -> None:
    """Records by type with their clients, disclosures by ground and class, refusals by rule."""
    sheet = facts(told, open_findings={"Suostumus puuttuu": 2})
    volumes = {row[0]: row[1:] for row in cells(sheet, "Määrät")}
    total = volumes.pop("yhteensä")
    assert int(total[0]) == sum(int(row[0]) for row in volumes.values())
    assert total[1] == "1"
    assert dict(cells(sheet, "Luovutukset perusteittain"))["asiakkaan suostumus / lupa"] != "0"
    assert dict(cells(sheet, "Luovutetut tietoryhmät"))["työkyvyn tuen suunnitelma"]
    assert cells(sheet, "Avoimet havainnot") == [("Suostumus puuttuu", "2")]
    assert dict(cells(sheet, "Valvonnan tila"))["viimeisin päätös"] == "5.5.2023 18.20.00"


def test_an_empty_adapter_says_that_nothing_was_decided_yet(database: Database) -> None:
    """No decision and no checkpoint is told as such."""
    state = dict(cells(facts(database), "Valvonnan tila"))
    assert (state["viimeisin päätös"], state["viimeisin tarkistuspiste"]) == ("ei vielä", "ei vielä")
