"""A client's file as a reviewer may see it: every version of every record, and what was on file at an instant.

A reviewer sees records of the controllers that the account is bound to, the consents that govern data of theirs and
the teams which those consents name. Consents and teams of others are asked by the engine and shown to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from adapter.audit import persons
from adapter.consent import Context
from adapter.delivery.states import State
from adapter.lifecycle.consents import ADAPTER
from adapter.mapping.lifting import lifted
from adapter.release import keeps_register
from adapter.review.resources import actors, class_of, value_of
from adapter.source.json import read_json
from adapter.store import Cipher, clients
from adapter.store.tables import outbox, submission
from adapter.types import Resource

IDENTITY_CODE = "urn:oid:1.2.246.21"
ZONE = ZoneInfo("Europe/Helsinki")
CUSTODIAN = ("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "custodian")
DECIDING = ("consent", "team")
"""Types of records that decide about every other record of the client."""


@dataclass(frozen=True)
class Kept:
    """One version of one record.

    Attributes:
        id: opaque id of the submission.
        record: which record it is a version of; what the adapter itself did to a version is one too.
        custodian: identifier value of its controller.
        recorded: when the source system recorded it, UTC seconds.
        bundle: what it became; contained resources are lifted out into entries.
    """

    id: str
    lane: str
    record_type: str
    custodian: str
    record: str
    version: int
    recorded: float
    bundle: Resource

    @cached_property
    def controller(self) -> Resource:
        """Reference to the controller, as the record names it; else by its identifier."""
        for provenance in self.of_type("Provenance"):
            for agent in provenance.get("agent", ()):
                codings = agent.get("type", {}).get("coding", ())
                if any((each.get("system"), each.get("code")) == CUSTODIAN for each in codings):
                    return dict(agent["who"])
        return {"identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{self.custodian}"}}

    def of_type(self, kind: str) -> list[Resource]:
        """Return the resources of one type."""
        return [entry["resource"] for entry in self.bundle["entry"] if entry["resource"]["resourceType"] == kind]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Data classes of what the record holds, each once."""
        found = (class_of(entry["resource"]) for entry in self.bundle["entry"])
        return tuple(dict.fromkeys(filter(None, found)))


@dataclass(frozen=True)
class ClientFile:
    """What is on file of one client.

    Attributes:
        kept: what the reviewer may see.
        beside: consents and teams of other controllers, for the engine alone.
        client: `urn:uuid:…` under which the records refer to the client; by default see `address`.
    """

    kept: tuple[Kept, ...]
    beside: tuple[Kept, ...] = ()
    client: str = ""

    def at(self, moment: float) -> ClientFile:
        """Return the file as it was at an instant: the newest version of each record that was known then."""
        return ClientFile(_newest(self.kept, moment), _newest(self.beside, moment), self.address)

    @cached_property
    def context(self) -> Context:
        """What the consents refer to: teams, organisations, roles, people."""
        return Context((one.bundle for one in (*self.kept, *self.beside)), ())

    @cached_property
    def consents(self) -> tuple[tuple[Kept, Resource], ...]:
        """The consents to show, each with an opaque id and its version, so that a decision can name them."""
        return _consents(self.kept)

    @cached_property
    def all_consents(self) -> tuple[tuple[Kept, Resource], ...]:
        """The consents that decide: those to show and those of other controllers."""
        return (*self.consents, *_consents(self.beside))

    @cached_property
    def organisations(self) -> dict[str, str]:
        """Names of organisations by identifier value."""
        found = ((one, resource) for one in (*self.kept, *self.beside) for resource in one.of_type("Organization"))
        return {
            value_of(identifier): str(resource.get("name", ""))
            for _, resource in found
            for identifier in resource.get("identifier", ())
        }

    @cached_property
    def address(self) -> str:
        """`urn:uuid:…` under which the client's records refer to the client; empty when there is no record.

        A client who got another code has several; that of the newest consent is asked for, as the gate would.
        """
        newest_first = [*reversed(self.kept)]
        newest_first.sort(key=lambda one: one.record_type != "consent")
        entries = (entry for one in newest_first for entry in one.bundle["entry"])
        found = (str(each["fullUrl"]) for each in entries if each["resource"]["resourceType"] == "Patient")
        return self.client or next(found, "")

    @property
    def name(self) -> str:
        """The client's name; empty when it is not known."""
        for one in reversed(self.kept):
            for patient in one.of_type("Patient"):
                for name in patient.get("name", ()):
                    given = " ".join(name.get("given", ()))
                    return str(name.get("text") or f"{given} {name.get('family', '')}".strip())
        displays = (consent["patient"].get("display", "") for _, consent in self.consents)
        return next((str(each) for each in displays if each), "")

    @property
    def identity_code(self) -> str:
        """The identity code; empty when it is not known."""
        for one in reversed(self.kept):
            for patient in one.of_type("Patient"):
                for identifier in patient.get("identifier", ()):
                    if identifier.get("system") == IDENTITY_CODE:
                        return str(identifier["value"])
        return ""


def masked(identity_code: str) -> str:
    """Return an identity code of which only the year of birth is readable."""
    return f"••••{identity_code[4:6]}•••••" if identity_code else "–"


