"""A message in a worker's hands, and what came of a try to deliver it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from adapter.delivery.states import MAYBE_DONE, Known, State
from adapter.store import Cipher


class LeaseLost(Exception):  # noqa: N818
    """Another worker has the message: what this one wanted to commit about it does not count."""


class Lease(NamedTuple):
    """Names a message as one claim has it: who lost a lease and took it again is somebody else."""

    submission: str
    worker: str


@dataclass(frozen=True, slots=True)
class Message:
    """A claimed message.

    Attributes:
        submission: opaque id.
        lane: of the client whose record it is.
        sealed: the validated Bundle as it is stored; None when it was deleted.
        record_key: keyed hash that names the record over its versions.
        attempt: tries before this one.
        state: where it was when claimed.
        worker: who holds the lease.
        http_status: of the latest try, None before the first.
        cipher: opens what is stored.
        known: what earlier receipts say about the resources that the record owns, by full URL.
    """

    submission: str
    lane: str
    sealed: bytes | None = field(repr=False)
    record_key: str
    attempt: int
    state: State
    worker: str
    http_status: int | None
    cipher: Cipher = field(repr=False)
    known: Mapping[str, Known] = field(default_factory=dict)

    @property
    def lease(self) -> Lease:
        """What must still hold when something about the message is committed."""
        return Lease(self.submission, self.worker)

    @property
    def body(self) -> bytes:
        """The validated Bundle, JSON bytes as accepted.

        Raises:
            CipherError: it does not open; `KeyNotConfigured` when only the key is missing.
        """
        return self.cipher.decrypt(f"submission/body/{self.submission}", self.sealed or b"")

    @property
    def doubtful(self) -> bool:
        """True when an earlier try may have had its effect: the repository is asked before anything is sent."""
        return self.state in (State.SENDING, State.UNKNOWN) or self.http_status in MAYBE_DONE


@dataclass(frozen=True, slots=True)
class Delivered:
    """The repository holds the record in this version.

    Attributes:
        request_id: of the exchange that showed it.
        resources: what lies where, by full URL of the entry.
        owned: the full URLs that later versions of the record replace.
        cause: `receipt` when it was sent now, `reconciled` when it was found.
        attempts: tries made so far; the last one brought it there.
    """

    message: Message
    request_id: str
    resources: Mapping[str, Known]
    owned: Collection[str]
    cause: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A try did not deliver.

    Attributes:
        state: what follows: waiting, unknown, rejected or dead.
        due: when to try again, UTC seconds.
        attempts: tries made so far.
        cause: name of a network error or `HTTP nnn`.
        http_status: 0 without an answer.
        issues: the repository's issues as JSON without values, or empty.
    """

    message: Message
    state: State
    due: float
    attempts: int
    cause: str
    http_status: int
    issues: str = ""


Outcome = Delivered | Failed
