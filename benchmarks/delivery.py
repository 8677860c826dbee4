"""How fast records are accepted and delivered, as ratios to bare servers at the same `synchronous`.

    python benchmarks/delivery.py --records 500
    python benchmarks/delivery.py --memory 100000

All servers run in processes of their own. Accepting is compared with a server that does nothing but insert each body
and commit, one request a record: from one caller, from several at the same time, and as NDJSON; a batch also with one
that takes the same NDJSON body. End to end, from the first record handed over to the last receipt, is compared with a
loop that only posts the same signed Bundles to the same bare endpoint: with one process that accepts and delivers, and
with a worker of its own (`kykysilta outbox work`), as operations recommend where much is delivered. With `--memory` so
many records go in and out, and the adapter's memory is looked at after each tenth. Exit code 1 when something is not as
asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.crash import EXAMPLE, ORGANISATION, START_SECONDS, free_port, new_key

ASKED = {"several callers": 0.3, "batch": 0.5, "end to end, worker of its own": 0.4}
GROWTH = 1.2
"""How much larger the adapter may be at the end than after a tenth of the records."""

BATCH = 1000
"""Records of one body when memory is looked at."""

TURNS = 5
CALLERS = 8
LONGEST_WAIT = 3600.0
Way = Callable[[httpx.Client, list[bytes]], list[float]]
STATES = re.compile(r'kykysilta_outbox_messages{state="(\w+)"} ([0-9.]+)')
BARE = """
import json, sqlite3, sys, uvicorn
from fastapi import FastAPI, Request
app = FastAPI()
database = sqlite3.connect(sys.argv[2], check_same_thread=False, isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=FULL")
database.execute("CREATE TABLE IF NOT EXISTS record (id INTEGER PRIMARY KEY, body BLOB)")

kept = open(sys.argv[3], "ab")

@app.get("/healthz")
async def alive():
    return {}

@app.post("/v1/records", status_code=202)
async def take(request: Request):
    database.execute("INSERT INTO record (body) VALUES (?)", (await request.body(),))
    return {}

@app.post("/v1/records/batch")
async def batch(request: Request):
    rows = [(row,) for row in (await request.body()).splitlines()]
    for row in rows:
        database.execute("INSERT INTO record (body) VALUES (?)", row)
    return {"records": len(rows)}

@app.post("/fhir/")
async def transaction(request: Request):
    body = await request.body()
    kept.write(body + b"\\n")
    kept.flush()
    entries = [
        {"response": {"status": "201 Created", "location": f"{each['resource']['resourceType']}/1/_history/1"}}
        for each in json.loads(body)["entry"]
    ]
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}

uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


def bodies(count: int, prefix: str) -> list[bytes]:
    """Records of as many clients."""
    template = json.loads(EXAMPLE.read_bytes())
    return [
        json.dumps(
            template | {"record_id": f"{prefix}-{number}", "client": {"temporary_id": f"vt-{prefix}-{number}"}}
        ).encode()
        for number in range(count)
    ]


def single(client: httpx.Client, records: list[bytes]) -> list[float]:
    """One request a record, one after the other; returns the seconds that each took."""
    return [post(client, "/v1/records", record) for record in records]


def callers(client: httpx.Client, records: list[bytes]) -> list[float]:
    """One request a record, from several callers at the same time; returns the seconds that each took."""
    with ThreadPoolExecutor(CALLERS) as pool:
        return list(pool.map(partial(post, client, "/v1/records"), records))


def batch(client: httpx.Client, records: list[bytes]) -> list[float]:
    """All in one body; returns the seconds that it took."""
    return [post(client, "/v1/records/batch", b"\n".join(records))]


def post(client: httpx.Client, path: str, content: bytes) -> float:
    """Post and return the seconds that it took."""
    begun = time.perf_counter()
    client.post(path, content=content).raise_for_status()
    return time.perf_counter() - begun


