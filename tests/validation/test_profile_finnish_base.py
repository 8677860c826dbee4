"""The Finnish base constraints that our profiles restate: each is kept by an example and refused when broken."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import pytest

from adapter.types import CANONICAL_ROOT
from adapter.validation.judge import package_folder, packaged_validator

BASE = "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/"
SCHEDULING = "https://hl7.fi/fhir/finnish-scheduling/StructureDefinition/"
LABELS = "https://hl7.fi/fhir/finnish-base-profiles/CodeSystem/fi-base-security-label-cs"
HETU = "urn:oid:1.2.246.21"
PRACTITIONER = {"reference": "#p"}
STRANGER = {"resourceType": "Practitioner", "id": "p", "name": [{"text": "x"}]}
"""A practitioner without the identifier that ours asks for."""


def example(profile: str) -> dict[str, Any]:
    """Return a copy of the example of one of our profiles."""
    path = next((package_folder() / "example").glob(f"*-example-{profile}.json"))
    return json.loads(path.read_bytes(), parse_float=Decimal)  # type: ignore[no-any-return]


def found(resource: dict[str, Any]) -> list[tuple[str, str]]:
    """Return severity and FHIRPath of what is refused or warned about."""
    issues = packaged_validator().validate(resource).issues
    return [(issue.severity, issue.expression) for issue in issues if issue.severity != "information"]


def extension(url: str, **value: Any) -> dict[str, Any]:
    """Return an extension in a list of its own."""
    return {"extension": [{"url": url, **value}]}


def identifier(**parts: Any) -> dict[str, Any]:
    """Return a list of one identifier with the official use."""
    return {"identifier": [{"use": "official", "value": "010594Y9032", **parts}]}


NNFIN = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "NNFIN"}]}
GUARDIANS = {
    "system": "urn:oid:1.2.246.537.5.40202.201901",
    "code": "3",
    "display": "Päätöskykyinen alaikäinen, kieltää tietojensa luovuttamisen huoltajille",
}

REFUSED: list[tuple[str, str, dict[str, Any], dict[str, Any], str]] = [
    (
        "patient: turvakielto",
        "kykysilta-client",
        {"meta.security.1.code": "TURVAKIELTO"},
        {"meta.security.1.code": "MUU"},
        "Patient.meta.security[1].code",
    ),
    (
        "patient: official identifier",
        "kykysilta-client",
        identifier(type=NNFIN, system=HETU),
        identifier(type=NNFIN, system="urn:oid:1.2.3"),
        "Patient.identifier[0].system",
    ),
    (
        "patient: type of the official identifier",
        "kykysilta-client",
        identifier(type=NNFIN, system=HETU),
        identifier(type={"coding": [NNFIN["coding"][0] | {"code": "PRN"}]}, system=HETU),
        "Patient.identifier[0].type",
    ),
    (
        "patient: municipality",
        "kykysilta-client",
        extension(f"{BASE}municipality-code", valueCoding={"system": "urn:oid:1.2.246.537.6.21", "code": "020"}),
        extension(f"{BASE}municipality-code", valueCoding={"system": "urn:oid:1.2.3", "code": "020"}),
        "Patient.extension[0].value.system",
    ),
    (
        "patient: profession",
        "kykysilta-client",
        extension(f"{BASE}patient-profession", valueCoding={"system": "urn:oid:1.2.246.537.6.74", "code": "23211"}),
        extension(f"{BASE}patient-profession", valueCoding={"code": "23211"}),
        "Patient.extension[0].value",
    ),
    (
        "patient: interpreter",
        "kykysilta-client",
        extension("http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired", valueBoolean=True),
        {
            "extension": extension(
                "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired", valueBoolean=True
            )["extension"]
            * 2
        },
        "Patient.extension",
    ),
    (
        "patient: link",
        "kykysilta-client",
        {"link": [{"type": "refer", "other": {"type": "RelatedPerson", "display": "huoltaja"}}]},
        {"link": [{"type": "refer", "other": {"reference": "Practitioner/1"}}]},
        "Patient.link[0].other",
    ),
    (
        "practitioner: one Terhikki number",
        "kykysilta-practitioner",
        {"identifier": [{"system": "urn:oid:1.2.246.537.26", "value": "1"}]},
        {"identifier": [{"system": "urn:oid:1.2.246.537.26", "value": value} for value in "12"]},
        "Practitioner.identifier",
    ),
    (
        "practitioner: issuer",
        "kykysilta-practitioner",
        {"qualification": [{"code": {"text": "lääkäri"}, "issuer": {"type": "Organization", "display": "Valvira"}}]},
        {"qualification": [{"code": {"text": "lääkäri"}, "issuer": {"reference": "Patient/1"}}]},
        "Practitioner.qualification[0].issuer",
    ),
    (
        "role: practitioner",
        "kykysilta-practitioner-role",
        {},
        {"practitioner": PRACTITIONER, "contained": [STRANGER]},
        "PractitionerRole.practitioner",
    ),
    (
        "organization: part of",
        "kykysilta-organization",
        {"partOf": {"type": "Organization", "display": "hyvinvointialue"}},
        {"partOf": {"reference": "#o"}, "contained": [{"resourceType": "Organization", "id": "o", "name": "x"}]},
        "Organization.partOf",
    ),
    (
        "observation: subject",
        "kykysilta-observation-treatment",
        {},
        {"subject": {"type": "Group", "display": "ryhmä"}},
        "Observation.subject",
    ),
    (
        "observation: performer",
        "kykysilta-observation-treatment",
        {"performer": [{"type": "CareTeam", "display": "tiimi"}]},
        {"performer": [PRACTITIONER], "contained": [STRANGER]},
        "Observation.performer[0]",
    ),
    (
        "observation: member",
        "kykysilta-observation-treatment",
        {"hasMember": [{"type": "QuestionnaireResponse", "display": "kysely"}]},
        {
            "hasMember": [{"reference": "#m"}],
            "contained": [{"resourceType": "Observation", "id": "m", "status": "final", "code": {"text": "x"}}],
        },
        "Observation.hasMember[0]",
    ),
    (
        "provenance: agent",
        "kykysilta-provenance",
        {},
        {"agent": [{"who": PRACTITIONER}], "contained": [STRANGER]},
        "Provenance.agent[0].who",
    ),
    (
        "release date",
        "kykysilta-appointment",
        extension(f"{BASE}ReleaseDateForPatientViewing", valueDate="2026-04-01"),
        extension(f"{BASE}ReleaseDateForPatientViewing", valueBoolean=True),
        "Appointment.extension[0].value",
    ),
    (
        "release date elsewhere",
        "kykysilta-provenance",
        extension(f"{BASE}ReleaseDateForPatientViewing", valueDate="2026-04-01"),
        {
            "agent": [
                {
                    "who": {"type": "Device", "display": "x"},
                    **extension(f"{BASE}ReleaseDateForPatientViewing", valueDate="2026-04-01"),
                }
            ]
        },
        "Provenance.agent[0].extension[0]",
    ),
    (
        "guardians",
        "kykysilta-appointment",
        extension(f"{BASE}RestrictionParent", valueCoding=GUARDIANS),
        extension(f"{BASE}RestrictionParent", valueCoding=GUARDIANS | {"code": "5"}),
        "Appointment.extension[0].value",
    ),
    (
        "guardians: version",
        "kykysilta-appointment",
        extension(f"{BASE}RestrictionParent", valueCoding=GUARDIANS),
        extension(f"{BASE}RestrictionParent", valueCoding=GUARDIANS | {"version": "1"}),
        "Appointment.extension[0].value.version",
    ),
    (
        "service event",
        "kykysilta-appointment",
        extension(f"{BASE}service-event", valueOid="urn:oid:1.2.246.10.1.10.1.2026.1"),
        extension(f"{BASE}service-event", valueString="1.2.246"),
        "Appointment.extension[0].value",
    ),
    (
        "plan of an appointment",
        "kykysilta-appointment",
        extension(f"{SCHEDULING}careplan-identifier", valueIdentifier={"system": "urn:oid:1.2.3", "value": "1"}),
        extension(f"{SCHEDULING}careplan-identifier", valueString="1"),
        "Appointment.extension[0].value",
    ),
    (
        "custodian: kind",
        "kykysilta-custodian-provenance",
        {},
        {"agent.0.role.0.coding.0.system": "urn:oid:1.2.3"},
        "Provenance.agent[0].role[0].coding[0].system",
    ),
    (
        "custodian: type of identifier",
        "kykysilta-custodian-provenance",
        {},
        {"agent.0.who.identifier.type.coding.0.code": "XX"},
        "Provenance.agent[0].who.identifier.type",
    ),
    (
        "custodian: register of a private one",
        "kykysilta-custodian-provenance",
        {"agent.0.role.0.coding.0.code": "2", "agent.0.who.identifier.system": "urn:oid:1.2.246.537.6.203"},
        {"agent.0.role.0.coding.0.code": "2", "agent.0.who.identifier.system": "urn:oid:1.2.246.537.6.40174"},
        "Provenance",
    ),
    (
        "custodian: nobody else",
        "kykysilta-custodian-provenance",
        {},
        {"agent.1": {"who": {"type": "Device", "display": "x"}}},
        "Provenance.agent",
    ),
]


def changed(resource: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with values put at dotted paths; the number after the last item adds one."""
    copied: Any = copy.deepcopy(resource)
    for path, value in changes.items():
        *above, last = path.split(".")
        holder = copied
        for name in above:
            holder = holder[int(name)] if name.isdigit() else holder[name]
        if last.isdigit() and int(last) == len(holder):
            holder.append(value)
        else:
            holder[last] = value
    return copied  # type: ignore[no-any-return]


