"""The certification run: leads a system through named steps and judges each; reports for machines and people.

The last step takes place at an endpoint of its own over mutual TLS, which refuses the certificate in the handshake.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET  # only writes

from jinja2 import Environment, PackageLoader

from adapter.data import data_root, read_yaml
from adapter.mock.assertions import Assertion
from adapter.mock.client import MockClient
from adapter.mock.effects import Verdict
from adapter.mock.faults import FaultRule
from adapter.mock.settings import MockSettings
from adapter.mock.storage import to_json

POLL_SECONDS = 0.1
COMMAND_SECONDS = 300


@dataclass(frozen=True, slots=True)
class CertificationStep:
    """One step: texts by language, faults to set, expectations.

    Attributes:
        secured: it takes place over mutual TLS with a certificate that is refused.
    """

    name: str
    title: dict[str, str]
    task: dict[str, str]
    faults: tuple[FaultRule, ...]
    expect: tuple[Assertion, ...]
    secured: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step takes place.

    Attributes:
        fhir_url: FHIR base to send to.
        certificate, key, authority: PEM files to use over TLS; None over plain HTTP.
    """

    fhir_url: str
    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None

    def environment(self) -> dict[str, str]:
        """Return what a command under test finds in its environment."""
        files = {
            "CLIENT_CERTIFICATE": self.certificate,
            "CLIENT_KEY": self.key,
            "CERTIFICATE_AUTHORITY": self.authority,
        }
        return {"FHIR_BASE": self.fhir_url} | {name: str(path) for name, path in files.items() if path is not None}


Act = Callable[[CertificationStep, Place], object]
"""Makes the system under test do its task at a place, or tells a person."""


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
            secured=row.get("secured") == "yes",
        )
        for row in rows
    )


def certify(client: MockClient, act: Act, *, wait: float, names: tuple[str, ...] = ()) -> list[StepResult]:
    """Run the steps.

    Args:
        client: control of the namespace in which all steps but the secured one take place.
        act: called when a step is set up.
        wait: seconds after `act` until all expectations must hold.
        names: steps to run; empty means all.
    """
    client.reset()
    results = []
    for step in certification_steps():
        if names and step.name not in names:
            continue
        if step.secured:
            with _refusing_endpoint() as (secured, place):
                results.append(_run(secured, step, act, place, wait))
        else:
            results.append(_run(client, step, act, Place(client.fhir_url), wait))
    return results


@contextmanager
def _refusing_endpoint() -> Iterator[tuple[MockClient, Place]]:
    """Run an endpoint over mutual TLS that trusts nobody whose certificate it hands out."""
    from adapter.mock.serve import running_endpoint

    with tempfile.TemporaryDirectory(prefix="kykysilta-") as name:
        folder = Path(name)
        settings = MockSettings(port=0, auth="mtls", certificates=name)
        with running_endpoint(settings) as addresses, MockClient(addresses.control) as client:
            client.issue_certificate("system", kind="foreign")
            place = Place(addresses.fhir, folder / "system.pem", folder / "system.key.pem", folder / "ca.pem")
            yield client, place


def _run(client: MockClient, step: CertificationStep, act: Act, place: Place, wait: float) -> StepResult:
    client.clear_faults()
    client.clear_journal()
    for rule in step.faults:
        client.add_fault(rule)
    begun = time.monotonic()
    act(step, place)
    until = time.monotonic() + wait
    while True:
        verdicts = [client.judge(one) for one in step.expect]
        if all(one.ok for one in verdicts) or time.monotonic() >= until:
            break
        time.sleep(POLL_SECONDS)
    return StepResult(step, time.monotonic() - begun, verdicts, client.journal())


def command(line: str) -> Act:
    """Return an `act` that runs a command for each step, with the place and CERTIFICATION_STEP in its environment."""

    def act(step: CertificationStep, place: Place) -> None:
        environment = os.environ | place.environment() | {"CERTIFICATION_STEP": step.name}
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
        wrong = [verdict.text for verdict in one.verdicts if not verdict.ok]
        if wrong:
            ET.SubElement(case, "failure", message=wrong[0]).text = "\n".join(wrong)
    document: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return document


def as_html(results: list[StepResult], at: datetime, language: str, signer: str = "") -> str:
    """Return the results as one self-contained page in fi, sv or en.

    Args:
        signer: thumbprint of the key that signed the summary.
    """
    pages = Environment(loader=PackageLoader("adapter.mock"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    words = read_yaml(data_root() / "mappings" / "messages" / "mock-pages.yaml")
    return pages.get_template("certification.html").render(
        results=results,
        at=at.isoformat(timespec="seconds"),
        language=language,
        ok=all(one.ok for one in results),
        signer=signer,
        word={key: entry[language] for key, entry in words.items()},
    )
