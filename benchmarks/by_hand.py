"""What every record mapped by hand shares: codes, ids, meta, references to persons and organisations."""

# ruff: noqa: D102 - methods are named after what they make
from __future__ import annotations

import re
from typing import Any

from adapter.fhir.ids import Ids, search_token
from adapter.mapping.merge import merged
from adapter.terminology import coding, concept_map, system
from adapter.types import CANONICAL_ROOT

ROOT = f"{CANONICAL_ROOT}/StructureDefinition/"
FINNISH = "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/fi-base-"
OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
URI = "urn:ietf:rfc:3986"
PRIVATE = frozenset(
    "occupational-health pension-provider accident-and-traffic-insurer third-sector service-producer employer".split()  # noqa: SIM905
)

CODES: dict[str, dict[str, Any]] = {}


def coded(name: str, code: str) -> dict[str, Any]:
    """Return the Coding of a code, remembered by list."""
    known = CODES.setdefault(name, {})
    found = known.get(code)
    if found is None:
        found = known[code] = coding(name, code)
    return found.copy()


def concept(name: str, code: str) -> dict[str, Any]:
    """Return a CodeableConcept with one coding."""
    return {"coding": [coded(name, code)]}


def translations(name: str) -> dict[str, str]:
    """Return a concept map as a table."""
    found = concept_map(name)
    return {code: target[1] for code in found.codes if (target := found.translate(code))}


PLAN_STATUS = translations("plan-status")
GOAL_STATUS = translations("goal-status")
SERVICE_STATUS = translations("service-status")
ACHIEVEMENT = {code: concept_map("goal-achievement").coding(code) for code in concept_map("goal-achievement").codes}


def counterparts(name: str) -> dict[str, dict[str, Any]]:
    """Return the codings that a concept map knows, by code."""
    found = concept_map(name)
    return {code: known for code in found.codes if (known := found.coding(code))}


PLAN_TYPE_ELSEWHERE = counterparts("plan-type-snomed")
ROLE_ELSEWHERE = counterparts("professional-role-snomed")


