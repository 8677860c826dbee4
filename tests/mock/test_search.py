"""Search by every kind of parameter, with modifiers, prefixes, chains, includes, sorting and pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from adapter.mock.serve import running_mock
from adapter.mock.settings import MockSettings

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"


def observation(name: str, **more: Any) -> dict[str, Any]:
    """An Observation of the one patient."""
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "subject": {"reference": "Patient/moona"},
        "code": {"coding": [{"system": LOINC, "code": "8867-4", "display": "Sydämen syke"}], "text": "Syke"},
        **more,
    }


RESOURCES: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "moona",
        "identifier": [
            {
                "system": "urn:oid:1.2.246.21",
                "value": "010594Y9032",
                "type": {"coding": [{"system": "urn:types", "code": "NNFIN"}]},
            }
        ],
        "name": [{"family": "Åkerström", "given": ["Moona", "Maria"]}],
        "telecom": [{"system": "phone", "value": "0401234567"}, {"system": "email", "value": "m@example.org"}],
        "birthDate": "1994-05-01",
        "managingOrganization": {"reference": "Organization/org"},
    },
    {"resourceType": "Patient", "id": "ville", "active": True, "deceasedDateTime": "2020-01-01"},
    {"resourceType": "Organization", "id": "org", "name": "Hyvinvointialue"},
    observation(
        "pulse",
        effectiveDateTime="2025-03-14T08:00:00+02:00",
        valueQuantity={"value": 5.4, "unit": "lyöntiä", "system": UCUM, "code": "/min"},
        performer=[{"identifier": {"system": "urn:staff", "value": "77"}}],
    ),
    observation("panel", effectivePeriod={"start": "2025-03-01"}, hasMember=[{"reference": "Observation/pulse"}]),
    observation(
        "parts",
        effectiveDateTime="2025-04",
        component=[
            {"code": {"coding": [{"system": "urn:c", "code": "a"}]}, "valueQuantity": {"value": 1}},
            {"code": {"coding": [{"system": "urn:c", "code": "b"}]}, "valueQuantity": {"value": 2}},
        ],
    ),
    {
        "resourceType": "CarePlan",
        "id": "plan",
        "status": "active",
        "intent": "plan",
        "meta": {"tag": [{"system": "urn:tags", "code": "t"}], "profile": ["https://kykysilta.example/p|1.0"]},
        "subject": {"reference": "Patient/moona"},
        "period": {"start": "2025-01-01", "end": "2025-12-31"},
        "instantiatesUri": ["https://kykysilta.example/protocols/a"],
        "instantiatesCanonical": ["https://kykysilta.example/PlanDefinition/b|2"],
    },
    {
        "resourceType": "CarePlan",
        "id": "part",
        "status": "draft",
        "intent": "plan",
        "subject": {"reference": "Patient/moona"},
        "partOf": [{"reference": "CarePlan/plan"}],
        "text": {
            "status": "generated",
            "div": '<div xmlns="http://www.w3.org/1999/xhtml"><b>Työkokeilu</b> alkaa</div>',
        },
    },
    {"resourceType": "CarePlan", "id": "deep", "status": "draft", "intent": "plan", "subject": {"display": "x"}}
    | {"partOf": [{"reference": "CarePlan/part"}], "replaces": [{"reference": "CarePlan/part"}]},
    {
        "resourceType": "List",
        "id": "chosen",
        "status": "current",
        "mode": "working",
        "entry": [{"item": {"reference": "CarePlan/plan"}}, {"item": {"reference": "Patient/ville"}}],
    },
    {
        "resourceType": "Location",
        "id": "kallio",
        "name": "Kallion asema",
        "position": {"latitude": 60.1841, "longitude": 24.9497},
    },
    {
        "resourceType": "Encounter",
        "id": "visit",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "INPATIENT"},
        "location": [{"location": {"reference": "Location/kallio"}}],
    },
    {
        "resourceType": "RiskAssessment",
        "id": "risk",
        "status": "final",
        "subject": {"reference": "Patient/moona"},
        "prediction": [{"probabilityDecimal": 0.25}],
    },
]


@pytest.fixture(scope="module")
def data() -> Iterator[httpx.Client]:
    """An endpoint with a few resources."""
    with running_mock(MockSettings(port=0, strictness="lenient")) as base, httpx.Client(base_url=f"{base}/") as client:
        for one in RESOURCES:
            assert client.put(f"{one['resourceType']}/{one['id']}", json=one).status_code == 201
        yield client


def found(client: httpx.Client, url: str) -> list[str]:
    """Ids of the matches, sorted; a refusal fails the test."""
    answer = client.get(url, headers={"prefer": "handling=strict"})
    assert answer.status_code == 200, answer.text
    entries = answer.json().get("entry", [])
    return sorted(one["resource"]["id"] for one in entries if one["search"]["mode"] == "match")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("Patient?name=akerstrom", ["moona"]),
        ("Patient?name=MOONA", ["moona"]),
        ("Patient?family:exact=Åkerström", ["moona"]),
        ("Patient?family:exact=åkerström", []),
        ("Patient?family:contains=erst", ["moona"]),
        ("Patient?family=erst", []),
        ("Patient?identifier=urn:oid:1.2.246.21|010594Y9032", ["moona"]),
        ("Patient?identifier=010594Y9032", ["moona"]),
        ("Patient?identifier=|010594Y9032", []),
        ("Patient?identifier=urn:oid:1.2.246.21|", ["moona"]),
        ("Patient?identifier:of-type=urn:types|NNFIN|010594Y9032", ["moona"]),
        ("Patient?phone=0401234567", ["moona"]),
        ("Patient?phone=m@example.org", []),
        ("Patient?telecom=m@example.org", ["moona"]),
        ("Patient?active=true", ["ville"]),
        ("Patient?deceased=true", ["ville"]),
        ("Patient?deceased=false", ["moona"]),
        ("Patient?birthdate=1994", ["moona"]),
        ("Patient?birthdate=lt1994-05-02", ["moona"]),
        ("Patient?birthdate=gt1994-05-01", []),
        ("Patient?birthdate=ge1994-05-01", ["moona"]),
        ("Patient?birthdate:missing=true", ["ville"]),
        ("Patient?_id=moona,ville", ["moona", "ville"]),
        ("Patient?_id=moona&active:missing=false", []),
        ("Patient?_lastUpdated=gt2020", ["moona", "ville"]),
        ("Patient?_lastUpdated=lt2020", []),
        ("Patient?organization=Organization/org", ["moona"]),
        ("Patient?organization=org", ["moona"]),
        ("Patient?organization.name=hyvin", ["moona"]),
        ("Patient?organization:Organization.name=muu", []),
        ("Patient?_has:CarePlan:subject:status=active", ["moona"]),
        ("Patient?_has:Observation:patient:_has:Observation:has-member:status=final", ["moona"]),
        ("Observation?subject=Patient/moona", ["panel", "parts", "pulse"]),
        ("Observation?subject:Patient=moona", ["panel", "parts", "pulse"]),
        ("Observation?patient=moona", ["panel", "parts", "pulse"]),
        ("Observation?subject.organization.name=hyvin", ["panel", "parts", "pulse"]),
        ("Observation?has-member.subject:Patient.family=aker", ["panel"]),
        ("Observation?performer:identifier=urn:staff|77", ["pulse"]),
        ("Observation?status:not=final", []),
        ("Observation?status=http://hl7.org/fhir/observation-status|final", ["panel", "parts", "pulse"]),
        ("Observation?code:text=syke", ["panel", "parts", "pulse"]),
        ("Observation?code=8867-4,1-1", ["panel", "parts", "pulse"]),
        ("Observation?code=8867-4&status=draft", []),
        ("Observation?value-quantity=5.4", ["pulse"]),
        ("Observation?value-quantity=5", ["pulse"]),
        ("Observation?value-quantity=5.40", ["pulse"]),
        ("Observation?value-quantity=5.0", []),
        ("Observation?value-quantity=gt5.3||lyöntiä", ["pulse"]),
        (f"Observation?value-quantity=le5.4|{UCUM}|/min", ["pulse"]),
        (f"Observation?value-quantity=5.4|{UCUM}|kg", []),
        ("Observation?value-quantity=ap5", ["pulse"]),
        ("Observation?date=2025-03", ["pulse"]),
        ("Observation?date=2025", ["parts", "pulse"]),
        ("Observation?date=2025-04-01", []),
        ("Observation?date=gt2025-03-31", ["panel", "parts"]),
        ("Observation?date=sa2025-03-20", ["parts"]),
        ("Observation?date=eb2025-03-20", ["pulse"]),
        ("Observation?date=ge2025-03-14&date=le2025-03-14", ["panel", "pulse"]),
        ("Observation?date=ne2025-03", ["panel", "parts"]),
        ("Observation?component-code-value-quantity=urn:c|a$1", ["parts"]),
        ("Observation?component-code-value-quantity=urn:c|a$2", []),
        ("Observation?combo-code-value-quantity=8867-4$5.4", ["pulse"]),
        ("Observation?code-value-quantity=8867-4$gt5", ["pulse"]),
        ("Observation?combo-code=b", ["parts"]),
        ("CarePlan?_tag=urn:tags|t", ["plan"]),
        ("CarePlan?_profile=https://kykysilta.example/p", ["plan"]),
        ("CarePlan?_profile:below=https://kykysilta.example", ["plan"]),
        ("CarePlan?instantiates-uri=https://kykysilta.example/protocols/a", ["plan"]),
        ("CarePlan?instantiates-uri:below=https://kykysilta.example/protocols", ["plan"]),
        ("CarePlan?instantiates-uri:above=https://kykysilta.example/protocols/a/b", ["plan"]),
        ("CarePlan?instantiates-canonical=https://kykysilta.example/PlanDefinition/b", ["plan"]),
        ("CarePlan?instantiates-canonical=https://kykysilta.example/PlanDefinition/b|3", []),
        ("CarePlan?date=2025-06", []),
        ("CarePlan?date=ge2025-06&date=le2025-06", ["plan"]),
        ("CarePlan?instantiates-canonical:below=https://kykysilta.example/PlanDefinition/b|2", ["plan"]),
        ("CarePlan?instantiates-canonical:below=https://kykysilta.example/PlanDefinition/b|1", []),
        ("CarePlan?instantiates-canonical:above=https://kykysilta.example/PlanDefinition/b|2.1", ["plan"]),
        ("CarePlan?part-of:below=CarePlan/plan", ["deep", "part"]),
        ("CarePlan?part-of:below=part", ["deep"]),
        ("CarePlan?replaces:above=CarePlan/deep", ["deep"]),
        ("CarePlan?part-of.part-of=CarePlan/plan", ["deep"]),
        ("CarePlan?_text=tyokokeilu", ["part"]),
        ("CarePlan?_text=alkaa%20TYÖKOKEILU", ["part"]),
        ("CarePlan?_text=xhtml", []),
        ("CarePlan?_content=protocols,työkokeilu", ["part", "plan"]),
        ("CarePlan?subject._content=akerstrom&status=active", ["plan"]),
        ("CarePlan?_list=chosen", ["plan"]),
        ("Patient?_list=chosen", ["ville"]),
        ("Patient?_list=none", []),
        ("Location?near=60.17|24.94|5|km", ["kallio"]),
        ("Location?near=60.17|24.94|500|m", []),
        ("Location?near=60.18|24.95", ["kallio"]),
        ("Observation?status:in=http://hl7.org/fhir/ValueSet/observation-status", ["panel", "parts", "pulse"]),
        ("Observation?status:not-in=http://hl7.org/fhir/ValueSet/observation-status", []),
        ("Observation?status:in=http://hl7.org/fhir/ValueSet/care-plan-intent", []),
        ("CarePlan?status:not-in=http://hl7.org/fhir/ValueSet/request-status", []),
        ("CarePlan?intent:in=http://hl7.org/fhir/ValueSet/care-plan-intent", ["deep", "part", "plan"]),
        ("Observation?status:below=http://hl7.org/fhir/observation-status|amended", []),
        ("Observation?status:above=http://hl7.org/fhir/observation-status|final", ["panel", "parts", "pulse"]),
        ("RiskAssessment?probability=0.25", ["risk"]),
        ("RiskAssessment?probability=gt0.2", ["risk"]),
        ("Patient/moona/Observation?status=final", ["panel", "parts", "pulse"]),
        ("Patient/ville/Observation", []),
        ("?_type=Patient,Organization&_id=org", ["org"]),
        ("Patient?family=&_id=ville", ["ville"]),
    ],
)
def test_search_finds(data: httpx.Client, url: str, expected: list[str]) -> None:
    """Each parameter finds exactly what R4 says."""
    assert found(data, url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "Patient?birthdate=soon",
        "Patient?birthdate=1994-13",
        "Patient?name:nonsense=x",
        "Patient?identifier:in=x",
        "Observation?code:in=http://hl7.org/fhir/ValueSet/observation-codes",
        "Observation?code:below=http://loinc.org|8867-4",
        "Observation?status:below=final",
        "Patient?_content=%20",
        "Patient?_content:exact=x",
        "Patient?_filter=name eq x",
        "Patient?_query=current",
        "Patient?_sort=_content",
        "Location?near=Helsinki",
        "Location?partof:below=nowhere/x/y",
        "Observation?value-quantity=much",
        "Observation?value-quantity=NaN",
        "Observation?subject:Group.name.family=x",
        "Observation?component-code-value-quantity=a",
        "Patient?_count=many",
        "Patient?_summary=some",
        "Patient?_sort=nonsense",
        "Patient?nonsense=1",
        "Patient?_include=Patient:nonsense",
        "Patient?_has:Observation:nonsense:code=1",
        "Patient?active:missing=perhaps",
        "?name=x",
        "Patient?_summary=text&_include=Patient:organization",
        "Patient?_revinclude=*:subject",
        "Patient/moona?_summary=some",
        "_history?_sort=_lastUpdated",
    ],
)
def test_search_refuses_what_it_cannot_do(data: httpx.Client, url: str) -> None:
    """A wrong value, an unknown modifier, and under strict handling an unknown parameter are 400."""
    assert data.get(url, headers={"prefer": "handling=strict"}).status_code == 400


def test_lenient_handling_leaves_unknown_parameters_out(data: httpx.Client) -> None:
    """It is not in the self link, and an outcome entry says so."""
    bundle = data.get("Patient?nonsense=1&_id=moona").json()
    assert bundle["link"][0]["url"].endswith("Patient?_id=moona")
    assert bundle["entry"][-1]["search"]["mode"] == "outcome"


def test_post_search_is_the_same_without_values_in_the_url(data: httpx.Client) -> None:
    """Form parameters search as those of the URL do."""
    answer = data.post("Patient/_search", data={"identifier": "010594Y9032"})
    assert answer.json()["total"] == 1
    assert data.post("Patient/_search", json={"identifier": "010594Y9032"}).status_code == 415


def test_includes_forward_back_and_iterated(data: httpx.Client) -> None:
    """Included resources come once, marked include."""

    def included(url: str) -> list[str]:
        entries = data.get(url).json()["entry"]
        return sorted(one["resource"]["id"] for one in entries if one["search"]["mode"] == "include")

    assert included("Observation?_id=panel&_include=Observation:has-member") == ["pulse"]
    assert included("Observation?_id=panel&_include=Observation:*") == ["moona", "pulse"]
    assert included("Observation?_id=panel&_include=Observation:subject&_include:iterate=Patient:organization") == [
        "moona",
        "org",
    ]
    assert included("Observation?_id=panel&_include=Observation:subject:Group") == []
    assert included("Organization?_id=org&_revinclude=*") == ["moona"]
    assert included("Organization?_revinclude=Patient:organization&_revinclude:iterate=CarePlan:subject") == [
        "moona",
        "part",
        "plan",
    ]


def test_sorting_puts_missing_values_last(data: httpx.Client) -> None:
    """Ascending, descending and by several parameters."""

    def ids(url: str) -> list[str]:
        return [one["resource"]["id"] for one in data.get(url).json()["entry"]]

    assert ids("Patient?_sort=birthdate") == ["moona", "ville"]
    assert ids("Patient?_sort=-birthdate") == ["moona", "ville"]
    assert ids("Patient?_sort=-_id") == ["ville", "moona"]
    assert ids("Observation?_sort=-date") == ["panel", "parts", "pulse"]
    assert ids("Observation?_sort=status,_id") == ["panel", "parts", "pulse"]


def test_summary_and_elements_subset_and_say_so(data: httpx.Client) -> None:
    """Mandatory elements stay, SUBSETTED is tagged, counts have no entries."""
    plan = data.get("CarePlan?_elements=period").json()["entry"][0]["resource"]
    assert set(plan) == {"resourceType", "id", "meta", "status", "intent", "subject", "period"}
    assert plan["meta"]["tag"][-1]["code"] == "SUBSETTED"
    of_types = "Observation?_id=pulse&_include=Observation:subject&_elements=Observation.value,Patient.birthDate"
    pulse, moona = (one["resource"] for one in data.get(of_types).json()["entry"])
    assert ("valueQuantity" in pulse, "effectiveDateTime" in pulse) == (True, False)
    assert ("birthDate" in moona, "name" in moona) == (True, False)
    summary = data.get("Patient/moona?_summary=true").json()
    assert "birthDate" in summary
    assert summary["meta"]["tag"][-1]["code"] == "SUBSETTED"
    counted = data.get("Observation?_summary=count").json()
    assert (counted["total"], "entry" in counted) == (3, False)
    assert "entry" not in data.get("Observation?_count=0").json()
    assert "total" not in data.get("Observation?_total=none").json()


def test_pages_stay_stable_while_data_grows(fhir: httpx.Client) -> None:
    """All pages together show exactly what matched at the first request."""
    made = [fhir.post("CareTeam", json={"resourceType": "CareTeam"}).json()["id"] for _ in range(7)]
    page = fhir.get("CareTeam?_count=3").json()
    seen: list[str] = []
    while True:
        seen += [one["resource"]["id"] for one in page["entry"]]
        assert page["total"] == 7
        fhir.post("CareTeam", json={"resourceType": "CareTeam"})
        links = {one["relation"]: one["url"] for one in page["link"]}
        if "next" not in links:
            break
        page = fhir.get(links["next"]).json()
    assert seen == made
    assert fhir.get(links["previous"]).json()["entry"][0]["resource"]["id"] == made[3]
    assert fhir.get("CareTeam?_page=forgotten").status_code == 410


def test_search_sees_a_write_at_once(fhir: httpx.Client) -> None:
    """After each answer the next search shows it."""
    for number in range(10):
        identifier = [{"system": "urn:x", "value": str(number)}]
        fhir.post("CareTeam", json={"resourceType": "CareTeam", "identifier": identifier})
        assert fhir.get(f"CareTeam?identifier=urn:x|{number}").json()["total"] == 1


def test_a_seed_of_any_shape_harms_no_search(root: str, fhir: httpx.Client) -> None:
    """Testers seed broken resources on purpose: they are stored, and searches go on finding the others."""
    endpoint, _, namespace = root.rpartition("/t/")
    broken = {"resourceType": "Patient", "id": "broken", "identifier": ["x"], "name": 7, "managingOrganization": [[]]}
    whole = {"resourceType": "Patient", "id": "whole", "identifier": [{"value": "1"}]}
    assert httpx.post(f"{endpoint}/_mock/api/{namespace}/seed", json=[broken, whole]).status_code == 200
    assert [one["resource"]["id"] for one in fhir.get("Patient?identifier=1").json()["entry"]] == ["whole"]
    assert fhir.get("Patient/broken").json()["name"] == 7


def test_search_sees_every_kind_of_change_in_every_kind_of_parameter(fhir: httpx.Client) -> None:
    """After an update, a patch, a deletion and a failed transaction, old values find nothing and new ones do."""
    body = {"resourceType": "Patient", "id": "p", "name": [{"family": "Vanha"}], "birthDate": "1990-01-01"}
    changed = body | {"name": [{"family": "Uusi"}], "birthDate": "1991-01-01", "identifier": [{"value": "9"}]}

    def totals() -> list[int]:
        urls = ("family=vanha", "birthdate=1990", "identifier:missing=true", "family=uusi", "birthdate=1991")
        return [fhir.get(f"Patient?{one}").json()["total"] for one in urls]

    fhir.put("Patient/p", json=body)
    assert totals() == [1, 1, 1, 0, 0]
    fhir.put("Patient/p", json=changed)
    assert totals() == [0, 0, 0, 1, 1]
    wrong = {"resourceType": "Bundle", "type": "transaction"}
    entries = [
        {"resource": body, "request": {"method": "PUT", "url": "Patient/p"}},
        {
            "resource": {"resourceType": "Patient"},
            "request": {"method": "POST", "url": "Patient", "ifNoneExist": "x=1"},
        },
    ]
    assert fhir.post("", json=wrong | {"entry": entries}).status_code == 400
    assert totals() == [0, 0, 0, 1, 1]
    fhir.delete("Patient/p")
    assert totals() == [0, 0, 0, 0, 0]
    fhir.put("Patient/p", json=body)
    assert totals() == [1, 1, 1, 0, 0]
