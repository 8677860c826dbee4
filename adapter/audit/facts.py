"""What the log keeps of a record: whose it is, who wrote it, what classes of data it holds; by pseudonym and code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from adapter.audit.persons import Identity, Somebody, pseudonyms_of
from adapter.consent import packaged_configuration
from adapter.store.cipher import Cipher, keyed_hash
from adapter.types import Record, Resource

CONSENT_ACTS = {"withdrawn": "withdraw-consent", "entered-in-error": "correct-consent"}
"""Acts by the status of a consent record; another status gives a consent, or amends it from the second version on."""

OWN_REGISTER = "own-register"


def act_of_record(record: Record, basis: str) -> str:
    """Return the act by which a record was taken: disclosed, kept, or what it did to a consent.

    Args:
        basis: on which ground it goes to others; `own-register` when it does not.
    """
    if basis != OWN_REGISTER:
        return "disclose"
    if record["record_type"] != "consent":
        return "accept"
    usual = "give-consent" if record["record_version"] == 1 else "amend-consent"
    return CONSENT_ACTS.get(str(record.get("status")), usual)


class Written(NamedTuple):
    """A record that an entry is about.

    Attributes:
        lane: keyed hash of the client.
        record: the canonical record.
        bundle: what it became.
    """

    lane: str
    record: Record
    bundle: Resource


def facts_of(
    connection: Connection, cipher: Cipher, id_key: bytes, records: Sequence[Written]
) -> list[dict[str, str | int]]:
    """Return the facts of records for their entries; client and writer get a pseudonym when they are new to the log.

    Args:
        cipher: seals the key table.
        id_key: keys the look-up of the professional who wrote a record.
    """
    clients = [Somebody(one.lane, identity=_client(one.bundle)) for one in records]
    writers = [_writer(id_key, one.record) for one in records]
    named = pseudonyms_of(connection, [*clients, *(one for one in writers if one)], cipher=cipher)
    return [
        _facts(one, named[one.lane], named[writer.lookup] if writer else "")
        for one, writer in zip(records, writers, strict=True)
    ]


def _writer(id_key: bytes, record: Record) -> Somebody | None:
    """Return the professional who wrote a record, when it says who."""
    writer = record.get("recorded_by", {})
    if "id" not in writer:
        return None
    who = Identity(str(writer.get("system", record["source_system"])), str(writer["id"]))
    return Somebody(keyed_hash(id_key, "professional", *who), "professional", who)


def _facts(written: Written, client: str, user: str) -> dict[str, str | int]:
    record = written.record
    facts: dict[str, str | int] = {
        "client": client,
        "custodian": record["custodian"]["id"],
        "register": record["register"],
        "record_type": record["record_type"],
        "record_version": record["record_version"],
        "classes": "" if record["record_type"] == "consent" else ", ".join(_classes(written.bundle)),
    }
    if user:
        writer = record["recorded_by"]
        facts["user"] = user
        facts["role"] = writer.get("role", "")
        facts["organisation"] = writer.get("organisation", {}).get("id", "")
    return {name: value for name, value in facts.items() if value != ""}


def _client(bundle: Resource) -> Identity | None:
    """Return who the client is: the first identifier of the Patient."""
    patients = (entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Patient")
    identifiers = [each for patient in patients for each in patient.get("identifier", ()) if "system" in each]
    return Identity(identifiers[0]["system"], identifiers[0]["value"]) if identifiers else None


def _classes(bundle: Resource) -> dict[str, None]:
    """Return the data classes of the resources, each once, in their order."""
    classes = packaged_configuration().data_classes
    return dict.fromkeys(filter(None, (classes.of(entry["resource"]) for entry in bundle["entry"])))
