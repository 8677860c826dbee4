"""Every read by another organisation passes the one gate of `adapter.release`, and looks the same refused or absent.

The custodian of a record is the `custodian` agent of the first Provenance that targets it; its own organisation reads
without being asked. Whoever is not known (`--auth open`) cannot be judged, so nothing is withheld then.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from adapter.consent import Consents, Context, read_consents
from adapter.consent.context import identifiers_of
from adapter.consent.model import HANDLING
from adapter.consent.references import Token, identifier_token
from adapter.consent.withholding import is_protected, without_names
from adapter.mock.definitions import patient_compartment
from adapter.mock.storage import Stored, from_json
from adapter.release import OF_NO_CLIENT, Asked, OnFile, Reader, Word, pass_gate
from adapter.security.tokens import Access
from adapter.types import Resource

if TYPE_CHECKING:
    from adapter.mock.world import World

AROUND = ("CareTeam", "Organization", "Practitioner", "PractitionerRole", "RelatedPerson", "Patient")
"""Types that the engine may look up: teams, organisations, roles, people."""

OWN = ("OWN_REGISTER", "NO_CLIENT_DATA")
"""Reasons of what is shown without a release to somebody else."""

CUSTODIAN = ("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "custodian")
NATIONAL_CUSTODIAN = ("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "CST")
"""How the Finnish base profile names the same controller: by an identifier of its own code system."""

_ROLES = "http://gen.kanta.fi/figen-cs-provenancerolecategory"
KEEPERS = (CUSTODIAN, NATIONAL_CUSTODIAN, (_ROLES, "1"), (_ROLES, "13"))
"""Agents who read without being asked; the last two stand in the Provenance of a permission: its controller, and the
service provider that recorded it."""

URI = "urn:ietf:rfc:3986"
_OID = re.compile(r"[0-2](?:\.(?:0|[1-9]\d*))+")


@dataclass(frozen=True, slots=True)
class Custodian:
    """The controller of a record.

    Attributes:
        reference: FHIR Reference by which consents name it; empty when it is not known.
        names: every identifier.
    """

    reference: dict[str, Any]
    names: frozenset[Token]


@dataclass(slots=True)
class Gate:
    """What one request may see, about one requester.

    Attributes:
        decisions: a word for every resource that was asked about, in order; journal and audit keep them.
        clients: whose each of them is: address to `Patient/…`, empty when it is nobody's.
    """

    world: World
    access: Access
    decisions: list[Word] = field(default_factory=list)
    clients: dict[str, str] = field(default_factory=dict)
    _shown: dict[int, Resource | None] = field(default_factory=dict)
    _on_file: dict[str, OnFile] = field(default_factory=dict)
    _around: list[Context] = field(default_factory=list)
    _custodians: dict[tuple[int, ...], Custodian] = field(default_factory=dict)
    _marked: dict[str, bool] = field(default_factory=dict)

    @property
    def handling(self) -> list[dict[str, str]]:
        """Handling labels for a Bundle in which somebody else's data are released; none for one's own."""
        released = any(word.decision != "deny" and word.reason not in OWN for word in self.decisions)
        return [{"system": coding.system, "code": coding.code} for coding in HANDLING] if released else []

    def show(self, stored: Stored) -> Resource | None:
        """Return what the requester may see of a version: all, a part, or None."""
        if stored.seq not in self._shown:
            self._shown[stored.seq] = self._judge(stored)
        resource = self._shown[stored.seq]
        if resource is None or stored.type not in patient_compartment():
            return resource
        shown: Resource = without_names(resource, self._withholds)
        return shown

    def seen(self, kinds: Iterable[str], found: list[int]) -> frozenset[int]:
        """Return which resources a chain may look at: of the clients found, what is shown; so no chain tells more.

        Args:
            kinds: types that the chain looks at.
            found: sequence numbers of what it would find if it saw everything.
        """
        store = self.world.store
        patients = json.dumps(sorted({self.client_of(one).partition("/")[2] for one in store.by_sequence(found)}))
        rows: list[tuple[int, int]] = []
        for kind in kinds:
            names = json.dumps([f"{kind}.{link}" for link in patient_compartment()[kind]])
            rows += store.rows(
                "SELECT DISTINCT r.seq, r.pk FROM resource r LEFT JOIN index_reference x ON x.pk = r.pk "
                "AND x.type = 'Patient' AND x.parameter IN (SELECT value FROM json_each(?)) WHERE r.type = ? "
                "AND r.deleted = 0 AND CASE r.type WHEN 'Patient' THEN r.id ELSE x.id END "
                "IN (SELECT value FROM json_each(?))",
                [names, kind, patients],
            )
        keys = dict(rows)
        return frozenset(keys[one.seq] for one in store.by_sequence(list(keys)) if self.show(one) is not None)

    def protects(self, stored: Stored) -> bool:
        """True when the resource is about a client with TURVAKIELTO and the requester is not its custodian."""
        return self._is_protected(stored, stored.resource) and not self._own_names() & self._custodian(stored).names

    def _judge(self, stored: Stored) -> Resource | None:
        if stored.type == "Provenance":
            return self._provenance(stored)
        if stored.type in OF_NO_CLIENT or stored.type not in patient_compartment():
            return stored.resource
        patient, custodian, resource = self.client_of(stored), self._custodian(stored), stored.resource
        asked = Asked(
            patient=patient,
            custodian=custodian.reference,
            custodian_names=custodian.names,
            resources=(resource,),
            protected=self._is_protected(stored, resource),
        )
        self.clients[stored.path] = patient
        now = self.world.clock.now().timestamp()
        return pass_gate(self._reader(), asked, self._known(patient), now, self.decisions.append).shown[0]

    def _provenance(self, stored: Stored) -> Resource | None:
        """A Provenance tells of its targets, so it is shown with those of them that are."""
        resource = stored.resource
        kept = [one for one in resource.get("target", []) if not self._withholds(one.get("reference", ""))]
        return resource | {"target": kept} if kept else None

    def _withholds(self, reference: str) -> bool:
        """Say whether a reference leads to something that is here and is not shown."""
        kind, _, rest = reference.removeprefix(f"{self.world.settings.public_url}/").partition("/")
        found = self.world.store.current(kind, rest.partition("/")[0]) if kind in patient_compartment() else None
        if found is None or found.body is None:
            return False
        if found.seq not in self._shown:
            self._shown[found.seq] = self._judge(found)
        return self._shown[found.seq] is None

    def _reader(self) -> Reader:
        organization = self.access.client.organization
        requester: dict[str, Any] = {"organization": {"identifier": dict(organization)}}
        person = self.claim("subject_id")
        if person:
            system, _, value = person.rpartition("|")
            requester["practitioner"] = {"identifier": {"system": system, "value": value}}
        claimed = self.claim("legal_basis")
        return Reader(requester, self._own_names(), self.purpose, _coding(claimed) if claimed else None)

    @property
    def purpose(self) -> dict[str, str]:
        """The purpose that the caller states, else the one its client is registered with."""
        return _coding(self.claim("purpose_of_use") or self.access.client.purpose)

    def _own_names(self) -> frozenset[Token]:
        token = identifier_token(self.access.client.organization)
        return frozenset({_plain(token)} if token else ())

    def claim(self, name: str) -> str:
        """Return what the caller's assertion says about itself (`hl7-b2b`), or an empty text."""
        claims = self.access.claims.get("hl7-b2b")
        value = claims.get(name) if isinstance(claims, dict) else None
        found = value[0] if isinstance(value, list) and value else value
        return found if isinstance(found, str) else ""

    def _custodian(self, stored: Stored) -> Custodian:
        """Read the controller from a record's Provenances; a later one that claims another is not heard."""
        rows = self.world.store.rows(
            "SELECT r.seq FROM index_reference x JOIN resource r ON r.pk = x.pk AND r.deleted = 0 "
            "WHERE x.parameter = 'Provenance.target' AND x.id = ? AND x.type = ? ORDER BY r.pk",
            [stored.id, stored.type],
        )
        provenances = tuple(row[0] for row in rows)
        if provenances not in self._custodians:
            self._custodians[provenances] = self._named_in(provenances)
        return self._custodians[provenances]

    def _named_in(self, provenances: Sequence[int]) -> Custodian:
        """Read the controller from Provenances, given by sequence numbers, oldest first."""
        names: frozenset[Token] = frozenset()
        reference: dict[str, Any] = {}
        for provenance in self.world.store.by_sequence(list(provenances)):
            before = names
            for who in _custodians(provenance.resource):
                own = self._names_of(who)
                if not before or before & own:
                    names |= own
                    reference = who if "reference" in who or not reference else reference
        return Custodian(reference, names)

    def _names_of(self, who: dict[str, Any]) -> frozenset[Token]:
        kind, _, rest = str(who.get("reference", "")).partition("/")
        found = self.world.store.current(kind, rest) if kind == "Organization" else None
        tokens = set(identifiers_of(found.resource)) if found is not None and found.body is not None else set()
        token = identifier_token(who.get("identifier"))
        return frozenset(_plain(one) for one in (*tokens, *((token,) if token else ())))

    def _is_protected(self, stored: Stored, resource: Resource) -> bool:
        patient = stored.path if stored.type == "Patient" else self.client_of(stored)
        if patient not in self._marked:
            found = self.world.store.current("Patient", patient.rpartition("/")[2]) if patient else None
            self._marked[patient] = found is not None and found.body is not None and is_protected(found.resource)
        return self._marked[patient] or is_protected(resource)

    def client_of(self, stored: Stored) -> str:
        """Return whose a version is, as `Patient/…`; empty when it is nobody's."""
        if stored.type == "Patient" or stored.type not in patient_compartment():
            return stored.path if stored.type == "Patient" else ""
        names = [f"{stored.type}.{link}" for link in patient_compartment()[stored.type]]
        marks = ", ".join("?" * len(names))
        rows = self.world.store.rows(
            "SELECT x.id FROM index_reference x JOIN resource r ON r.pk = x.pk WHERE r.type = ? AND r.id = ? "
            f"AND x.type = 'Patient' AND x.parameter IN ({marks})",
            [stored.type, stored.id, *names],
        )
        return f"Patient/{rows[0][0]}" if rows else ""

    def _known(self, patient: str) -> OnFile:
        """Return the client's consents, read once for the request, and everything they may refer to."""
        if patient not in self._on_file:
            rows = self.world.store.rows(
                "SELECT r.seq FROM index_reference x JOIN resource r ON r.pk = x.pk AND r.deleted = 0 "
                "WHERE x.parameter = 'Consent.patient' AND x.type = 'Patient' AND x.id = ?",
                [patient.rpartition("/")[2]],
            )
            found = self.world.store.by_sequence([row[0] for row in rows])
            bodies = tuple(one.body for one in found if one.body is not None)
            self._on_file[patient] = OnFile(_consents(bodies), self._context())
        return self._on_file[patient]

    def _context(self) -> Context:
        if not self._around:
            marks = ", ".join("?" * len(AROUND))
            rows = self.world.store.rows(
                f"SELECT r.seq FROM resource r WHERE r.deleted = 0 AND r.type IN ({marks})", list(AROUND)
            )
            resources = [one.resource for one in self.world.store.by_sequence([row[0] for row in rows])]
            self._around.append(Context(resources, ()))
        return self._around[0]


@lru_cache(maxsize=64)
def _consents(bodies: tuple[bytes, ...]) -> Consents:
    """Read consents from their JSON; once, as long as none of them changes."""
    return read_consents([from_json(body) for body in bodies])


def _custodians(provenance: Resource) -> list[dict[str, Any]]:
    """Return how a Provenance names its custodians, and who has a permission on its register."""
    return [
        agent["who"]
        for agent in provenance.get("agent", [])
        for concept in (agent.get("type", {}), *agent.get("role", []))
        for coding in concept.get("coding", [])
        if (coding.get("system"), coding.get("code")) in KEEPERS and "who" in agent
    ]


def _plain(token: Token) -> Token:
    """Return an identifier so that an OID is the same under the national code systems and as a URN."""
    value = token[1].removeprefix("urn:oid:")
    return (URI, f"urn:oid:{value}") if _OID.fullmatch(value) else token


def _coding(text: str) -> dict[str, str]:
    """Read `system|code` (or `system#code`) as a Coding."""
    system, _, code = text.replace("#", "|").rpartition("|")
    return {"system": system, "code": code}
