"""The national disclosure notice (luovutusilmoitus) of an entry: what is disclosed outside Kanta must be told there.

Restated from examples of the social-welfare notice (`profiles/fsh/disclosure.fsh`): Kanta-style, not certified. The
contained Consent is evidence, never a rule. National codes that are not known stay local ones.
"""

from __future__ import annotations

from adapter.audit import pieces
from adapter.audit.acts import act_of
from adapter.audit.persons import Identity
from adapter.audit.pieces import PARTICIPATION, Json, Site, agent, by_identifier, coding, concept
from adapter.audit.rows import Row
from adapter.fhir.ids import ids_under
from adapter.terminology import code_system, concept_map
from adapter.types import CANONICAL_ROOT, Resource

PROFILES = (
    f"{CANONICAL_ROOT}/StructureDefinition/kykysilta-disclosure-notice",
    "https://shark.kanta.fi/fhir/StructureDefinition/SocialWelfareAuditEvent",
)
ROLES = "http://shark.kanta.fi/fishark-cs-auditeventrolecategory"
CONTROLLER, PROFESSIONAL, CLIENT = "1", "5", "7"
"""Agent roles of the notice that are known: disclosing controller, disclosing professional, receiving client."""

DISCLOSURE_TYPE = "urn:oid:1.2.246.537.5.40165"
BY_WORKER = "8"
LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"


def disclosure_notice(
    row: Row, site: Site, *, client: Identity | None = None, consent_form: str = ""
) -> Resource | None:
    """Return the notice of an entry, or None when it is no disclosure to somebody else.

    Args:
        site: the installation whose log it is.
        client: who the client is, for the endpoint; without it the pseudonym stands.
        consent_form: cs:consent-form code of the consent that allowed the disclosure, when known.
    """
    act = act_of(row)
    if act.code != "disclose" or not row.fact("client"):
        return None
    patient = by_identifier("Patient", client.system, client.value) if client else pieces.client(row)
    basis = row.fact("basis")
    notice: Resource = {
        "resourceType": "AuditEvent",
        "meta": {"profile": list(PROFILES)},
        "extension": [{"url": f"{CANONICAL_ROOT}/StructureDefinition/disclosure-basis", "valueCode": basis}],
        "type": coding(LIFECYCLE, "disclose"),
        "period": {"start": pieces.moment(row.at)},
        "recorded": pieces.moment(row.at),
        "purposeOfEvent": [pieces.purpose_of(row, act.purpose)],
        "agent": _agents(row, site, patient),
        "source": {"observer": site.device},
        "entity": _entities(row, patient),
    }
    if row.fact("user"):
        notice["subtype"] = [coding(DISCLOSURE_TYPE, BY_WORKER)]
    if basis == "client-consent":
        notice["contained"] = [_evidence(row, patient, consent_form)]
        kind = coding("http://hl7.org/fhir/resource-types", "Consent")
        notice["entity"].append({"what": {"reference": "#consent"}, "type": kind})
    return notice


def notice_bundle(notice: Resource, row: Row, site: Site, id_key: bytes) -> Resource:
    """Return the transaction that carries a notice: AuditEvent and the Provenance of its controller, to be signed.

    Args:
        id_key: keys the ids inside the Bundle; the repository assigns its own.
    """
    ids = ids_under(id_key)
    addresses = [ids.urn(f"{pieces.ENTRY}#{kind}", str(row.seq)) for kind in ("AuditEvent", "Provenance")]
    custodian = pieces.organisation(row.fact("custodian") or site.organisation)
    kind = concept(PARTICIPATION, "CST")
    provenance = {
        "resourceType": "Provenance",
        "target": [{"reference": addresses[0]}],
        "recorded": pieces.moment(row.at),
        "agent": [{"type": kind, "who": custodian}, {"type": concept(PARTICIPATION, "AUT"), "who": site.device}],
    }
    entries = [
        {"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}
        for url, resource in zip(addresses, (notice, provenance), strict=True)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _agents(row: Row, site: Site, patient: Json) -> list[Json]:
    person = pieces.person_of(row)
    custodian = pieces.organisation(row.fact("custodian") or site.organisation)
    found = [agent(concept(ROLES, CONTROLLER), custodian, requestor=person is None)]
    if person is not None:
        found.append(agent(concept(ROLES, PROFESSIONAL), person, requestor=True))
    receiver = concept(PARTICIPATION, "IRCP")
    found += [agent(receiver, pieces.organisation(one)) for one in row.parts("recipients")]
    if not row.parts("recipients"):
        found.append(agent(concept(ROLES, CLIENT), patient))
    return found


def _entities(row: Row, patient: Json) -> list[Json]:
    document = pieces.data_entity(row) | {"type": coding(pieces.ENTITY_TYPE, "4")}
    if kind := row.fact("record_type"):
        document["description"] = kind
    return [
        {"what": patient, "type": coding(pieces.ENTITY_TYPE, "1"), "role": coding(pieces.OBJECT_ROLE, "1")},
        document,
    ]


def _evidence(row: Row, patient: Json, form: str) -> Json:
    """The consent that was looked at, told by its manner; where no national code is known, by our own."""
    evidence: Json = {
        "resourceType": "Consent",
        "id": "consent",
        "status": "active",
        "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [concept("http://loinc.org", "59284-0")],
        "patient": patient,
        "performer": [patient],
    }
    if form:
        national = concept_map("consent-form-national").coding(form)
        evidence["policyRule"] = {"coding": [national or code_system("consent-form").coding(form)]}
    else:
        evidence["policyRule"] = concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN")
    evidence["identifier"] = [{"system": pieces.SUBMISSION, "value": one} for one in row.parts("consents")]
    return {name: value for name, value in evidence.items() if value}