def measure(urls: tuple[str, str], count: int, way: Way) -> list[tuple[float, float]]:
    """Return records a second of each server, and the seconds that 99 of 100 requests kept below.

    The servers take turns, so that whatever else the machine does hits both.
    """
    took: dict[str, list[float]] = {url: [] for url in urls}
    spent = dict.fromkeys(urls, 0.0)
    for turn in range(TURNS + 1):
        for url in urls:
            records = bodies(count // TURNS, f"{way.__name__}{turn}")
            with httpx.Client(base_url=url, timeout=300) as client:
                begun = time.perf_counter()
                seconds = way(client, records)
                if turn:  # the first turn warms up
                    spent[url] += time.perf_counter() - begun
                    took[url] += seconds
    ranked = {url: sorted(took[url]) for url in urls}
    return [(count / spent[url], each[min(len(each) - 1, len(each) * 99 // 100)]) for url, each in ranked.items()]


def end_to_end(url: str, bare_url: str, bundles: Path, count: int) -> tuple[float, float]:
    """Return records a second from the first one handed over to the last receipt, and of a loop that only posts.

    The loop posts the same signed Bundles to the same bare server, in turns with the adapter.
    """
    ours = posted = 0.0
    with httpx.Client(base_url=url, timeout=300) as client, httpx.Client(base_url=bare_url, timeout=300) as loop:
        for turn in range(TURNS + 1):
            records = bodies(count // TURNS, f"end{turn}")
            begun = time.perf_counter()
            batch(client, records)
            wait_until_delivered(client, (turn + 1) * len(records))
            took = time.perf_counter() - begun
            rows = bundles.read_bytes().splitlines()[-len(records) :]
            looped = sum(post(loop, "/fhir/", row) for row in rows)
            ours, posted = (ours + took, posted + looped) if turn else (0.0, 0.0)
    return count / ours, count / posted


def wait_until_delivered(client: httpx.Client, count: int, pause: float = 0.05) -> None:
    """Return when so many messages are delivered; looks every `pause` seconds."""
    until = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < until:
        states = dict(STATES.findall(client.get("/metrics").text))
        if float(states["delivered"]) >= count:
            return
        time.sleep(pause)
    raise TimeoutError("the records are not delivered")


def memory(url: str, process: int, count: int) -> Iterator[tuple[int, int]]:
    """Hand records over and wait for their receipts; yields after each tenth how many and the adapter's memory (kB)."""
    tenth = max(BATCH, count // 10)
    with httpx.Client(base_url=url, timeout=600) as client:
        for done in range(BATCH, count + 1, BATCH):
            batch(client, bodies(BATCH, f"memory{done}"))
            if done % tenth == 0:
                wait_until_delivered(client, done, pause=1)
                yield done, resident(process)


def resident(process: int) -> int:
    """Return the resident memory of a process in kB."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0])


@contextmanager
def serving(command: list[str], port: int, environment: dict[str, str]) -> Iterator[tuple[str, int]]:
    """Run a server until the block ends; yields its URL and process id."""
    url = f"http://127.0.0.1:{port}"
    with running(command, environment) as process:
        until = time.monotonic() + START_SECONDS
        while True:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the server does not start")
            try:
                httpx.get(f"{url}/healthz")
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield url, process.pid


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process until the block ends."""
    process = subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def bare(folder: str, bundles: str = os.devnull) -> Iterator[str]:
    """The bare server; yields its URL.

    Args:
        bundles: file that keeps the Bundles that it gets.
    """
    port = free_port()
    command = [sys.executable, "-c", BARE, str(port), f"{folder}/bare.sqlite", bundles]
    with serving(command, port, {}) as (url, _):
        yield url


@contextmanager
def adapter(folder: str, name: str, repository: str, *, worker: bool = False) -> Iterator[tuple[str, int]]:
    """The adapter with a database and a signing key of its own; yields its URL and process id.

    Args:
        worker: let a process of its own deliver.
    """
    port, key = free_port(), Path(folder) / "signing.pem"
    new_key(key)
    environment = {
        "KYKYSILTA_PORT": str(port),
        "KYKYSILTA_DATABASE": f"sqlite:///{folder}/{name}.sqlite",
        "KYKYSILTA_REPOSITORY_URL": repository,
        "KYKYSILTA_SIGNING__KEY_FILE": str(key),
        "KYKYSILTA_SIGNING__ORGANISATION": ORGANISATION,
        "KYKYSILTA_DEMO": "true",
        "KYKYSILTA_WORKERS": "0" if worker else "8",
        "KYKYSILTA_REQUESTS_PER_SECOND": "10000",
    }
    command = [sys.executable, "-c", "from adapter.cli import main; main()"]
    with serving([*command, "serve"], port, environment) as found, ExitStack() as stack:
        if worker:
            stack.enter_context(running([*command, "outbox", "work"], environment))
        yield found


def speeds(folder: str, count: int) -> dict[str, float]:
    """Print records a second and p99; returns the ratios to the bare servers."""
    ratios = {}
    # Nobody listens at this repository: acceptance alone is measured.
    nobody = f"http://127.0.0.1:{free_port()}/fhir"
    with bare(folder) as url, adapter(folder, "accept", nobody) as (ours, _):
        for name, way in (("one caller", single), ("several callers", callers), ("batch, same body", batch)):
            (bare_rate, bare_p99), (rate, p99) = measure((url, ours), count, way)
            ratios[name] = rate / bare_rate
            print(f"{name}: {rate:.1f}/s, p99 {p99 * 1e3:.1f} ms; bare {bare_rate:.1f}/s, {bare_p99 * 1e3:.1f} ms")
            if way is callers:
                one_by_one = bare_rate
    ratios["batch"] = rate / one_by_one
    for name, worker in (("end to end", False), ("end to end, worker of its own", True)):
        bundles = Path(folder) / f"bundles-{worker}"
        with (
            bare(folder, str(bundles)) as url,
            adapter(folder, f"deliver-{worker}", f"{url}/fhir", worker=worker) as (ours, _),
        ):
            rate, posted = end_to_end(ours, url, bundles, count)
        ratios[name] = rate / posted
        print(f"{name}: {rate:.1f}/s; only posted {posted:.1f}/s")
    return ratios


def main() -> int:
    """Print what was measured and what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=500)
    parser.add_argument("--memory", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kykysilta-accept-") as folder:
        if given.memory:
            with bare(folder) as url, adapter(folder, "memory", f"{url}/fhir") as (ours, process):
                sizes = []
                for done, size in memory(ours, process, given.memory):
                    print(f"memory: {size} kB after {done} records", flush=True)
                    sizes.append(size)
            return 0 if sizes[-1] <= sizes[0] * GROWTH else 1
        ratios = speeds(folder, given.records)
    for name, ratio in ratios.items():
        print(f"{name}: ratio {ratio:.3f}" + (f" (asked for {ASKED[name]})" if name in ASKED else ""))
    return 0 if all(ratios[name] >= asked for name, asked in ASKED.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
