"""The OpenAPI description is true: its examples work, its shapes fit the answers, its routes are all there."""

from __future__ import annotations

import json
from typing import Any

import httpx
import jsonschema
import pytest

from adapter.api.lifecycle import FETCH_FIELDS
from adapter.source import record_types
from adapter.terminology import code_system
from tests.api.conftest import Wait, record

RECORD_TYPES = ("client", "consent", "functional_assessment", "health_check", "team", "work_ability_plan")


@pytest.fixture
def document(client: httpx.Client) -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = client.get("/v1/openapi.json").json()
    return found


def fits(document: dict[str, Any], shape: str, answer: Any) -> None:
    """Check an answer against a schema of the document."""
    schema = {"$ref": f"#/components/schemas/{shape}", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(answer)


def test_every_example_of_every_record_type_works(client: httpx.Client, document: dict[str, Any]) -> None:
    """As it stands there: the preview takes it with 200, the hand-over with 202, a batch line by line."""
    for path in ("/v1/records", "/v1/records/preview"):
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert sorted(body["examples"]) == list(RECORD_TYPES)
        for example in body["examples"].values():
            answer = client.post(path, json=example["value"])
            assert answer.is_success, answer.text
    batch = document["paths"]["/v1/records/batch"]["post"]["requestBody"]["content"]["application/x-ndjson"]
    judged = client.post("/v1/records/batch", content=batch["example"].encode()).text.splitlines()
    assert [json.loads(line)["status"] for line in judged] == [202, 202]


def test_every_other_example_works(client: httpx.Client, document: dict[str, Any]) -> None:
    """Searches and fetches are answered; what names an unknown submission is 404."""
    unknown = "0" * 32
    for path, acts in document["paths"].items():
        content = acts.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        if "record" in path.rsplit("/", 1)[-1] or path.endswith("preview"):
            continue
        for example in content.get("examples", {}).values():
            answer = client.post(path.replace("{submission}", unknown), json=example["value"])
            assert answer.status_code == (404 if "{submission}" in path else 200), answer.text


def test_answers_have_the_shapes_that_are_described(client: httpx.Client, wait: Wait, document: dict[str, Any]) -> None:
    """Taken, status, search, preview, refusal, problem."""
    taken = client.post("/v1/records", content=record("client")).json()
    fits(document, "Taken", taken)
    wait(taken["id"])
    fits(document, "Status", client.get(f"/v1/records/{taken['id']}").json())
    fits(document, "Found", client.post("/v1/records/_search", json={}).json())
    fits(document, "Preview", client.post("/v1/records/preview", content=record("team")).json())
    batch = client.post("/v1/records/batch", content=record("client") + b"\n{")
    for line in batch.text.splitlines():
        fits(document, "Judged", json.loads(line))
    fits(document, "OperationOutcome", client.post("/v1/records", content=b"{").json())
    problem = client.post("/v1/records", content=b"{", headers={"Accept": "application/problem+json"})
    fits(document, "Problem", problem.json())
    fits(document, "Invalidation", client.post(f"/v1/records/{taken['id']}/invalidate", json={"reason": "x"}).json())


def test_the_body_of_a_fetch_is_described(client: httpx.Client, document: dict[str, Any]) -> None:
    """Its examples fit its shape, whose codes and fields are those that are taken; what does not fit is refused."""
    content = document["paths"]["/v1/clients/_fetch"]["post"]["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Question"}
    for example in content["examples"].values():
        fits(document, "Question", example["value"])
    properties = document["components"]["schemas"]["Question"]["properties"]
    assert properties.keys() == set(FETCH_FIELDS)
    assert tuple(properties["purpose"]["enum"]) == tuple(code_system("consent-purpose").codes)
    assert sorted(properties["record_types"]["items"]["enum"]) == sorted(record_types())
    wrong = content["examples"]["plan"]["value"] | {"organisation": {"name": "x"}}
    with pytest.raises(jsonschema.ValidationError):
        fits(document, "Question", wrong)
    assert client.post("/v1/clients/_fetch", json=wrong).status_code == 400


def test_every_status_is_described(document: dict[str, Any]) -> None:
    """Each act under /v1 names its answer, the refusals and the languages they come in."""
    for path, acts in document["paths"].items():
        for method, act in acts.items():
            assert act["summary"], path
            assert {"400", "401", "404", "429", "503"} <= act["responses"].keys(), (method, path)
            assert any(code.startswith("2") for code in act["responses"]), (method, path)
    assert "oauth2" in {scheme["type"] for scheme in document["components"]["securitySchemes"].values()}


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    """References inside it resolve; version 3.1."""
    assert document["openapi"].startswith("3.1")
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        place: Any = document
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]
        assert place
