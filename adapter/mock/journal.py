"""The journal: every request with what was decided, why, and what it changed. Secrets and identity codes are masked."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapter.mock.clock import fhir_instant
from adapter.mock.exchange import Request, Wire
from adapter.mock.storage import Stored

_IDENTITY_CODE = re.compile(r"(?<!\d)\d{6}[-+ABCDEFUVWXY](\d{3})[0-9A-Y](?![0-9A-Za-z])")
_ENCODED_CODE = re.compile(r"(?<!\d)\d{6}%2[bB]\d{3}[0-9A-Y](?![0-9A-Za-z])")
_SECRET_FIELD = re.compile(r'((?:client_assertion|access_token|client_secret|refresh_token)"?\s*[=:]\s*"?)[^&"\s]+')
_SECRET_HEADERS = ("authorization", "proxy-authorization", "cookie", "set-cookie")
KEPT_BODY = 200_000
"""Bytes of a body that are kept; longer ones are cut."""

FREED_AT_ONCE = 10
"""Entries of a journal that was cleared whose memory is given back with each new entry."""


def masked(text: str) -> str:
    """Return the text without Finnish identity codes and without secrets."""
    text = _ENCODED_CODE.sub("******-****", _IDENTITY_CODE.sub("******-****", text))
    return _SECRET_FIELD.sub(r"\1***", text)


def _masked_headers(headers: dict[str, str]) -> dict[str, str]:
    return {
        name: f"{value.split(' ')[0]} ***" if name.lower() in _SECRET_HEADERS else masked(value)
        for name, value in headers.items()
    }


@dataclass(slots=True)
class Entry:
    """One request and its answer.

    Attributes:
        number: counted from 1 in the namespace.
        at: instant of the endpoint's clock.
        duration: seconds that the answer took; 0 while the endpoint's clock stands still.
        elapsed: position on a steady clock in seconds, for the spacing of retries.
        changes: versions that the request wrote.
        fault: name of the rule that fired, or empty.
        broken: the connection was broken instead of answered.
    """

    number: int
    at: datetime
    elapsed: float
    request: Request
    target: str
    wire: Wire
    duration: float
    changes: list[Stored] = field(default_factory=list)
    fault: str = ""
    broken: bool = False

    @property
    def request_id(self) -> str:
        """The id that the answer carried."""
        return self.wire.headers.get("X-Request-Id", "")

    @property
    def rules(self) -> list[str]:
        """Ids of the rules that refused, e.g. `K7010`, `BR-017`."""
        return [issue.rule_id for issue in self.wire.refusal]

    def summary(self) -> dict[str, Any]:
        """Return the entry without bodies and headers, masked."""
        return {
            "number": self.number,
            "at": fhir_instant(self.at),
            "requestId": self.request_id,
            "method": self.request.method,
            "url": masked(self.target),
            "status": self.wire.status,
            "decision": self.decision,
            "rules": self.rules,
            "fault": self.fault,
            "broken": self.broken,
            "changes": [
                {"resource": one.path, "before": one.version - 1 or None, "after": one.version, "method": one.method}
                for one in self.changes
            ],
            "consent": [
                {"resource": word.address, "decision": word.decision, "reason": word.reason}
                for word in (self.request.gate.decisions if self.request.gate is not None else ())
            ],
            "client": self.request.client,
            "scopes": " ".join(map(str, self.request.access.scopes)) if self.request.access is not None else "",
            "durationMs": round(self.duration * 1000, 3),
        }

    @property
    def decision(self) -> str:
        """`done`, `refused`, or `fault` when the answer was a fault's."""
        if self.fault and (self.broken or self.wire.status >= 400):
            return "fault"
        return "refused" if self.wire.status >= 400 else "done"

    def detail(self, language: str = "en") -> dict[str, Any]:
        """Return everything that was kept, masked."""
        return self.summary() | {
            "requestHeaders": _masked_headers(self.request.headers),
            "requestBody": self.request_body,
            "responseHeaders": _masked_headers(self.wire.headers),
            "responseBody": masked(self.wire.body[:KEPT_BODY].decode("utf-8", "replace")),
            "issues": [issue.as_fhir(language) for issue in self.wire.refusal],
        }

    @property
    def request_body(self) -> str:
        """The body as text, masked."""
        return masked(self.request.body[:KEPT_BODY].decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class JournalFilter:
    """Which entries; what is not given fits every one.

    Attributes:
        status: `404`, or a class such as `4xx`.
        path: regular expression on the path below the FHIR base.
        since: entries with a greater number.
    """

    method: str = ""
    path: str = ""
    status: str = ""
    request_id: str = ""
    rule: str = ""
    fault: str = ""
    since: int = 0

    def fits(self, entry: Entry) -> bool:
        """True when the entry is one of those."""
        status = str(entry.wire.status)
        return (
            entry.number > self.since
            and (not self.method or entry.request.method == self.method.upper())
            and (not self.path or re.search(self.path, "/".join(entry.request.path)) is not None)
            and (not self.status or status == self.status or (self.status[1:] == "xx" and status[0] == self.status[0]))
            and (
                not self.request_id or self.request_id in (entry.request_id, entry.request.headers.get("x-request-id"))
            )
            and (not self.rule or self.rule in entry.rules)
            and (not self.fault or entry.fault == self.fault)
        )


class Journal:
    """The last requests of a namespace.

    Args:
        size: how many are kept.
    """

    def __init__(self, size: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self._forgotten: list[Entry] = []
        self._number = 0

    def add(self, entry: Entry) -> None:
        """Append an entry and give it its number."""
        self._number += 1
        entry.number = self._number
        self._entries.append(entry)
        del self._forgotten[-FREED_AT_ONCE:]

    def clear(self) -> None:
        """Forget all entries; numbers begin again.

        To free thousands takes longer than a reset may, so their memory goes as new entries come.
        """
        self._forgotten += self._entries
        self._entries = deque(maxlen=self._entries.maxlen)
        self._number = 0

    def find(self, wanted: JournalFilter | None = None) -> list[Entry]:
        """Return the fitting entries, oldest first."""
        return [one for one in self._entries if wanted is None or wanted.fits(one)]

    def get(self, number: int) -> Entry | None:
        """Return one entry, or None when it is not kept any more."""
        return next((one for one in self._entries if one.number == number), None)
