"""How fast the mock endpoint is beside its peers, all on this machine in one run; `python benchmarks/mock.py`.

Peers: PyPI `sekmet-fhir` with its strict inbound validation (`--sekmet PATH-OF-ITS-PYTHON`; left out when not given)
and a bare FastAPI+SQLite baseline (`benchmarks/mock_baseline.py`) that only stores bytes. All keep their data in a
SQLite file in WAL mode with `synchronous=FULL`, by default below /dev/shm so that software is compared and not the
disk (`--folder`). Requests go over one kept-alive connection from a client that has their bytes ready and looks at the
answers afterwards, so that servers are compared; the peers take turns, and the best round counts. Beside it stands the
processor time that a server itself took for one request, which does not depend on who else is busy (Linux only). Exit
code 1 when something asked for is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROUNDS = 12
HERE = Path(__file__).parent
FHIR = {"content-type": "application/fhir+json", "accept": "application/fhir+json"}
LIMITS = {
    "create, validated / sekmet": 3.0,
    "read / sekmet": 4.0,
    "conditional create / sekmet": 3.0,
    "transaction of ten / sekmet": 3.0,
    "create, lenient / baseline": 0.6,
    "search, large / small": 0.5,
}
PORTS = iter(range(18700, 18800))


class Connection:
    """One kept-alive HTTP connection; opens when it is first needed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._socket: socket.socket | None = None

    def send(self, request: bytes) -> tuple[int, bytes]:
        """Send one request, head and body; return status and body of the answer.

        Raises:
            OSError: nobody listens, or the connection broke.
        """
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=120)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        return self._answer(self._socket)

    @staticmethod
    def _answer(connection: socket.socket) -> tuple[int, bytes]:
        received = b""
        while b"\r\n\r\n" not in received:
            received += _more(connection)
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        while len(body) < length:
            body += _more(connection)
        return int(head[9:12]), body

    def close(self) -> None:
        """Close; the next request opens another connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def request_of(method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> bytes:
    """Return the bytes of a request; `body` is sent as JSON."""
    data = json.dumps(body).encode() if body is not None else b""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in (FHIR | (headers or {})).items()]
    return "\r\n".join([*lines, "", ""]).encode() + data


def _more(connection: socket.socket) -> bytes:
    part = connection.recv(1 << 20)
    if not part:
        raise ConnectionError("the server closed the connection")
    return part


@dataclass
class Peer:
    """One running server."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    connection: Connection
    ready_seconds: float
    ids: list[str] = field(default_factory=list)

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Send one request; return status and body."""
        return self.connection.send(request_of(method, path, body, headers))

    def processor_seconds(self) -> float:
        """Processor time of all threads until now; not a number where `/proc` does not tell."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        nanoseconds = [int(one.read_text().split()[0]) for one in threads]
        return sum(nanoseconds) / 1e9 if nanoseconds else math.nan

    def memory(self) -> float:
        """Resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@dataclass
class Speed:
    """The best rounds of one peer: requests a second, and microseconds of its processor time a request."""

    per_second: float = 0.0
    processor: float = math.inf


@contextlib.contextmanager
def running(name: str, command: list[str], folder: Path, probe: str = "/fhir/metadata") -> Iterator[Peer]:
    """Start a server and wait until it answers."""
    port = next(PORTS)
    folder.mkdir()
    begun = time.perf_counter()
    words = [word.format(port=port, folder=folder) for word in command]
    environment = os.environ | {"PYTHONPATH": f"{HERE.parent}"}
    process = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            connection = Connection(port)
            try:
                connection.send(request_of("GET", probe))
                break
            except OSError:
                if process.poll() is not None or time.perf_counter() - begun > 60:
                    raise SystemExit(f"{name} did not start") from None
                time.sleep(0.01)
        yield Peer(name, process, port, connection, time.perf_counter() - begun)
    finally:
        process.terminate()
        process.wait(20)


def patient(number: str) -> dict[str, Any]:
    """A Patient as systems send them."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:bench", "value": number}],
        "active": True,
        "name": [{"family": "Virtanen", "given": ["Maija", "Katariina"]}],
        "telecom": [{"system": "phone", "value": "+358 40 555 0111", "use": "mobile"}],
        "gender": "female",
        "birthDate": "1979-03-14",
        "address": [{"line": ["Koulukatu 1"], "city": "Tampere", "postalCode": "33100", "country": "FI"}],
    }


