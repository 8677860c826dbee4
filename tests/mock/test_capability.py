"""The CapabilityStatement walked: each thing that it declares is tried, and what it leaves out is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from adapter.mock.client import MockClient
from adapter.mock.definitions import parameters
from adapter.mock.policy import TYPE_INTERACTIONS

VALUES = {
    "token": "x",
    "string": "x",
    "date": "2020",
    "number": "1",
    "quantity": "1",
    "reference": "a",
    "uri": "urn:x",
    "special": "60|24",
}
BODIES: dict[str, dict[str, Any]] = {
    "CarePlan": {"status": "active", "intent": "plan", "subject": {"display": "x"}},
    "Consent": {"status": "active", "scope": {"text": "x"}, "category": [{"text": "x"}], "policyRule": {"text": "x"}},
    "Observation": {"status": "final", "code": {"text": "x"}},
    "CareTeam": {},
    "Patient": {},
}
MODIFIERS = {
    "token": ("missing", "text", "not"),
    "string": ("missing", "exact", "contains"),
    "reference": ("missing", "identifier"),
    "uri": ("missing", "above", "below"),
}
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
STRICT = {"prefer": "handling=strict"}


def value_of(resource_type: str, name: str) -> str:
    """A value that fits a search parameter."""
    parameter = parameters(resource_type)[name]
    if parameter.type == "composite":
        return "$".join(VALUES[one.type] for one in parameter.components)
    return VALUES[parameter.type]


def declared(fhir: httpx.Client) -> dict[str, dict[str, Any]]:
    """What is declared, by resource type."""
    return {one["type"]: one for one in fhir.get("metadata").json()["rest"][0]["resource"]}


def test_the_statement_names_version_types_formats_and_conditions(fhir: httpx.Client) -> None:
    """R4, all 146 types, and the flags that clients look for."""
    statement = fhir.get("metadata").json()
    rest = statement["rest"][0]
    plan = declared(fhir)["CarePlan"]
    assert statement["fhirVersion"] == "4.0.1"
    assert len(rest["resource"]) == 146
    assert {one["code"] for one in rest["interaction"]} == {"transaction", "batch", "search-system", "history-system"}
    assert plan["versioning"] == "versioned"
    assert [plan[f"conditional{one}"] for one in ("Create", "Read", "Update", "Delete")] == [
        True,
        "full-support",
        True,
        "multiple",
    ]
    assert (plan["readHistory"], plan["updateCreate"]) == (True, True)
    assert rest["compartment"] == ["http://hl7.org/fhir/CompartmentDefinition/patient"]
    for name in statement["format"]:
        assert fhir.get("CarePlan", params={"_format": name}).status_code == 200
    assert statement["patchFormat"] == ["application/json-patch+json", "application/fhir+json", "application/fhir+xml"]


def test_every_declared_search_parameter_and_include_works(fhir: httpx.Client) -> None:
    """Under strict handling none of them is unknown, on any of the types; those of R4 are all declared."""
    for name, entry in declared(fhir).items():
        found = {one["name"]: one["type"] for one in entry["searchParam"]}
        assert found == {one.name: one.type for one in parameters(name).values()}
        query: list[tuple[str, str]] = [(one, value_of(name, one)) for one in found]
        query += [("_include", one) for one in entry.get("searchInclude", [])]
        query += [("_revinclude", one) for one in entry.get("searchRevInclude", [])]
        answer = fhir.post(f"{name}/_search", headers=STRICT | FORM, content=httpx.QueryParams(query).__str__())
        assert answer.status_code == 200, (name, answer.text)
        assert answer.json()["total"] == 0


FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("name", ["CarePlan", "Consent", "Observation", "CareTeam", "Encounter"])
def test_every_modifier_prefix_chain_and_sort_of_every_parameter(fhir: httpx.Client, name: str) -> None:
    """Each parameter of the main types with all that its type allows."""
    queries: list[tuple[str, str]] = []
    for one in parameters(name).values():
        value = value_of(name, one.name)
        if one.name not in ("_id", "_lastUpdated", "_content", "_text"):
            texts = {"missing": "true", "identifier": "urn:x|1"}
            queries += [
                (f"{one.name}:{modifier}", texts.get(modifier, value)) for modifier in MODIFIERS.get(one.type, ())
            ]
        if one.type in ("date", "number", "quantity"):
            queries += [(one.name, prefix + value) for prefix in PREFIXES]
        if one.type == "reference" and "Patient" in one.targets:
            queries += [(f"{one.name}:Patient", "a"), (f"{one.name}:Patient.family", "x")]
            queries += [(f"{one.name}:Patient._has:{name}:{one.name}:_id", "x")]
        if one.type != "composite" and one.name not in ("_content", "_text"):
            queries.append(("_sort", f"-{one.name}"))
    for query in queries:
        answer = fhir.get(name, params=[query], headers=STRICT)
        assert answer.status_code == 200, (query, answer.text)


def requests_of(name: str) -> dict[str, tuple[str, str, Any]]:
    """Method, path and body of each interaction of a type."""
    body = {"resourceType": name, **BODIES[name]}
    patch = [{"op": "add", "path": "/language", "value": "fi"}]
    return {
        "create": ("POST", name, body),
        "update": ("PUT", f"{name}/w", body | {"id": "w"}),
        "read": ("GET", f"{name}/w", None),
        "vread": ("GET", f"{name}/w/_history/1", None),
        "patch": ("PATCH", f"{name}/w", patch),
        "history-instance": ("GET", f"{name}/w/_history", None),
        "history-type": ("GET", f"{name}/_history", None),
        "search-type": ("POST", f"{name}/_search", None),
        "delete": ("DELETE", f"{name}/w", None),
    }


@pytest.mark.parametrize("policy", ["open", "national"])
@pytest.mark.parametrize("name", list(BODIES))
def test_interactions_are_done_or_refused_as_declared(root: str, fhir: httpx.Client, name: str, policy: str) -> None:
    """405 for exactly those that are not declared; under the open policy the others succeed."""
    endpoint, _, namespace = root.rpartition("/t/")
    with MockClient(endpoint, namespace) as control:
        control.behave(policy=policy)
    entry = declared(fhir).get(name)
    allowed = {one["code"] for one in entry["interaction"]} if entry is not None else set()
    for interaction, (method, path, body) in requests_of(name).items():
        kind = "application/json-patch+json" if method == "PATCH" else "application/fhir+json"
        headers = (FORM if interaction == "search-type" else {"content-type": kind}) | {"x-request-id": interaction}
        answer = fhir.request(method, path, json=body, headers=headers)
        if entry is None:
            assert answer.status_code == 404, interaction
        elif interaction not in allowed:
            assert answer.status_code == 405, interaction
        elif policy == "open":
            assert answer.status_code in (200, 201, 204), (interaction, answer.text)
        else:
            assert answer.status_code != 404 or interaction in ("read", "vread", "history-instance", "patch")
    assert allowed <= set(TYPE_INTERACTIONS)


def test_declared_operations_answer(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """`$validate` on every declared type, `$everything` on Patient alone."""
    entries = declared(fhir)
    for name, body in BODIES.items():
        operations = {one["name"] for one in entries[name]["operation"]}
        assert ("everything" in operations) == (name == "Patient")
        assert fhir.post(f"{name}/$validate", json={"resourceType": name, **body}).status_code == 200
    assert fhir.get(f"Patient/{patient['id']}/$everything").status_code == 200
    assert fhir.get("CarePlan/x/$everything").status_code == 404
