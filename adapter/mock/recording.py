"""Recording a real sandbox and replaying it offline: requests go on to an upstream, answers come from the record.

A recording is a HAR 1.2 file, so others can read it and theirs can be replayed. Tokens and cookies are not in it;
bodies are, as they were, because a replay has to find them: record test data only.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import httpx

from adapter.mock.clock import fhir_instant
from adapter.mock.exchange import Request, Wire
from adapter.mock.exports import har_entry, har_log
from adapter.mock.storage import from_json, to_json

Mode = Literal["off", "record", "replay"]
SECRET = ("authorization", "proxy-authorization", "cookie", "set-cookie")
OF_THE_CONNECTION = ("connection", "content-encoding", "content-length", "host", "keep-alive", "transfer-encoding")
UPSTREAM_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """A recorded request and its answer.

    Attributes:
        path: below the FHIR base, with its query.
        request_headers, headers: by lower-case name, without secrets and what belongs to the connection.
    """

    method: str
    path: str
    body: bytes
    status: int
    headers: dict[str, str]
    answer: bytes
    at: str = "1970-01-01T00:00:00.000Z"
    request_headers: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """What a request must have in common with this one to get its answer."""
        return exchange_key(self.method, self.path, self.body)


def exchange_key(method: str, path: str, body: bytes) -> tuple[str, str, str]:
    """Return method, path with sorted query, and a digest of the body in which the order of members does not count."""
    bare, _, query = path.partition("?")
    ordered = "&".join(sorted(f"{name}={value}" for name, value in parse_qsl(query, keep_blank_values=True)))
    return method, f"{bare.strip('/')}?{ordered}", hashlib.sha256(_canonical(body)).hexdigest()


def _canonical(body: bytes) -> bytes:
    try:
        return to_json(_sorted(from_json(body)))
    except ValueError:
        return body


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


class NoAnswer(Exception):  # noqa: N818 - not an error of ours
    """There is no answer to pass on.

    Attributes:
        status: to answer instead.
        key: message that says why.
    """

    def __init__(self, status: int, key: str) -> None:
        super().__init__(key)
        self.status = status
        self.key = key


class Recording:
    """The recording of one namespace.

    Attributes:
        mode: `record` sends requests on to `upstream`, `replay` answers from `exchanges`, `off` does neither.
    """

    def __init__(self) -> None:
        self.mode: Mode = "off"
        self.upstream = ""
        self.exchanges: list[Exchange] = []
        self._played: dict[tuple[str, str, str], int] = {}

    def begin(self, mode: Mode, upstream: str = "") -> None:
        """Switch; a recording begins empty, a replay at its start.

        Raises:
            ValueError: recording without an http(s) URL to send on to.
        """
        if mode == "record":
            if urlsplit(upstream).scheme not in ("http", "https"):
                raise ValueError("recording needs the FHIR base of the sandbox, an http or https URL")
            self.upstream, self.exchanges = upstream.rstrip("/"), []
        self.mode = mode
        self._played = {}

    async def answer(self, request: Request, target: str) -> Wire:
        """Answer a request from the upstream or from the record.

        Args:
            target: path below the FHIR base, with its query.

        Raises:
            NoAnswer: nothing like it was recorded, or the upstream is away.
        """
        if self.mode == "record":
            return await self._forward(request, target)
        key = exchange_key(request.method, target, request.body)
        fitting = [one for one in self.exchanges if one.key == key]
        if not fitting:
            raise NoAnswer(404, "mock.not-recorded")
        number = self._played.get(key, 0)
        self._played[key] = number + 1
        return self._wire(fitting[min(number, len(fitting) - 1)], request)

    async def _forward(self, request: Request, target: str) -> Wire:
        headers = {name: value for name, value in request.headers.items() if name not in OF_THE_CONNECTION}
        headers["accept-encoding"] = "identity"
        body = request.body.replace(request.base.encode(), self.upstream.encode())
        try:
            async with httpx.AsyncClient(timeout=UPSTREAM_SECONDS, verify=_tls()) as http:
                found = await http.request(request.method, f"{self.upstream}{target}", headers=headers, content=body)
        except httpx.HTTPError:
            raise NoAnswer(502, "mock.upstream-away") from None
        exchange = Exchange(
            request.method,
            target,
            body,
            found.status_code,
            _kept(found.headers),
            found.content,
            fhir_instant(request.world.clock.now()),
            _kept(headers),
        )
        self.exchanges.append(exchange)
        return self._wire(exchange, request)

    def _wire(self, exchange: Exchange, request: Request) -> Wire:
        """The recorded answer, as if the sandbox stood here."""

        def here(text: str) -> str:
            return text.replace(self.upstream, request.base) if self.upstream else text

        body = exchange.answer
        if self.upstream:
            body = body.replace(self.upstream.encode(), request.base.encode())
        headers = {name.title(): here(value) for name, value in exchange.headers.items()}
        if request.method != "HEAD" and exchange.status not in (204, 304):
            headers["Content-Length"] = str(len(body))
        return Wire(exchange.status, headers, body)

    def as_har(self) -> bytes:
        """Return the exchanges as an HTTP Archive."""
        entries = [
            har_entry(
                one.at,
                0.0,
                (one.method, f"{self.upstream}{one.path}", one.request_headers, one.body.decode("utf-8", "replace")),
                (one.status, one.headers, one.answer.decode("utf-8", "replace")),
            )
            for one in self.exchanges
        ]
        return har_log(entries, base=self.upstream)

    def load(self, document: Any) -> int:
        """Take the exchanges of an HTTP Archive; return how many.

        Raises:
            ValueError: it is none.
        """
        self.upstream, self.exchanges = read_har(document)
        self._played = {}
        return len(self.exchanges)


@cache
def _tls() -> ssl.SSLContext:
    """The machine's trusted authorities, read once."""
    return ssl.create_default_context()


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name.lower(): value
        for name, value in headers.items()
        if name.lower() not in SECRET and name.lower() not in OF_THE_CONNECTION
    }


def read_har(document: Any) -> tuple[str, list[Exchange]]:
    """Return the FHIR base and the exchanges of an HTTP Archive.

    Raises:
        ValueError: it is no HTTP Archive, or its URLs have no common base.
    """
    try:
        log = document["log"]
        entries = log["entries"]
        base = str(log.get("_base") or _common_base([one["request"]["url"] for one in entries]))
        return base, [_exchange(one, base) for one in entries if one["request"]["url"].startswith(base)]
    except (KeyError, TypeError, AttributeError) as problem:
        raise ValueError(f"not an HTTP Archive: {type(problem).__name__} {problem}") from None


def _common_base(urls: list[str]) -> str:
    """The FHIR base of a foreign archive: what comes before the first segment that begins with a capital."""
    for url in urls:
        head, _, _ = url.partition("?")
        segments = head.split("/")
        for number, segment in enumerate(segments[3:], 3):
            if segment[:1].isupper() or segment in ("metadata", "_history"):
                return "/".join(segments[:number])
    return urls[0].rstrip("/") if urls else ""


def _exchange(entry: Mapping[str, Any], base: str) -> Exchange:
    request, response = entry["request"], entry["response"]
    return Exchange(
        request["method"],
        request["url"].removeprefix(base),
        str(request.get("postData", {}).get("text", "")).encode(),
        int(response["status"]),
        _pairs(response["headers"]),
        str(response["content"].get("text", "")).encode(),
        str(entry.get("startedDateTime", "")),
        _pairs(request["headers"]),
    )


def _pairs(headers: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return _kept({one["name"]: one["value"] for one in headers})
