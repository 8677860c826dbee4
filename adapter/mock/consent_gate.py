"""Reads by another organisation go through the consent engine, and look the same outside whether refused or absent.

The custodian of a record is the agent `CST` of the Provenance that targets it; its own organisation reads without
being asked. Whoever is not known (`--auth open`) cannot be judged, so nothing is withheld then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from adapter.consent import Consents, Context, decide, read_consents
from adapter.mock.clock import fhir_instant
from adapter.mock.definitions import patient_compartment
from adapter.mock.non_disclosure import is_protected, without_contacts
from adapter.mock.patch.fhirpath_patch import cut
from adapter.mock.storage import Stored
from adapter.mock.world import World
from adapter.security.tokens import Access
from adapter.types import Resource

NOT_OF_A_CLIENT = frozenset(("Provenance", "Practitioner", "PractitionerRole", "Organization", "AuditEvent"))
"""Types that are shown without a decision: they say who and where, not what about a client."""

AROUND = ("CareTeam", "Organization", "Practitioner", "PractitionerRole", "RelatedPerson", "Patient")
"""Types that the engine may look up: teams, organisations, roles, people."""

CUSTODIAN = ("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "CST")


@dataclass(slots=True)
class Gate:
    """Decisions of one request, about one requester.

    Attributes:
        decisions: (resource, decision, reason) in the order asked; the journal keeps them.
    """

    world: World
    access: Access
    interaction: str
    decisions: list[tuple[str, str, str]] = field(default_factory=list)
    _consents: dict[str, Consents] = field(default_factory=dict)
    _around: list[Context] = field(default_factory=list)
    _protected: dict[str, bool] = field(default_factory=dict)

    def show(self, stored: Stored) -> Resource | None:
        """Return what the requester may see of a version: all, a part, or None."""
        if stored.type in NOT_OF_A_CLIENT or stored.type not in patient_compartment():
            return stored.resource
        custodian = self._custodian(stored)
        if custodian is not None and custodian == self.access.client.organization:
            self.decisions.append((stored.path, "permit", "OWN_REGISTER"))
            return stored.resource
        decision = self._decide(stored, custodian)
        self.decisions.append((stored.path, decision.decision, str(decision.reason)))
        if decision.decision == "deny":
            return None
        resource = without_contacts(stored.resource) if self.protects(stored) else stored.resource
        for obligation in decision.obligations:
            for path in obligation.paths:
                resource = cut(resource, path)
        return resource

    def protects(self, stored: Stored) -> bool:
        """True when the resource is about a client with TURVAKIELTO and the requester is not its custodian."""
        patient = stored.path if stored.type == "Patient" else self._patient(stored)
        if not patient or self._custodian(stored) == self.access.client.organization:
            return False
        if patient not in self._protected:
            self._protected[patient] = is_protected(self.world.store.current("Patient", patient.rpartition("/")[2]))
        return self._protected[patient]

    def _decide(self, stored: Stored, custodian: dict[str, str] | None) -> Any:
        patient = stored.path if stored.type == "Patient" else self._patient(stored)
        request: dict[str, Any] = {
            "time": fhir_instant(self.world.clock.now()),
            "mode": "live",
            "requester": self._requester(),
            "purpose": self._purpose(),
            "action": "access",
            "patient": {"reference": patient},
            "resource": stored.resource,
            "interaction": self.interaction,
        }
        if custodian is not None:
            request["custodian"] = {"identifier": custodian}
        return decide(self._on_file(patient), request, context=self._context())

    def _requester(self) -> dict[str, Any]:
        requester: dict[str, Any] = {"organization": {"identifier": dict(self.access.client.organization)}}
        person = self._claim("subject_id")
        if person:
            system, _, value = person.rpartition("|")
            requester["practitioner"] = {"identifier": {"system": system, "value": value}}
        return requester

    def _purpose(self) -> dict[str, str]:
        """The purpose that the assertion states, else the one that the client was registered with."""
        stated = self._claim("purpose_of_use") or self.access.client.purpose
        system, _, code = stated.replace("#", "|").rpartition("|")
        return {"system": system, "code": code}

    def _claim(self, name: str) -> str:
        claims = self.access.claims.get("hl7-b2b")
        value = claims.get(name) if isinstance(claims, dict) else None
        found = value[0] if isinstance(value, list) and value else value
        return found if isinstance(found, str) else ""

    def _custodian(self, stored: Stored) -> dict[str, str] | None:
        rows = self.world.store.rows(
            "SELECT r.seq FROM index_reference x JOIN resource r ON r.pk = x.pk AND r.deleted = 0 "
            "WHERE x.parameter = 'Provenance.target' AND x.id = ? AND x.type = ? ORDER BY r.pk DESC",
            [stored.id, stored.type],
        )
        for provenance in self.world.store.by_sequence([row[0] for row in rows]):
            for agent in provenance.resource.get("agent", []):
                codings = agent.get("type", {}).get("coding", [])
                identifier = agent.get("who", {}).get("identifier")
                if identifier and any((one.get("system"), one.get("code")) == CUSTODIAN for one in codings):
                    return {name: identifier[name] for name in ("system", "value") if name in identifier}
        return None

    def _patient(self, stored: Stored) -> str:
        links = patient_compartment()[stored.type]
        names = [f"{stored.type}.{link}" for link in links]
        marks = ", ".join("?" * len(names))
        rows = self.world.store.rows(
            "SELECT x.id FROM index_reference x JOIN resource r ON r.pk = x.pk WHERE r.type = ? AND r.id = ? "
            f"AND x.type = 'Patient' AND x.parameter IN ({marks})",
            [stored.type, stored.id, *names],
        )
        return f"Patient/{rows[0][0]}" if rows else ""

    def _on_file(self, patient: str) -> Consents:
        if patient not in self._consents:
            rows = self.world.store.rows(
                "SELECT r.seq FROM index_reference x JOIN resource r ON r.pk = x.pk AND r.deleted = 0 "
                "WHERE x.parameter = 'Consent.patient' AND x.type = 'Patient' AND x.id = ?",
                [patient.rpartition("/")[2]],
            )
            found = self.world.store.by_sequence([row[0] for row in rows])
            self._consents[patient] = read_consents([one.resource for one in found])
        return self._consents[patient]

    def _context(self) -> Context:
        if not self._around:
            marks = ", ".join("?" * len(AROUND))
            rows = self.world.store.rows(
                f"SELECT r.seq FROM resource r WHERE r.deleted = 0 AND r.type IN ({marks})", list(AROUND)
            )
            resources = [one.resource for one in self.world.store.by_sequence([row[0] for row in rows])]
            self._around.append(Context(resources, ()))
        return self._around[0]
