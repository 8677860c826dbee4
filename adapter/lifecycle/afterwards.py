"""What can be done with records after they were taken; each act is one transaction with its entry in the log."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from adapter import audit
from adapter.delivery import Outbox
from adapter.lifecycle.fetching import Fetched, Question, fetch, refuse
from adapter.lifecycle.invalidation import Invalidation, invalidate
from adapter.lifecycle.withdrawal import Told, newest_of, receipt_for, withdrawn
from adapter.store import Cipher, Database
from adapter.types import Record


class Afterwards:
    """The acts upon one adapter's records.

    Args:
        database, cipher: where accepted records live.
        messages: the outbox.
        id_key: keys ids, lanes and look-ups.
        clock: UTC seconds.
    """

    def __init__(
        self, database: Database, cipher: Cipher, messages: Outbox, *, id_key: bytes, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._messages = messages
        self._id_key = id_key
        self._clock = clock

    def invalidate(self, submission_id: str, reason: str) -> Invalidation:
        """Take a record back in all its versions (see `adapter.lifecycle.invalidation`).

        Raises:
            BodyGone: it may be in the repository, and its content is not kept here any more.
        """

        def act(connection: Connection) -> Invalidation:
            audit.lock(connection)
            return invalidate(
                connection,
                self._messages,
                self._cipher,
                submission_id,
                reason=reason,
                now=self._clock(),
                id_key=self._id_key,
            )

        return self._database.together(act)

    def withdrawn(self, submission_id: str, act: Record) -> Record:
        """Return the next version of a consent's record with a withdrawal in it, to be handed over.

        Raises:
            NotAConsent: the submission's record is no active consent.
        """
        with self._database.reading() as connection:
            newest = newest_of(connection, submission_id)
            return withdrawn(connection, self._cipher, newest, act, self._clock())

    def receipt(self, submission_id: str, language: str) -> Told:
        """Return the client's receipt for a version of a consent, and who is to be told.

        Raises:
            NotAConsent: the submission brought another record.
        """
        with self._database.reading() as connection:
            return receipt_for(connection, self._cipher, submission_id, language)

    def fetch(self, question: Question, sender: str) -> Fetched:
        """Return another organisation's records of a client, as far as the gate lets them pass."""

        def act(connection: Connection) -> Fetched:
            audit.lock(connection)
            return fetch(connection, self._cipher, question, sender=sender, now=self._clock(), id_key=self._id_key)

        return self._database.together(act)

    def refuse_fetch(self, question: Question, sender: str, rule: str) -> None:
        """Write to the log that a question was refused before the gate was asked, by which rule."""

        def act(connection: Connection) -> None:
            now = self._clock()
            refuse(connection, self._cipher, question, sender=sender, now=now, id_key=self._id_key, rule=rule)

        self._database.together(act)
