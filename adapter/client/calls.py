"""Calls the vendor API: with a token when one is needed, again after a pause when the adapter asks for one.

Sending again is always safe: the adapter knows a record by its id and version and stores it once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

import httpx

from adapter.client import answers
from adapter.client.answers import Invalidation, Judged, Preview, Status, Taken
from adapter.client.connection import Connection, File
from adapter.client.errors import NotDelivered, NotThere
from adapter.fhir.canonical import dumps
from adapter.source.json import read_json

Document = bytes | str | Mapping[str, Any]
"""A record: a document as bytes or text (JSON or XML), or a dict."""

LARGEST_GROUP = 1_000_000
MOST_AT_ONCE = 200
MOST_IDS = 1000
LONGEST_WAIT = 30.0


class AdapterClient:
    """A connection to an adapter; to be closed, or used in a `with` block. Not for several threads at once.

    Args:
        url: base URL of the adapter.
        client_id: as registered at the adapter; empty for a demo on this machine.
        key_file: PEM private key whose public half is registered (private_key_jwt).
        certificate: PEM files of the registered TLS certificate and of its key (mTLS).
        authorities: PEM file of the authorities that may vouch for the adapter; None = the machine's.
        language: of the texts in answers: fi, sv or en.
        timeout: seconds to wait for an answer.
        attempts: how often a call is made before it fails, when nobody answers or the adapter asks for a pause.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        *,
        client_id: str = "",
        key_file: File | None = None,
        certificate: tuple[File, File] | None = None,
        authorities: File | None = None,
        language: str = "en",
        timeout: float = 60.0,
        attempts: int = 5,
    ) -> None:
        self._connection = Connection(
            url,
            client_id=client_id,
            key_file=key_file,
            certificate=certificate,
            authorities=authorities,
            language=language,
            timeout=timeout,
            attempts=attempts,
        )

    def __enter__(self) -> AdapterClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def send(
        self, record: Document, *, record_type: str | None = None, vendor: str | None = None, idempotency_key: str = ""
    ) -> Taken:
        """Hand one record over: when this returns, the adapter has it on disk and will deliver it.

        Args:
            record_type: needed when the record does not say it itself.
            vendor: name of a vendor format; None means the canonical form.
            idempotency_key: a key of your own; the same key and body get the same answer.

        Raises:
            ApiError: it was not taken; see `adapter.client.errors`.
        """
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        answer = self._ask("POST", "records", _bytes(record), headers, type=record_type, vendor=vendor)
        return answers.taken(answer)

    def send_many(
        self,
        records: Iterable[Document],
        *,
        record_type: str | None = None,
        vendor: str | None = None,
        progress: Callable[[Judged], object] = lambda _judged: None,
    ) -> Iterator[Judged]:
        """Hand many records over as NDJSON and yield the answer to each, in order.

        Only as many as fit into one request are held in memory, and the next ones are taken from `records` when
        you have taken the answers before. What was not answered because a line broke is sent again.

        Args:
            records: JSON documents or dicts; XML goes by `send`.
            progress: told every answer as it comes.

        Raises:
            ApiError: the whole request was refused, or nobody answers.
            ValueError: a record is empty.
        """
        number = 0
        query = {"type": record_type, "vendor": vendor}
        for group in _groups(records):
            while group:
                for answer in self._batch(group, query):
                    number += 1
                    judged = answers.judged(answer, number)
                    progress(judged)
                    yield judged

    def preview(self, record: Document, *, record_type: str | None = None, vendor: str | None = None) -> Preview:
        """Return what a record would become and everything to be said about it; nothing is stored.

        Raises:
            ApiError: it would not be taken.
        """
        answer = self._ask("POST", "records/preview", _bytes(record), type=record_type, vendor=vendor)
        return Preview(answer["bundle"], answers.problems(answer["outcome"]["issue"], "information"))

    def status(self, submission: str, *, wait: float = 0.0) -> Status:
        """Return where a submission is.

        Args:
            wait: seconds (at most 60) that the adapter waits for a final state before it answers.

        Raises:
            NotFound: it is none of yours.
        """
        return answers.status(self._ask("GET", f"records/{submission}", wait=f"{wait:g}"))

    def wait_for_receipt(
        self, submission: str, *, seconds: float = 60.0, progress: Callable[[Status], object] = lambda _status: None
    ) -> Status:
        """Wait until a submission has arrived and return its status with the receipts.

        Args:
            progress: told the status after each look.

        Raises:
            NotDelivered: it will not arrive by itself, or has not in time; `submission.advice` says what to do.
        """
        until = time.monotonic() + seconds
        while True:
            left = max(0.0, until - time.monotonic())
            found = self.status(submission, wait=min(LONGEST_WAIT, round(left, 3)))
            progress(found)
            if found.state == "delivered":
                return found
            if found.final or time.monotonic() >= until:
                raise NotDelivered(found)

    def receipts(self, submissions: Sequence[str]) -> dict[str, Status]:
        """Return where many submissions are, by id: polling for all open ones at once. Unknown ones are left out."""
        found: dict[str, Status] = {}
        for start in range(0, len(submissions), MOST_IDS):
            answer = self._search({"ids": list(submissions[start : start + MOST_IDS])})
            found |= {row["id"]: answers.status(row) for row in answer["submissions"]}
        return found

    def search(self, *, state: str | None = None, record_type: str | None = None) -> Iterator[Status]:
        """Yield your submissions, newest first."""
        wanted = {name: value for name, value in (("state", state), ("record_type", record_type)) if value}
        answer = self._search(wanted)
        while True:
            yield from map(answers.status, answer["submissions"])
            if "next" not in answer:
                return
            answer = self._search(wanted | {"before": answer["next"]})

    def replay(self, submission: str) -> None:
        """Have a rejected, dead or cancelled submission sent again.

        Raises:
            Conflict: its state does not allow it.
        """
        self._ask("POST", f"records/{submission}/replay")

    def cancel(self, submission: str) -> None:
        """Take back a submission that surely was not sent.

        Raises:
            Conflict: its state does not allow it.
        """
        self._ask("POST", f"records/{submission}/cancel")

    def invalidate(self, submission: str, reason: str) -> Invalidation:
        """Take a record back in all its versions as entered in error (mitätöinti).

        Args:
            reason: for people.
        """
        content = dumps({"reason": reason})
        return answers.invalidation(self._ask("POST", f"records/{submission}/invalidate", content))

    def withdraw(self, submission: str, **act: Any) -> dict[str, Any]:
        """Withdraw a consent in one step; returns the client's receipt with `id` and `record_version`.

        Args:
            act: fields of a withdrawal as in a consent record; none means the whole consent, by the client, now.

        Raises:
            Conflict: the submission is no active consent.
        """
        found: dict[str, Any] = self._ask("POST", f"records/{submission}/withdraw", dumps(act))
        return found

    def receipt(self, submission: str) -> dict[str, Any]:
        """Return the client's receipt for a version of a consent, with those who are to be told.

        Raises:
            Conflict: the submission is no consent.
        """
        found: dict[str, Any] = self._ask("GET", f"records/{submission}/receipt")
        return found

    def fetch(self, client: Mapping[str, str], purpose: str, **more: Any) -> answers.Fetched:
        """Return other organisations' records of a client that yours may see, as canonical records.

        It is a list of records; its `problems` name those that you may see and that have to be read elsewhere.

        Args:
            client: `{"personal_identity_code": …}`, or `{"id": …, "system": …}`.
            purpose: code of the purposes of use.
            more: `organisation`, `practitioner`, `record_types`, `legal_basis`, as in the API.
        """
        content = dumps({"client": dict(client), "purpose": purpose, **more})
        return answers.fetched(self._ask("POST", "clients/_fetch", content))

    def _search(self, wanted: Mapping[str, Any]) -> Any:
        return self._ask("POST", "records/_search", dumps(dict(wanted)))

    def _ask(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        **query: str | None,
    ) -> Any:
        return read_json(self._connection.exchange(method, path, content, headers=headers, query=query).content)

    def _batch(self, rest: list[bytes], query: dict[str, str | None]) -> Iterator[Any]:
        """Send lines, yield an answer each, and take what was answered out of `rest`."""
        before = len(rest)
        response = self._connection.exchange("POST", "records/batch", b"\n".join(rest), query=query, stream=True)
        try:
            for line in response.iter_lines():
                answer = read_json(line.encode())
                del rest[0]
                yield answer
        except httpx.TransportError as error:
            if len(rest) == before:
                raise NotThere("the answer breaks off", type(error).__name__) from None
        finally:
            response.close()


def _bytes(record: Document) -> bytes:
    if isinstance(record, bytes):
        return record
    return record.encode() if isinstance(record, str) else dumps(dict(record))


def _groups(records: Iterable[Document]) -> Iterator[list[bytes]]:
    """Put records together into requests of bounded size; a JSON document becomes one line."""
    group: list[bytes] = []
    size = 0
    for record in records:
        line = _bytes(record).replace(b"\r", b" ").replace(b"\n", b" ")
        if not line.strip():
            raise ValueError("a record is empty")
        if group and (size + len(line) > LARGEST_GROUP or len(group) == MOST_AT_ONCE):
            yield group
            group, size = [], 0
        group.append(line)
        size += len(line)
    if group:
        yield group