def lane_of(connection: Connection, id_key: bytes, identity_code: str) -> str:
    """Return the lane of a client, by a present or former identity code."""
    return clients.lane_of(connection, [clients.lookup(id_key, IDENTITY_CODE, identity_code.strip().upper())])


def read_file(connection: Connection, cipher: Cipher, lane: str, custodians: frozenset[str]) -> ClientFile | None:
    """Return a client's file as a reviewer of these controllers may see it; None when there is nothing to see."""
    return _file_for(tuple(_read(connection, cipher, lane=lane)), custodians)


def read_all(
    connection: Connection, cipher: Cipher, kinds: Iterable[str], custodians: frozenset[str]
) -> dict[str, ClientFile]:
    """Return the files that a reviewer of these controllers may see, by lane, with records of these types only."""
    found: dict[str, list[Kept]] = {}
    for one in _read(connection, cipher, kinds=tuple(kinds)):
        found.setdefault(one.lane, []).append(one)
    files = ((lane, _file_for(tuple(kept), custodians)) for lane, kept in found.items())
    return {lane: file for lane, file in files if file is not None}


def lanes_of(connection: Connection, custodians: frozenset[str]) -> frozenset[str]:
    """Return the lanes of the clients of whom these controllers have a record."""
    query = select(outbox.c.lane).distinct().join(submission, outbox.c.submission == submission.c.id)
    return frozenset(connection.execute(query.where(submission.c.custodian.in_(custodians))).scalars())


def _file_for(kept: tuple[Kept, ...], custodians: frozenset[str]) -> ClientFile | None:
    """Split a client's records into what is shown and what only decides."""
    around = ClientFile(kept).context
    own = {one.id for one in kept if keeps_register(custodians, {one.custodian})}
    if not own:
        return None
    governing = [one for one in kept if one.id in own or _governs(one, around, custodians)]
    named = {id(around.look_up(around.reference(each))) for one in governing for each in _actors_of(one)}
    teams = {one.id for one in kept for team in one.of_type("CareTeam") if id(team) in named}
    shown = own | teams | {one.id for one in governing}
    rules = (one for one in kept if one.id not in shown and one.record_type in DECIDING)
    return ClientFile(tuple(one for one in kept if one.id in shown), tuple(rules))


def _governs(one: Kept, around: Context, custodians: frozenset[str]) -> bool:
    """Say whether a consent names one of the controllers as sender of the data (`Consent.organization`)."""
    for consent in one.of_type("Consent"):
        for reference in consent.get("organization", ()):
            organisation = around.look_up(around.reference(reference)) or {}
            written = [*organisation.get("identifier", ()), reference.get("identifier", {})]
            if any(value_of(each) in custodians for each in written):
                return True
    return False


def _actors_of(one: Kept) -> Iterable[Any]:
    return (reference for consent in one.of_type("Consent") for reference in actors(consent.get("provision", {})))


def handle_of(connection: Connection, lane: str) -> str:
    """Return the pseudonym under which pages and the audit name a client."""
    return persons.pseudonym_of(connection, lane)


def lane_named(connection: Connection, handle: str) -> str | None:
    """Return the lane of a client's pseudonym, also of a former one."""
    found = persons.person(connection, handle)
    return clients.lane_of(connection, [found.lookup]) if found is not None and found.kind == "client" else None


def end_of_day(day: date) -> float:
    """Return the last second of a day in Finland, UTC seconds."""
    return datetime.combine(day, time(23, 59, 59), ZONE).timestamp()


def _read(connection: Connection, cipher: Cipher, *, lane: str = "", kinds: tuple[str, ...] = ()) -> Iterable[Kept]:
    query = select(submission, outbox.c.lane).join(outbox, outbox.c.submission == submission.c.id)
    query = query.where(outbox.c.state != State.CANCELLED)
    if lane:
        query = query.where(outbox.c.lane == lane)
    if kinds:
        query = query.where(submission.c.record_type.in_(kinds))
    for row in connection.execute(query.order_by(outbox.c.seq)):
        if row.body is not None:
            bundle = read_json(cipher.decrypt(f"submission/body/{row.id}", row.body))
            yield Kept(
                row.id,
                row.lane,
                row.record_type,
                row.custodian,
                row.record_key,
                row.record_version,
                row.received_at if row.sender == ADAPTER else _recorded(bundle, row.received_at),
                lifted(bundle),
            )


def _recorded(bundle: Resource, received: float) -> float:
    stamps = [
        datetime.fromisoformat(entry["resource"]["recorded"]).timestamp()
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "Provenance" and "recorded" in entry["resource"]
    ]
    return max(stamps, default=received)


def _newest(kept: Iterable[Kept], moment: float) -> tuple[Kept, ...]:
    """Return the newest version of each record; of two acts upon one version the later one, as they were stored."""
    newest: dict[str, Kept] = {}
    for one in kept:
        before = newest.get(one.record)
        if one.recorded <= moment and (before is None or before.version <= one.version):
            newest[one.record] = one
    return tuple(newest.values())


def _consents(kept: Iterable[Kept]) -> tuple[tuple[Kept, Resource], ...]:
    return tuple((one, _named(one, consent)) for one in kept for consent in one.of_type("Consent"))


def _named(kept: Kept, consent: Resource) -> Resource:
    return {**consent, "id": kept.id, "meta": {**consent["meta"], "versionId": str(kept.version)}}
