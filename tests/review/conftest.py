"""The reviewer's pages over the records of Moona and Kaino, sent through a line as their services would."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI

from adapter.data import data_root
from adapter.delivery import Repository
from adapter.pipeline import Line, Sender
from adapter.review import create_reviewer, review_app
from adapter.security.signatures import Signer
from adapter.serve import in_background
from adapter.settings import Settings
from adapter.store import Cipher, Database

MOONA, KAINO = "200594-904B", "080885-906S"
ID_KEY = b"i" * 32
PASSWORD = "a long enough password"
SIGNER = Signer(ec.generate_private_key(ec.SECP256R1()), "test-key", "ES256", {})
BASE = "/review"
CITY, COUNTY = "1.2.246.10.90000011.19.0", "1.2.246.10.90000038.19.0"
CUSTODIANS = (CITY, COUNTY)
"""Moona's records: the city's at first, the wellbeing county's since 2023."""

OTHER_COUNTY = "1.2.246.10.32213086.19.0"
"""Controller of all of Kaino's records."""

KAINOS_YEAR = datetime.fromisoformat("2023-12-01T12:00:00+02:00").timestamp()
"""When Kaino's records were taken in."""


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.set("2021-09-01T12:00:00+03:00")

    def set(self, instant: str) -> None:
        self.now = datetime.fromisoformat(instant).timestamp()

    def __call__(self) -> float:
        return self.now


@dataclass
class Desk:
    """What a test works with."""

    database: Database
    cipher: Cipher
    line: Line
    clock: Clock
    app: FastAPI


def moonas(*, until: str = "99") -> list[Path]:
    """Moona's canonical records in order, up to a number."""
    folder = data_root() / "fixtures" / "scenarios" / "SCN-3-moona" / "records"
    return [path for path in sorted(folder.glob("*.json")) if path.name.count(".") == 1 and path.name[:2] <= until]


def kainos() -> list[Path]:
    """Kaino's consents and teams, the plans that went to his team, and the withdrawal of one consent."""
    folder = data_root() / "fixtures" / "scenarios" / "SCN-5-tyoton-polku" / "records"
    wanted = ("01", "08", "09", "10", "11", "12", "13", "15", "16", "17", "18", "21")
    return [path for path in sorted(folder.glob("*.json")) if path.name.count(".") == 1 and path.name[:2] in wanted]


def _line(database: Database, cipher: Cipher, clock: Clock) -> Line:
    return Line(
        database,
        cipher,
        id_key=ID_KEY,
        repository=Repository("http://127.0.0.1:9/fhir"),
        clock=clock,
        judged_at=lambda record: datetime.fromisoformat(record["recorded_at"]).timestamp(),
    )


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the records of both and accounts; every test works on a copy."""
    path = tmp_path_factory.mktemp("review") / "prepared.sqlite"
    database = Database(f"sqlite:///{path}")
    clock = Clock()
    line = _line(database, Cipher({"one": b"k" * 32}), clock)
    for instant, records in ((clock.now, moonas()), (KAINOS_YEAR, kainos())):
        clock.now = instant
        for record in records:
            line.accept(record.read_bytes(), sender=Sender("ehr"))
    create_reviewer(database, "tarkastaja", PASSWORD, custodians=CUSTODIANS)
    create_reviewer(database, "kollega", PASSWORD, custodians=CUSTODIANS)
    create_reviewer(database, "naapuri", PASSWORD, custodians=[OTHER_COUNTY])
    create_reviewer(database, "uusi", PASSWORD)
    for name in ("kaikki", "kaksonen"):
        create_reviewer(database, name, PASSWORD, custodians=(*CUSTODIANS, OTHER_COUNTY))
    create_reviewer(database, "lokinlukija", PASSWORD, role="auditor", custodians=CUSTODIANS)
    database.close()
    return path


@contextmanager
def opened_desk(prepared: Path, folder: Path, clock: Clock) -> Iterator[Desk]:
    """The pages mounted at /review over a copy of the database with the records."""
    shutil.copy(prepared, folder / "k.sqlite")
    database, cipher = Database(f"sqlite:///{folder / 'k.sqlite'}"), Cipher({"one": b"k" * 32})
    app = FastAPI()
    settings = Settings(demo=True, four_eyes_clients=1)
    pages = review_app(database, cipher, id_key=ID_KEY, settings=settings, signer=lambda: SIGNER, clock=clock)
    app.mount(BASE, pages)
    yield Desk(database, cipher, _line(database, cipher, clock), clock, app)
    database.close()


@contextmanager
def served(prepared: Path, folder: Path, clock: Clock) -> Iterator[str]:
    """The same over HTTP; yields the address of the pages."""
    with opened_desk(prepared, folder, clock) as desk, in_background(desk.app, "127.0.0.1", 0) as url:
        yield f"{url}{BASE}"


@pytest.fixture
def desk(prepared: Path, tmp_path: Path) -> Iterator[Desk]:
    """The pages on the first of September 2021."""
    with opened_desk(prepared, tmp_path, Clock()) as found:
        yield found


@pytest.fixture(scope="module")
def pages(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The pages over HTTP, on the first of September 2021."""
    with served(prepared, tmp_path_factory.mktemp("browser"), Clock()) as url:
        yield url


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio."""
    return "asyncio"


class Browser:
    """A person's browser without JavaScript: follows redirects, keeps cookies, sends forms with their token."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.token = ""

    async def sign_in(self, name: str = "tarkastaja", password: str = PASSWORD) -> httpx.Response:
        answer = await self.client.post(f"{BASE}/sign-in", data={"name": name, "password": password})
        found = re.search(r'name="form_token" value="([^"]+)"', answer.text)
        self.token = found[1] if found else ""
        return answer

    async def get(self, path: str, **query: str) -> httpx.Response:
        return await self.client.get(f"{BASE}{path}", params=query or None)

    async def post(self, path: str, **fields: str) -> httpx.Response:
        return await self.client.post(f"{BASE}{path}", data={"form_token": self.token} | fields)

    async def open(self, client: str) -> str:
        """Open a client by identity code; returns the path of the client's page."""
        answer = await self.post("/clients/_search", client=client)
        return answer.url.path.removeprefix(BASE)

    async def open_moona(self) -> str:
        """Open Moona; returns the path of her page."""
        return await self.open(MOONA)


@pytest.fixture
async def browser(desk: Desk) -> AsyncIterator[Browser]:
    """A browser on the pages, nobody signed in, in Finnish."""
    transport = httpx.ASGITransport(desk.app)
    headers = {"Accept-Language": "fi"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://review.test", headers=headers, follow_redirects=True
    ) as client:
        yield Browser(client)