Act = Callable[[Peer, str], bytes]


def create(_: Peer, key: str) -> bytes:
    """POST one resource."""
    return request_of("POST", "/fhir/Patient", patient(key))


def read(peer: Peer, key: str) -> bytes:
    """GET one resource."""
    return request_of("GET", f"/fhir/Patient/{peer.ids[hash(key) % len(peer.ids)]}")


def conditional_create(_: Peer, key: str) -> bytes:
    """POST with If-None-Exist, not there yet."""
    return request_of("POST", "/fhir/Patient", patient(key), {"if-none-exist": f"identifier=urn:bench|{key}"})


def transaction(_: Peer, key: str) -> bytes:
    """Ten creates at once."""
    entries = [{"resource": patient(f"{key}-{n}"), "request": {"method": "POST", "url": "Patient"}} for n in range(10)]
    return request_of("POST", "/fhir", {"resourceType": "Bundle", "type": "transaction", "entry": entries})


def expect(peer: Peer, status: int, wanted: int) -> None:
    """Stop when a peer does not do its work: a refusal would look fast."""
    if status != wanted:
        raise SystemExit(f"{peer.name} answered {status} instead of {wanted}")


DONE: dict[Act, int] = {create: 201, read: 200, conditional_create: 201, transaction: 200}
"""Status that says that a request was done."""


def speeds(peers: list[Peer], act: Act, count: int) -> dict[str, Speed]:
    """Return the best speed of each peer."""
    best = {one.name: Speed() for one in peers}
    for round_number in range(ROUNDS):
        for peer in peers:
            peer.connection.close()  # uvicorn drops an idle connection after five seconds; this opens another
            requests = [act(peer, f"{act.__name__}-{round_number}-{number}") for number in range(count)]
            worked, begun = peer.processor_seconds(), time.perf_counter()
            answers = [peer.connection.send(one) for one in requests]
            found, took = best[peer.name], time.perf_counter() - begun
            found.per_second = max(found.per_second, count / took)
            found.processor = min(found.processor, (peer.processor_seconds() - worked) / count * 1e6)
            for status, body in answers:
                expect(peer, status, DONE[act])
                if act is create:
                    peer.ids.append(json.loads(body)["id"])
    return best


def race(peer: Peer) -> int:
    """Post the same conditional create sixteen times at once; return how many resources there are then."""
    request = request_of("POST", "/fhir/Patient", patient("race"), {"if-none-exist": "identifier=urn:bench|race"})
    peer.connection.close()

    def one(_: int) -> None:
        connection = Connection(peer.port)
        connection.send(request)
        connection.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(16)))
    return int(json.loads(peer.call("GET", "/fhir/Patient?identifier=urn:bench|race")[1])["total"])


def search_rates(peer: Peer, sizes: list[int]) -> list[float]:
    """Fill a namespace for each size, search them in turns by identifier, and return the best searches a second."""
    for size in sizes:
        for start in range(0, size, 1000):
            some = [patient(f"s{n}") | {"id": f"s{n}"} for n in range(start, min(start + 1000, size))]
            status, _ = peer.call("POST", f"/_mock/api/of-{size}/seed", some, {"content-type": "application/json"})
            expect(peer, status, 200)
    best = dict.fromkeys(sizes, 0.0)
    for _ in range(ROUNDS):
        for size in sizes:
            peer.connection.close()
            begun = time.perf_counter()
            for number in range(100):
                path = f"/t/of-{size}/fhir/Patient?identifier=urn:bench|s{number * 9 % size}"
                expect(peer, peer.call("GET", path)[0], 200)
            best[size] = max(best[size], 100 / (time.perf_counter() - begun))
    return [best[size] for size in sizes]


