"""A small world to decide in: two clients, five organisations, a team, and a consent that opens the plan to it."""

from __future__ import annotations

import copy
from typing import Any

from adapter.consent import Configuration, Decision, decide, packaged_configuration

Json = dict[str, Any]

BASE = "https://adapter.example.fi/fhir"
V3 = "http://terminology.hl7.org/CodeSystem"
REASON, ACT, CONFIDENTIALITY = f"{V3}/v3-ActReason", f"{V3}/v3-ActCode", f"{V3}/v3-Confidentiality"
CLIENT_IDS = "urn:example:client"
LOINC = "http://loinc.org"
OURS = "https://kykysilta.example/fhir"


def configuration() -> Configuration:
    """Return the packaged configuration of the test server."""
    return packaged_configuration().on_server(BASE)


def ref(key: str) -> Json:
    """Return a literal reference."""
    return {"reference": key}


def coding(system: str, code: str) -> Json:
    """Return a Coding."""
    return {"system": system, "code": code}


def concept(system: str, code: str) -> Json:
    """Return a CodeableConcept."""
    return {"coding": [coding(system, code)]}


def actor(key: str | Json, role: str = "IRCP") -> Json:
    """Return a recipient."""
    reference = ref(key) if isinstance(key, str) else key
    return {"role": concept(f"{V3}/v3-ParticipationType", role), "reference": reference}


def resource_class(kind: str) -> Json:
    """Return a class of data by resource type."""
    return coding("http://hl7.org/fhir/resource-types", kind)


def profile_class(name: str) -> Json:
    """Return a class of data by one of our profiles."""
    return coding("urn:ietf:rfc:3986", f"{OURS}/StructureDefinition/{name}")


def action(code: str) -> Json:
    """Return an action."""
    return concept(f"{V3}/consentaction", code)


def _role(name: str, person: str, organization: str, **more: Any) -> Json:
    return {
        "resourceType": "PractitionerRole",
        "id": name,
        "active": True,
        "period": {"start": "2025-01-01"},
        "practitioner": ref(f"Practitioner/{person}"),
        "organization": ref(f"Organization/{organization}"),
        **more,
    }


def _member(key: str, organization: str | None = None, **period: str) -> Json:
    found: Json = {"member": ref(key), "period": {"start": "2026-01-07", **period}}
    if organization:
        found["onBehalfOf"] = ref(f"Organization/{organization}")
    return found


def team(name: str = "team", **changes: Any) -> Json:
    """Return the client's team: coach, county social worker, leaving doctor, late rehabilitation worker."""
    found: Json = {
        "resourceType": "CareTeam",
        "id": name,
        "status": "active",
        "subject": ref("Patient/p1"),
        "period": {"start": "2026-01-07"},
        "participant": [
            _member("Practitioner/coach", "jobs"),
            _member("Practitioner/social", "county"),
            _member("Practitioner/doctor", "health", end="2026-05-31"),
            _member("Practitioner/rehab", "jobs", start="2026-04-01"),
        ],
    }
    return found | changes


PEOPLE = ("coach", "social", "doctor", "rehab", "stranger")
ORGANIZATIONS = ("county", "unit", "jobs", "health", "kela")


def world() -> list[Json]:
    """Return the context resources."""
    people = [
        {"resourceType": "Practitioner", "id": name, "identifier": [{"system": "urn:example:staff", "value": name}]}
        for name in PEOPLE
    ]
    organizations = [
        {"resourceType": "Organization", "id": name, "identifier": [{"system": "urn:example:org", "value": name}]}
        for name in ORGANIZATIONS
    ]
    organizations[1]["partOf"] = ref("Organization/county")
    clients = [
        {"resourceType": "Patient", "id": name, "identifier": [{"system": CLIENT_IDS, "value": name.upper()}]}
        for name in ("p1", "p2")
    ]
    roles = [
        _role("coach-jobs", "coach", "jobs"),
        _role("social-county", "social", "county"),
        _role("social-unit", "social", "unit"),
        _role("doctor-health", "doctor", "health"),
        _role("rehab-jobs", "rehab", "jobs"),
        _role("stranger-jobs", "stranger", "jobs"),
        _role("coach-kela-over", "coach", "kela", period={"start": "2025-01-01", "end": "2026-02-28"}),
    ]
    guardian = {
        "resourceType": "RelatedPerson",
        "id": "guardian",
        "patient": ref("Patient/p1"),
        "relationship": [concept(f"{V3}/v3-RoleCode", "GUARD")],
        "period": {"start": "2025-06-01", "end": "2026-06-30"},
    }
    return [*clients, *organizations, *people, *roles, guardian, team()]


def permit(**changes: Any) -> Json:
    """Return a specific permit: the team, care coordination, plan and observations; None removes."""
    return _changed(
        {
            "type": "permit",
            "actor": [actor("CareTeam/team")],
            "action": [action("access"), action("disclose")],
            "purpose": [coding(REASON, "COC")],
            "class": [resource_class("CarePlan"), resource_class("Observation")],
        },
        changes,
    )


