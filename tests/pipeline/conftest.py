"""A line on each database, and the records of one scenario to send through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.data import data_root
from adapter.delivery import Repository
from adapter.fhir.canonical import dumps
from adapter.pipeline import Accepted, Line, Sender
from adapter.source.json import read_json
from adapter.store import Cipher, Database
from tests.databases import KINDS, empty_database

RECORDS = data_root() / "fixtures" / "scenarios" / "SCN-5-tyoton-polku" / "records"
ID_KEY = b"key of the tests of the line!!!!"
CIPHER = Cipher({"test": bytes(range(32))})
EHR = Sender("ehr")
AT = 1683300000.0
"""Friday 5 May 2023: the day after consent, team and plan of the scenario."""


def record(name: str, **changes: Any) -> dict[str, Any]:
    """A record of the scenario, with changes; a field that is None is left out."""
    content = read_json((RECORDS / f"{name}.json").read_bytes()) | changes
    return {field: value for field, value in content.items() if value is not None}


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A fresh database of each kind."""
    with empty_database(request.param, tmp_path) as url:
        opened = Database(url)
        yield opened
        opened.close()


Send = Callable[..., Accepted]


@pytest.fixture
def line(database: Database) -> Line:
    """A line whose repository is never reached, on the day after the consent."""
    return Line(
        database, CIPHER, id_key=ID_KEY, repository=Repository("http://repository.invalid/fhir"), clock=lambda: AT
    )


@pytest.fixture
def send(line: Line) -> Send:
    """Hand a record over."""

    def accept(content: dict[str, Any], sender: Sender = EHR, **more: Any) -> Accepted:
        return line.accept(dumps(content), sender=sender, **more)

    return accept


@pytest.fixture
def agreed(send: Send) -> None:
    """Team and written consent of the scenario are on file."""
    for name in ("11-team-v2", "10-consent"):
        send(record(name))
