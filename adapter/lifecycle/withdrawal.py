"""A consent withdrawn in one step, and the receipt for each version of it with those who are to be told."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from adapter.delivery import submissions
from adapter.errors import AdapterError
from adapter.lifecycle.receipt import Receipt, act_of, receipt
from adapter.lifecycle.recipients import Recipient, recipients_of
from adapter.mapping import unmap
from adapter.mapping.lifting import lifted
from adapter.source.json import read_json
from adapter.store import Cipher
from adapter.store.tables import outbox, submission
from adapter.types import Issue, Record, Resource

ZONE = ZoneInfo("Europe/Helsinki")
WHOLE = "whole"
BY_CONSENT = "client-consent"


class NotAConsent(AdapterError):  # noqa: N818
    """The submission is no consent, or no active one that could be withdrawn."""

    stage = "api"
    http_status = 409


class Told(NamedTuple):
    """A receipt and the organisations that are to be told, with their names where they are known."""

    receipt: Receipt
    recipients: tuple[tuple[Recipient, str], ...]


def receipt_for(connection: Connection, cipher: Cipher, submission_id: str, language: str) -> Told:
    """Return the receipt for the version of a consent that a submission brought.

    Raises:
        NotAConsent: it brought another record, or its content is gone.
    """
    row, record, before = _versions(connection, cipher, submission_id)
    told: list[tuple[Recipient, str]] = []
    if act_of(record, before).takes_back:
        names = _names(connection, cipher, row.lane)
        found = recipients_of(connection, row.lane, basis=BY_CONSENT)
        told = [(one, names.get(one.organisation, one.organisation)) for one in found]
    return Told(receipt(record, before, [name for _, name in told], language), tuple(told))


def withdrawn(connection: Connection, cipher: Cipher, submission_id: str, act: Record, now: float) -> Record:
    """Return the next version of a consent's record, with a withdrawal in it; it is handed over like any version.

    Args:
        act: fields of a withdrawal as in a record; what is missing means the whole consent, by the client, now.
            `recorded_by` is who writes it down, by default who wrote the version before.
        now: UTC seconds.

    Raises:
        NotAConsent: the newest version is no active consent.
    """
    row, record, _ = _versions(connection, cipher, submission_id)
    if record["status"] != "active":
        raise NotAConsent(Issue("error", "release.not-active"))
    at = datetime.fromtimestamp(now, ZONE).isoformat(timespec="seconds")
    usual = {"withdrawn_at": at, "withdrawn_by": {"client": True}, "withdrawal_scope": WHOLE}
    withdrawal = usual | {name: value for name, value in act.items() if name != "recorded_by"}
    changes = {
        "record_version": row.record_version + 1,
        "recorded_at": at,
        "recorded_by": act.get("recorded_by", record["recorded_by"]),
        "withdrawals": [*record.get("withdrawals", ()), withdrawal],
    }
    return record | changes | ({"status": "withdrawn"} if withdrawal["withdrawal_scope"] == WHOLE else {})


def newest_of(connection: Connection, submission_id: str) -> str:
    """Return the submission of the newest version of the same record by the same sender."""
    of = select(submission.c.sender, submission.c.record_key).where(submission.c.id == submission_id).subquery()
    same = (submission.c.sender == of.c.sender) & (submission.c.record_key == of.c.record_key)
    query = select(submission.c.id).where(same).order_by(submission.c.record_version.desc()).limit(1)
    return str(connection.execute(query).scalar_one())


def _versions(connection: Connection, cipher: Cipher, submission_id: str) -> tuple[Any, Record, Record | None]:
    """Return the row of a submission, its record, and the record of the version before it."""
    query = select(submission, outbox.c.lane).join(outbox, outbox.c.submission == submission.c.id)
    row = connection.execute(query.where(submission.c.id == submission_id)).one()
    if row.record_type != "consent" or row.body is None:
        raise NotAConsent(Issue("error", "release.not-a-consent"))
    earlier = query.where(
        submission.c.sender == row.sender,
        submission.c.record_key == row.record_key,
        submission.c.record_version < row.record_version,
        submission.c.body.is_not(None),
    ).order_by(submission.c.record_version.desc())
    before = connection.execute(earlier.limit(1)).first()
    return row, _record(cipher, row), _record(cipher, before) if before is not None else None


def _record(cipher: Cipher, row: Any) -> Record:
    bundle = lifted(read_json(cipher.decrypt(f"submission/body/{row.id}", row.body)))
    return unmap(bundle)[0] | {"record_version": row.record_version}


def _names(connection: Connection, cipher: Cipher, lane: str) -> dict[str, str]:
    """Return the names of the organisations that the client's consents and teams speak of, by id."""
    found: dict[str, str] = {}
    for one in submissions.newest(connection, cipher, [lane], ("consent", "team")):
        found |= {value: name for name, value in _organisations(one.bundle)}
    return found


def _organisations(bundle: Resource) -> list[tuple[str, str]]:
    named = (entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Organization")
    return [
        (str(one["name"]), str(identifier["value"]).removeprefix("urn:oid:"))
        for one in named
        if "name" in one
        for identifier in one.get("identifier", ())
    ]
