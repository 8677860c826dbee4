"""What stands in a record stays text: nothing in it is run, fetched, believed or slow."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from adapter.fhir.canonical import dumps
from tests.attacks.conftest import Canary, Refused, body, record

OTHER_FIELDS: dict[str, dict[str, Any]] = {
    "stored instant": {"kanta_stored_at": "2020-01-01T00:00:00Z"},
    "resource id": {"id": "1"},
    "meta": {"meta": {"security": [], "versionId": "99"}},
    "resource type": {"resourceType": "Patient"},
    "extension": {"extension": [{"url": "http://evil.example", "valueString": "x"}]},
    "contained": {"contained": []},
    "prototype": {"__proto__": {"admin": True}},
    "constructor": {"constructor": {"prototype": {}}},
    "class": {"__class__": "str"},
    "sender": {"sender": "another"},
    "submission": {"submission": "1"},
    "state": {"state": "delivered"},
    "lane": {"lane": "x"},
    "signature": {"signature": "x"},
    "consent decision": {"decision": "permit"},
    "deceased": {"deceased": True},
    "JSON-LD": {"@context": "http://evil.example"},
    "reference": {"$ref": "file:///etc/passwd"},
    "empty name": {"": "x"},
    "upper case": {"Family_name": "x"},
    "full-width": {"ｆamily_name": "x"},
    "invisible": {"family_name\u200b": "x"},
}


@pytest.mark.parametrize("attack", OTHER_FIELDS, ids=str)
@pytest.mark.parametrize("name", ["client", "team"])
def test_fields_of_the_server_cannot_be_assigned(refused: Refused, name: str, attack: str) -> None:
    """A field that the schema does not know is refused by its place."""
    refused(body(name, **OTHER_FIELDS[attack]))


WRONG_VALUES: dict[str, dict[str, Any]] = {
    "path as id": {"record_id": "../../etc/passwd"},
    "new line in the id": {"record_id": "a\nb"},
    "blank in the id": {"record_id": "a b"},
    "long id": {"record_id": "x" * 100_000},
    "empty id": {"record_id": ""},
    "id as object": {"record_id": {"$ne": ""}},
    "system without scheme": {"source_system": "//evil.example"},
    "system with a new line": {"source_system": "urn:x\r\nX-Evil: 1"},
    "register of no list": {"register": "everything"},
    "labels of no list": {"security_labels": ["U"]},
    "labels as text": {"security_labels": "R"},
    "identity code, wrong check": {"personal_identity_code": "080885-906A"},
    "identity code, lower case": {"personal_identity_code": "080885-906s"},
    "identity code, Arabic digits": {"personal_identity_code": "٠٨٠٨٨٥-٩٠٦S"},
    "identity code, other hyphen": {"personal_identity_code": "080885‐906S"},
    "identity code, long": {"personal_identity_code": "0" * 1_000_000},
    "identity code, new line behind": {"personal_identity_code": "080885-906S\n"},
    "date in Arabic digits": {"birth_date": "١٩٨٥-08-08"},
    "date without a day": {"birth_date": "2023-02-29"},
    "date of year 0": {"birth_date": "0000-01-01"},
    "date, new line behind": {"birth_date": "1985-08-08\n"},
    "instant of year 99999": {"recorded_at": "99999-01-01T00:00:00Z"},
    "instant in the other form": {"recorded_at": "@9e99"},
    "language of no list": {"language": "../fi"},
    "list where a text is due": {"family_name": ["x"]},
    "object where a text is due": {"family_name": {"x": 1}},
    "text where a list is due": {"given_names": "x"},
    "number where truth is due": {"digital_ability": 1},
}


@pytest.mark.parametrize("attack", WRONG_VALUES, ids=str)
def test_values_of_another_shape_are_refused(refused: Refused, attack: str) -> None:
    """400; the outcome does not repeat the value."""
    outcome = refused(body(**WRONG_VALUES[attack]))
    for value in WRONG_VALUES[attack].values():
        assert not (isinstance(value, str) and len(value) > 8 and value.strip() in str(outcome))


SLOW: dict[str, str] = {
    "a lot of a": "a" * 200_000 + "!",
    "a lot of blanks": " " * 200_000 + "x",
    "blanks and an end": "x" + " " * 200_000 + "x",
    "new lines": "\r\n" * 100_000 + "x",
    "numbers": "1" * 200_000 + "x",
    "dots": "1." * 100_000 + "x",
    "address": "a@" + "a." * 100_000,
    "address without end": "a" * 100_000 + "@" + "a" * 100_000,
    "instants": "2020-01-01T00:00:00" * 10_000 + "x",
    "arcs": "urn:oid:" + "1." * 100_000 + "x",
    "link": "http://" + "a/" * 100_000 + " ",
    "brackets": "(" * 100_000 + ")" * 100_000,
    "angle brackets": "<" * 200_000,
    "open tags": "<a " * 60_000,
    "quotes": "\"'" * 100_000,
    "backslashes": "\\" * 200_000,
    "percent signs": "%00" * 60_000,
    "combining marks": "a" + "\u0301" * 100_000,
    "identity codes": "080885-906" * 20_000,
}


LONG_AS_JSON = {"combining marks", "backslashes", "new lines"}
"""In every field at once they are more than 10 MB, because each character is two or more bytes."""

BLANKS_OR_BROKEN = {"link", "new lines", "open tags", "a lot of blanks"}
"""Blanks at an end, or control characters."""


def _everywhere(content: Any, text: str) -> Any:
    """The record with the text in every text field but the envelope's."""
    if isinstance(content, dict):
        keep = {"record_type", "record_id", "source_system", "register", "language"}
        return {key: value if key in keep else _everywhere(value, text) for key, value in content.items()}
    if isinstance(content, list):
        return [_everywhere(value, text) for value in content]
    return text if isinstance(content, str) else content


