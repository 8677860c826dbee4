"""How fast mapping is, as ratios inside one run; `python benchmarks/mapping.py` prints the table.

Everything is measured on the plan of scenario 5 in one process, in turns, garbage collection off as in `timeit`; each
turn has an order of its own, and of each measurement the best turn counts. Others may use the machine, too: turns are
taken until they have found nothing better for a while. Where code and data happen to lie in memory moves the cost of
the trace by a hundredth either way, so it is the median of several processes. The sum of read, map and dump leaves
nothing out: the schema check of the read is the loss check (it finds every field that would be lost), and the trace is
recorded while mapping. What is asked for stands beside what was found; the exit code is 1 when something asked for was
missed.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
import timeit
from collections.abc import Callable
from pathlib import Path

import orjson

from adapter.fhir.canonical import canonical, dumps
from adapter.mapping import map_record, mapping_for
from adapter.mapping.compile import compiled
from adapter.mapping.model import Mapping
from adapter.mapping.run import Hop, Run
from adapter.source import read, read_json
from adapter.types import Record

sys.path.insert(0, str(Path(__file__).parent))
from plan_by_hand import plan_by_hand

ROOT = Path(__file__).resolve().parent.parent
PLAN = ROOT / "fixtures" / "scenarios" / "SCN-5-tyoton-polku" / "records" / "12-work-ability-plan.json"
KEY = b"key of the benchmark"
LEAST, MOST = 120, 480
"""Turns: so many without anything better end the measurement, and so many end it anyhow."""

BETTER = 0.995
"""What a best time must fall below to count as better, times the best so far."""

START = """
import time
start = time.process_time()
import adapter
done = time.process_time() - start
print(done)
"""
LOAD = """
import adapter.mapping, time
from adapter.mapping import mapping_for
from adapter.mapping.registry import record_types
start = time.process_time()
for record_type in record_types():
    mapping_for(record_type).make
print(time.process_time() - start)
"""

TRACE = """
import sys
sys.path.insert(0, "benchmarks")
from mapping import trace_costs
print(trace_costs())
"""


def measured(functions: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the best time of each function in microseconds, measured in turns.

    Each turn has an order of its own: who comes behind a function that runs the same code finds it in the cache.
    """
    timers = {name: timeit.Timer(function) for name, function in functions.items()}
    number = {name: max(1, int(0.004 / min(timer.repeat(9, 1)))) for name, timer in timers.items()}
    best = dict.fromkeys(timers, float("inf"))
    order, chance = list(timers), random.Random(0)
    turn = in_vain = 0
    while in_vain < LEAST and turn < MOST:
        turn, in_vain = turn + 1, in_vain + 1
        chance.shuffle(order)
        for name in order:
            found = timers[name].timeit(number[name]) / number[name] * 1e6
            in_vain = 0 if found < best[name] * BETTER else in_vain
            best[name] = min(best[name], found)
    return best


def in_new_processes(code: str, several: int) -> list[float]:
    """Return the number that a new Python prints, from several."""
    command = [sys.executable, "-c", code]
    return [float(subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout) for _ in range(several)]


def made(mapping: Mapping, make: Callable[[Run | Hop], object], record: Record) -> object:
    """Return the Bundle of a record by a compiled mapping."""
    run = Run(mapping, record, KEY)
    make(run)
    return run.bundle()


def trace_costs() -> float:
    """Return by which part of its time mapping is slower for recording the trace."""
    record, loaded = read_json(PLAN.read_bytes()), mapping_for("work_ability_plan")
    silent = compiled(loaded.mapping, notes=False).make
    found = measured(
        {
            "recorded": lambda: made(loaded.mapping, loaded.make, record),
            "silent": lambda: made(loaded.mapping, silent, record),
        }
    )
    return found["recorded"] / found["silent"] - 1


def main() -> int:
    """Measure, print the table, return 1 when a target was missed."""
    data = PLAN.read_bytes()
    record = read_json(data)
    loaded = mapping_for("work_ability_plan")
    mapping, silent = loaded.mapping, compiled(loaded.mapping, notes=False).make
    names = (mapping.id, mapping.version, mapping.digest)
    mapped = map_record(record, id_key=KEY)
    assert canonical(plan_by_hand(record, KEY, names)) == canonical(mapped.bundle), "the twin makes another Bundle"
    plain = json.loads(canonical(mapped.bundle))

    def in_a_row() -> None:
        read(data)
        made(mapping, loaded.make, record)
        dumps(mapped.bundle)

    def whole() -> object:
        return dumps(map_record(read(data), id_key=KEY).bundle)

    found = measured(
        {
            "orjson.loads": lambda: orjson.loads(data),
            "orjson.dumps": lambda: orjson.dumps(plain),
            "by hand": lambda: plan_by_hand(record, KEY, names),
            "compiled": lambda: made(mapping, loaded.make, record),
            "compiled, no trace recorded": lambda: made(mapping, silent, record),
            "read, checked against its schema": lambda: read(data),
            "dump": lambda: dumps(mapped.bundle),
            "the three one after the other": in_a_row,
            "from bytes to bytes in one call": whole,
            "trace, its rows spelled out": lambda: mapped.made.rows(mapped.bundle),
            "canonical dump": lambda: canonical(mapped.bundle),
        }
    )
    yardstick = found["orjson.loads"] + found["orjson.dumps"]
    parts = found["read, checked against its schema"] + found["compiled"] + found["dump"]
    print(f"{len(data)} bytes in, {len(canonical(mapped.bundle))} bytes out, {len(plain['entry'])} resources\n")
    for name, microseconds in found.items():
        print(f"{name:34}{microseconds:9.1f} µs {microseconds / yardstick:7.2f} × orjson there and back")
    rows = [
        ("compiled / by hand, speed", found["by hand"] / found["compiled"], ">=", 0.85),
        ("trace costs", statistics.median(in_new_processes(TRACE, 5)), "<=", 0.05),
        ("read + map + trace + loss + dump, × orjson", parts / yardstick, "<=", 7.0),
        ("load and compile all record mappings, s of CPU", min(in_new_processes(LOAD, 9)), "<=", 0.3),
        ("import adapter, s of CPU", min(in_new_processes(START, 9)), "<=", 0.25),
    ]
    print()
    missed = False
    for name, value, sign, target in rows:
        good = value >= target if sign == ">=" else value <= target
        missed = missed or not good
        print(f"{name:44}{value:7.3f}  {sign} {target:<5} {'ok' if good else 'MISSED'}")
    return int(missed)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    begun = time.perf_counter()
    code = main()
    print(f"\n{time.perf_counter() - begun:.0f} s, Python {sys.version.split()[0]}")
    sys.exit(code)
