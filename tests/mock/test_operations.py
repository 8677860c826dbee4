"""FHIRPath Patch, `$validate`, `$everything`, and what the levels of strictness refuse."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from adapter.mock.client import MockClient
from adapter.mock.patch.fhirpath_patch import apply_fhirpath_patch
from adapter.mock.patch.json_patch import PatchError, apply_json_patch

MOONA: dict[str, Any] = {
    "resourceType": "Patient",
    "name": [{"use": "official", "given": ["Moona"]}, {"use": "usual", "given": ["Mo", "Moo"]}],
    "birthDate": "1994-05-01",
    "extension": [{"url": "https://kykysilta.example/a", "valueString": "x"}],
    "contact": [{"gender": "female", "name": {"text": "Äiti"}}],
}


PROFILED_CARE_TEAM = {
    "resourceType": "CareTeam",
    "meta": {"profile": ["https://kykysilta.example/fhir/StructureDefinition/kykysilta-client"]},
}
"""Structure is right; the profile is one of Patient."""


def operation(kind: str, path: str, **parts: Any) -> dict[str, Any]:
    """One operation of a FHIRPath Patch; a dict is the whole part, other values become their value[x]."""
    found: list[dict[str, Any]] = [
        {"name": "type", "valueCode": kind},
        {"name": "path", "valueString": path},
    ]
    for name, value in parts.items():
        if isinstance(value, dict):
            found.append({"name": name, **value})
        else:
            found.append({"name": name, ("valueInteger" if isinstance(value, int) else "valueString"): value})
    return {"name": "operation", "part": found}


def patched(*operations: dict[str, Any]) -> dict[str, Any]:
    """Moona after the operations."""
    return apply_fhirpath_patch(MOONA, {"resourceType": "Parameters", "parameter": list(operations)})


def test_add_knows_lists_choices_and_backbones() -> None:
    """A repeating element becomes a list, a choice gets its type, a backbone is built from parts."""
    contact = {
        "part": [
            {"name": "name", "valueHumanName": {"text": "Isä"}},
            {"name": "relationship", "valueCodeableConcept": {"text": "isä"}},
        ]
    }
    after = patched(
        operation("add", "Patient", name="gender", value={"valueCode": "female"}),
        operation("add", "Patient", name="deceased", value={"valueBoolean": False}),
        operation("add", "Patient", name="contact", value=contact),
        operation("add", "Patient.name.where(use = 'official')", name="given", value="Maria"),
    )
    assert after["gender"] == "female"
    assert after["deceasedBoolean"] is False
    assert after["contact"][1] == {"name": {"text": "Isä"}, "relationship": [{"text": "isä"}]}
    assert after["name"][0]["given"] == ["Moona", "Maria"]
    assert "gender" not in MOONA


def test_replace_delete_insert_move() -> None:
    """Each works on the element or list that its path names."""
    after = patched(
        operation("replace", "Patient.birthDate", value={"valueDate": "1994-05-02"}),
        operation("delete", "Patient.contact[0].gender"),
        operation("delete", "Patient.photo"),
        operation("delete", "Patient.extension('https://kykysilta.example/a')"),
        operation("insert", "Patient.name[1].given", index=1, value="Väli"),
        operation("move", "Patient.name", source=1, destination=0),
        operation("replace", "Patient.name.first().use", value={"valueCode": "nickname"}),
    )
    assert after["birthDate"] == "1994-05-02"
    assert after["contact"] == [{"name": {"text": "Äiti"}}]
    assert "extension" not in after
    assert after["name"][0] == {"use": "nickname", "given": ["Mo", "Väli", "Moo"]}


@pytest.mark.parametrize(
    "wrong",
    [
        operation("explode", "Patient.name"),
        operation("delete", "Patient.name"),
        operation("replace", "Patient.gender", value="x"),
        operation("add", "Patient", name="nonsense", value="x"),
        operation("add", "Patient", name="birthDate", value="1990"),
        operation("insert", "Patient.name", index=9, value="x"),
        operation("move", "Patient.name", source=0, destination=7),
        operation("replace", "Patient.name.count()", value="x"),
        operation("replace", "Patient.name.where(((", value="x"),
        operation("replace", "Patient.birthDate"),
        {"name": "operation"},
        {"name": "other", "part": []},
    ],
)
def test_what_does_not_apply_is_refused(wrong: dict[str, Any]) -> None:
    """Unknown kinds and elements, ambiguous paths, positions outside, missing parts."""
    with pytest.raises(PatchError):
        patched(wrong)


FHIR_JSON = {"content-type": "application/fhir+json"}


def test_fhirpath_patch_over_http_and_in_a_transaction(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """Parameters as PATCH body and as resource of a PATCH entry; a wrong one is 422."""
    url = f"Patient/{patient['id']}"
    change = operation("replace", "Patient.gender", value={"valueCode": "unknown"})
    parameters = {"resourceType": "Parameters", "parameter": [change]}
    assert fhir.patch(url, json=parameters, headers=FHIR_JSON).json()["gender"] == "unknown"
    wrong = operation("replace", "Patient.gender", value={"valueCode": 7})
    broken = {"resourceType": "Parameters", "parameter": [wrong]}
    assert fhir.patch(url, json=broken, headers=FHIR_JSON).status_code == 422
    entry = {"resource": parameters, "request": {"method": "PATCH", "url": url}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert fhir.post("", json=bundle).json()["entry"][0]["response"]["etag"] == 'W/"3"'


def test_validate_says_what_would_refuse_an_interaction(fhir: httpx.Client, root: str) -> None:
    """`mode` adds what ids and the policy say to the content; a delete needs no content; another word is 400."""

    def codes(path: str, mode: str, resource: dict[str, Any] | None = None) -> list[str]:
        parts = [
            {"name": "mode", "valueCode": mode},
            *([{"name": "resource", "resource": resource}] if resource else []),
        ]
        answer = fhir.post(f"{path}/$validate", json={"resourceType": "Parameters", "parameter": parts})
        assert answer.status_code == 200
        issues = answer.json()["issue"]
        return [one["details"]["coding"][0]["code"] for one in issues if one["severity"] == "error"]

    plain = {"resourceType": "Patient", "id": "a"}
    assert (
        codes("Patient", "create", plain) == codes("Patient/a", "update", plain) == codes("Patient/a", "delete") == []
    )
    assert codes("Patient/b", "update", plain) == ["K7009"]
    endpoint, _, namespace = root.rpartition("/t/")
    with MockClient(endpoint, namespace) as control:
        control.behave(policy="transactions")
    assert codes("Patient", "create", plain) == []
    assert fhir.post("Patient/$validate?mode=delete", json=plain).json()["issue"][0]["severity"] == "information"
    assert fhir.post("Patient/$validate?mode=destroy", json=plain).status_code == 400


def test_everything_by_parameters_and_what_it_cannot_do(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """POST with Parameters asks the same; a time of care is refused, not ignored."""
    url = f"Patient/{patient['id']}/$everything"
    fhir.post("CareTeam", json={"resourceType": "CareTeam", "subject": {"reference": f"Patient/{patient['id']}"}})
    asked = {"resourceType": "Parameters", "parameter": [{"name": "_type", "valueCode": "CareTeam"}]}
    assert (fhir.get(url).json()["total"], fhir.post(url, json=asked).json()["total"]) == (2, 1)
    for wrong in ("start=2025-01-01", "end=2025-01-01", "_count=many", "_since=soon"):
        assert fhir.get(f"{url}?{wrong}").status_code == 400, wrong


def test_validate_answers_200_with_findings(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """Valid or not, by body, by Parameters, and for a stored resource; nothing is stored."""
    wrong = {"resourceType": "Observation", "status": "nonsense"}
    for body in (wrong, {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": wrong}]}):
        answer = fhir.post("Observation/$validate", json=body)
        expressions = [one["expression"][0] for one in answer.json()["issue"]]
        assert answer.status_code == 200
        assert "Observation.status" in expressions
        assert "nonsense" not in answer.text
    good = fhir.get(f"Patient/{patient['id']}/$validate")
    assert {one["severity"] for one in good.json()["issue"]} == {"information"}
    assert fhir.post("Patient/$validate", json=wrong).status_code == 400
    assert fhir.get("Patient/none/$validate").status_code == 404
    assert fhir.get("Observation").json()["total"] == 0


def test_everything_is_the_patient_and_the_compartment(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """With `_type` and `_count`; another patient's resources stay out."""
    subject = {"reference": f"Patient/{patient['id']}"}
    for kind in ("CareTeam", "Observation"):
        body = {"resourceType": kind, "status": "final" if kind == "Observation" else "active", "subject": subject}
        assert fhir.post(kind, json=body).status_code == 201
    fhir.post("CareTeam", json={"resourceType": "CareTeam", "subject": {"reference": "Patient/other"}})
    url = f"Patient/{patient['id']}/$everything"
    found = [one["resource"]["resourceType"] for one in fhir.get(url).json()["entry"]]
    assert found == ["Patient", "CareTeam", "Observation"]
    assert [one["resource"]["resourceType"] for one in fhir.get(f"{url}?_type=CareTeam").json()["entry"]] == [
        "CareTeam"
    ]
    page = fhir.get(f"{url}?_count=2").json()
    following = next(one["url"] for one in page["link"] if one["relation"] == "next")
    assert [one["resource"]["resourceType"] for one in fhir.get(following).json()["entry"]] == ["Observation"]
    assert fhir.get("Patient/none/$everything").status_code == 404