def concept_and(name: str, code: str, elsewhere: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a CodeableConcept with our coding and, where there is one, that of SNOMED CT."""
    made = concept(name, code)
    if code in elsewhere:
        made["coding"].append(elsewhere[code].copy())
    return made


class ByHand:
    """One record on its way to a Bundle."""

    def __init__(self, record: dict[str, Any], key: bytes, mapping: tuple[str, str, str]) -> None:
        self.record = record
        self.mapping = mapping
        self.source = record["source_system"]
        self.record_id = record["record_id"]
        self.urn = Ids(key).urn
        self.token = f"identifier={search_token(self.source, self.record_id)}"
        self.owned: list[Any] = []
        self.shared: dict[str, Any] = {}
        self.seen: dict[Any, Any] = {}
        self.register = coded("register", record["register"])
        self.version = {"system": system("record-version"), "code": str(record["record_version"])}
        self.type = {"system": f"{CANONICAL_ROOT}/record-type", "code": "work_ability_plan"}
        given = record.get("security_labels", ())
        level = next((label for label in ("V", "R") if label in given), "N")
        self.labels = [coded("v3-Confidentiality", level)]
        if "TURVAKIELTO" in given:
            self.labels.append(coded("fi-base-security-label", "TURVAKIELTO"))
        self.normal = coded("v3-Confidentiality", "N")

    # What every resource carries

    def part(self, part: str) -> str:
        return self.urn(self.source, f"{self.record_id}/{part}" if part else self.record_id)

    def own(self, part: str, urn: str, profile: str, body: dict[str, Any], core: bool = False) -> None:
        tags = [self.register.copy(), self.version.copy(), self.type.copy()]
        type_ = body["resourceType"]
        body["meta"] = {
            "profile": [ROOT + profile, FINNISH + "observation"] if type_ == "Observation" else [ROOT + profile],
            "security": [label.copy() for label in self.labels],
            "source": self.source,
            "tag": tags,
        }
        body["language"] = self.record["language"]
        if type_ == "Provenance":
            key = f"{CANONICAL_ROOT}/part-key"
            tags.append({"system": key, "code": urn[9:], "display": part})
            criterion = f"_tag={search_token(key, urn[9:])}"
        else:
            value = f"{self.record_id}/{part}" if part else self.record_id
            identifier = {"use": "secondary", "system": self.source, "value": value}
            body.setdefault("identifier", []).append(identifier)
            criterion = f"{self.token}/{part}" if part else self.token
        request = {"method": "POST", "url": type_, "ifNoneExist": criterion}
        self.owned.append((core, {"fullUrl": urn, "request": request, "resource": body}))

    def share(self, urn: str, body: dict[str, Any], profile: str, national: str, identifier: Any = None) -> None:
        if identifier is None:
            identifier = {"system": URI, "value": urn}
            body["identifier"] = [identifier]
        type_ = body["resourceType"]
        security = [self.normal.copy()]
        if type_ == "Patient" and len(self.labels) > 1:
            security.append(self.labels[1].copy())
        body["meta"] = {"profile": [ROOT + profile, FINNISH + national], "security": security}
        known = self.shared.get(urn)
        if known is not None:
            known[2]["resource"] = merged(known[2]["resource"], body)
            return
        criterion = f"identifier={search_token(identifier['system'], identifier['value'])}"
        request = {"method": "POST", "url": type_, "ifNoneExist": criterion}
        self.shared[urn] = (type_, urn, {"fullUrl": urn, "request": request, "resource": body})

    # References

    def reference(self, ref: dict[str, Any], type_: str) -> dict[str, Any]:
        made = {"type": type_, "identifier": {"system": ref.get("system", self.source), "value": ref["id"]}}
        if "display" in ref:
            made["display"] = ref["display"]
        return made

    def client(self, ref: dict[str, Any]) -> dict[str, Any]:
        known = self.seen.get("client")
        if known is not None and known[0] == ref:
            return known[1].copy()  # type: ignore[no-any-return]
        identifiers = []
        if "personal_identity_code" in ref:
            nnfin = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "NNFIN"}]}
            value = ref["personal_identity_code"]
            identifiers.append({"use": "official", "type": nnfin, "system": "urn:oid:1.2.246.21", "value": value})
        if "temporary_id" in ref:
            identifiers.append({"use": "temp", "system": self.source, "value": ref["temporary_id"]})
        if "id" in ref:
            identifiers.append({"use": "usual", "system": ref.get("system", self.source), "value": ref["id"]})
        first = identifiers[0]
        urn = self.urn(f"{first['system']}#Patient", first["value"])
        body = {"resourceType": "Patient", "identifier": identifiers}
        self.share(urn, body, "kykysilta-client", "patient", first)
        made = {"type": "Patient", "reference": urn}
        if "display" in ref:
            made["display"] = ref["display"]
        self.seen["client"] = (ref, made)
        return made

    def organisation(self, ref: dict[str, Any]) -> dict[str, Any]:
        known = self.seen.get(("organisation", ref["id"]))
        if known is not None and known[0] == ref:
            return known[1].copy()  # type: ignore[no-any-return]
        value, uri = ref["id"], ref.get("system")
        if uri is None:
            if OID.fullmatch(value):
                uri, value = URI, f"urn:oid:{value}"
            elif len(value) == 9 and value[7] == "-":
                uri = "urn:oid:1.2.246.10"
            else:
                uri = self.source
        identifier = {"system": uri, "value": value}
        body = {"resourceType": "Organization", "identifier": [identifier], "name": ref["name"]}
        if "organisation_type" in ref:
            body["type"] = [concept("organisation-type", ref["organisation_type"])]
        urn = self.urn(f"{uri}#Organization", value)
        self.share(urn, body, "kykysilta-organization", "organization", identifier)
        made = {"reference": urn, "type": "Organization"}
        self.seen["organisation", ref["id"]] = (ref, made)
        return made

    def practitioner(self, ref: dict[str, Any]) -> dict[str, Any]:
        known = self.seen.get(("practitioner", ref["id"]))
        if known is not None and known[0] == ref:
            return known[1].copy()  # type: ignore[no-any-return]
        uri = ref.get("system", self.source)
        person = self.urn(f"{uri}#Practitioner", ref["id"])
        made = {"reference": person, "type": "Practitioner"}
        organisation = ref.get("organisation")
        role, phone, email = ref.get("role"), ref.get("phone"), ref.get("email")
        if organisation is not None or role is not None or phone is not None or email is not None:
            home = organisation or {}
            parts = (ref.get("system"), ref["id"], home.get("system"), home.get("id"), role)
            urn = self.urn(f"{self.source}#PractitionerRole", "\x1f".join([part or "" for part in parts]))
            body: dict[str, Any] = {"resourceType": "PractitionerRole", "practitioner": made}
            if organisation is not None:
                body["organization"] = self.organisation(organisation)
            if role is not None:
                body["code"] = [concept_and("professional-role", role, ROLE_ELSEWHERE)]
            telecom = []
            if phone is not None:
                telecom.append({"system": "phone", "value": phone})
            if email is not None:
                telecom.append({"system": "email", "value": email})
            if telecom:
                body["telecom"] = telecom
            self.share(urn, body, "kykysilta-practitioner-role", "practitioner-role")
            made = {"reference": urn, "type": "PractitionerRole"}
        identifier = {"system": uri, "value": ref["id"]}
        body = {"resourceType": "Practitioner", "identifier": [identifier], "name": [{"text": ref["name"]}]}
        self.share(person, body, "kykysilta-practitioner", "practitioner", identifier)
        self.seen["practitioner", ref["id"]] = (ref, made)
        return made
