"""Faults on a real socket: before and after the commit, counted, by chance, in time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from adapter.mock.client import MockClient
from adapter.mock.faults import Match, When
from adapter.mock.serve import running_mock
from adapter.mock.settings import ClientSettings, MockSettings
from adapter.mock.token_client import TokenClient, make_key

TEAM = {"resourceType": "CareTeam", "identifier": [{"system": "urn:x", "value": "1"}]}
IDENTIFIER = "urn:x|1"


def stored(fhir: httpx.Client) -> int:
    """How many teams lie in the store."""
    return int(fhir.get("CareTeam?_summary=count").json()["total"])


@pytest.mark.parametrize(
    ("kind", "commit", "left"),
    [
        ("drop", False, 0),
        ("drop", True, 1),
        ("reset", False, 0),
        ("reset", True, 1),
        ("half-body", None, 1),
        ("wrong-length", None, 1),
    ],
)
def test_a_broken_connection_before_or_after_the_commit(
    fhir: httpx.Client, control: MockClient, kind: Any, commit: bool | None, left: int
) -> None:
    """The client gets no answer; whether the resource was stored is the tester's choice."""
    control.fault(kind, match=Match(method="POST"), commit=commit)
    with pytest.raises(httpx.TransportError):
        fhir.post("CareTeam", json=TEAM)
    control.clear_faults()
    assert stored(fhir) == left
    assert control.journal(method="POST")[0]["broken"] is True


def test_status_faults_with_retry_after(fhir: httpx.Client, control: MockClient) -> None:
    """429 and 503 carry Retry-After in seconds or as a date, nothing is stored."""
    control.fault("status", status=429, retry_after="7", when=When(nth=1))
    control.fault("status", status=503, retry_after="date:30", when=When(nth=2))
    many = fhir.post("CareTeam", json=TEAM)
    down = fhir.post("CareTeam", json=TEAM)
    assert (many.status_code, many.headers["retry-after"]) == (429, "7")
    assert (down.status_code, down.headers["retry-after"].endswith("GMT")) == (503, True)
    assert many.json()["issue"][0]["code"] == "transient"
    assert stored(fhir) == 0


def test_a_status_after_the_commit_is_a_lie(fhir: httpx.Client, control: MockClient) -> None:
    """500 after the commit: the client sees a failure, the resource is there."""
    control.fault("status", status=500, commit=True, match=Match(method="POST"))
    assert fhir.post("CareTeam", json=TEAM).status_code == 500
    assert stored(fhir) == 1


def test_rules_count_the_requests_that_fit(fhir: httpx.Client, control: MockClient) -> None:
    """nth, every and count."""
    control.fault("status", status=503, match=Match(method="POST", path="^CareTeam"), when=When(nth=3))
    assert [fhir.post("CareTeam", json=TEAM).status_code for _ in range(4)] == [201, 201, 503, 201]
    control.clear_faults()
    control.fault("status", status=503, when=When(every=2, count=1), match=Match(method="POST"))
    assert [fhir.post("CareTeam", json=TEAM).status_code for _ in range(4)] == [201, 503, 201, 201]
    assert [(one.seen, one.fired) for one in control.faults()] == [(4, 1)]


def test_chance_is_drawn_from_a_seed(fhir: httpx.Client, control: MockClient) -> None:
    """The same seed breaks the same requests."""

    def run() -> list[int]:
        control.clear_faults()
        control.fault("status", when=When(probability=0.5, seed=11))
        return [fhir.get("CareTeam").status_code for _ in range(20)]

    first = run()
    assert first == run()
    assert {200, 503} == set(first)


def test_a_maintenance_window_follows_the_clock(fhir: httpx.Client, control: MockClient) -> None:
    """A rule with since and until holds only between them."""
    night = datetime(2030, 1, 1, 2, tzinfo=UTC)
    control.fault("html", when=When(since=night, until=night + timedelta(hours=1)))
    seen = []
    for minutes in (-30, 30, 90):
        control.freeze(night + timedelta(minutes=minutes))
        seen.append(fhir.get("CareTeam").headers["content-type"].split(";")[0])
    assert seen == ["application/fhir+json", "text/html", "application/fhir+json"]


def test_damaged_answers(fhir: httpx.Client, control: MockClient) -> None:
    """Malformed JSON, a wrong ETag, a wrong Date."""
    control.fault("malformed-json", when=When(nth=1))
    with pytest.raises(ValueError, match="line 1"):
        fhir.get("CareTeam").json()
    control.clear_faults()
    control.fault("wrong-etag")
    assert fhir.post("CareTeam", json=TEAM).headers["etag"] == 'W/"999"'
    control.clear_faults()
    control.freeze()
    plain = fhir.get("CareTeam").headers["date"]
    control.fault("clock-skew", seconds=-7200)
    assert fhir.get("CareTeam").headers["date"] != plain


def test_a_stale_search_does_not_see_the_last_writes(fhir: httpx.Client, control: MockClient) -> None:
    """With a lag of an hour the new team is not found; without the rule it is."""
    fhir.post("CareTeam", json=TEAM)
    control.fault("stale-search", seconds=3600, match=Match(method="GET"))
    assert stored(fhir) == 0
    control.clear_faults()
    assert stored(fhir) == 1


