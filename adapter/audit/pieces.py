"""The pieces of an AuditEvent: agents, entities, references by identifier. Persons appear by their pseudonym only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapter.audit.rows import Row
from adapter.terminology import code_system
from adapter.types import CANONICAL_ROOT

DCM = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED = "http://snomed.info/sct"
RECORD_KEEPER = "159541003"
"""BALP's code of the custodian of the data."""

PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
BALP = "https://profiles.ihe.net/ITI/BALP"
PSEUDONYM = f"{CANONICAL_ROOT}/log-pseudonym"
ACCOUNT = f"{CANONICAL_ROOT}/reviewer-account"
CLIENT_ID = f"{CANONICAL_ROOT}/client-id"
SUBMISSION = f"{CANONICAL_ROOT}/submission"
REQUEST = f"{CANONICAL_ROOT}/request-id"
ENTRY = f"{CANONICAL_ROOT}/log-entry"
URI = "5"
"""`network-type`: a URI."""

# Addresses of callers are not logged: the least data that shows who saw what.
NOT_LOGGED = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unsupported"}]
}

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_BUSINESS_ID = re.compile(r"[0-9]{7}-[0-9]")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Site:
    """The installation whose log it is.

    Attributes:
        name: client id or other name of the system that keeps the log.
        address: its base URL.
        organisation: id of the organisation that runs it: an OID or a business id; the controller of entries that
            name none.
    """

    name: str
    address: str
    organisation: str

    @property
    def device(self) -> Json:
        """The system that keeps the log."""
        return by_identifier("Device", CLIENT_ID, self.name)


def coding(system: str, code: str) -> Json:
    """Return a Coding."""
    return {"system": system, "code": code}


def concept(system: str, code: str) -> Json:
    """Return a CodeableConcept of one Coding."""
    return {"coding": [coding(system, code)]}


def by_identifier(kind: str, system: str, value: str) -> Json:
    """Return a reference by identifier: nothing of the other resource is repeated."""
    return {"type": kind, "identifier": {"system": system, "value": value}}


def organisation(value: str) -> Json:
    """Return a reference to an organisation by OID, business id or an id of our own."""
    if _OID.fullmatch(value):
        return by_identifier("Organization", "urn:ietf:rfc:3986", f"urn:oid:{value}")
    system = "urn:oid:1.2.246.10" if _BUSINESS_ID.fullmatch(value) else f"{CANONICAL_ROOT}/organisation"
    return by_identifier("Organization", system, value)


def client(row: Row) -> Json:
    """Return a reference to the client of an entry by pseudonym."""
    return by_identifier("Patient", PSEUDONYM, row.fact("client"))


def system_of(row: Row, site: Site) -> Json:
    """Return the system that asked: the sender's, the reviewer's pages, or the installation itself."""
    if sender := row.fact("sender"):
        return by_identifier("Device", CLIENT_ID, sender)
    return by_identifier("Device", CLIENT_ID, "review") if row.fact("reviewer") else site.device


def person_of(row: Row) -> Json | None:
    """Return the person who asked, by pseudonym or account; None when a system acted by itself."""
    if user := row.fact("user"):
        return by_identifier("Practitioner", PSEUDONYM, user)
    return by_identifier("Practitioner", ACCOUNT, row.fact("reviewer")) if row.fact("reviewer") else None


def agent(kind: Json, who: Json, *, requestor: bool = False, **more: Any) -> Json:
    """Return an agent of an event."""
    return {"type": kind, "who": who, "requestor": requestor, **more}


def custodian_of(row: Row, site: Site) -> Json:
    """Return a reference to the controller, of several the first; else the organisation that runs the installation."""
    return organisation(next(iter(row.parts("custodian")), site.organisation))


def controller(row: Row, site: Site) -> Json:
    """Return the controller whose data the act was about."""
    return agent(concept(SNOMED, RECORD_KEEPER), custodian_of(row, site))


def patient_entity(row: Row, description: str) -> Json:
    """Return the client as entity."""
    return {
        "what": client(row),
        "type": coding(ENTITY_TYPE, "1"),
        "role": coding(OBJECT_ROLE, "1"),
        "description": description,
    }


def data_entities(row: Row) -> list[Json]:
    """Return what was handled: the submissions, else resources of a type, else the client's records as a whole."""
    kind = row.fact("type") if row.fact("type")[:1].isupper() else "Bundle"
    shown = [{"type": "class", "valueString": code} for code in row.what]
    data = {"type": coding(ENTITY_TYPE, "2"), "role": coding(OBJECT_ROLE, "4")} | ({"detail": shown} if shown else {})
    values = [(SUBMISSION, one) for one in row.parts("submission")] or [(ENTRY, str(row.seq))]
    return [{"what": by_identifier(kind, system, value)} | data for system, value in values]


def purpose_of(row: Row, otherwise: str) -> Json:
    """Return the purpose as stated then; the code of the national list is not known for any of ours.

    Args:
        otherwise: v3-ActReason code for an entry that states none.
    """
    stated = row.fact("purpose")
    if stated in code_system("consent-purpose"):
        return {"coding": [code_system("consent-purpose").coding(stated)]}
    return concept("http://terminology.hl7.org/CodeSystem/v3-ActReason", stated or otherwise)


def request_entity(row: Row) -> Json:
    """Return the id that ties the entry to the log of the other side; an act without a request is its own."""
    value = row.fact("request") or next(iter(row.parts("submission")), "")
    identifier = {"system": REQUEST, "value": value} if value else {"system": ENTRY, "value": str(row.seq)}
    return {
        "what": {"identifier": identifier},
        "type": coding(f"{BALP}/CodeSystem/BasicAuditEntityType", "XrequestId"),
    }


def moment(at: float) -> str:
    """Return an instant in UTC seconds as FHIR instant."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
