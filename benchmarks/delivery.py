"""How fast records are accepted, as ratios to a bare FastAPI + SQLite insert at the same `synchronous`.

    python benchmarks/delivery.py --records 200

Both servers run in processes of their own. A single request is measured one after the other; the batch sends all
records in one NDJSON body. The bare server does nothing but insert the body and commit. Exit code 1 when a ratio is
below what is asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.crash import EXAMPLE, START_SECONDS, free_port

ASKED = {"single": 0.3, "batch": 0.5}
BARE = """
import sqlite3, sys, uvicorn
from fastapi import FastAPI, Request
app = FastAPI()
database = sqlite3.connect(sys.argv[2], check_same_thread=False, isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=FULL")
database.execute("CREATE TABLE record (id INTEGER PRIMARY KEY, body BLOB)")

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


def single(client: httpx.Client, records: list[bytes]) -> None:
    """One request a record."""
    for record in records:
        client.post("/v1/records", content=record).raise_for_status()


def batch(client: httpx.Client, records: list[bytes]) -> None:
    """All in one body."""
    client.post("/v1/records/batch", content=b"\n".join(records)).raise_for_status()


def measure(url: str, count: int, way: Callable[[httpx.Client, list[bytes]], None]) -> float:
    """Return records a second."""
    with httpx.Client(base_url=url, timeout=300) as client:
        way(client, bodies(5, f"warm{way.__name__}"))
        records = bodies(count, way.__name__)
        begun = time.perf_counter()
        way(client, records)
        return count / (time.perf_counter() - begun)


@contextmanager
def serving(command: list[str], port: int, environment: dict[str, str]) -> Iterator[str]:
    """Run a server until the block ends; yields its URL."""
    process = subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                httpx.get(f"{url}/healthz")
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


def main() -> int:
    """Print records a second of both and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200)
    count = parser.parse_args().records
    ways = (single, batch)
    with tempfile.TemporaryDirectory(prefix="kykysilta-accept-") as folder:
        port = free_port()
        with serving([sys.executable, "-c", BARE, str(port), f"{folder}/bare.sqlite"], port, {}) as url:
            bare = {way.__name__: measure(url, count, way) for way in ways}
        port = free_port()
        # Nobody listens at the repository: acceptance alone is measured.
        environment = {
            "KYKYSILTA_PORT": str(port),
            "KYKYSILTA_DATABASE": f"sqlite:///{folder}/k.sqlite",
            "KYKYSILTA_REPOSITORY_URL": f"http://127.0.0.1:{free_port()}/fhir",
            "KYKYSILTA_DEMO": "true",
        }
        command = [sys.executable, "-c", "from adapter.cli import main; main()", "serve"]
        with serving(command, port, environment) as url:
            ours = {way.__name__: measure(url, count, way) for way in ways}
    for name, asked in ASKED.items():
        ratio = ours[name] / bare[name]
        print(f"{name}: {ours[name]:.1f}/s, bare {bare[name]:.1f}/s, ratio {ratio:.3f} (asked for {asked})")
    return 0 if all(ours[name] / bare[name] >= asked for name, asked in ASKED.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
