"""How fast the validator is, as ratios inside one run, so that the machine does not matter.

    .venv/bin/python benchmarks/validation.py

Yardsticks: `jiter` (a strict JSON parse: duplicate keys refused, decimals kept) and `fhir.resources` R4B
`model_validate_json`, which checks less. Each figure is the minimum over many short batches, the candidates
taking turns. Prints also the time of a whole process with one verdict, and memory after 1,000 and 10,000
resources.
"""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import jiter
from fhir.resources.R4B.careplan import CarePlan

from adapter.data import data_root
from adapter.fhir.canonical import dumps
from adapter.source import read_json
from adapter.validation import Validator
from adapter.validation.judge import judge

BATCH_SECONDS = 0.0015
ROUNDS = 200

PLANS = "SCN-4*/expected/02-work-ability-plan.bundle.json", "SCN-5*/expected/12-work-ability-plan.bundle.json"


def care_plan() -> dict[str, Any]:
    """Return a CarePlan of 2.9 kB, made up: three contained conditions, four activities, references, narrative."""
    statuses = ("completed", "in-progress", "scheduled", "scheduled")
    return {
        "resourceType": "CarePlan",
        "id": "suunnitelma",
        "text": {"status": "additional", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Suunnitelma</p></div>'},
        "contained": [
            {
                "resourceType": "Condition",
                "id": f"p{number}",
                "clinicalStatus": {
                    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
                },
                "code": {"text": "työkykyyn vaikuttava seikka"},
                "subject": {"reference": "Patient/a1", "display": "asiakas"},
                "onsetDateTime": "2025-01-15",
            }
            for number in range(3)
        ],
        "identifier": [{"system": "urn:oid:1.2.246.10.1", "value": "12345"}],
        "status": "active",
        "intent": "plan",
        "category": [{"coding": [{"system": "urn:oid:1.2.246.537.6.1", "code": "1"}]}],
        "subject": {"reference": "Patient/a1", "display": "asiakas"},
        "period": {"start": "2025-01-15", "end": "2025-12-31"},
        "created": "2025-01-15T10:30:00+02:00",
        "author": {"reference": "Practitioner/b1"},
        "careTeam": [{"reference": "CareTeam/c1"}],
        "addresses": [{"reference": f"#p{number}"} for number in range(3)],
        "goal": [{"reference": f"Goal/g{number}"} for number in range(2)],
        "activity": [
            {
                "outcomeCodeableConcept": [{"text": "sovittu"}],
                "detail": {
                    "code": {
                        "coding": [{"system": "urn:oid:1.2.246.537.6.2", "code": str(number)}],
                        "text": "toimenpide",
                    },
                    "status": status,
                    "doNotPerform": False,
                    "scheduledPeriod": {"start": "2025-02-01", "end": "2025-02-28"},
                    "performer": [{"reference": "Practitioner/b1", "display": "yhteyshenkilö"}],
                    "quantity": {
                        "value": Decimal("5.10"),
                        "unit": "h",
                        "system": "http://unitsofmeasure.org",
                        "code": "h",
                    },
                },
            }
            for number, status in enumerate(statuses)
        ],
        "note": [{"time": "2025-01-15T10:30:00+02:00", "text": "Asiakas on mukana suunnitelman laatimisessa."}],
    }


def fastest(*candidates: Callable[[], object]) -> list[float]:
    """Return microseconds a call of each candidate: the minimum over short batches, taken in turns.

    The collector of garbage rests meanwhile, as in `timeit`: its work depends on what else the process has loaded.
    """
    sizes = []
    for candidate in candidates:
        candidate()
        begin = time.perf_counter()
        candidate()
        sizes.append(max(1, int(BATCH_SECONDS / (time.perf_counter() - begin))))
    best = [float("inf")] * len(candidates)
    gc.disable()
    try:
        for _ in range(ROUNDS):
            for index, (candidate, size) in enumerate(zip(candidates, sizes, strict=True)):
                gc.collect(0)
                begin = time.perf_counter()
                for _ in range(size):
                    candidate()
                best[index] = min(best[index], (time.perf_counter() - begin) / size)
    finally:
        gc.enable()
    return [seconds * 1e6 for seconds in best]


def strict_parse(content: bytes) -> object:
    """Parse as strictly as the validator does."""
    return jiter.from_json(content, allow_inf_nan=False, catch_duplicate_keys=True, float_mode="decimal")


def base_r4() -> None:
    """Compare base R4 on the CarePlan with the yardsticks."""
    content = dumps(care_plan())
    validator = Validator()
    assert validator.validate(content).ok
    parse, validate, pydantic = fastest(
        lambda: strict_parse(content),
        lambda: validator.validate(content),
        lambda: CarePlan.model_validate_json(content),
    )
    print(f"CarePlan {len(content)} bytes: strict parse {parse:.1f} µs, base R4 {validate:.1f} µs, ", end="")
    print(f"fhir.resources {pydantic:.1f} µs")
    print(f"  base R4 with parse / strict parse     {validate / parse:5.1f}  (aim: 15 at most)")
    print(f"  fhir.resources / base R4 with parse   {pydantic / validate:5.1f}  (aim: 5 at least)")


def with_profiles_and_rules() -> None:
    """Judge the CarePlan of scenario 4 and the whole Bundle of scenario 5 with our profiles and rules."""
    small, large = (read_json(path.read_bytes()) for path in scenario_plans())
    plan, bundle = dumps(small["entry"][0]["resource"]), dumps(large)
    entries = len(large["entry"])
    parse, full = fastest(lambda: strict_parse(plan), lambda: judge(plan))
    parse_all, full_all = fastest(lambda: strict_parse(bundle), lambda: judge(bundle))
    print(f"SCN-4 CarePlan {len(plan)} bytes: profile and rules {full:.0f} µs")
    print(f"  profile and rules / strict parse      {full / parse:5.1f}  (aim: 35 at most)")
    print(f"SCN-5 plan Bundle {len(bundle)} bytes, {entries} resources: {full_all / entries:.0f} µs a resource")
    print(f"  profiles and rules / strict parse     {full_all / parse_all:5.1f}")


def scenario_plans() -> list[Path]:
    """Return the expected Bundles of the plans that are judged here."""
    folder = data_root() / "fixtures" / "scenarios"
    return [next(folder.glob(pattern)) for pattern in PLANS]


def first_verdict() -> None:
    """Time `kykysilta validate` of a Bundle of 38 resources, from process start to its end."""
    command = [Path(sys.executable).parent / "kykysilta", "validate", scenario_plans()[1]]
    times = []
    for _ in range(7):
        begin = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - begin)
    print(f"`kykysilta validate` of that Bundle     {min(times):5.2f} s from process start to end (aim: 0.6 at most)")


def memory() -> None:
    """Print the peak of memory after 1,000 and 10,000 resources."""
    validator = Validator()
    peaks = []
    for count in (1_000, 9_000):
        for number in range(count):
            validator.validate(dumps(care_plan() | {"id": f"a{number}"}))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(
        f"peak memory after 1,000 and 10,000      {peaks[0]:.0f} and {peaks[1]:.0f} MB (fhir.resources loaded as well)"
    )


if __name__ == "__main__":
    print(Path(sys.executable).resolve(), sys.version.split()[0])
    base_r4()
    with_profiles_and_rules()
    first_verdict()
    memory()