def consent(name: str = "c1", provision: Json | None = None, **changes: Any) -> Json:
    """Return an active consent of client p1 with evidence; None removes an element."""
    found: Json = {
        "resourceType": "Consent",
        "id": name,
        "meta": {"versionId": "1", "lastUpdated": "2026-01-15T07:05:00Z"},
        "identifier": [{"system": "urn:example:consent", "value": name}],
        "status": "active",
        "scope": concept(f"{V3}/consentscope", "patient-privacy"),
        "category": [concept(ACT, "IDSCL")],
        "patient": ref("Patient/p1"),
        "dateTime": "2026-01-15T09:00:00+02:00",
        "performer": [ref("Patient/p1")],
        "organization": [ref("Organization/county")],
        "sourceReference": ref("DocumentReference/form"),
        "policyRule": concept(ACT, "OPTIN"),
        "provision": permit() if provision is None else provision,
    }
    return _changed(found, changes)


def refusal(name: str = "no", policy: str = "OPTOUT", **provision: Any) -> Json:
    """Return a consent record that refuses."""
    return consent(name, {"type": "deny", **provision}, policyRule=concept(ACT, policy))


def frame(*nested: Json, policy: str = "OPTIN", name: str = "c1") -> Json:
    """Return a base deny with nested rules."""
    return consent(name, {"type": "deny", "provision": list(nested)}, policyRule=concept(ACT, policy))


def labelled(resource: Json, *labels: Json) -> Json:
    """Return a resource with other security labels; none at all removes `meta`."""
    found = {key: value for key, value in resource.items() if key != "meta"}
    return found | ({"meta": {"security": list(labels)}} if labels else {})


def plan(**changes: Any) -> Json:
    """Return the client's plan."""
    return _changed(
        {
            "resourceType": "CarePlan",
            "id": "plan",
            "meta": {"security": [coding(CONFIDENTIALITY, "N")]},
            "status": "active",
            "intent": "plan",
            "subject": ref("Patient/p1"),
            "period": {"start": "2026-02-01", "end": "2026-12-31"},
            "author": ref("Practitioner/social"),
        },
        changes,
    )


def observation(**changes: Any) -> Json:
    """Return an observation of the client."""
    return _changed(
        {
            "resourceType": "Observation",
            "id": "obs",
            "meta": {"security": [coding(CONFIDENTIALITY, "N")]},
            "status": "final",
            "code": concept(LOINC, "96760-4"),
            "subject": ref("Patient/p1"),
            "effectiveDateTime": "2026-02-20T10:00:00+02:00",
            "performer": [ref("Practitioner/social")],
        },
        changes,
    )


def requester(person: str | None = "coach", organization: str = "jobs") -> Json:
    """Return who asks: a person of an organisation, or the organisation's own system."""
    found: Json = {"organization": f"Organization/{organization}"}
    if person:
        found |= {
            "practitioner": f"Practitioner/{person}",
            "practitionerRole": f"PractitionerRole/{person}-{organization}",
        }
    return found


def request(**changes: Any) -> Json:
    """Return the coach's request to read the plan; None removes a field."""
    return _changed(
        {
            "time": "2026-03-10T12:00:00+02:00",
            "mode": "live",
            "requester": requester(),
            "purpose": [coding(REASON, "COC")],
            "action": "access",
            "patient": "Patient/p1",
            "custodian": "Organization/county",
            "resource": plan(),
            "interaction": "read",
        },
        changes,
    )


def several(*resources: Json, interaction: str = "search", **changes: Any) -> Json:
    """Return a request for several resources."""
    return request(resource=None, resources=list(resources), interaction=interaction, **changes)


def ask(
    *consents: Json, context: list[Json] | None = None, config: Configuration | None = None, **changes: Any
) -> Decision:
    """Decide the usual request, changed as told."""
    asked = changes.pop("asked", None) or request(**changes)
    return decide(list(consents), asked, context=[*world(), *(context or [])], config=config or configuration())


def said(*consents: Json, **changes: Any) -> str:
    """Return the reason of the usual request, changed as told."""
    return str(ask(*consents, **changes).reason)


def with_nested(*nested: Json, **changes: Any) -> Json:
    """Return the usual consent with rules below its root."""
    return consent(provision=permit(provision=list(nested), **changes))


def both(criterion: Json, **asked: Any) -> tuple[str, str]:
    """Return what a criterion says in a permit and in a refusal, as YES, NO or UNKNOWN."""
    wide = {"action": [action(code) for code in ("access", "disclose", "use", "collect", "correct")], "class": None}
    purposes = [coding(REASON, code) for code in ("TREAT", "HPAYMT", "HRESCH", "BTG")]
    everybody = [actor(f"Organization/{name}") for name in ("jobs", "county", "unit", "health", "kela")]
    local = [*purposes, *asked.get("purpose", [])]
    open_to_all = permit(actor=everybody, purpose=local, **wide, securityLabel=[coding(CONFIDENTIALITY, "V")])
    given = said(consent(provision=open_to_all | criterion), **asked)
    assert said(consent(provision=open_to_all), **asked) == "CONSENT_PERMIT"
    refused = said(consent(provision=open_to_all), refusal(**criterion), **asked)
    permits = {"CONSENT_PERMIT": "YES", "CRITERION_NOT_UNDERSTOOD": "UNKNOWN"}.get(given, "NO")
    refuses = {"EXPLICIT_DENY": "YES", "DENY_NOT_UNDERSTOOD": "UNKNOWN", "CONSENT_PERMIT": "NO"}[refused]
    return permits, refuses


def _changed(found: Json, changes: Json) -> Json:
    merged = copy.deepcopy(found) | changes
    return {key: value for key, value in merged.items() if value is not None}
