"""The one HTTP client: posts a transaction Bundle and tells apart what happened.

Three things can happen: an answer came; surely nothing was sent; or it is not known (the body was on its way
when the line broke). Only the second may be repeated blindly.
"""

from __future__ import annotations

import email.utils
import re
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import httpx

from adapter.delivery import deadline
from adapter.delivery.states import CERTIFICATE, Known
from adapter.errors import SourceError
from adapter.security.token_source import NoToken, TokenSource
from adapter.source.identity_code import is_inside
from adapter.source.json import read_json
from adapter.source.limits import DEFAULT
from adapter.types import Resource

FHIR_JSON = "application/fhir+json"
FORM = "application/x-www-form-urlencoded"
LARGEST_ANSWER = DEFAULT.size
REFUSED_BEFORE_SENDING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class AnswerTooLarge(httpx.HTTPError):
    """The repository answers without end; what it did is not known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status; 0 when surely nothing was sent; -1 when the outcome is not known.
        body: the resource in the answer, `{}` when there is none or it is not JSON.
        retry_after: seconds, when the repository asked for a pause.
        request_id: the repository's `X-Request-Id`, or ours.
        cause: name of the network error, for statuses 0 and -1.
    """

    status: int
    body: Resource = field(default_factory=dict)
    retry_after: float | None = None
    request_id: str = ""
    cause: str = ""


