"""The national disclosure notice (luovutusilmoitus) of an entry: what is disclosed outside Kanta must be told there.

Restated from examples of the social-welfare notice (`profiles/fsh/disclosure.fsh`): Kanta-style, not certified. The
contained Consent is evidence, never a rule. National codes that are not known stay local ones.
"""

from __future__ import annotations

from typing import NamedTuple

from adapter.audit import pieces
from adapter.audit.acts import act_of
from adapter.audit.persons import Identity
from adapter.audit.pieces import PARTICIPATION, Json, Site, agent, by_identifier, coding, concept
from adapter.audit.rows import Row
from adapter.fhir.ids import ids_under
from adapter.terminology import code_system, concept_map
from adapter.types import CANONICAL_ROOT, Resource

OURS = f"{CANONICAL_ROOT}/StructureDefinition"
SHARK = "https://shark.kanta.fi/fhir/StructureDefinition"
GEN = "https://gen.kanta.fi/fhir/StructureDefinition"
NOTICE_ROLES = "http://shark.kanta.fi/fishark-cs-auditeventrolecategory"
PROVENANCE_ROLES = "http://gen.kanta.fi/figen-cs-provenancerolecategory"
BY_WORKER = {
    "system": "urn:oid:1.2.246.537.5.40165",
    "code": "8",
    "display": "Työntekijä luovutti asiakastietoja",
}
READY = {"system": "urn:oid:1.2.246.537.5.40154", "code": "3", "display": "Valmis arkistoitavaksi"}


class Evidence(NamedTuple):
    """The consent that allowed a disclosure: day or instant when it was given, and its cs:consent-form code."""

    given: str
    form: str


def disclosure_notice(
    row: Row, site: Site, *, client: Identity | None = None, evidence: Evidence | None = None
) -> Resource | None:
    """Return the notice of an entry, or None when it is no disclosure to somebody else.

    Args:
        site: the installation whose log it is.
        client: who the client is, for the endpoint; without it the pseudonym stands.
        evidence: the consent that allowed it; without it the ground alone is told.
    """
    act = act_of(row)
    if act.pattern != "disclosure-source" or not row.fact("client"):
        return None
    patient = _patient(row, client)
    notice: Resource = {
        "resourceType": "AuditEvent",
        "meta": {"profile": [f"{OURS}/kykysilta-disclosure-notice", f"{SHARK}/SocialWelfareAuditEvent"]},
        "extension": [
            {"url": f"{OURS}/disclosure-basis", "valueCode": row.fact("basis")},
            {
                "url": f"{GEN}/extension/BusinessIdentifier",
                "valueIdentifier": {"system": pieces.ENTRY, "value": str(row.seq)},
            },
        ],
        "type": coding("http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", "disclose"),
        "period": {"start": pieces.moment(row.at)},
        "recorded": pieces.moment(row.at),
        "purposeOfEvent": [pieces.purpose_of(row, act.purpose)],
        "agent": _agents(row, site, patient),
        "source": {"observer": site.device},
        "entity": [
            {"what": patient, "type": coding(pieces.ENTITY_TYPE, "1"), "role": coding(pieces.OBJECT_ROLE, "1")},
            *_documents(row),
        ],
    }
    if row.fact("user"):
        notice["extension"].append({"url": f"{SHARK}/extension/TypeOfDisclosure", "valueCoding": BY_WORKER})
    if evidence is not None:
        notice["contained"] = [_consent(row, patient, evidence)]
        reference = {"reference": "#consent"}
        notice["extension"].append({"url": f"{SHARK}/extension/Consent", "valueReference": reference})
    return notice


def notice_bundle(notice: Resource, row: Row, site: Site, id_key: bytes) -> Resource:
    """Return the transaction that carries a notice: AuditEvent and its Provenance, to be signed before it is sent.

    Args:
        id_key: keys the ids inside the Bundle; the repository assigns its own.
    """
    ids = ids_under(id_key)
    addresses = [ids.urn(f"{pieces.ENTRY}#{kind}", str(row.seq)) for kind in ("AuditEvent", "Provenance")]
    provenance = _provenance(row, site, notice["entity"][0]["what"]) | {"target": [{"reference": addresses[0]}]}
    entries = [
        {"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}
        for url, resource in zip(addresses, (notice, provenance), strict=True)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _patient(row: Row, client: Identity | None) -> Json:
    return by_identifier("Patient", client.system, client.value) if client else pieces.client(row)


def _agents(row: Row, site: Site, patient: Json) -> list[Json]:
    """Controller, professional, and who receives; of the receivers' roles only the client's is known."""
    person = pieces.person_of(row)
    found = [{"role": [concept(NOTICE_ROLES, "1")], "who": pieces.custodian_of(row, site), "requestor": person is None}]
    if person is not None:
        found.append({"role": [concept(NOTICE_ROLES, "5")], "who": person, "requestor": True})
    receiver = concept(PARTICIPATION, "IRCP")
    found += [agent(receiver, pieces.organisation(one)) for one in row.parts("recipients")]
    if not row.parts("recipients"):
        found.append({"role": [concept(NOTICE_ROLES, "7")], "who": patient, "requestor": False})
    return found


def _documents(row: Row) -> list[Json]:
    told = {"type": coding(pieces.ENTITY_TYPE, "4"), "description": row.fact("record_type") or "record"}
    return [one | told for one in pieces.data_entities(row)]


def _consent(row: Row, patient: Json, evidence: Evidence) -> Json:
    """The consent that was looked at; a manner without a known national code is told by our own."""
    national = concept_map("consent-form-national").coding(evidence.form)
    consent: Json = {
        "resourceType": "Consent",
        "id": "consent",
        # Ours is asked for by the extension that points here; claiming it would make the proof a rule of access.
        "meta": {"profile": [f"{SHARK}/SocialWelfareConsent"]},
        "status": "active",
        "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [concept("http://loinc.org", "59284-0")],
        "patient": patient,
        "dateTime": evidence.given,
        "performer": [patient],
        "policyRule": {"coding": [national or code_system("consent-form").coding(evidence.form)]},
    }
    named = [{"system": pieces.SUBMISSION, "value": one} for one in row.parts("consents")]
    return consent | ({"identifier": named} if named else {})


def _provenance(row: Row, site: Site, patient: Json) -> Resource:
    roles = {"1": pieces.custodian_of(row, site), "3": patient, "4": site.device}
    if person := pieces.person_of(row):
        roles["2"] = person
    return {
        "resourceType": "Provenance",
        "meta": {
            "profile": [f"{OURS}/kykysilta-disclosure-notice-provenance", f"{SHARK}/SocialWelfareAuditEventProvenance"],
            "security": [coding("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "N")],
        },
        "extension": [{"url": f"{GEN}/extension/Status", "valueCoding": READY}],
        "recorded": pieces.moment(row.at),
        "agent": [{"role": [concept(PROVENANCE_ROLES, role)], "who": who} for role, who in sorted(roles.items())],
    }
