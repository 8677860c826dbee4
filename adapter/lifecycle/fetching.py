"""Another organisation's records of a client, through the gate, as canonical records again.

Whoever may not see a record gets the same answer as when there is none: nothing. The log knows the difference. Whoever
may, but too late for its content, is told where it lies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection

from adapter import audit
from adapter.audit import persons, traces
from adapter.audit.persons import Identity
from adapter.consent import packaged_configuration
from adapter.consent.context import identifiers_of
from adapter.consent.references import Token
from adapter.consent.withholding import is_protected, without_names
from adapter.delivery import keeping, submissions
from adapter.mapping import unmap
from adapter.mapping.conversions import CONVERSIONS, IDENTITY_CODE
from adapter.release import Asked, OnFile, Reader, Word, grounds, pass_gate, traces_of
from adapter.store import Cipher, clients
from adapter.store.cipher import keyed_hash
from adapter.terminology import PACKAGED
from adapter.types import CANONICAL_ROOT, Record, Resource

CUSTODIAN = ("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "custodian")
CONTENT_DELETED = "content-deleted"
"""Why the log says that nothing was given though it was permitted: the asker was told where it lies."""

DECIDING = ("consent", "team")
"""Types of records by which the gate decides."""


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody asks for.

    Attributes:
        client: as in a record (`ClientRef`): identity code, or id and system.
        organisation: who asks, as in a record (`OrganisationRef`).
        practitioner: the person who asks (`PractitionerRef`), or empty for the organisation's system.
        purpose: code of cs:consent-purpose.
        record_types: which records are wanted.
        legal_basis: id of a configured statutory rule that is claimed, or empty.
    """

    client: Record
    organisation: Record
    practitioner: Record
    purpose: str
    record_types: tuple[str, ...]
    legal_basis: str = ""


class Elsewhere(NamedTuple):
    """A record that the asking organisation may see, and whose content is not kept here any more.

    Attributes:
        since: when it was deleted, UTC seconds.
        location: `Type/id` of its first resource in the repository.
    """

    record_type: str
    since: float
    location: str


class Fetched(NamedTuple):
    """The answer to a question: what the gate let through, and what of it has to be read in the repository."""

    records: list[Record]
    elsewhere: list[Elsewhere]


@dataclass(slots=True)
class Found:
    """What the gate let through, and what the log keeps of it.

    Attributes:
        words: the gate's word about every resource.
        submissions: ids of the submissions that the records came from.
        custodians, classes: whose data of which classes were shown.
    """

    records: list[Record] = field(default_factory=list)
    elsewhere: list[Elsewhere] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    submissions: list[str] = field(default_factory=list)
    custodians: set[str] = field(default_factory=set)
    classes: set[str] = field(default_factory=set)


def fetch(
    connection: Connection, cipher: Cipher, question: Question, *, sender: str, now: float, id_key: bytes
) -> Fetched:
    """Return the records of a client that the asking organisation may see; the log is written in this transaction.

    Args:
        sender: id of the API client that asks.
        now: UTC seconds.
        id_key: keys the look-up of the client.
    """
    lane = clients.lane_of(connection, [lookup_of(question.client, id_key)])
    deciding = submissions.newest(connection, cipher, [lane], DECIDING)
    kinds = list(dict.fromkeys(question.record_types))
    wanted = submissions.newest(connection, cipher, [lane], kinds)
    deleted = keeping.left(connection, cipher, lane, kinds)
    beside = (*(one.outline for one in deleted), *(one.bundle for one in wanted))
    on_file = OnFile.of([one.bundle for one in deciding], *beside)
    found = Found()
    for one in wanted:
        _look(one.submission, one.bundle, question, on_file, now, found)
    for gone in deleted:
        _, _, (core, *_) = _through(gone.outline, question, on_file, now, found)
        if core is not None:
            found.elsewhere.append(Elsewhere(gone.record_type, gone.since, gone.location))
    decided = traces_of(found.words)
    facts = _facts(connection, cipher, lane, question, sender, id_key) | traces.fact_of(decided)
    traces.keep(connection, decided, cipher)
    audit.append(connection, now, *_entry(facts, found))
    records = [record | ({"client": question.client} if "client" in record else {}) for record in found.records]
    return Fetched(records, found.elsewhere)


def refuse(
    connection: Connection, cipher: Cipher, question: Question, *, sender: str, now: float, id_key: bytes, rule: str
) -> None:
    """Write to the log that a question was refused before the gate was asked.

    Args:
        sender, now, id_key: as in `fetch`.
        rule: why, as a code.
    """
    lane = clients.lane_of(connection, [lookup_of(question.client, id_key)])
    refused = {"act": "refuse", "stage": "fetch", "rules": rule}
    audit.append(connection, now, "refusal", _facts(connection, cipher, lane, question, sender, id_key) | refused)


def lookup_of(client: Record, id_key: bytes) -> str:
    """Return the look-up value of a client, as a record would name the client."""
    code = client.get("personal_identity_code")
    system, value = (IDENTITY_CODE, code.strip().upper()) if code else (client["system"], client["id"])
    return clients.lookup(id_key, system, value)