def reset_milliseconds(peer: Peer, resources: int) -> float:
    """Return the median time of a reset of a namespace with so many resources."""
    times = []
    for _ in range(9):
        some = [patient(f"r{n}") | {"id": f"r{n}"} for n in range(resources)]
        peer.call("POST", "/_mock/api/reset-me/seed", some, {"content-type": "application/json"})
        begun = time.perf_counter()
        peer.call("POST", "/_mock/api/reset-me/reset")
        times.append((time.perf_counter() - begun) * 1000)
    return sorted(times)[4]


def main() -> int:
    """Run everything and print one table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sekmet", default="", help="the python in whose environment sekmet-fhir is installed")
    options.add_argument("--large", type=int, default=100_000, help="resources of the large search")
    options.add_argument("--count", type=int, default=40, help="requests a round")
    options.add_argument(
        "--folder", default="/dev/shm" if Path("/dev/shm").is_dir() else None, help="for the databases"
    )
    given = options.parse_args()
    python = sys.executable
    mock = [str(Path(python).with_name("kykysilta")), "mock", "serve", "--port", "{port}", "--data", "{folder}"]
    with tempfile.TemporaryDirectory(dir=given.folder) as name, contextlib.ExitStack() as stack:
        home = Path(name)

        def start(label: str, command: list[str]) -> Peer:
            return stack.enter_context(running(label, command, home / label))

        strict = start("validated", [*mock, "--strictness", "national"])
        lenient = start("lenient", [*mock, "--strictness", "lenient"])
        baseline = start("baseline", [python, str(HERE / "mock_baseline.py"), "{port}", "{folder}/data.sqlite"])
        idle = strict.memory()
        peers = [strict, lenient, baseline]
        if given.sekmet:
            command = [str(Path(given.sekmet).with_name("sekmet")), "serve", "--port", "{port}", "--host", "127.0.0.1"]
            peers.append(start("sekmet", command))
        measured = {}
        for label, act, who, count in (
            ("create", create, peers, given.count),
            ("read", read, peers, given.count * 2),
            ("conditional create", conditional_create, [one for one in peers if one is not baseline], given.count),
            ("transaction of ten", transaction, [one for one in peers if one is not baseline], given.count // 2),
        ):
            measured[label] = speeds(who, act, count)
            told = (f"{key} {one.per_second:7.0f}/s {one.processor:6.0f} µs" for key, one in measured[label].items())
            print(f"{label:20}" + "   ".join(told))
        races = {one.name: race(one) for one in peers if one is not baseline}
        small, large = search_rates(lenient, [1000, given.large])
        lenient.connection.close()
        reset = reset_milliseconds(lenient, 1000)
        ready = strict.ready_seconds
    pairs = {"create, lenient / baseline": (measured["create"]["lenient"], measured["create"]["baseline"])}
    if given.sekmet:
        for label, one in measured.items():
            name = "create, validated" if label == "create" else label
            pairs[f"{name} / sekmet"] = (one["validated"], one["sekmet"])
    found = {label: ours.per_second / theirs.per_second for label, (ours, theirs) in pairs.items()}
    found["search, large / small"] = large / small
    print(f"search by identifier  {small:.0f}/s with 1,000, {large:.0f}/s with {given.large:,}")
    print(f"16 parallel conditional creates leave {races}")
    print(f"ready {ready:.2f} s, idle {idle:.0f} MB, reset of 1,000 resources {reset:.1f} ms")
    missed = [label for label, value in found.items() if value < LIMITS[label]]
    missed += [] if races["validated"] == races["lenient"] == 1 else ["race-free"]
    missed += [word for word, bad in (("ready", ready > 2), ("memory", idle > 150), ("reset", reset > 10)) if bad]
    worked = {label: theirs.processor / ours.processor for label, (ours, theirs) in pairs.items()}
    for label, value in found.items():
        also = f", by processor time {worked[label]:.2f}" if label in worked else ""
        print(f"{label:30}{value:7.2f}  (asked: {LIMITS[label]}){also}")
    print("missed: " + (", ".join(missed) or "nothing"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
