"""What delivering costs: the outbox is filled, then workers of this process drain it to a bare endpoint in another.

    python benchmarks/draining.py --records 300 --threads 8

Prints for each round processor time, statements and commits a message, and messages a second. The endpoint takes every
signed Bundle; the network is loopback. The database is a new SQLite file (`synchronous=FULL`), or the empty one of
`--database`. Counting statements takes time, too: the rounds before the last are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from sqlalchemy import event

sys.path.insert(0, str(Path(__file__).parent.parent))
from adapter.delivery import Repository, Worker
from adapter.delivery.states import State
from adapter.events import configure_logging
from adapter.pipeline import Line, Sender
from adapter.security.key_files import KeyFile
from adapter.security.signatures import Signer
from adapter.store import Cipher, Database
from benchmarks.crash import ORGANISATION, new_key
from benchmarks.databases import statements
from benchmarks.delivery import bare, bodies

KEY = bytes(range(32))
LOOK_SECONDS = 0.1
WHO = {"identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{ORGANISATION}"}}


def fill(line: Line, count: int, prefix: str) -> None:
    """Let so many records wait in the outbox."""
    for answer in line.accept_many([(body, "") for body in bodies(count, prefix)], sender=Sender("ehr")):
        if isinstance(answer, Exception):
            raise answer


def drain(line: Line, count: int, threads: int) -> tuple[float, float]:
    """Deliver until so many messages are; returns seconds of this process's processors and of the clock."""
    worker = Worker(line.outbox, line.delivery, threads=threads)
    processor, clock = time.process_time(), time.perf_counter()
    worker.start()
    while line.outbox.stock().get(State.DELIVERED, (0, 0.0))[0] < count:
        time.sleep(LOOK_SECONDS)
    spent = time.process_time() - processor, time.perf_counter() - clock
    worker.stop()
    return spent


@contextmanager
def counting(database: Database) -> Iterator[Counter[str]]:
    """Count statements and commits while the block runs."""
    counts: Counter[str] = Counter()

    def commit(_: object) -> None:
        counts["commits"] += 1

    event.listen(database.engine, "commit", commit)
    with statements(database.engine) as heard:
        yield counts
    counts["statements"] = len(heard)
    event.remove(database.engine, "commit", commit)


def main() -> int:
    """Print what each round took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=300)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--database", default="")
    given = parser.parse_args()
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        tempfile.TemporaryDirectory(prefix="kykysilta-drain-") as folder,
        bare(folder) as url,
    ):
        configure_logging()
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=nowhere))
        path = Path(folder) / "signing.pem"
        new_key(path)
        key = KeyFile(path).current()
        repository = Repository(f"{url}/fhir")
        database = Database(given.database or f"sqlite:///{folder}/k.sqlite")
        line = Line(
            database,
            Cipher({"1": KEY}),
            id_key=KEY,
            repository=repository,
            signer=lambda: Signer(key.key, key.key_id, key.algorithm("RS512"), WHO),
        )
        for number in range(1, given.rounds + 1):
            fill(line, given.records, f"drain{number}")
            if number < given.rounds:
                processor, clock = drain(line, number * given.records, given.threads)
                print(f"{1e3 * processor / given.records:.2f} ms of processor time, {given.records / clock:.0f}/s")
                continue
            with counting(database) as counts:
                drain(line, number * given.records, given.threads)
            print(json.dumps({name: round(count / given.records, 2) for name, count in counts.items()}))
        line.close()
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
