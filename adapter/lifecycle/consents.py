"""The life of a consent: given, amended, withdrawn, superseded, corrected; one active record for a business identifier.

Each act is a version of the consent's record, handed over like any other; what follows from it is done in the same
transaction, under the lock of the log, so that no moment knows two active records or none by mistake.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from adapter import audit
from adapter.audit import persons
from adapter.consent.references import Token, identifier_token
from adapter.delivery import Outbox, submissions
from adapter.errors import AdapterError
from adapter.lifecycle.marking import superseded
from adapter.lifecycle.queueing import queue_instead
from adapter.source.json import read_json
from adapter.store import Cipher
from adapter.store.tables import submission
from adapter.types import Issue, Resource

ADAPTER = "kykysilta"
"""Sender of what the adapter itself does to a consent; no client may have this id."""

REASON = "Uudempi suostumus korvasi tämän suostumuksen."


class SecondConsent(AdapterError):  # noqa: N818
    """Another record with the same business identifier is active."""

    stage = "consent"
    http_status = 409


class OnFile(NamedTuple):
    """An active consent of another record of the client."""

    row: Any
    bundle: Resource
    consent: Resource


def refuse_second(connection: Connection, cipher: Cipher, lane: str, record_key: str, bundle: Resource) -> None:
    """Refuse an active consent when another record with its business identifier is active.

    Raises:
        SecondConsent: there is one; two would make a withdrawal of either hollow.
    """
    consent = consent_of(bundle)
    if consent["status"] != "active":
        return
    mine = business_identifiers(consent)
    for other in _active(connection, cipher, lane, record_key):
        if mine & business_identifiers(other.consent):
            raise SecondConsent(Issue("error", "release.second-consent", {"field": "consent_id"}))


def supersede(
    connection: Connection,
    messages: Outbox,
    cipher: Cipher,
    lane: str,
    record_key: str,
    bundle: Resource,
    *,
    now: float,
    id_key: bytes,
) -> list[str]:
    """End the consents that an active one replaces, here and in the repository; returns the submissions that do it.

    Args:
        record_key: of the new consent.
        now: UTC seconds.
    """
    if consent_of(bundle)["status"] != "active":
        return []
    replaced = frozenset(_replaced(bundle))
    ended = [
        other
        for other in _active(connection, cipher, lane, record_key)
        if replaced & business_identifiers(other.consent)
    ]
    return [_end(connection, messages, cipher, lane, other, now, id_key) for other in ended]


def consent_of(bundle: Resource) -> Resource:
    """Return the Consent of a consent record."""
    return next(entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Consent")


def business_identifiers(consent: Resource) -> frozenset[Token]:
    """Return the identifiers under which people know a consent; not those of its record's parts."""
    official = (one for one in consent.get("identifier", ()) if one.get("use") != "secondary")
    return frozenset(token for one in official if (token := identifier_token(one)))


def _replaced(bundle: Resource) -> Iterator[Token]:
    """Yield the identifiers of the consents that this one says to replace."""
    for entry in bundle["entry"]:
        for entity in entry["resource"].get("entity", ()) if entry["resource"]["resourceType"] == "Provenance" else ():
            token = identifier_token(entity["what"].get("identifier"))
            if entity["role"] == "revision" and token:
                yield token


def _active(connection: Connection, cipher: Cipher, lane: str, record_key: str) -> Iterator[OnFile]:
    """Yield the client's other consent records of which the newest version is active."""
    for one in submissions.newest(connection, cipher, [lane], ("consent",)):
        consent = consent_of(one.bundle)
        row = connection.execute(select(submission).where(submission.c.id == one.submission)).one()
        if consent["status"] == "active" and row.record_key != record_key:
            yield OnFile(row, one.bundle, consent)


def _end(
    connection: Connection, messages: Outbox, cipher: Cipher, lane: str, other: OnFile, now: float, id_key: bytes
) -> str:
    row = other.row
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    # As it was sent: what `other.bundle` shows is lifted out of its containers.
    sent = read_json(cipher.decrypt(f"submission/body/{row.id}", row.body))
    version = row.record_version
    body = superseded(sent, version=version, at=at, reason=REASON, id_key=id_key)
    made = queue_instead(
        connection, messages, cipher, row, body, lane=lane, sender=ADAPTER, version=version, cause="superseded", now=now
    )
    facts: dict[str, str | int] = {"act": "supersede-consent", "submission": made, "record_type": "consent"}
    pseudonym = persons.known(connection, lane)
    facts |= {"custodian": row.custodian} | ({"client": pseudonym} if pseudonym else {})
    audit.append(connection, now, "decision", facts)
    return made