def test_latency_and_slow_answers_take_their_time(fhir: httpx.Client, control: MockClient) -> None:
    """Both delay, and the answer is whole."""
    control.fault("latency", seconds=0.15, when=When(nth=1))
    begun = time.monotonic()
    assert fhir.get("CareTeam").status_code == 200
    assert time.monotonic() - begun >= 0.15
    control.clear_faults()
    fhir.post("CareTeam", json=TEAM)
    control.fault("slow", bytes_per_second=3000)
    begun = time.monotonic()
    assert fhir.get("CareTeam").json()["total"] == 1
    assert time.monotonic() - begun >= 0.1


def test_a_client_that_posts_again_after_a_drop_is_caught(fhir: httpx.Client, control: MockClient) -> None:
    """Without If-None-Exist the second post makes a duplicate, with it it does not: the assertion tells."""
    control.fault("drop", commit=True, match=Match(method="POST"), when=When(nth=1))
    for _ in range(2):
        try:
            fhir.post("CareTeam", json=TEAM)
        except httpx.TransportError:
            continue
    with pytest.raises(AssertionError, match="stored 2 times, sent 2 times"):
        control.assert_stored_once("CareTeam", IDENTIFIER)
    control.reset()
    control.fault("drop", commit=True, match=Match(method="POST"), when=When(nth=1))
    for _ in range(2):
        try:
            fhir.post("CareTeam", json=TEAM, headers={"if-none-exist": f"identifier={IDENTIFIER}"})
        except httpx.TransportError:
            continue
    control.assert_stored_once("CareTeam", IDENTIFIER, posted=2)


def test_retry_spacing_catches_the_impatient(fhir: httpx.Client, control: MockClient) -> None:
    """A client that waits as asked passes, one that comes at once fails."""
    for patience, holds in ((0.25, True), (0.0, False)):
        control.reset()
        control.fault("status", status=429, retry_after="0.2", when=When(nth=1))
        fhir.post("CareTeam", json=TEAM)
        time.sleep(patience)
        fhir.post("CareTeam", json=TEAM)
        if holds:
            control.assert_retry_spacing(path="^CareTeam$")
        else:
            with pytest.raises(AssertionError, match="too early"):
                control.assert_retry_spacing(path="^CareTeam$")


@pytest.mark.parametrize("status", [401, 403, 408, 409, 412, 413, 422, 429, 500, 502, 503, 504])
def test_every_status_on_demand(fhir: httpx.Client, control: MockClient, status: int) -> None:
    """An OperationOutcome with that status, once; 401 carries its challenge; nothing is stored."""
    control.fault("status", status=status, when=When(nth=1))
    answer = fhir.post("CareTeam", json=TEAM)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert stored(fhir) == 0


def test_a_request_that_is_delivered_twice(fhir: httpx.Client, control: MockClient) -> None:
    """A plain create makes two, a conditional one makes one; the journal shows both deliveries."""
    control.fault("duplicate", match=Match(method="POST"))
    assert fhir.post("CareTeam", json=TEAM).status_code == 201
    assert [one["status"] for one in control.journal(method="POST")] == [201, 201]
    with pytest.raises(AssertionError, match=r"no-duplicates.*journal entries .*If-None-Exist"):
        control.assert_no_duplicates()
    control.reset()
    control.fault("duplicate", match=Match(method="POST"))
    again = fhir.post("CareTeam", json=TEAM, headers={"if-none-exist": f"identifier={IDENTIFIER}"})
    assert (again.status_code, stored(fhir)) == (200, 1)
    control.assert_no_duplicates()


def test_a_certificate_that_is_revoked_meanwhile(fhir: httpx.Client, control: MockClient) -> None:
    """The connection is closed without an answer and nothing is done."""
    control.fault("certificate-revoked")
    with pytest.raises(httpx.TransportError):
        fhir.post("CareTeam", json=TEAM)
    control.clear_faults()
    assert stored(fhir) == 0


def test_tokens_that_are_refused_on_demand() -> None:
    """Expired token, key set out of reach, rotated key, every OAuth error; the other endpoint is left alone."""
    key, keys = make_key()
    settings = MockSettings(port=0, auth="smart", clients=(ClientSettings("ehr", keys),))
    with (
        running_mock(settings) as base,
        MockClient(base.removesuffix("/fhir")) as control,
        TokenClient(base, "ehr", key) as tokens,
    ):
        headers = tokens.headers()
        control.fault("token-expired", when=When(nth=1))
        refused = httpx.get(f"{base}/CareTeam", headers=headers)
        assert (refused.status_code, "invalid_token" in refused.headers["www-authenticate"]) == (401, True)
        assert httpx.get(f"{base}/CareTeam", headers=headers).status_code == 200
        for kind in ("jwks-unreachable", "key-rotated"):
            control.fault(kind, name="one")
            with pytest.raises(ValueError, match="401 invalid_client"):
                tokens.token()
            assert httpx.get(f"{base}/CareTeam", headers=headers).status_code == 200
        for error, status in (("invalid_scope", 400), ("unauthorized_client", 400), ("temporarily_unavailable", 503)):
            control.fault("oauth-error", name="one", error=error)
            with pytest.raises(ValueError, match=f"{status} {error}"):
                tokens.token()
        control.clear_faults()
        assert tokens.token()
        assert {one["decision"] for one in control.journal(fault="one")} == {"fault"}


def test_latency_may_be_lognormal(fhir: httpx.Client, control: MockClient) -> None:
    """Around the median, not the same twice."""
    control.fault("latency", seconds=0.03, sigma=0.5)
    for _ in range(4):
        assert fhir.get("CareTeam").status_code == 200
    assert len({round(one["durationMs"]) for one in control.journal()}) > 1
