"""Neither logs nor answers repeat an identity code, a name or a token, whatever is refused."""

from __future__ import annotations

import httpx
import pytest
import structlog

from adapter.source.identity_code import CENTURY_SIGNS
from tests.attacks.conftest import body

NAME = "Tuulispäänmaa"
TOKEN = "eyJhbGciOiJFUzM4NCJ9.c2VjcmV0.c2lnbmF0dXJl"


@pytest.mark.parametrize("sign", CENTURY_SIGNS)
def test_nothing_personal_is_repeated(attacker: httpx.Client, sign: str) -> None:
    """A code with each of the 13 century signs, in every place where it can be refused."""
    code = f"080885{sign}906S"
    documents = [
        body(personal_identity_code=f"{code}x", family_name=NAME),
        body(personal_identity_code=[code], given_names=NAME),
        body(birth_date=code, client_group=NAME),
        body(record_id=f"{code} {NAME}"),
        body(extra=f"{code} {NAME}"),
        b'{"record_type":"' + f"{code} {NAME}".encode() + b'"}',
        f"<{NAME}>{code}</x>".encode(),
        f"{code} {NAME}".encode(),
    ]
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with structlog.testing.capture_logs() as logs:
        answers = [attacker.post("/v1/records", content=document, headers=headers) for document in documents]
        answers += [
            attacker.post("/v1/records", params={"vendor": code}, content=body(), headers=headers),
            attacker.post("/v1/records/batch", content=b"\n".join(documents[:6]), headers=headers),
            attacker.get(f"/v1/records/{code}", headers=headers),
            attacker.post("/v1/records/_search", json={code: NAME}, headers=headers),
        ]
    told = f"{logs}" + "".join(f"{answer.headers} {answer.text}" for answer in answers)
    assert [answer.status_code for answer in answers] == [400] * 9 + [200, 404, 400]
    assert logs
    for secret in (code, NAME, TOKEN):
        assert secret not in told