@pytest.mark.parametrize(
    ("strictness", "body", "status"),
    [
        ("lenient", {"resourceType": "Observation"}, 201),
        ("lenient", {"resourceType": "Observation", "foo": 1}, 422),
        ("lenient", {"resourceType": "Observation", "note": []}, 422),
        ("lenient", {"resourceType": "Patient", "birthDate": "soon"}, 422),
        ("lenient", PROFILED_CARE_TEAM, 201),
        ("national", PROFILED_CARE_TEAM, 422),
        ("national", {"resourceType": "Observation"}, 422),
        ("national", {"resourceType": "Observation", "status": "nonsense", "code": {"text": "x"}}, 422),
        ("national", {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}, 201),
        ("national", {"resourceType": "Patient", "meta": {"profile": ["https://kykysilta.example/unknown"]}}, 201),
        ("strict", {"resourceType": "Patient", "meta": {"profile": ["https://kykysilta.example/unknown"]}}, 422),
    ],
)
def test_strictness_decides_what_comes_in(
    root: str, fhir: httpx.Client, strictness: str, body: dict[str, Any], status: int
) -> None:
    """Structure always; rules and bindings under national; warnings under strict. Issues name the place."""
    endpoint, _, namespace = root.rpartition("/t/")
    httpx.patch(f"{endpoint}/_mock/api/{namespace}/behaviour", json={"strictness": strictness})
    answer = fhir.post(body["resourceType"], json=body)
    assert answer.status_code == status, answer.text
    if status == 422:
        assert answer.json()["issue"][0]["expression"][0].startswith(body["resourceType"])


def test_a_patch_cannot_grow_a_resource_without_end() -> None:
    """Copies of copies double the document; it is refused long before it fills the memory."""
    doubling = [{"op": "copy", "from": "/extension", "path": f"/extension/0/{number}"} for number in range(60)]
    with pytest.raises(PatchError, match="larger"):
        apply_json_patch(MOONA, doubling)
