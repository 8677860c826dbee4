"""CapabilityStatement, derived from the policy and the search parameters: what it says is what happens."""

from __future__ import annotations

import hashlib
from typing import Any

from adapter.mock.clock import fhir_instant
from adapter.mock.definitions import parameters
from adapter.mock.exchange import Answer, Request
from adapter.mock.guard import token_url
from adapter.mock.interactions.read import etag_versions
from adapter.mock.negotiation import JSON_PATCH, JSON_TYPE, XML_TYPE
from adapter.mock.outcomes import refuse
from adapter.mock.policy import Policy
from adapter.mock.storage import to_json
from adapter.types import CANONICAL_ROOT, Resource

ONLY_ON = {"everything": "Patient", "get-persons-documents": "Communication"}
"""Operations that one type alone has."""


def capabilities(request: Request) -> Answer:
    """`GET metadata`: never needs a token."""
    policy = request.world.policy
    world = request.world
    statement = world.statements.get(request.base)
    if statement is None:
        smart = world.guard is not None
        statement = capability_statement(policy, request.base, fhir_instant(world.started), smart=smart)
        world.statements[request.base] = statement
    digest = hashlib.sha256(to_json(statement)).hexdigest()[:16]
    headers = {"ETag": f'W/"{digest}"'}
    if digest in etag_versions(request.headers.get("if-none-match", "")):
        return Answer(304, headers=headers)
    return Answer(200, statement, headers=headers)


def smart_configuration(request: Request) -> Answer:
    """`GET .well-known/smart-configuration`: plain JSON, whatever Accept says."""
    if request.world.guard is None:
        raise refuse(404, "no-such-url")
    return Answer(200, request.world.guard.discovery(request.base), headers={"Content-Type": "application/json"})


def _security(base: str) -> dict[str, Any]:
    """Service code, and the older extension in which some clients look for the token URL."""
    system = "http://terminology.hl7.org/CodeSystem/restful-security-service"
    uris = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    return {
        "extension": [{"url": uris, "extension": [{"url": "token", "valueUri": token_url(base)}]}],
        "service": [{"coding": [{"system": system, "code": "SMART-on-FHIR"}]}],
    }


def capability_statement(policy: Policy, base: str, date: str, *, smart: bool = False) -> Resource:
    """Return the CapabilityStatement of a policy at a base URL."""
    formats = {"json": [JSON_TYPE, "json"], "xml": [XML_TYPE, "xml"]}
    reverse = _reverse(policy)
    rest: dict[str, Any] = {
        "mode": "server",
        "resource": [_resource(policy, name, reverse) for name in sorted(policy.types)],
    }
    if limits := _limits(policy):
        rest["documentation"] = limits
    if smart:
        rest["security"] = _security(base)
    if policy.system:
        rest["interaction"] = [{"code": one} for one in sorted(policy.system)]
    if "Patient" in policy.types:
        rest["compartment"] = ["http://hl7.org/fhir/CompartmentDefinition/patient"]
    return {
        "resourceType": "CapabilityStatement",
        "url": f"{CANONICAL_ROOT}/CapabilityStatement/mock-{policy.name}",
        "name": "KykysiltaMock",
        "title": "Kykysilta mock national endpoint",
        "status": "active",
        "experimental": True,
        "date": date,
        "kind": "instance",
        "software": {"name": "kykysilta mock"},
        "implementation": {"description": f"Kanta-style test endpoint, policy {policy.name}", "url": base},
        "fhirVersion": "4.0.1",
        "patchFormat": [JSON_PATCH, *[formats[one][0] for one in policy.formats]],
        "format": [name for one in policy.formats for name in formats[one]],
        "rest": [rest],
    }


def _limits(policy: Policy) -> str:
    """What the policy demands that no element of a CapabilityStatement says."""
    told = (
        (policy.inside_bundles_only, f"Writes only inside a Bundle of type {' or '.join(sorted(policy.system))}."),
        (policy.bundle_entries, f"At most {policy.bundle_entries} entries in a Bundle."),
        (policy.body_bytes, f"At most {policy.body_bytes} bytes in a body."),
        (policy.requests_per_minute, f"At most {policy.requests_per_minute} requests of a client in a minute."),
        (policy.if_match == "required", "If-Match is demanded for update and patch."),
        (policy.search_by != {"get", "post"}, f"Search by {' and '.join(sorted(policy.search_by)).upper()} only."),
        (policy.patient_parameter_required, "A search names the client."),
        (policy.profile_required, "meta.profile is mandatory."),
        (policy.request_id != "optional", f"X-Request-Id is {policy.request_id}."),
        (policy.provenance_for, f"Only with a Provenance in the same transaction: {', '.join(policy.provenance_for)}."),
        (policy.signed, f"Only in a signed transaction: {', '.join(policy.signed)}."),
    )
    return " ".join(text for holds, text in told if holds)


def _resource(policy: Policy, name: str, reverse: dict[str, list[str]]) -> dict[str, Any]:
    rules = policy.types[name]
    entry: dict[str, Any] = {"type": name}
    if rules.profiles:
        entry["supportedProfile"] = list(rules.profiles)
    entry["interaction"] = [{"code": one} for one in sorted(rules.interactions)]
    entry |= {
        "versioning": "versioned-update" if policy.if_match == "required" else "versioned",
        "readHistory": "vread" in rules.interactions,
        "updateCreate": policy.update_create and "update" in rules.interactions,
        "conditionalCreate": policy.conditional_create and "create" in rules.interactions,
        "conditionalRead": "full-support" if "read" in rules.interactions else "not-supported",
        "conditionalUpdate": policy.conditional_update and "update" in rules.interactions,
        "conditionalDelete": policy.conditional_delete if "delete" in rules.interactions else "not-supported",
    }
    if "search-type" in rules.interactions:
        found = parameters(name)
        references = [one for one in found.values() if one.type == "reference" and one.name[0] != "_"]
        entry["searchInclude"] = [f"{name}:{one.name}" for one in references]
        entry["searchRevInclude"] = reverse.get(name, [])
        entry["searchParam"] = [
            {
                "name": one.name,
                "definition": f"http://hl7.org/fhir/SearchParameter/{one.url}",
                "type": one.type,
            }
            for one in found.values()
            if not rules.search or one.name in rules.search or one.name.startswith("_")
        ]
    operations = [one for one in sorted(policy.operations) if ONLY_ON.get(one, name) == name]
    root = "http://hl7.org/fhir/OperationDefinition"
    urls = {"validate": f"{root}/Resource-validate", "everything": f"{root}/Patient-everything"}
    urls["get-persons-documents"] = f"{CANONICAL_ROOT}/OperationDefinition/get-persons-documents"
    entry["operation"] = [{"name": one, "definition": urls[one]} for one in operations]
    return {key: value for key, value in entry.items() if value != []}


def _reverse(policy: Policy) -> dict[str, list[str]]:
    """Return for each type the references of other types that may point to it."""
    found: dict[str, list[str]] = {}
    for source in sorted(policy.types):
        if policy.allows(source, "search-type"):
            for one in parameters(source).values():
                for target in one.targets:
                    found.setdefault(target, []).append(f"{source}:{one.name}")
    return found
