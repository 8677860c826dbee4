"""Nothing lost, nothing twice: records through a faulty line while the adapter is killed again and again.

    python benchmarks/crash.py --records 10000 --clients 500 --kills 50
    scripts/with_postgresql.sh python benchmarks/crash.py --records 10000 --clients 500 --kills 50

Real processes of `kykysilta serve` (two on PostgreSQL) and one of `kykysilta outbox work` share the database and
deliver, with tokens and signatures, to a mock repository in a process of its own, where a fifth of all transactions
goes wrong in some way. Any of them gets `kill -9` at random moments and is started again. At the end: one effect for
each record, in order for each client, every record final, the audit chain intact, and no transaction sent again without
asking first. Exit code 1 when any of it does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rich.progress import Progress

sys.path.insert(0, str(Path(__file__).parent.parent))
from adapter import audit
from adapter.data import data_root
from adapter.delivery import Outbox
from adapter.delivery.states import MAYBE_DONE, State
from adapter.mock.client import MockClient
from adapter.mock.faults import Match, When
from adapter.security.key_files import KeyFile
from adapter.serve import DEMO_STORAGE_KEY
from adapter.store import Cipher, Database
from benchmarks.databases import postgresql

EXAMPLE = data_root() / "mappings/records/functional-assessment/examples/not-done.source.json"
LEASE = 4.0
TIMEOUT = 5.0
START_SECONDS = 60.0
STUCK_SECONDS = 600.0
DELIVERERS = 8
SENDERS = 4
"""Systems that hand records over at the same time, each those of its own clients."""

SHARE = 0.2
"""Of the transactions that go wrong."""

FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "token-expired"},
    {"kind": "latency", "seconds": 3.0},
    {"kind": "slow", "bytes_per_second": 500},
    {"kind": "wrong-length"},
    {"kind": "drop", "commit": False},
    {"kind": "drop", "commit": True},
    {"kind": "reset", "commit": True},
    {"kind": "half-body"},
    {"kind": "malformed-json"},
    {"kind": "status", "status": 429, "retry_after": "1"},
    {"kind": "status", "status": 503, "retry_after": "1"},
    {"kind": "status", "status": 503, "commit": True},
    {"kind": "status", "status": 500, "commit": True},
    {"kind": "status", "status": 504, "commit": True},
    {"kind": "html", "status": 502},
    {"kind": "html", "status": 200, "commit": True},
)
RECORD = re.compile(r'"use":"secondary","value":"(m-[0-9]+)"')
CLIENT = "kykysilta"
ORGANISATION = "1.2.246.10.32213086.10.0"
MOCK = """
import sys
from adapter.mock.serve import run
from adapter.mock.settings import ClientSettings, MockSettings
clients = (ClientSettings(sys.argv[3], sys.argv[4]),)
run(MockSettings(port=int(sys.argv[1]), journal_size=int(sys.argv[2]), auth="smart", clients=clients))
"""


@dataclass(slots=True)
class Result:
    """What a run found.

    Attributes:
        cut_off: requests that ended in the middle of their body, because the sender was killed.
        findings: what does not hold; empty when everything does.
    """

    records: int
    kills: int
    seconds: float
    transactions: int = 0
    faults: int = 0
    lookups: int = 0
    cut_off: int = 0
    findings: list[str] = field(default_factory=list)


class Adapter:
    """A process of `kykysilta serve` or `outbox work` that can be killed and started again.

    Args:
        command: what follows `kykysilta`.
        port: where it listens, when it does.
    """

    def __init__(
        self, command: tuple[str, ...], port: int, database: str, repository: str, key_file: Path, log: Path
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "-c", "from adapter.cli import main; main()", *command]
        self._log = log
        self._environment = os.environ | {
            "KYKYSILTA_PORT": str(port),
            "KYKYSILTA_DATABASE": database,
            "KYKYSILTA_REPOSITORY_URL": repository,
            "KYKYSILTA_DEMO": "true",
            "KYKYSILTA_LEASE_SECONDS": str(LEASE),
            "KYKYSILTA_DELIVERY_TIMEOUT": str(TIMEOUT),
            "KYKYSILTA_WORKERS": str(DELIVERERS),
            "KYKYSILTA_BACKEND_CLIENT__CLIENT_ID": CLIENT,
            "KYKYSILTA_BACKEND_CLIENT__KEY_FILE": str(key_file),
            "KYKYSILTA_SIGNING__KEY_FILE": str(key_file),
            "KYKYSILTA_SIGNING__ORGANISATION": ORGANISATION,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; does not wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)

    def killed_by_others(self) -> bool:
        """Whether a signal from elsewhere ended it; raises when it ended by itself: that is not measured here."""
        status = self._process.poll() if self._process is not None else None
        if status is not None and status >= 0:
            raise RuntimeError(f"the adapter ended by itself with status {status}; its log says why")
        return status is not None

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()


def run(
    records: int, clients: int, kills: int, *, database: str, folder: Path, seed: int = 1, adapters: int = 1
) -> Result:
    """Run once.

    Args:
        database: URL of an empty database.
        folder: for logs.
        adapters: processes of `serve` on this database; one of `outbox work` is beside them.
    """
    chance = random.Random(seed)
    begun = time.monotonic()
    with ExitStack() as stack:
        key_file = folder / "client.pem"
        mock = stack.enter_context(_mock(records * 12 + 1000, new_key(key_file)))
        _break(mock)
        serving = [
            Adapter(("serve",), free_port(), database, mock.fhir_url, key_file, folder / f"adapter-{number}.log")
            for number in range(adapters)
        ]
        worker = Adapter(("outbox", "work"), 0, database, mock.fhir_url, key_file, folder / "worker.log")
        running = [*serving, worker]
        for adapter in running:
            adapter.start()
            stack.callback(adapter.kill)
        progress = stack.enter_context(Progress(disable=not sys.stderr.isatty()))
        handing = progress.add_task("accepted", total=records)
        sending = [
            threading.Thread(target=_hand_over, args=(adapter.url, mine, clients, lambda: progress.advance(handing)))
            for adapter, mine in zip(cycle(serving), _shares(records, clients), strict=False)
        ]
        for thread in sending:
            thread.daemon = True
            thread.start()
        store = Database(database)
        stack.callback(store.close)
        outbox = Outbox(store, Cipher({"demo": DEMO_STORAGE_KEY}))
        killed = _watch(running, sending, outbox, records, kills, chance, progress)
        for adapter in running:
            adapter.kill(signal.SIGTERM)
        result = Result(records, killed, time.monotonic() - begun)
        _judge(result, outbox, store, mock, clients)
    return result


def _watch(
    running: list[Adapter],
    sending: list[threading.Thread],
    outbox: Outbox,
    records: int,
    kills: int,
    chance: random.Random,
    progress: Progress,
) -> int:
    """Kill at random shares of what is delivered, until everything is final; returns the number of kills."""
    at = sorted(chance.randrange(records) for _ in range(kills))
    arriving = progress.add_task("delivered", total=records)
    killed, delivered, changed = 0, 0, time.monotonic()
    while time.monotonic() - changed < STUCK_SECONDS:
        for adapter in running:
            if adapter.killed_by_others():
                killed += 1
                adapter.start()
        stock = {state: count for state, (count, _) in outbox.stock().items()}
        final = sum(count for state, count in stock.items() if state.final)
        if final != delivered:
            delivered, changed = final, time.monotonic()
            progress.update(arriving, completed=final)
        if not any(thread.is_alive() for thread in sending) and final == sum(stock.values()) and killed >= kills:
            break
        if killed < kills and (delivered >= at[killed] or delivered == records):
            time.sleep(chance.random() * 0.5)
            adapter = chance.choice(running)
            adapter.kill()
            killed += 1
            adapter.start()
            changed = time.monotonic()
        time.sleep(0.2)
    return killed


def _shares(records: int, clients: int) -> list[list[int]]:
    """Divide the records among the senders so that all of one client come from one, in their order."""
    numbers = range(records)
    return [[number for number in numbers if number % clients % SENDERS == sender] for sender in range(SENDERS)]


def _hand_over(url: str, numbers: list[int], clients: int, taken: Callable[[], object]) -> None:
    """Hand every record over, again and again until it is taken."""
    template = json.loads(EXAMPLE.read_bytes())
    with httpx.Client(base_url=url, timeout=30) as client:
        for number in numbers:
            record = template | {"record_id": f"m-{number}", "assessment_id": f"a-{number}"}
            record["client"] = {"temporary_id": f"vt-{number % clients}"}
            while True:
                try:
                    answer = client.post("/v1/records", content=json.dumps(record).encode())
                except httpx.TransportError:
                    time.sleep(0.1)
                    continue
                if answer.status_code == 202:
                    break
                time.sleep(0.2)
            taken()


def _judge(result: Result, outbox: Outbox, store: Database, mock: MockClient, clients: int) -> None:
    stock = {state: count for state, (count, _) in outbox.stock().items()}
    if stock != {State.DELIVERED: result.records}:
        result.findings.append(f"states: { {str(state): count for state, count in stock.items()} }")
    with store.reading() as connection:
        if audit.verify(connection) is not None:
            result.findings.append("the audit chain is broken")
    stored = [name for name in map(_effect, mock.export().splitlines()) if name]
    twice = sum(count - 1 for count in Counter(stored).values())
    if len(stored) != result.records or twice:
        result.findings.append(f"effects: {len(stored)}, of them repeated {twice}")
    for client in range(clients):
        mine = [number for number in (int(name[2:]) for name in stored) if number % clients == client]
        if mine != sorted(mine):
            result.findings.append(f"order of client {client}")
    _judge_journal(result, mock)
    if result.cut_off > result.kills * DELIVERERS:
        result.findings.append(f"{result.cut_off} transactions were cut off by {result.kills} kills")


def _effect(row: bytes) -> str:
    """Name of the record whose core resource this is, with a mark when it was written more than once."""
    resource = json.loads(row)
    if resource["resourceType"] != "Observation":
        return ""
    name: str = resource["identifier"][-1]["value"]
    return "" if "/" in name or resource["meta"]["versionId"] != "1" else name


def _judge_journal(result: Result, mock: MockClient) -> None:
    doubtful: set[str] = set()
    for row in mock.journal():
        kind = row["url"].rpartition("/")[2]
        if row["method"] != "POST" or kind not in ("fhir", "", "_search"):
            continue
        body = mock.entry(row["number"])["requestBody"]
        if kind == "_search":
            result.lookups += 1
            doubtful -= set(re.findall(r"m-[0-9]+", body))
            continue
        result.transactions += 1
        result.faults += bool(row["fault"])
        name = RECORD.search(body)
        if name is None and not row["changes"]:
            result.cut_off += 1
        elif name is None:
            result.findings.append(f"journal entry {row['number']} has an effect and names no record")
        elif name[1] in doubtful:
            result.findings.append(f"journal entry {row['number']} was sent again without a look-up")
        elif row["broken"] or row["status"] in MAYBE_DONE:
            doubtful.add(name[1])


def _break(mock: MockClient) -> None:
    """Let a fifth of all transactions go wrong; a token expires now and then, and never twice in a row."""
    for number, fault in enumerate(FAULTS):
        often = (
            {"every": round(len(FAULTS) / SHARE)}
            if fault["kind"] == "token-expired"
            else {"probability": SHARE / len(FAULTS)}
        )
        mock.fault(match=Match(method="POST", path="^$"), when=When(seed=number, **often), **fault)


def new_key(path: Path) -> str:
    """Make the key that the adapter signs and proves itself with; returns its public part as a key set."""
    key = ec.generate_private_key(ec.SECP384R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return json.dumps({"keys": [KeyFile(path).current().public_jwk]})


@contextmanager
def _mock(journal_size: int, keys: str) -> Iterator[MockClient]:
    port = free_port()
    command = [sys.executable, "-c", MOCK, str(port), str(journal_size), CLIENT, keys]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                httpx.get(f"http://127.0.0.1:{port}/fhir/metadata", timeout=30)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        with MockClient(f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """Return a port that nobody listens on now, below those that the system gives to callers.

    A caller that tries such a port while nobody listens can meet itself there, and then the port is taken.
    """
    while True:
        port = secrets.choice(range(20_000, 32_000))
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def main() -> int:
    """Run on SQLite, and on PostgreSQL when `KYKYSILTA_TEST_POSTGRESQL` names a server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory(prefix="kykysilta-crash-") as name, ExitStack() as stack:
        databases = {"SQLite": f"sqlite:///{Path(name) / 'k.sqlite'}"}
        server = os.environ.get("KYKYSILTA_TEST_POSTGRESQL")
        if server:
            databases["PostgreSQL"] = stack.enter_context(postgresql(server))
        for kind, database in databases.items():
            size = (given.records, given.clients, given.kills)
            adapters = 2 if kind == "PostgreSQL" else 1
            result = run(*size, database=database, folder=Path(name), seed=given.seed, adapters=adapters)
            print(
                f"{kind}: {result.records} records, {result.kills} kills, {result.transactions} transactions, "
                f"{result.faults} faults, {result.lookups} look-ups, {result.cut_off} cut off, {result.seconds:.1f} s: "
                + ("; ".join(result.findings[:10]) or "one effect each, in order, all final, audit intact")
            )
            good = good and not result.findings
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