@pytest.mark.parametrize(("profile", "right", "wrong", "place"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_restated_constraint(profile: str, right: dict[str, Any], wrong: dict[str, Any], place: str) -> None:
    """The right form passes without a word, the wrong one is refused at its place."""
    assert [row for row in found(changed(example(profile), right)) if row[0] == "error"] == []
    assert ("error", place) in found(changed(example(profile), wrong))


def test_advice_is_a_warning() -> None:
    """A name without its whole text and an ICD-10 code with combination signs are told, not refused."""
    client = example("kykysilta-client") | {"name": [{"family": "Mallikas"}]}
    assert ("warning", "Patient.name[0]") in found(client)
    condition = example("kykysilta-condition")
    condition["code"] = {"coding": [{"system": "urn:oid:1.2.246.537.6.1", "code": "M01.3*A39.8"}]}
    assert ("warning", "Condition.code") not in found(condition)
    condition["code"]["coding"][0]["code"] = "T88.7&N02BE01"
    assert ("warning", "Condition.code") in found(condition)


def test_national_profiles_stand_beside_ours() -> None:
    """Client, professional, role, organisation and Observation name the Finnish base profile that ours restates."""
    for name, base in {
        "kykysilta-client": "fi-base-patient",
        "kykysilta-practitioner": "fi-base-practitioner",
        "kykysilta-practitioner-role": "fi-base-practitioner-role",
        "kykysilta-organization": "fi-base-organization",
        "kykysilta-observation-treatment": "fi-base-observation",
    }.items():
        claimed = example(name)["meta"]["profile"]
        assert f"{BASE}{base}" in claimed
        assert f"{CANONICAL_ROOT}/StructureDefinition/{name}" in claimed
