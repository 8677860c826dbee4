"""What the log keeps of a record: whose it is, who wrote it, what classes of data it holds; by pseudonym and code."""

from __future__ import annotations

from sqlalchemy import Connection

from adapter.audit.persons import Identity, pseudonym_of
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


def record_facts(
    connection: Connection, cipher: Cipher, id_key: bytes, lane: str, record: Record, bundle: Resource
) -> dict[str, str | int]:
    """Return the facts of a record for an entry; client and writer get a pseudonym when they are new to the log.

    Args:
        cipher: seals the key table.
        id_key: keys the look-up of the professional who wrote the record.
        lane: keyed hash of the client.
        record: the canonical record.
        bundle: what it became.
    """
    facts: dict[str, str | int] = {
        "client": pseudonym_of(connection, lane, identity=_client(bundle), cipher=cipher),
        "custodian": record["custodian"]["id"],
        "register": record["register"],
        "record_type": record["record_type"],
        "record_version": record["record_version"],
        "classes": "" if record["record_type"] == "consent" else ", ".join(_classes(bundle)),
    }
    writer = record.get("recorded_by", {})
    if "id" in writer:
        who = Identity(str(writer.get("system", record["source_system"])), str(writer["id"]))
        lookup = keyed_hash(id_key, "professional", *who)
        facts["user"] = pseudonym_of(connection, lookup, kind="professional", identity=who, cipher=cipher)
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
