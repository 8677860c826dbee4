"""One connection to an adapter: TLS, tokens, pauses that it asks for, and refusals as typed errors."""

from __future__ import annotations

import ssl
import time
from os import PathLike
from pathlib import Path

import httpx

from adapter.client import answers
from adapter.client.errors import FAMILY, ApiError, Forbidden, NotThere, OtherAddress, Refused, TryLater
from adapter.errors import SourceError
from adapter.security.key_files import KeyFile
from adapter.security.token_source import FOREIGN, ClientKey, NoToken, TokenSource
from adapter.source.json import read_json

File = str | PathLike[str]
SCOPES = "system/Bundle.crs"
PAUSES = frozenset({408, 429, 503})
LONGEST_PAUSE = 60.0
NO_ANSWER = "no answer from {address}: is that the address of the adapter, and is it running?"
OTHER_ADDRESS = (
    "the adapter at {scheme}://{address} names a token endpoint at another address, and no proof of who calls is sent "
    "there: call the adapter by its own address, or have {scheme}://{address} set as its public_url"
)
DENIED = "{host} gives no token ({cause}): are client id and public key registered there, and is this clock right?"


class Connection:
    """Sends requests until there is an answer that counts. Arguments: see `adapter.client.AdapterClient`."""

    def __init__(
        self,
        url: str,
        *,
        client_id: str,
        key_file: File | None,
        certificate: tuple[File, File] | None,
        authorities: File | None,
        language: str,
        timeout: float,
        attempts: int,
    ) -> None:
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/v1/",
            verify=_tls(certificate, authorities),
            headers={"Accept-Language": language, "Accept": "application/json, application/fhir+json"},
            timeout=timeout,
        )
        self.attempts = max(1, attempts)
        self._tokens = _tokens(self._http, client_id, key_file) if client_id else None

    def close(self) -> None:
        """Close it."""
        self._http.close()

    def exchange(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        *,
        query: dict[str, str | None] | None = None,
        headers: dict[str, str] | None = None,
        stream: bool = False,
    ) -> httpx.Response:
        """Return the answer to a request.

        Args:
            path: below `/v1/`.
            query: parameters; those that are None are left out.
            stream: the caller reads and closes the answer.

        Raises:
            ApiError: a refusal, or there is no answer.
        """
        params = {name: value for name, value in (query or {}).items() if value is not None}
        request = self._http.build_request(method, path, content=content, headers=headers, params=params)
        for attempt in range(1, self.attempts + 1):
            last = attempt == self.attempts
            try:
                response = self._authorized(request, stream=stream)
            except (httpx.TransportError, NoToken) as error:
                cause = error.cause if isinstance(error, NoToken) else type(error).__name__
                unanswered = _unanswered(request.url, cause)
                if last or type(unanswered) is not NotThere:
                    raise unanswered from None
                time.sleep(min(LONGEST_PAUSE, 0.2 * 2**attempt))
                continue
            if response.is_success:
                return response
            refusal = _refusal(response)
            if not isinstance(refusal, TryLater) or last:
                raise refusal
            time.sleep(min(LONGEST_PAUSE, refusal.seconds))
        raise AssertionError("the last attempt returns or raises")

    def _authorized(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        """Send with a token; one that the adapter refuses is replaced once."""
        if self._tokens is None:
            return self._http.send(request, stream=stream)
        token = self._tokens.token()
        request.headers["Authorization"] = f"Bearer {token}"
        response = self._http.send(request, stream=stream)
        if response.status_code == 401:
            response.close()
            self._tokens.forget(token)
            request.headers["Authorization"] = f"Bearer {self._tokens.token()}"
            response = self._http.send(request, stream=stream)
        return response


def _unanswered(url: httpx.URL, cause: str) -> ApiError:
    """Return what a request without an answer means; any but a plain `NotThere` stays so, however often it is sent."""
    address = url.netloc.decode()
    if cause.islower():  # an OAuth error code
        return Forbidden(401, text=DENIED.format(host=url.host, cause=cause))
    if cause == FOREIGN:
        return OtherAddress(OTHER_ADDRESS.format(scheme=url.scheme, address=address), cause)
    return NotThere(NO_ANSWER.format(address=address), cause)


def _refusal(response: httpx.Response) -> ApiError:
    response.read()
    try:
        told = answers.problems(read_json(response.content)["issue"], "information")
    except (SourceError, KeyError, TypeError):  # a proxy's page, not the adapter's answer
        told = ()
    if response.status_code in PAUSES:
        asked = response.headers.get("Retry-After", "")
        return TryLater(response.status_code, told, float(asked) if asked.isdigit() else 1.0)
    family = FAMILY.get(response.status_code, Refused if response.status_code < 500 else ApiError)
    return family(response.status_code, told)


def _tls(certificate: tuple[File, File] | None, authorities: File | None) -> ssl.SSLContext | bool:
    if certificate is None and authorities is None:
        return True
    context = ssl.create_default_context(cafile=str(authorities) if authorities else None)
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context


def _tokens(http: httpx.Client, client_id: str, key_file: File | None) -> TokenSource:
    file = KeyFile(Path(key_file)) if key_file is not None else None

    def key() -> ClientKey:
        if file is None:
            return ClientKey(client_id, None, "", "")
        current = file.current()
        return ClientKey(client_id, current.key, current.key_id, current.algorithm("RS384"))

    return TokenSource(http, key, SCOPES, clock=time.time)
