"""After the hand-over: nobody acts on another's record, sets a field of the server's, or outruns a consent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx
import pytest

from adapter.fhir.canonical import dumps
from tests.attacks.conftest import record
from tests.attacks.test_tokens import THEIRS, Guarded, guarded

__all__ = ["guarded"]

ACTS: dict[str, tuple[str, str, Any]] = {
    "status": ("GET", "", None),
    "status, waiting": ("GET", "?wait=0", None),
    "receipt": ("GET", "/receipt", None),
    "replay": ("POST", "/replay", None),
    "cancel": ("POST", "/cancel", None),
    "invalidate": ("POST", "/invalidate", {"reason": "x"}),
    "withdraw": ("POST", "/withdraw", {}),
}
FETCH = {
    "client": {"personal_identity_code": "080885-906S"},
    "organisation": {"id": THEIRS},
    "purpose": "service-coordination",
}


@pytest.fixture(scope="module")
def ours(guarded: Guarded) -> str:
    """Id of a consent that the vendor `ours` handed over."""
    content = record("consent", consent_id=uuid4().hex)
    answer = guarded.http.post("/v1/records", content=dumps(content), headers=guarded.as_("ours"))
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


@pytest.fixture
def theirs(guarded: Guarded) -> dict[str, str]:
    """The header of the other vendor."""
    return guarded.as_("theirs")


@pytest.mark.parametrize(
    "variant", ["the id", "upper case", "a slash behind", "two slashes", "a blank behind", "encoded"]
)
@pytest.mark.parametrize("act", ACTS)
def test_nobody_acts_on_anothers_record(
    guarded: Guarded, ours: str, theirs: dict[str, str], act: str, variant: str
) -> None:
    """404 as for an id that nobody has, whatever the act and however the id is written."""
    method, path, content = ACTS[act]
    written = {
        "the id": ours,
        "upper case": ours.upper(),
        "a slash behind": f"{ours}/",
        "two slashes": f"/{ours}",
        "a blank behind": f"{ours}%20",
        "encoded": f"%{ord(ours[0]):x}{ours[1:]}",
    }[variant]
    answer = guarded.http.request(method, f"/v1/records/{written}{path}", json=content, headers=theirs)
    assert answer.status_code == 404
    assert ours not in answer.text
    if "slash" not in variant:
        unknown = guarded.http.request(method, f"/v1/records/{'0' * 32}{path}", json=content, headers=theirs)
        assert (answer.text, dict(answer.headers) | {"date": ""}) == (
            unknown.text,
            dict(unknown.headers) | {"date": ""},
        )


@pytest.mark.parametrize("act", ["replay", "cancel", "invalidate", "withdraw"])
def test_who_may_look_changes_nothing(guarded: Guarded, ours: str, act: str) -> None:
    """403 without the scope, before it is looked whose record it is."""
    method, path, content = ACTS[act]
    looker = guarded.as_("looker")
    for submission in (ours, "0" * 32):
        answer = guarded.http.request(method, f"/v1/records/{submission}{path}", json=content, headers=looker)
        assert answer.status_code == 403


FIELDS: dict[str, Any] = {
    "record_version": 99,
    "record_id": "another",
    "status": "active",
    "client": {"personal_identity_code": "010594Y9032"},
    "custodian": {"id": THEIRS},
    "sender": "theirs",
    "recipients": [],
    "state": "delivered",
    "resourceType": "Consent",
    "__proto__": {},
    "meta": {"security": []},
    "release": {"basis": "other-statutory"},
}
"""Fields that belong to the server or to the record itself."""


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("act", ["invalidate", "withdraw", "fetch"])
def test_fields_of_the_server_cannot_be_assigned(guarded: Guarded, ours: str, act: str, field: str) -> None:
    """400; nothing is taken back, and nothing is shown."""
    path, good = ("/v1/clients/_fetch", FETCH) if act == "fetch" else (f"/v1/records/{ours}/{act}", ACTS[act][2])
    if act == "fetch" and field == "client":
        field = "clients"
    answer = guarded.http.post(path, json={**good, field: FIELDS.get(field)}, headers=guarded.as_("ours"))
    assert answer.status_code == 400, answer.text
    assert "010594Y9032" not in answer.text


BODIES: dict[str, bytes] = {
    "list": b"[]",
    "text": b'"x"',
    "null": b"null",
    "lists without end": b"[" * 9_000,
    "twice": b'{"reason":"a","reason":"b"}',
    "twice, escaped": b'{"purpose":"a","purp\\u006fse":"b"}',
    "surrogate": b'{"reason":"\\ud800"}',
    "NUL": b'{"reason":"a\\u0000b"}',
    "control character": b'{"reason":"a\\u0001b"}',
    "not UTF-8": b'{"reason":"\xff"}',
    "UTF-16": '{"reason":"a"}'.encode("utf-16"),
    "NaN": b'{"reason":NaN}',
    "number of 9,000 digits": b'{"reason":' + b"9" * 9_000 + b"}",
    "form": b"reason=a",
    "XML": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><reason>&a;</reason>',
}


@pytest.mark.parametrize("attack", BODIES)
@pytest.mark.parametrize("act", ["invalidate", "withdraw", "fetch"])
def test_hostile_bodies_are_refused(guarded: Guarded, ours: str, act: str, attack: str) -> None:
    """400 with an outcome, nothing done."""
    path = "/v1/clients/_fetch" if act == "fetch" else f"/v1/records/{ours}/{act}"
    answer = guarded.http.post(path, content=BODIES[attack], headers=guarded.as_("ours"))
    assert answer.status_code == 400, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("act", ["invalidate", "withdraw", "fetch"])
def test_long_bodies_are_cut(guarded: Guarded, ours: str, act: str) -> None:
    """413 as soon as the body is longer than such a body can be."""
    path = "/v1/clients/_fetch" if act == "fetch" else f"/v1/records/{ours}/{act}"
    parts = (b'{"reason":"' + b"a" * 60_000 if number == 0 else b"a" * 60_000 for number in range(3))
    assert guarded.http.post(path, content=parts, headers=guarded.as_("ours")).status_code == 413


QUESTIONS: dict[str, dict[str, Any]] = {
    "code of no person": {"client": {"personal_identity_code": "x"}},
    "NUL behind the code": {"client": {"personal_identity_code": "080885-906S\0"}},
    "code as pattern": {"client": {"personal_identity_code": "%"}},
    "code as SQL": {"client": {"personal_identity_code": "' OR 1=1 --"}},
    "two codes": {"client": {"personal_identity_code": "080885-906S", "id": "1", "system": "urn:x"}},
    "a list of codes": {"client": [{"personal_identity_code": "080885-906S"}]},
    "id without system": {"client": {"id": "1"}},
    "object as id": {"client": {"id": {"$ne": ""}, "system": "urn:x"}},
    "type as list": {"record_types": [["client"]]},
    "type as object": {"record_types": [{"client": 1}]},
    "type of no list": {"record_types": ["Patient"]},
    "all types": {"record_types": "*"},
    "type with NUL": {"record_types": ["client\0"]},
    "purpose as list": {"purpose": ["service-coordination"]},
    "purpose of no list": {"purpose": "BTG"},
    "purpose with a blank": {"purpose": "service-coordination "},
    "basis as object": {"legal_basis": {"any": True}},
    "long basis": {"legal_basis": "x" * 129},
    "organisation as text": {"organisation": THEIRS},
    "organisation with type": {"organisation": {"id": THEIRS, "organisation_type": "kela"}},
    "practitioner as list": {"practitioner": [{"id": "1"}]},
}


@pytest.mark.parametrize("attack", QUESTIONS)
def test_hostile_questions_are_refused_or_find_nothing(guarded: Guarded, theirs: dict[str, str], attack: str) -> None:
    """400 for what is no question; a code that nobody has is answered with an empty list, like a hidden client."""
    answer = guarded.http.post("/v1/clients/_fetch", json=FETCH | QUESTIONS[attack], headers=theirs)
    if attack.startswith("code "):
        assert (answer.status_code, answer.json()) == (200, {"records": [], "handling": []})
    else:
        assert answer.status_code == 400, answer.text
    assert "906S" not in answer.text


@pytest.mark.parametrize("organisation", ["1.2.246.10.32213086.10.0", "0246246-0", THEIRS + ".1", f" {THEIRS}", "*"])
def test_nobody_asks_in_anothers_name(guarded: Guarded, theirs: dict[str, str], organisation: str) -> None:
    """403; a name that is nearly one's own is another's."""
    asked = FETCH | {"organisation": {"id": organisation}}
    assert guarded.http.post("/v1/clients/_fetch", json=asked, headers=theirs).status_code == 403


def _consent(guarded: Guarded) -> str:
    content = record("consent", consent_id=uuid4().hex)
    answer = guarded.http.post("/v1/records", content=dumps(content), headers=guarded.as_("ours"))
    return str(answer.json()["id"])


@pytest.mark.stores("a consent and its withdrawal", records=(2,))
def test_of_many_withdrawals_one_is_taken(guarded: Guarded) -> None:
    """Eight at once: who is told 202 is told the same withdrawal, the others that it is withdrawn already."""
    submission, headers = _consent(guarded), guarded.as_("ours")

    def withdraw(_number: int) -> httpx.Response:
        return guarded.http.post(f"/v1/records/{submission}/withdraw", json={}, headers=headers)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(withdraw, range(8)))
    assert {answer.status_code for answer in answers} <= {202, 409}, [
        a.text[:300] for a in answers if a.status_code not in (202, 409)
    ]
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1


@pytest.mark.stores("a consent, its withdrawal or its mark as entered in error, or both", records=(1, 2, 3))
def test_a_withdrawal_and_an_invalidation_race(guarded: Guarded) -> None:
    """Whoever comes first: the consent ends, and no version of it is taken afterwards."""
    submission, headers = _consent(guarded), guarded.as_("ours")

    def end(number: int) -> httpx.Response:
        path, content = ("withdraw", {}) if number % 2 else ("invalidate", {"reason": "väärä asiakas"})
        return guarded.http.post(f"/v1/records/{submission}/{path}", json=content, headers=headers)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(end, range(6)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert 202 in {answer.status_code for answer in answers[::2]}
    after = guarded.http.post(f"/v1/records/{submission}/withdraw", json={}, headers=headers)
    assert after.status_code == 409


@pytest.mark.stores("the record that is cancelled and queued again", records=(1,))
def test_cancel_and_replay_race_for_a_queued_record(guarded: Guarded) -> None:
    """Both at once, again and again, with nobody who delivers: each act follows the other, one state comes out."""
    headers = guarded.as_("ours")
    taken = guarded.http.post("/v1/records", content=dumps(record()), headers=headers).json()["id"]

    def steer(number: int) -> int:
        act = "cancel" if number % 2 else "replay"
        return guarded.http.post(f"/v1/records/{taken}/{act}", headers=headers).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(steer, range(40))) == {200, 409}
    status = guarded.http.get(f"/v1/records/{taken}", headers=headers).json()
    assert status["state"] in ("queued", "cancelled")
    states = [each["state"] for each in status["history"]]
    assert all(before != after for before, after in pairwise(states)), states
