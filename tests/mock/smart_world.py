"""Clients, assertions and tokens for the tests of SMART Backend Services."""

from __future__ import annotations

import itertools
import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from adapter.mock.client import MockClient
from adapter.security.assertions import ASSERTION_TYPE

EC_KEY = ec.generate_private_key(ec.SECP384R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
ALL = "system/*.cruds"
FULL = {"resourceType": "CareTeam"}
PLAIN = ssl.create_default_context()
"""One for all: there is no TLS here, and making it takes longer than a request."""

_numbers = itertools.count()

Change = Callable[[dict[str, Any], dict[str, Any]], object]


def jwk(key: Any, name: str) -> dict[str, Any]:
    """The public half of a key."""
    kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    found: dict[str, Any] = json.loads(kind.to_jwk(key.public_key())) | {"kid": name}
    return found


JWKS = json.dumps({"keys": [jwk(EC_KEY, "ec"), jwk(RSA_KEY, "rsa")]})


def token_url(control: MockClient) -> str:
    """The token endpoint of the namespace."""
    return control.fhir_url.removesuffix("/fhir") + "/oauth/token"


def assertion(control: MockClient, change: Change | None = None, key: Any = EC_KEY, algorithm: str = "ES384") -> str:
    """A good assertion, changed."""
    now = int(time.time())
    claims = {"iss": "ehr", "sub": "ehr", "aud": token_url(control), "exp": now + 240, "jti": f"j{next(_numbers)}"}
    header = {"kid": "ec" if algorithm == "ES384" else "rsa", "typ": "JWT"}
    if change is not None:
        change(claims, header)
    return jwt.encode(claims, key, algorithm, headers=header)


def form(control: MockClient, text: str = "", **changed: str) -> dict[str, str]:
    """A good token request, changed; an empty value leaves a field out."""
    fields = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": text or assertion(control),
        "scope": ALL,
    }
    return {name: value for name, value in (fields | changed).items() if value}


def asked(control: MockClient, **changed: str) -> httpx.Response:
    """Ask for a token."""
    return httpx.post(token_url(control), data=form(control, **changed), verify=PLAIN)


@contextmanager
def holding(control: MockClient, scope: str, client: str = "ehr") -> Iterator[httpx.Client]:
    """A client with a token of that scope."""

    def change(claims: dict[str, Any], _: dict[str, Any]) -> None:
        claims.update(iss=client, sub=client)

    answer = asked(control, text=assertion(control, change), scope=scope)
    assert answer.status_code == 200, answer.text
    headers = {"authorization": f"Bearer {answer.json()['access_token']}"}
    with httpx.Client(base_url=f"{control.fhir_url}/", headers=headers, verify=PLAIN) as found:
        yield found
