"""One validator serves many threads at once."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from adapter.data import data_root
from adapter.mapping import map_record
from adapter.validation.judge import judge, validator_with


def test_a_fresh_validator_answers_every_thread_alike() -> None:
    """While definitions are still being read, no thread sees a known profile or extension as unknown."""
    example = data_root() / "mappings" / "records" / "client" / "examples" / "complete.source.json"
    bundle = map_record(example.read_bytes(), id_key=b"a key for tests only").bundle
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(3):
            validator = validator_with(())
            with ThreadPoolExecutor(8) as pool:
                found = list(pool.map(partial(judge, validator=validator), [bundle] * 16))
            assert all(outcome.ok for outcome in found)
    finally:
        sys.setswitchinterval(interval)
