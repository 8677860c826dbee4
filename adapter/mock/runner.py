"""Runs a scenario file against an endpoint: sets it up, sends its steps or waits for a client, judges it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import httpx

from adapter.mock.client import MockClient
from adapter.mock.scenarios import Scenario, Step

POLL_SECONDS = 0.1


@dataclass(slots=True)
class Report:
    """What a run found: one line a step and an expectation, (holds, text)."""

    lines: list[tuple[bool, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True when everything held."""
        return all(ok for ok, _ in self.lines)


def run_scenario(client: MockClient, scenario: Scenario, text: str, wait: float = 0.0) -> Report:
    """Run a scenario.

    Args:
        text: the scenario file's text, which the endpoint reads itself.
        wait: seconds to wait until all expectations hold, for a client under test.
    """
    client.scenario(text)
    report = Report([_step(client, number, one) for number, one in enumerate(scenario.steps, 1)])
    until = time.monotonic() + wait
    while True:
        verdicts = [(one, client.judge(one)) for one in scenario.expect]
        if all(verdict.ok for _, verdict in verdicts) or time.monotonic() >= until:
            break
        time.sleep(POLL_SECONDS)
    report.lines += [(verdict.ok, f"{one.kind}: {verdict.text}") for one, verdict in verdicts]
    return report


def _step(client: MockClient, number: int, step: Step) -> tuple[bool, str]:
    headers = {"content-type": "application/fhir+json"} | step.headers
    try:
        answer = httpx.request(
            step.method, f"{client.fhir_url}/{step.path}", content=step.body.encode(), headers=headers, timeout=30
        )
        status = str(answer.status_code)
    except httpx.TransportError:
        status = "broken"
    ok = not step.status or status == step.status
    wanted = f", expected {step.status}" if not ok else ""
    return ok, f"step {number}: {step.method} {step.path.partition('?')[0]} gave {status}{wanted}"