def _look(submission_id: str, bundle: Resource, question: Question, on_file: OnFile, now: float, found: Found) -> None:
    """Ask the gate about one record; what it shows becomes a record again when its core is among it."""
    asked, entries, shown = _through(bundle, question, on_file, now, found)
    if shown[0] is None:
        return
    withheld = {entry["fullUrl"] for entry, resource in zip(entries, shown, strict=True) if resource is None}
    kept = [
        {**entry, "resource": without_names(resource, withheld.__contains__)}
        for entry, resource in zip(entries, shown, strict=True)
        if resource is not None
    ]
    found.records += unmap({**bundle, "entry": [*kept, *_provenances(bundle, withheld)]})
    found.submissions.append(submission_id)
    found.custodians |= {value.removeprefix("urn:oid:") for _, value in asked.custodian_names}
    classes = packaged_configuration().data_classes
    found.classes |= {classes.of(resource) for resource in shown if resource is not None} - {""}


def _through(
    bundle: Resource, question: Question, on_file: OnFile, now: float, found: Found
) -> tuple[Asked, list[Resource], tuple[Resource | None, ...]]:
    """Return what the gate was asked about a Bundle, its entries, and what of each may be shown."""
    entries = [entry for entry in bundle["entry"] if entry["resource"]["resourceType"] != "Provenance"]
    asked = _asked(bundle, entries, on_file)
    return asked, entries, pass_gate(_reader(question), asked, on_file, now, found.words.append).shown


def _provenances(bundle: Resource, withheld: set[str]) -> list[Resource]:
    """Return the Provenances of what is shown: who wrote it, and whose it is."""
    kept = []
    for entry in bundle["entry"]:
        targets = [one for one in entry["resource"].get("target", ()) if one.get("reference") not in withheld]
        if entry["resource"]["resourceType"] == "Provenance" and targets:
            kept.append({**entry, "resource": entry["resource"] | {"target": targets}})
    return kept


def _asked(bundle: Resource, entries: list[Resource], on_file: OnFile) -> Asked:
    patients = (entry["fullUrl"] for entry in entries if entry["resource"]["resourceType"] == "Patient")
    custodian = _custodian(bundle)
    organisation = on_file.context.look_up(on_file.context.reference(custodian))
    return Asked(
        patient=next(patients, ""),
        custodian=custodian,
        custodian_names=frozenset(identifiers_of(organisation) if organisation else ()),
        resources=entries,
        interaction="search",
        protected=any(is_protected(one) for one in (bundle, *(entry["resource"] for entry in entries))),
    )


def _custodian(bundle: Resource) -> dict[str, Any]:
    for entry in bundle["entry"]:
        for agent in entry["resource"].get("agent", ()) if entry["resource"]["resourceType"] == "Provenance" else ():
            if any((each["system"], each["code"]) == CUSTODIAN for each in agent["type"].get("coding", ())):
                return dict(agent["who"])
    return {}


def _reader(question: Question) -> Reader:
    organisation = _identifier("organisation-identifier", question.organisation)
    requester: dict[str, Any] = {"organization": {"identifier": organisation}}
    if question.practitioner:
        person = _identifier("practitioner-identifier", question.practitioner)
        requester["practitioner"] = {"identifier": person}
    purpose = PACKAGED.coding("consent-purpose", question.purpose)
    basis = {"system": f"{CANONICAL_ROOT}/CodeSystem/statutory-rule", "code": question.legal_basis}
    return Reader(
        requester,
        frozenset[Token]({(organisation["system"], organisation["value"])}),
        {"system": purpose["system"], "code": purpose["code"]},
        basis if question.legal_basis else None,
    )


@dataclass(frozen=True, slots=True)
class _Asker:
    """Identifiers without a system are the asking system's own: none that we know."""

    source_system: str = f"{CANONICAL_ROOT}/unknown-system"

    def own_ids(self, type_: str) -> tuple[str, ...]:  # noqa: ARG002 - no record is being made
        """No resources are made here."""
        return ()


def _identifier(name: str, value: Record) -> dict[str, Any]:
    (conversion,) = CONVERSIONS[name]
    found: dict[str, Any] = conversion.forward(value, _Asker(), "")
    return found


def _facts(
    connection: Connection, cipher: Cipher, lane: str, question: Question, sender: str, id_key: bytes
) -> dict[str, str | int]:
    """Return who asked about whom and what for; the person who asked gets a pseudonym when new to the log."""
    facts: dict[str, str | int] = {
        "act": "fetch",
        "sender": sender,
        "organisation": str(question.organisation["id"]),
        "purpose": question.purpose,
    }
    if question.practitioner:
        named = _identifier("practitioner-identifier", question.practitioner)
        who = Identity(named["system"], named["value"])
        lookup = keyed_hash(id_key, "professional", *who)
        facts["user"] = persons.pseudonym_of(connection, lookup, kind="professional", identity=who, cipher=cipher)
    pseudonym = persons.known(connection, lane)
    return facts | ({"client": pseudonym} if pseudonym else {})


def _entry(facts: dict[str, str | int], found: Found) -> tuple[str, dict[str, str | int]]:
    """Return kind and facts for the log: a release, or a refusal that outside looks like an empty file."""
    if not found.records:
        reasons = sorted({word.reason for word in found.words if word.decision == "deny"})
        reasons += [CONTENT_DELETED] if found.elsewhere else []
        return "refusal", facts | {"act": "refuse", "stage": "fetch", "rules": ",".join(reasons)}
    statutory = any(word.reason == "STATUTORY_BASIS" for word in found.words)
    return "release", facts | {
        "recipients": facts["organisation"],
        "basis": "other-statutory" if statutory else "client-consent",
        "submission": ", ".join(found.submissions),
        "custodian": ", ".join(sorted(found.custodians)),
        "classes": ", ".join(sorted(found.classes)),
        "decision": "permit",
        **{name: value for name, value in grounds(found.words).items() if value},
    }