@pytest.mark.parametrize("attack", SLOW, ids=str)
def test_no_text_is_slow(refused: Refused, attack: str) -> None:
    """A text made for backtracking, in every field at once, is refused in bounded time."""
    began = time.process_time()
    status = 413 if attack in LONG_AS_JSON else 400
    refused(dumps(_everywhere(record(), SLOW[attack][:60_000])), status=status)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("attack", SLOW, ids=str)
def test_no_long_text_is_slow(attacker: httpx.Client, attack: str) -> None:
    """The same in one free text, through mapping and validation: taken or refused within seconds."""
    began = time.process_time()
    answer = attacker.post("/v1/records/preview", content=body(family_situation=SLOW[attack]))
    assert answer.status_code == (400 if attack in BLANKS_OR_BROKEN else 200)
    assert time.process_time() - began < 5


TEXTS: dict[str, str] = {
    "script": "<script>alert(1)</script>",
    "image": '<img src=x onerror="alert(1)">',
    "svg": "<svg/onload=alert(1)>",
    "closing the narrative": "</div><script>alert(1)</script><div>",
    "CDATA": "]]><script>alert(1)</script>",
    "comment": "--><script>alert(1)</script>",
    "entity": "&lt;script&gt; &#60;script&#62; &xxe;",
    "doctype": '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>&x;',
    "formula": "=cmd|'/c calc'!A1",
    "formula with plus": "+1+cmd|'/c calc'!A1",
    "formula with minus": "-2+3+cmd|' /C calc'!A0",
    "formula with at": "@SUM(1+1)*cmd|'/C calc'!A0",
    "formula behind a tab": "\t=1+1",
    "template": "{{7*7}} ${7*7} #{7*7} <%= 7*7 %>",
    "format": "{0.__class__} %s %n %(x)s",
    "JNDI": "${jndi:ldap://127.0.0.1/a}",
    "SQL": "'; DROP TABLE submission; --",
    "shell": "$(touch /tmp/x) `id` ; id | id",
    "FHIRPath": "' or true or '",
    "right to left": "\u202eabc\u202c",
    "invisible": "a\u200bb\u2060c",
    "emoji": "👩‍👩‍👧‍👦",
    "link": "javascript:alert(1)",
    "markdown": "[x](javascript:alert(1))",
    "header": "a\r\nSet-Cookie: x=1",
    "log line": 'x\n{"event": "record accepted"}',
}


CONTROL_CHARACTERS = {"formula behind a tab", "header", "log line"}


@pytest.mark.parametrize("attack", TEXTS, ids=str)
def test_a_text_is_a_text(attacker: httpx.Client, canary: Canary, attack: str) -> None:
    """Kept as written or refused; in a narrative, markup is escaped; nobody is called."""
    text = TEXTS[attack].replace("127.0.0.1", canary.url.removeprefix("http://"))
    answer = attacker.post("/v1/records/preview", content=body(family_name=text, family_situation=text))
    assert answer.status_code == (400 if attack in CONTROL_CHARACTERS else 200), answer.text[:300]
    assert answer.headers["Content-Type"].startswith(("application/json", "application/fhir+json"))
    if answer.status_code != 200:
        assert text not in answer.text
        return
    patients = [e["resource"] for e in answer.json()["bundle"]["entry"] if e["resource"]["resourceType"] == "Patient"]
    assert patients[0]["name"][0]["family"] == text
    for entry in answer.json()["bundle"]["entry"]:
        narrative = entry["resource"].get("text", {}).get("div", "")
        assert "<script" not in narrative
        assert "<img" not in narrative
        assert "<svg" not in narrative


ADDRESSES = [
    "{canary}/x",
    "{canary}/.well-known/jwks.json",
    "http://169.254.169.254/latest/meta-data",
    "file:///etc/passwd",
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("field", ["source_system", "custodian", "recorded_by", "attachment"])
def test_no_address_in_a_record_is_fetched(attacker: httpx.Client, canary: Canary, field: str, address: str) -> None:
    """Addresses are names: the record is judged without a connection (SSRF)."""
    url = address.format(canary=canary.url)
    content = record("consent")
    if field == "attachment":
        content["evidence"] = {"attachment": {"content_type": "application/pdf", "title": "x", "url": url}}
    elif field == "source_system":
        content["source_system"] = url
    else:
        content[field] = {**content[field], "system": url}
    answer = attacker.post("/v1/records/preview", content=dumps(content))
    assert answer.status_code == (400 if field == "custodian" else 200)
