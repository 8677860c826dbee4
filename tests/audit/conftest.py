"""A log that tells of a whole scenario, and a hand for bending it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from adapter.audit import persons
from adapter.audit.rows import Row, read_rows
from adapter.data import data_root
from adapter.delivery import Repository
from adapter.errors import AdapterError
from adapter.pipeline import Line, Sender
from adapter.source.json import read_json
from adapter.store import Cipher, Database
from tests.databases import KINDS, empty_database

RECORDS = data_root() / "fixtures" / "scenarios" / "SCN-5-tyoton-polku" / "records"
ID_KEY = b"key of the tests of the audit!!!"
STORAGE_KEY = b"storage key of the audit's tests"
CIPHER = Cipher({"test": STORAGE_KEY})
AT = 1683300000.0
"""Friday 5 May 2023: the day after consent, team and plan of the scenario."""

CODE = "080885-906S"
"""Identity code of the scenario's client."""


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of each kind."""
    with empty_database(request.param, tmp_path) as url:
        opened = Database(url)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database to which every record of the scenario was handed over; what is refused is in the log too."""
    file = tmp_path_factory.mktemp("audit") / "scenario.sqlite"
    database = Database(f"sqlite:///{file}")
    line = Line(
        database, CIPHER, id_key=ID_KEY, repository=Repository("http://repository.invalid/fhir"), clock=lambda: AT
    )
    for path in sorted(RECORDS.glob("[0-9][0-9]-*.json")):
        if path.name.count(".") == 1:
            try:
                line.accept(path.read_bytes(), sender=Sender("ehr"))
            except AdapterError:
                continue
    line.close()
    database.close()
    return file


@pytest.fixture
def told(scenario: Path, tmp_path: Path) -> Iterator[Database]:
    """The log of the scenario, to do with as one likes."""
    shutil.copy(scenario, tmp_path / "k.sqlite")
    opened = Database(f"sqlite:///{tmp_path / 'k.sqlite'}")
    yield opened
    opened.close()


@pytest.fixture
def client(told: Database) -> str:
    """Pseudonym of the scenario's client."""
    with told.reading() as connection:
        return next(row.fact("client") for row in read_rows(connection) if row.fact("client"))


def bend(database: Database, *statements: str) -> None:
    """Tamper with the database directly."""
    with database.transaction() as connection:
        for statement in statements:
            connection.execute(text(statement))


def rows_of(database: Database, **wanted: Any) -> list[Row]:
    """Return entries of the log."""
    with database.reading() as connection:
        return list(read_rows(connection, **wanted))


def personal_values(*folders: Path) -> set[str]:
    """Return everything in the records of a folder that names or reaches a person; without one of the scenario's."""
    names = {
        "personal_identity_code",
        "given_name",
        "given_names",
        "family_name",
        "phone",
        "email",
        "street",
        "display",
    }
    found: set[str] = set()

    def walk(value: Any, key: str = "") -> None:
        if isinstance(value, dict):
            person = "role" in value or "relationship" in value or "birth_date" in value
            for name, one in value.items():
                walk(one, "display" if name == "name" and person else name)
        elif isinstance(value, list):
            for one in value:
                walk(one, key)
        elif isinstance(value, str) and key in names and len(value) > 2:
            found.add(value)

    for path in (each for folder in folders or (RECORDS,) for each in folder.glob("*.json")):
        if path.name.count(".") == 1:
            walk(read_json(path.read_bytes()))
    return found


def identity_of(database: Database, pseudonym: str) -> persons.Identity | None:
    """Open the key row of a person."""
    with database.reading() as connection:
        return persons.identity(connection, CIPHER, pseudonym)
