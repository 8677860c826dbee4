"""Access tokens by SMART Backend Services: asked for when needed, kept until shortly before they expire.

Client side of rules T1–T12 (SMART App Launch 2.2, «Backend Services»): discovery, `client_credentials` with a
signed assertion. A discovered token endpoint is used only where the base URL itself is: an assertion never goes to
a host that only an answer named. A token never reaches a log, an error text or the disk.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from adapter.security.assertions import ASSERTION_TYPE, make_assertion
from adapter.security.keys import KeyProblem

EARLY_SECONDS = 30.0
LONGEST_LIFE = 86_400.0
_VISIBLE = re.compile(r"[!-~]{1,20000}")
REFUSALS = (400, 401, 403)
FOREIGN = "ForeignTokenEndpoint"
"""Cause: the token endpoint that was discovered is not where the base URL is."""


class NoToken(Exception):  # noqa: N818
    """The authorization server gave no token; `cause` is its error code or the name of the network error."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class ClientKey:
    """How this adapter proves who it is.

    Attributes:
        client_id: as registered at the repository.
        private_key: a `cryptography` private key or its PEM; None when the TLS certificate alone proves the client
            (RFC 8705 §2).
        key_id: `kid` of its public half in the registered key set.
        algorithm: RS384 or ES384.
    """

    client_id: str
    private_key: Any
    key_id: str
    algorithm: str


class TokenSource:
    """Gives a valid access token for one repository.

    Args:
        http: client whose base URL is the FHIR base; its TLS settings (mTLS) are used for the token too.
        key: called for each assertion, so a rotated key is used at once.
        scope: SMART scopes, space-separated.
        clock: UTC seconds.
        token_url: the token endpoint when it is on another host; empty discovers it beside the base URL.
    """

    def __init__(
        self,
        http: httpx.Client,
        key: Callable[[], ClientKey],
        scope: str,
        *,
        clock: Callable[[], float],
        token_url: str = "",
    ) -> None:
        self._http = http
        self._key = key
        self._scope = scope
        self._clock = clock
        self._token_url = token_url
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def token(self) -> str:
        """Return a token that is valid for at least half a minute.

        Raises:
            NoToken: the server gave none.
        """
        with self._lock:
            if not self._token or self._clock() > self._until - EARLY_SECONDS:
                self._token, self._until = self._ask()
            return self._token

    def forget(self, token: str) -> None:
        """Drop a token that the repository refused; the next call asks for a new one."""
        with self._lock:
            if self._token == token:
                self._token = ""

    def _ask(self) -> tuple[str, float]:
        now = self._clock()
        try:
            key = self._key()
            url = self._token_url or self._discover()
            form = {"grant_type": "client_credentials", "scope": self._scope} | _proof(key, url, now)
            answer = self._json(self._http.post(url, data=form, headers={"Accept": "application/json"}))
            token, life = str(answer["access_token"]), float(answer["expires_in"])
            if not _VISIBLE.fullmatch(token) or not 0 < life < math.inf:
                raise NoToken("AnswerWithoutToken")
            return token, now + min(life, LONGEST_LIFE)
        except httpx.HTTPError as error:
            raise NoToken(type(error).__name__) from None
        except KeyProblem:
            raise NoToken("KeyProblem") from None
        except (AttributeError, KeyError, TypeError, ValueError, httpx.InvalidURL):
            raise NoToken("AnswerWithoutToken") from None

    def _discover(self) -> str:
        found = str(self._json(self._http.get(".well-known/smart-configuration"))["token_endpoint"])
        if _origin(httpx.URL(found)) != _origin(self._http.base_url):
            raise NoToken(FOREIGN)
        return found

    @staticmethod
    def _json(response: httpx.Response) -> dict[str, Any]:
        if response.status_code in REFUSALS:
            raise NoToken(_error_code(response))
        if response.is_error:
            raise NoToken(f"HTTP {response.status_code}")
        content: dict[str, Any] = response.json()
        return content


def _proof(key: ClientKey, url: str, now: float) -> dict[str, str]:
    if key.private_key is None:
        return {"client_id": key.client_id}
    assertion = make_assertion(key.client_id, url, key.private_key, key.key_id, algorithm=key.algorithm, now=now)
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _error_code(response: httpx.Response) -> str:
    """Return the OAuth error code; anything else that the server says is not repeated."""
    code = response.json().get("error")
    return code if isinstance(code, str) and re.fullmatch(r"[a-z_]{1,40}", code) else "refused"