class Repository:
    """A FHIR R4 base URL.

    Args:
        base_url: e.g. `http://127.0.0.1:8090/fhir`.
        timeout: seconds for connecting, and for a request and its answer in all.
        verify: TLS context; with a client certificate in it for mTLS.
        token_source: makes the token source on the connection, or None for a repository without tokens.
        transport: for tests.
        road_client: `X-Road-Client` of every request, when the repository is behind the service bus (Palveluväylä).
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float = 30.0,
        verify: ssl.SSLContext | bool = True,
        token_source: Callable[[httpx.Client], TokenSource] | None = None,
        transport: httpx.BaseTransport | None = None,
        road_client: str = "",
    ) -> None:
        self.base_url = base_url
        self._connect = partial(
            httpx.Client,
            base_url=base_url.rstrip("/") + "/",
            timeout=timeout,
            transport=transport,
            verify=httpx.create_ssl_context(verify),
            follow_redirects=False,
            headers={"Accept": FHIR_JSON} | ({"X-Road-Client": road_client} if road_client else {}),
        )
        self._clients: list[httpx.Client] = []
        self._own = threading.local()
        client = self._client()
        self._timeout = timeout
        # A request is made of these: the layers of the client above its transport take as long as the exchange itself.
        self._base = client.base_url
        self._headers = client.headers.raw
        self._timeouts = {"timeout": client.timeout.as_dict()}
        self._tokens = token_source(client) if token_source else None

    def post_bundle(self, bundle: bytes, request_id: str) -> Answer:
        """POST a transaction Bundle to the base (FHIR http §3.1.0.11); the bytes go out as they are."""
        return self._exchange("POST", "", bundle, request_id, FHIR_JSON)

    def find(self, entry: Mapping[str, Any], client: str = "") -> tuple[Answer, Resource | None, Known]:
        """Look for the resource of an entry by its `ifNoneExist` criterion, by POST: nothing personal in the URL.

        Args:
            client: `system|value` of the client; a Kanta-style repository answers only when it is named.

        Returns:
            the answer, the resource that matches (None when there is none), and where it lies.
        """
        criterion = entry["request"]["ifNoneExist"]
        path = f"{entry['resource']['resourceType']}/_search"
        answer = self._exchange("POST", path, criterion.encode(), uuid4().hex, FORM)
        if answer.status == 400 and client:
            named = f"{criterion}&patient:identifier={client}"
            answer = self._exchange("POST", path, named.encode(), uuid4().hex, FORM)
        try:
            resource = next(iter(_matches(answer.body)), None)
            if resource is None:
                return answer, None, Known("", "")
            return answer, resource, _place(resource, entry["resource"]["resourceType"])
        except (AttributeError, KeyError, TypeError, ValueError):
            return Answer(-1, request_id=answer.request_id, cause="AnswerDoesNotMatch"), None, Known("", "")

    def metadata(self) -> Answer:
        """GET the CapabilityStatement; used to see whether the repository is there."""
        return self._exchange("GET", "metadata", None, "", "")

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            client.close()

    def _client(self) -> httpx.Client:
        """Return a client whose connections end with the time for an exchange."""
        client = self._connect()
        deadline.obey(client)
        self._clients.append(client)
        return client

    def _transport(self) -> httpx.BaseTransport:
        """Return what leads to the repository, for each thread its own: a shared pool looks at all its connections."""
        found: httpx.BaseTransport | None = getattr(self._own, "transport", None)
        if found is None:
            found = self._own.transport = deadline.transport_of(self._client())
        return found

    def _exchange(self, method: str, path: str, content: bytes | None, request_id: str, kind: str) -> Answer:
        request_id = request_id or uuid4().hex
        headers = {"X-Request-Id": request_id}
        if content is not None:
            headers["Content-Type"] = kind
        try:
            response, received = self._authorized(method, path, content, headers)
        except (NoToken, httpx.HTTPError) as problem:
            if _refuses_certificate(problem):
                return Answer(0, request_id=request_id, cause=CERTIFICATE)
            return _unanswered(problem, request_id)
        body = _resource(received)
        if response.is_success and content is not None and body.get("resourceType") != "Bundle":
            return Answer(-1, request_id=request_id, cause="NoBundleInAnswer")
        return Answer(
            response.status_code,
            body,
            _retry_after(response),
            _request_id(response, request_id),
        )

    def _authorized(
        self, method: str, path: str, content: bytes | None, headers: dict[str, str]
    ) -> tuple[httpx.Response, bytes]:
        """Send with a token; a refused token is replaced once (retry table: 401)."""
        if self._tokens is None:
            return self._bounded(method, path, content, headers)
        for last_try in (False, True):
            token = self._tokens.token()
            bearer = {**headers, "Authorization": f"Bearer {token}"}
            response, received = self._bounded(method, path, content, bearer)
            if response.status_code != 401 or last_try:
                break
            self._tokens.forget(token)
            headers = {**headers, "X-Request-Id": uuid4().hex}  # an id names one request
        return response, received

    def _bounded(
        self, method: str, path: str, content: bytes | None, headers: dict[str, str]
    ) -> tuple[httpx.Response, bytes]:
        """Send and read the answer, unpacked, up to the size that is understood and in the time that is given.

        Raises:
            httpx.HTTPError: the line broke, the time was over; `AnswerTooLarge`.
        """
        own = [*self._headers, *((name.encode(), value.encode()) for name, value in headers.items())]
        url = self._base.join(path) if path else self._base
        request = httpx.Request(method, url, headers=own, content=content, extensions=self._timeouts)
        parts, size = [], 0
        with deadline.time_limit(self._timeout), closing(self._transport().handle_request(request)) as response:
            for part in response.iter_bytes():
                size += len(part)
                if size > LARGEST_ANSWER:
                    raise AnswerTooLarge("the answer is too large")
                parts.append(part)
        return response, b"".join(parts)


def _unanswered(problem: NoToken | httpx.HTTPError, request_id: str) -> Answer:
    """Tell what surely was not sent from what may have arrived."""
    if isinstance(problem, NoToken):
        return Answer(401 if problem.cause.islower() else 0, request_id=request_id, cause=problem.cause)
    status = 0 if isinstance(problem, REFUSED_BEFORE_SENDING) else -1
    return Answer(status, request_id=request_id, cause=type(problem).__name__)


def _refuses_certificate(problem: BaseException | None) -> bool:
    """Say whether the TLS handshake failed over a certificate, ours or theirs: then no request was read."""
    while problem is not None:
        if isinstance(problem, ssl.SSLError) and "CERTIFICATE" in str(problem.reason).upper():
            return True
        problem = problem.__cause__ or problem.__context__
    return False


def _matches(body: Resource) -> list[Resource]:
    return [
        found["resource"]
        for found in body.get("entry", ())
        if found.get("search", {}).get("mode", "match") == "match" and "resource" in found
    ]


def _place(resource: Resource, wanted: str) -> Known:
    """Return where a found resource lies.

    Raises:
        ValueError: it is of another type, or its id is none.
    """
    version = str(resource.get("meta", {}).get("versionId", ""))
    if resource["resourceType"] != wanted or not _ID.fullmatch(resource["id"]) or not _ID.fullmatch(version or "0"):
        raise ValueError("the answer is no resource that was asked for")
    return Known(f"{wanted}/{resource['id']}", version)


def _request_id(response: httpx.Response, ours: str) -> str:
    """Return the repository's own id of the request when it looks like one."""
    theirs = response.headers.get("X-Request-Id", "")
    return theirs if _ID.fullmatch(theirs) and not is_inside(theirs) else ours


def _resource(received: bytes) -> Resource:
    try:
        found: Any = read_json(received)
    except SourceError:
        return {}
    return found if isinstance(found, dict) else {}


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds asked for: a number, or a date read against the answer's own `Date` (RFC 9110 §10.2.3)."""
    asked = response.headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        until = email.utils.parsedate_to_datetime(asked)
        now = email.utils.parsedate_to_datetime(response.headers["Date"])
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError, KeyError):
        return None
