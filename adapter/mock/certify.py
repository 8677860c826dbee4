"""The certification run: leads a system through named steps and judges each; reports for machines and people."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from xml.etree import ElementTree as ET  # only writes

from jinja2 import Environment, PackageLoader

from adapter.data import data_root, read_yaml
from adapter.mock.assertions import Assertion
from adapter.mock.client import MockClient
from adapter.mock.effects import Verdict
from adapter.mock.faults import FaultRule
from adapter.mock.storage import to_json

POLL_SECONDS = 0.1
COMMAND_SECONDS = 300


@dataclass(frozen=True, slots=True)
class CertificationStep:
    """One step: texts by language, faults to set, expectations."""

    name: str
    title: dict[str, str]
    task: dict[str, str]
    faults: tuple[FaultRule, ...]
    expect: tuple[Assertion, ...]


@dataclass(slots=True)
class StepResult:
    """What came of a step; `journal` are its requests."""

    step: CertificationStep
    seconds: float
    verdicts: list[Verdict]
    journal: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True when every expectation held."""
        return all(one.ok for one in self.verdicts)


@cache
def certification_steps() -> tuple[CertificationStep, ...]:
    """Return the packaged steps in order."""
    rows = read_yaml(data_root() / "mappings" / "mock-certification.yaml")
    return tuple(
        CertificationStep(
            name=row["name"],
            title=row["title"],
            task=row["task"],
            faults=tuple(FaultRule.model_validate(one) for one in row.get("faults", [])),
            expect=tuple(Assertion.model_validate(one) for one in row["expect"]),
        )
        for row in rows
    )


def certify(
    client: MockClient,
    act: Callable[[CertificationStep], object],
    *,
    wait: float,
    names: tuple[str, ...] = (),
) -> list[StepResult]:
    """Run the steps.

    Args:
        act: called when a step is set up; makes the system under test do its task, or tells a person.
        wait: seconds after `act` until all expectations must hold.
        names: steps to run; empty means all.
    """
    client.reset()
    steps = [one for one in certification_steps() if not names or one.name in names]
    return [_run(client, one, act, wait) for one in steps]


def _run(
    client: MockClient, step: CertificationStep, act: Callable[[CertificationStep], object], wait: float
) -> StepResult:
    client.clear_faults()
    client.clear_journal()
    for rule in step.faults:
        client.add_fault(rule)
    begun = time.monotonic()
    act(step)
    until = time.monotonic() + wait
    while True:
        verdicts = [client.judge(one) for one in step.expect]
        if all(one.ok for one in verdicts) or time.monotonic() >= until:
            break
        time.sleep(POLL_SECONDS)
    return StepResult(step, time.monotonic() - begun, verdicts, client.journal())


def command(line: str, fhir_url: str) -> Callable[[CertificationStep], object]:
    """Return an `act` that runs a command for each step, with FHIR_BASE and CERTIFICATION_STEP in its environment."""

    def act(step: CertificationStep) -> None:
        environment = os.environ | {"FHIR_BASE": fhir_url, "CERTIFICATION_STEP": step.name}
        subprocess.run(shlex.split(line), env=environment, check=False, timeout=COMMAND_SECONDS)  # noqa: S603 - the tester's own

    return act


def as_json(results: list[StepResult], at: datetime) -> bytes:
    """Return the results as JSON."""
    return to_json(
        {
            "at": at.isoformat(),
            "ok": all(one.ok for one in results),
            "steps": [
                {
                    "name": one.step.name,
                    "ok": one.ok,
                    "seconds": round(one.seconds, 3),
                    "expectations": [verdict.model_dump() for verdict in one.verdicts],
                    "requests": one.journal,
                }
                for one in results
            ],
        }
    )


def as_junit(results: list[StepResult]) -> bytes:
    """Return the results as JUnit XML."""
    failures = sum(not one.ok for one in results)
    suite = ET.Element("testsuite", name="kykysilta mock certify", tests=str(len(results)), failures=str(failures))
    for one in results:
        case = ET.SubElement(
            suite, "testcase", classname="certification", name=one.step.name, time=f"{one.seconds:.3f}"
        )
        wrong = [verdict.message for verdict in one.verdicts if not verdict.ok]
        if wrong:
            ET.SubElement(case, "failure", message=wrong[0]).text = "\n".join(wrong)
    document: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return document


def as_html(results: list[StepResult], at: datetime, language: str) -> str:
    """Return the results as one self-contained page in fi, sv or en."""
    pages = Environment(loader=PackageLoader("adapter.mock"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    words = read_yaml(data_root() / "mappings" / "messages" / "mock-pages.yaml")
    return pages.get_template("certification.html").render(
        results=results,
        at=at.isoformat(timespec="seconds"),
        language=language,
        ok=all(one.ok for one in results),
        word={key: entry[language] for key, entry in words.items()},
    )
