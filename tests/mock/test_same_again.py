"""Under one seed and one clock the endpoint says the same again, byte by byte: tokens, journal and audit included."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from adapter.mock.app import create_app
from adapter.security.assertions import ASSERTION_TYPE, make_assertion
from tests.mock.consent_world import KEY, NOW, PLAN, POLICY, RESOURCES, enforcing

ROOT = "http://mock"


def _form(base: str, name: str) -> dict[str, str]:
    person = {"hl7-b2b": {"subject_id": "urn:person|1"}}
    url = f"{base}/oauth/token"
    assertion = make_assertion(name, url, KEY, "k1", algorithm="ES384", now=NOW.timestamp(), extensions=person)
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        "scope": "system/*.cruds",
    }


async def _session(client: httpx.AsyncClient, base: str, control: str) -> list[httpx.Response]:
    """What a suite may do: tokens of two systems, reads through the gate, writes, refusals, pages, control."""
    answers = [await client.post(f"{control}/seed", json=RESOURCES)]
    for name in ("hva", "tyolli"):
        granted = await client.post(f"{base}/oauth/token", data=_form(base, name))
        bearer = {"authorization": f"Bearer {granted.json()['access_token']}"}
        own = {"resource": PLAN | {"id": "new"}, "request": {"method": "POST", "url": "CarePlan"}}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [own] * 3}
        sent: list[tuple[str, str, Any]] = [
            ("GET", "CarePlan/cp1", None),
            ("POST", "", bundle),
            ("POST", "CareTeam", {"resourceType": "CareTeam"}),
            ("GET", "CarePlan?_count=1&subject=Patient/p1", None),
            ("GET", "CarePlan/none", None),
            ("GET", "_history", None),
            ("PUT", "CarePlan/cp1", PLAN | {"status": "no such status"}),
        ]
        answers.append(granted)
        for method, path, body in sent:
            answers.append(await client.request(method, f"{base}/fhir/{path}", json=body, headers=bearer))
    answers += [await client.get(f"{control}/{word}") for word in ("export", "journal", "journal.har", "audit")]
    answers += [await client.get(f"{control}/journal/{number}") for number in range(1, 17)]
    return answers


def _run(policy: Path, seed: int | None, reseeded: int | None = None) -> list[bytes]:
    """The bytes of every answer of a session in a process state of its own."""

    async def run() -> list[bytes]:
        settings = replace(enforcing(), policy=str(policy), seed=seed, clock=NOW, public_url=ROOT)
        app = create_app(settings)
        try:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ROOT) as client:
                control = "/_mock/api/default"
                if reseeded is not None:
                    (await client.patch(f"{control}/behaviour", json={"seed": reseeded})).raise_for_status()
                answers = await _session(client, ROOT, control)
        finally:
            app.worlds.close()
        return [f"{one.status_code} {sorted(one.headers.items())} ".encode() + one.content for one in answers]

    return asyncio.run(run())


def _policy(folder: Path) -> Path:
    path = folder / "same.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return path


def test_two_runs_with_tokens_are_byte_equal(tmp_path: Path) -> None:
    """Tokens, ids, ETags, request ids, pages, journal, HAR, audit and export are the same in both runs."""
    policy = _policy(tmp_path)
    first, second = _run(policy, 7), _run(policy, 7)
    assert first == second
    assert all(b"200 " in one[:4] for one in first[-20:]), "the control answers of journal and audit are compared"
    assert [one[:3] for one in first].count(b"201") == 2, "both systems wrote"
    audit = json.loads(first[-17].partition(b"] ")[2])
    assert audit["intact"]
    assert {"client", "user"} <= {name for one in audit["entries"] for name in one}


def test_another_seed_says_something_else(tmp_path: Path) -> None:
    """The token, and with it what follows, depends on the seed and not on a constant."""
    policy = _policy(tmp_path)
    assert _run(policy, 7)[1] != _run(policy, 8)[1]


def test_a_seed_given_later_holds_for_tokens_too(tmp_path: Path) -> None:
    """A namespace that is given its seed over the control is as repeatable as one that began with it."""
    policy = _policy(tmp_path)
    assert _run(policy, None, 7) == _run(policy, None, 7)
