"""The client's side of SMART Backend Services, for testers: a key pair of their own, and tokens with it."""

from __future__ import annotations

import json
import ssl
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Self

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapter.security.assertions import ASSERTION_TYPE, make_assertion
from adapter.security.key_files import PrivateKey, read_private_key

DEFAULT_SCOPE = "system/*.cruds"


def make_key() -> tuple[bytes, str]:
    """Return a new key (P-384, PEM) and the key set (JWKS, JSON) that registers its public half."""
    key = ec.generate_private_key(ec.SECP384R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem, json.dumps({"keys": [read_private_key(pem).public_jwk]}, indent=2)


def write_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """Write `<name>.key.pem`, readable by its owner only, and `<name>.jwks.json`; return both paths.

    Raises:
        FileExistsError: the key is there already; it is not overwritten.
    """
    pem, key_set = make_key()
    key, public = folder / f"{name}.key.pem", folder / f"{name}.jwks.json"
    key.touch(mode=0o600, exist_ok=False)
    key.write_bytes(pem)
    public.write_text(key_set + "\n", encoding="utf-8")
    return key, public


class TokenClient:
    """Gets tokens from an endpoint.

    Args:
        fhir_url: FHIR base; the token endpoint is found by its SMART configuration.
        client_id: as registered.
        key: PEM of the registered private key.
        http: connection to use, e.g. one with a client certificate; by default a plain one.

    Raises:
        KeyProblem: the key cannot be used.
    """

    def __init__(self, fhir_url: str, client_id: str, key: bytes, http: httpx.Client | None = None) -> None:
        self.fhir_url = fhir_url.rstrip("/")
        self._client_id = client_id
        self._key: PrivateKey = read_private_key(key)
        self._http = http or httpx.Client(timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, also one that was given."""
        self._http.close()

    def token(self, scope: str = DEFAULT_SCOPE) -> str:
        """Return a new access token.

        Raises:
            ValueError: the endpoint gives none; the text says what it answered.
        """
        found = self._http.get(f"{self.fhir_url}/.well-known/smart-configuration")
        if found.is_error:
            raise ValueError("the endpoint gives no tokens; start it with --auth smart")
        url = found.json()["token_endpoint"]
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": make_assertion(
                self._client_id,
                url,
                self._key.key,
                self._key.key_id,
                algorithm=self._key.algorithm("RS384"),
                now=_time_there(found),
            ),
            "scope": scope,
        }
        answer = self._http.post(url, data=form)
        if answer.is_error:
            raise ValueError(f"no token: {answer.status_code} {answer.json().get('error', '')}")
        return str(answer.json()["access_token"])

    def headers(self, scope: str = DEFAULT_SCOPE) -> dict[str, str]:
        """Return the `Authorization` header with a new token."""
        return {"Authorization": f"Bearer {self.token(scope)}"}


def certified(folder: Path, name: str) -> httpx.Client:
    """Return a connection that shows a certificate of the test CA.

    Args:
        folder: of the endpoint's certificates: `ca.pem`, `<name>.pem`, `<name>.key.pem`.

    Raises:
        OSError: a file is missing.
    """
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key.pem")
    return httpx.Client(verify=context, timeout=30)


def _time_there(answer: httpx.Response) -> float:
    """UTC seconds by the endpoint's clock, which a tester may have stepped; by ours when it says none."""
    date = answer.headers.get("date", "")
    return parsedate_to_datetime(date).timestamp() if date else time.time()
