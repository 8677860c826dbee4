"""A client's file as the adapter holds it: every version of every record, and what was on file at an instant."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert, select

from adapter.consent import Context
from adapter.fhir.ids import ids_under
from adapter.source.json import read_json
from adapter.store import Cipher
from adapter.store.cipher import keyed_hash
from adapter.store.tables import outbox, review_client, submission
from adapter.types import CANONICAL_ROOT, Resource

IDENTITY_CODE = "urn:oid:1.2.246.21"
ZONE = ZoneInfo("Europe/Helsinki")


@dataclass(frozen=True, slots=True)
class Kept:
    """One version of one record.

    Attributes:
        id: opaque id of the submission.
        record: which record it is a version of.
        recorded: when the source system recorded it, UTC seconds.
        bundle: what it became.
    """

    id: str
    lane: str
    record_type: str
    record: tuple[str, str]
    version: int
    recorded: float
    bundle: Resource

    def of_type(self, kind: str) -> list[Resource]:
        """Return the resources of one type."""
        return [entry["resource"] for entry in self.bundle["entry"] if entry["resource"]["resourceType"] == kind]


@dataclass(frozen=True)
class ClientFile:
    """Everything on file of one client."""

    kept: tuple[Kept, ...]

    def at(self, moment: float) -> ClientFile:
        """Return the file as it was at an instant: the newest version of each record that was known then."""
        newest: dict[tuple[str, str], Kept] = {}
        for one in self.kept:
            before = newest.get(one.record)
            if one.recorded <= moment and (before is None or before.version < one.version):
                newest[one.record] = one
        return ClientFile(tuple(newest.values()))

    @cached_property
    def context(self) -> Context:
        """What the consents refer to: teams, organisations, roles, people."""
        return Context((one.bundle for one in self.kept), ())

    @cached_property
    def consents(self) -> tuple[tuple[Kept, Resource], ...]:
        """Return consents, each with an opaque id and its version, so that a decision can name them."""
        return tuple((one, _named(one, consent)) for one in self.kept for consent in one.of_type("Consent"))

    @property
    def address(self) -> str:
        """`urn:uuid:…` under which the client's records refer to the client."""
        entries = self.kept[0].bundle["entry"]
        return next(str(each["fullUrl"]) for each in entries if each["resource"]["resourceType"] == "Patient")

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


def lane_of(id_key: bytes, identity_code: str) -> str:
    """Return the look-up value of a client; the code itself is stored nowhere."""
    address = ids_under(id_key).urn(f"{IDENTITY_CODE}#Patient", identity_code.strip().upper())
    return keyed_hash(id_key, address)


def read_file(connection: Connection, cipher: Cipher, lane: str) -> ClientFile | None:
    """Return a client's file, or None when the adapter holds nothing of the client."""
    kept = tuple(_read(connection, cipher, lane=lane))
    return ClientFile(kept) if kept else None


def read_all(connection: Connection, cipher: Cipher, kinds: Iterable[str]) -> dict[str, ClientFile]:
    """Return the files of all clients by lane, with records of these types only."""
    found: dict[str, list[Kept]] = {}
    for one in _read(connection, cipher, kinds=tuple(kinds)):
        found.setdefault(one.lane, []).append(one)
    return {lane: ClientFile(tuple(kept)) for lane, kept in found.items()}


def handle_of(connection: Connection, lane: str) -> str:
    """Return the random id under which pages and the audit name a client."""
    found = connection.execute(select(review_client.c.id).where(review_client.c.lane == lane)).scalar()
    if found is None:
        found = secrets.token_hex(16)
        connection.execute(insert(review_client).values(id=found, lane=lane))
    return str(found)


def lane_named(connection: Connection, handle: str) -> str | None:
    """Return the lane of a client's random id."""
    return connection.execute(select(review_client.c.lane).where(review_client.c.id == handle)).scalar()


def end_of_day(day: date) -> float:
    """Return the last second of a day in Finland, UTC seconds."""
    return datetime.combine(day, time(23, 59, 59), ZONE).timestamp()


def _read(connection: Connection, cipher: Cipher, *, lane: str = "", kinds: tuple[str, ...] = ()) -> Iterable[Kept]:
    query = select(submission, outbox.c.lane).join(outbox, outbox.c.submission == submission.c.id)
    if lane:
        query = query.where(outbox.c.lane == lane)
    if kinds:
        query = query.where(submission.c.record_type.in_(kinds))
    for row in connection.execute(query.order_by(outbox.c.seq)):
        if row.body is not None:
            bundle = read_json(cipher.decrypt(f"submission/body/{row.id}", row.body))
            record = (row.sender, row.record_key)
            recorded = _recorded(bundle, row.received_at)
            yield Kept(row.id, row.lane, row.record_type, record, row.record_version, recorded, bundle)


def _recorded(bundle: Resource, received: float) -> float:
    stamps = [
        datetime.fromisoformat(entry["resource"]["recorded"]).timestamp()
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "Provenance" and "recorded" in entry["resource"]
    ]
    return max(stamps, default=received)


def _named(kept: Kept, consent: Resource) -> Resource:
    return {**consent, "id": kept.id, "meta": {**consent["meta"], "versionId": str(kept.version)}}


def coded(concept: Any, system: str) -> str:
    """Return the code of one of our own systems (`consent-type`) in a CodeableConcept; empty when there is none."""
    url = f"{CANONICAL_ROOT}/CodeSystem/{system}"
    codings = concept.get("coding", ()) if isinstance(concept, dict) else ()
    return next((str(each["code"]) for each in codings if each.get("system") == url), "")
