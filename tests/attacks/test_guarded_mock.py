"""The mock repository with tokens, its control and its page: no forged token opens it, no other site controls it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from adapter.mock.serve import running_endpoint
from adapter.mock.settings import ClientSettings, MockSettings
from adapter.security.assertions import ASSERTION_TYPE, make_assertion
from tests.attacks.test_endpoint import JSON, PATIENT
from tests.attacks.test_tokens import KEY, OTHER, _by_hand, _signed, key_set
from tests.mock.smart_world import PLAIN

READER = "system/Patient.rs"


@pytest.fixture(scope="module")
def root() -> Iterator[httpx.Client]:
    """A client of an endpoint that wants tokens and has one Patient."""
    jwks = json.dumps(key_set(KEY))
    clients = (ClientSettings("ehr", jwks, "system/*.cruds"), ClientSettings("reader", jwks, READER))
    settings = MockSettings(port=0, auth="smart", clients=clients)
    with running_endpoint(settings) as addresses, httpx.Client(base_url=addresses.control, timeout=30) as http:
        bearer = {"Authorization": f"Bearer {_token(http, 'ehr', 'system/*.cruds')}"}
        made = http.put("/fhir/Patient/well", json={"resourceType": "Patient", "id": "well"}, headers=bearer)
        assert made.status_code == 201, made.text
        yield http


@pytest.fixture
def reader(root: httpx.Client) -> Iterator[httpx.Client]:
    """A client that may read and search Patients, and nothing else."""
    headers = {"Authorization": f"Bearer {_token(root, 'reader', READER)}"}
    with httpx.Client(base_url=f"{root.base_url}/fhir/", headers=headers, verify=PLAIN) as http:
        yield http


def _token(root: httpx.Client, client: str, scope: str) -> str:
    url = f"{root.base_url}/oauth/token"
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": make_assertion(client, url, KEY, "k1", algorithm="ES384", now=time.time()),
        "scope": scope,
    }
    answer = root.post("/oauth/token", data=form)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def _claims() -> dict[str, Any]:
    now = int(time.time())
    return {"iss": "x", "sub": "ehr", "client_id": "ehr", "scope": "system/*.cruds", "iat": now, "exp": now + 300}


BEARERS: dict[str, Callable[[], str]] = {
    "none at all": lambda: "",
    "empty": lambda: "Bearer",
    "basic": lambda: "Basic ZWhyOmVocg==",
    "noise": lambda: "Bearer " + "x" * 5_000,
    "an assertion": lambda: f"Bearer {_signed()}",
    "another's assertion": lambda: f"Bearer {_signed(OTHER)}",
    "algorithm none": lambda: "Bearer " + _by_hand({"alg": "none"}, _claims()),
    "own secret": lambda: "Bearer " + _by_hand({"alg": "HS256", "typ": "at+jwt"}, _claims(), b"secret"),
    "secret of the namespace": lambda: (
        "Bearer " + _by_hand({"alg": "HS256", "typ": "at+jwt"}, _claims(), b"Nonedefault")
    ),
    "two": lambda: "Bearer a, Bearer b",
    "not ASCII": lambda: "Bearer \xe4",
    "SQL": lambda: "Bearer ' OR '1'='1",
}
REQUESTS: dict[str, tuple[str, str, Any]] = {
    "read": ("GET", "Patient/well", None),
    "read of nobody": ("GET", "Patient/nobody", None),
    "history": ("GET", "Patient/well/_history", None),
    "search": ("POST", "Patient/_search", None),
    "create": ("POST", "Patient", PATIENT),
    "update": ("PUT", "Patient/well", {**PATIENT, "id": "well"}),
    "delete": ("DELETE", "Patient/well", None),
    "batch": ("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": []}),
    "everything": ("GET", "Patient/well/$everything", None),
    "unknown type": ("GET", "Nothing/1", None),
}


@pytest.mark.parametrize("attack", BEARERS)
@pytest.mark.parametrize("request_name", REQUESTS)
def test_without_a_good_token_nothing_opens(root: httpx.Client, request_name: str, attack: str) -> None:
    """401 with a challenge, whether the thing exists or not; the token is not repeated."""
    method, path, content = REQUESTS[request_name]
    bearer = BEARERS[attack]()
    headers = [(b"Authorization", bearer.encode("latin-1")), (b"Content-Type", b"application/fhir+json")]
    body = json.dumps(content) if content else ""
    answer = root.request(method, f"/fhir/{path}", content=body, headers=headers)
    assert answer.status_code == 401, answer.text[:300]
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert not bearer[7:] or bearer[7:] not in answer.text


BEYOND: dict[str, tuple[str, str, Any]] = {
    "create": REQUESTS["create"],
    "update": REQUESTS["update"],
    "delete": REQUESTS["delete"],
    "another type": ("GET", "Observation/1", None),
    "search of another type": ("POST", "Observation/_search", None),
    "search of all types": ("POST", "_search", None),
    "history of all": ("GET", "_history", None),
    "chained type": ("POST", "Patient/_search?general-practitioner.name=x", None),
    "asked backwards": ("POST", "Patient/_search?_has:Observation:subject:code=x", None),
}


@pytest.mark.parametrize("attack", BEYOND)
def test_a_token_opens_its_scope_only(reader: httpx.Client, attack: str) -> None:
    """403 for a good token without the right; nothing is changed or told."""
    method, path, content = BEYOND[attack]
    answer = reader.request(method, path, content=json.dumps(content) if content else "", headers=JSON)
    assert answer.status_code == 403, answer.text[:300]


def test_what_a_scope_does_not_open_is_not_included(reader: httpx.Client) -> None:
    """The search is answered, with what the token opens alone."""
    found = reader.post("Patient/_search?_revinclude=Observation:subject&_revinclude=*")
    assert found.status_code == 200
    assert {entry["resource"]["resourceType"] for entry in found.json()["entry"]} == {"Patient"}


def test_no_header_and_no_parameter_is_another_method(reader: httpx.Client) -> None:
    """405 for what would be a deletion."""
    answer = reader.post("Patient/well?_method=DELETE", headers={"X-HTTP-Method-Override": "DELETE"})
    assert answer.status_code == 405


ENTRIES = {
    "create": {"request": {"method": "POST", "url": "Patient"}, "resource": PATIENT},
    "update": {"request": {"method": "PUT", "url": "Patient/well"}, "resource": {**PATIENT, "id": "well"}},
    "delete": {"request": {"method": "DELETE", "url": "Patient/well"}},
    "delete by search": {"request": {"method": "DELETE", "url": "Patient?_id=well"}},
    "another type": {"request": {"method": "POST", "url": "Basic"}, "resource": {"resourceType": "Basic"}},
}


@pytest.mark.parametrize("kind", ["batch", "transaction"])
@pytest.mark.parametrize("attack", ENTRIES)
def test_a_bundle_is_no_way_around_a_scope(reader: httpx.Client, attack: str, kind: str) -> None:
    """A transaction is refused as a whole, a batch entry by entry."""
    bundle = {"resourceType": "Bundle", "type": kind, "entry": [ENTRIES[attack]]}
    answer = reader.post("", content=json.dumps(bundle), headers=JSON)
    statuses = [each["response"]["status"][:3] for each in answer.json().get("entry", ())]
    assert (answer.status_code, statuses) == ((403, []) if kind == "transaction" else (200, ["403"]))


def test_nobody_learns_what_anothers_token_is_worth(root: httpx.Client) -> None:
    """Introspection without a token, or with a forged one, is 401."""
    good = _token(root, "ehr", "system/*.cruds")
    for bearer in ("", "Bearer x", "Basic ZWhyOmVocg=="):
        headers = {"Authorization": bearer} if bearer else {}
        answer = root.post("/oauth/introspect", data={"token": good}, headers=headers)
        assert answer.status_code == 401
        assert good not in answer.text


NAMESPACES = [
    "%2e%2e",
    "A",
    "a_b",
    "-a",
    "a" * 65,
    "%00",
    "a%2fb",
    "%c3%a4",
    "a.sqlite",
    "CON",
    "~root",
    "*",
    "a%0d%0ab",
]


@pytest.mark.parametrize("name", NAMESPACES)
@pytest.mark.parametrize("place", ["/t/{}/fhir/metadata", "/_mock/api/{}/journal"])
def test_a_namespace_is_a_plain_word(root: httpx.Client, place: str, name: str) -> None:
    """404: no namespace begins, and no file of such a name."""
    answer = root.get(root.base_url.copy_with(raw_path=place.format(name).encode()))
    assert answer.status_code == 404, answer.text


CONTROL: dict[str, tuple[str, str, bytes]] = {
    "lists without end": ("POST", "clock", b"[" * 50_000),
    "no object": ("POST", "clock", b"[]"),
    "unknown field": ("POST", "clock", b'{"__proto__": {}}'),
    "clock of year 99999": ("POST", "clock", b'{"set": "99999-01-01T00:00:00Z"}'),
    "fault of no kind": ("POST", "faults", b'{"effect": {"kind": "os.system"}}'),
    "fault with a pattern": ("POST", "faults", b'{"match": {"path": "((((((((("}, "effect": {"kind": "drop"}}'),
    "policy is a file": ("PATCH", "behaviour", b'{"policy": "../../etc/passwd"}'),
    "strictness of no list": ("PATCH", "behaviour", b'{"strictness": "none"}'),
    "snapshot climbs": ("PUT", "snapshots/..%2f..%2fx", b""),
    "snapshot of nobody": ("POST", "snapshots/x/restore", b""),
    "journal of nobody": ("GET", "journal/999999999", b""),
    "journal is text": ("GET", "journal/%3Cscript%3E", b""),
    "seed is no Bundle": ("POST", "seed", b'{"resourceType": "Patient"'),
    "scenario is a program": ("POST", "scenario", b"!!python/object/apply:os.system ['true']"),
    "HAR is none": ("PUT", "recording.har", b"[]"),
    "recording of a file": ("PUT", "recording", b'{"upstream": "file:///etc/passwd"}'),
}


@pytest.mark.parametrize("attack", CONTROL)
def test_a_hostile_control_request_changes_nothing(root: httpx.Client, attack: str) -> None:
    """400, 404 or 422, and what the control has set stays."""
    method, path, content = CONTROL[attack]
    answer = root.request(
        method, f"/_mock/api/default/{path}", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 404, 422), answer.text[:200]


SHOWN = {
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "attribute": '" onmouseover="alert(1)',
    "closing": "</pre></td></table><script>alert(1)</script>",
    "template": "{{7*7}}",
    "address": "javascript:alert(1)",
}


@pytest.mark.parametrize("attack", SHOWN)
def test_what_was_asked_is_shown_as_text(root: httpx.Client, attack: str) -> None:
    """Path, query, headers and body of a refused request stand in the page of the journal, and nothing of it runs."""
    text = SHOWN[attack]
    headers = {"X-Correlation-Id": text, "User-Agent": text, "Content-Type": "application/fhir+json"}
    asked = root.post("/fhir/Patient", params={"x": text}, content=json.dumps({"x": text}), headers=headers)
    assert asked.status_code == 401
    (entry,) = root.get("/_mock/api/default/journal").json()[-1:]
    for page in ("/_mock/", f"/_mock/requests/{entry['number']}"):
        answer = root.get(page, headers={"Accept-Language": text})
        assert answer.status_code == 200
        for running in ("<script>alert", "<img src=x", '" onmouseover="', 'href="javascript:'):
            assert running not in answer.text
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy


OTHER_SITES = ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost.evil.example", ""]
WRITING = ["/_mock/reset", "/_mock/clock", "/_mock/faults", "/_mock/faults/remove"]
WRITING += [f"/_mock/api/default/{path}" for path in ("reset", "clock", "faults", "seed", "scenario", "clients")]


@pytest.mark.parametrize("path", WRITING)
@pytest.mark.parametrize("origin", OTHER_SITES)
def test_no_page_of_another_site_controls_the_endpoint(root: httpx.Client, path: str, origin: str) -> None:
    """403: what a page can make the tester's browser send neither resets nor breaks anything."""
    content = b"kind=drop&name=x" if "/api/" not in path else b"{}"
    answer = root.post(path, content=content, headers={"Origin": origin, "Content-Type": "text/plain"})
    assert answer.status_code == 403
