"""Every route of the mock endpoint, the vendor API and the reviewer's pages is classified; all data pass the gate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx
import pytest
from starlette.routing import Mount

from adapter import review
from adapter.mock import consent_gate
from adapter.mock.app import create_app as mock_app
from adapter.mock.client import MockClient
from adapter.mock.routes import ROUTES
from adapter.release import Passed
from adapter.serve import adapter_app, load_settings
from tests.mock.consent_world import NOW, PATIENT, PLAN, POLICY, RESOURCES, custody, reader, repository
from tests.review.test_every_page import PAGES

__all__ = ["repository"]
CANARY = "Kanarialintu"
COPIES = [
    PLAN | {"description": CANARY},
    {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [{"system": "urn:tests", "value": "1"}],
        "name": [{"family": CANARY}],
    },
    {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"text": CANARY},
        "subject": PATIENT,
        "basedOn": [{"reference": "CarePlan/cp1"}],
    },
    custody("pr1", "CarePlan/cp1", "Patient/p1", "Observation/o1", "AuditEvent/a1", "Communication/m1")
    | {"reason": [{"text": CANARY}]},
    {
        "resourceType": "Communication",
        "id": "m1",
        "status": "completed",
        "subject": PATIENT | {"identifier": {"system": "urn:tests", "value": "1"}},
        "payload": [{"contentString": CANARY}],
    },
    {
        "resourceType": "AuditEvent",
        "id": "a1",
        "type": {"system": "urn:tests", "code": "x"},
        "recorded": "2026-02-01T08:00:00+02:00",
        "agent": [{"requestor": True}],
        "source": {"observer": {"reference": "Organization/hva"}},
        "entity": [{"what": PATIENT, "description": CANARY}],
    },
]
"""What only the custodian may see, each with a word that no other answer holds."""


class Call(NamedTuple):
    """One way to ask a route."""

    method: str
    url: str
    body: Any = None
    headers: Mapping[str, str] = MappingProxyType({})


READ = ("GET", "HEAD")
JSON_PATCH = {"Content-Type": "application/json-patch+json", "Prefer": "return=representation"}
FULL = {"Prefer": "return=representation"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TEST = [{"op": "test", "path": "/description", "value": CANARY}]
DOCUMENTS = {
    "resourceType": "Parameters",
    "parameter": [
        {"name": "patient", "valueIdentifier": {"system": "urn:tests", "value": "1"}},
        {"name": "viewCode", "valueCode": "1"},
        {"name": "reasonCode", "valueCode": "1"},
    ],
}


def bundle(kind: str, *urls: str) -> dict[str, Any]:
    """A Bundle that reads."""
    return {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [{"request": {"method": "GET", "url": url}} for url in urls],
    }


CALLS: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[Call, ...]] = {
    (READ, ("metadata",)): (),
    (READ, (".well-known", "smart-configuration")): (),
    (("POST",), ()): (
        Call("POST", "", bundle("batch", "CarePlan/cp1", "Patient?_id=p1", "Observation/o1/_history")),
        Call("POST", "", bundle("transaction", "CarePlan/cp1/_history/1", "Patient/p1/$everything")),
    ),
    (READ, ()): (Call("GET", "?_type=CarePlan,Patient,Observation,Provenance,AuditEvent"),),
    (("POST",), ("_search",)): (Call("POST", "_search", "_type=CarePlan,Patient", FORM),),
    (READ, ("_history",)): (Call("GET", "_history"),),
    (READ, ("T",)): (
        Call("GET", "CarePlan?_id=cp1&_include=CarePlan:subject&_revinclude=Observation:based-on"),
        Call("GET", "Organization?_id=hva&_revinclude:iterate=Provenance:agent&_include:iterate=Provenance:target"),
        Call("GET", "Patient?_has:Observation:patient:status=final&_elements=name"),
        Call("GET", "AuditEvent?patient=p1"),
        Call("GET", "Provenance?target=CarePlan/cp1"),
    ),
    (("POST",), ("T",)): (Call("POST", "CarePlan", PLAN, FULL | {"If-None-Exist": "_id=cp1"}),),
    (("PUT",), ("T",)): (),
    (("PATCH",), ("T",)): (Call("PATCH", "CarePlan?_id=cp1", TEST, JSON_PATCH),),
    (("DELETE",), ("T",)): (),
    (("POST",), ("T", "_search")): (Call("POST", "CarePlan/_search", "patient=p1", FORM),),
    (READ, ("T", "_history")): (Call("GET", "CarePlan/_history"),),
    (READ, ("T", "I")): (Call("GET", "CarePlan/cp1"), Call("GET", "Provenance/pr1"), Call("GET", "AuditEvent/a1")),
    (("PUT",), ("T", "I")): (),
    (("PATCH",), ("T", "I")): (Call("PATCH", "CarePlan/cp1", TEST, JSON_PATCH),),
    (("DELETE",), ("T", "I")): (),
    (READ, ("T", "I", "_history")): (Call("GET", "Patient/p1/_history"),),
    (READ, ("T", "I", "_history", "V")): (Call("GET", "Patient/p1/_history/2"),),
    (("POST",), ("T", "$validate")): (),
    (("POST",), ("Communication", "$get-persons-documents")): (
        Call("POST", "Communication/$get-persons-documents", DOCUMENTS),
    ),
    (("GET", "POST"), ("T", "I", "$validate")): (),
    (("GET", "POST"), ("Patient", "I", "$everything")): (Call("GET", "Patient/p1/$everything"),),
    (READ, ("T", "I", "C")): (Call("GET", "Patient/p1/CarePlan"),),
    (("POST",), ("T", "I", "C", "_search")): (Call("POST", "Patient/p1/CarePlan/_search", "", FORM),),
}
"""Each row of the route table and how data could be had by it; none where the answer holds the caller's body only."""


@pytest.fixture
def control(repository: str) -> Iterator[MockClient]:
    """The endpoint with the canaries in it."""
    with MockClient(repository.removesuffix("/fhir")) as client:
        client.reset()
        client.freeze(NOW)
        client.behave(policy=POLICY + "operations: [validate, everything, get-persons-documents]\n")
        client.seed(RESOURCES)
        client.seed(COPIES)
        yield client


def answers(base: str, name: str) -> dict[Call, httpx.Response]:
    """The answers that an organisation gets to every call."""
    found = {}
    with reader(base, name) as client:
        for calls in CALLS.values():
            for number, call in enumerate(calls):
                text = isinstance(call.body, str)
                body = {"content": call.body} if text else {"json": call.body} if call.body is not None else {}
                answer = client.request(call.method, call.url, headers=call.headers, **body)
                assert answer.status_code in (200, 201, 404), (call.url, answer.status_code, answer.text)
                found[(call.method, call.url, number)] = answer
    return found


def test_every_row_of_the_route_table_is_classified() -> None:
    """A new interaction at the endpoint needs a row here that says how data could be had by it."""
    assert {(route.methods, route.segments) for route in ROUTES} == CALLS.keys()


def test_a_stranger_sees_no_canary_and_the_custodian_does(repository: str, control: MockClient) -> None:
    """By no route does an organisation without consent see data; by every one the custodian does."""
    seen = {key: CANARY in answer.text for key, answer in answers(repository, "kela").items()}
    assert not any(seen.values()), seen
    own = {key: CANARY in answer.text for key, answer in answers(repository, "hva").items()}
    assert all(own.values()), own


def test_no_route_goes_around_the_gate(repository: str, control: MockClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a gate that lets nothing pass not even the custodian sees anything by any route."""
    monkeypatch.setattr(consent_gate, "pass_gate", lambda *_: Passed((None,)))
    seen = {key: CANARY in answer.text for key, answer in answers(repository, "hva").items()}
    assert not any(seen.values()), seen


def test_beside_the_fhir_base_there_is_the_testers_control_alone() -> None:
    """Other routes of the mock lie under `/_mock`: the tester's own, never a repository's."""
    paths = {path for _, path in walked(mock_app().routes)}
    assert {path for path in paths if not path.startswith("/_mock")} <= {"/", "/docs/oauth2-redirect"}


def walked(routes: Iterable[Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield method and path of every route of an application, those of its routers and mounted parts too."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from walked(route.original_router.routes, above)
        elif isinstance(route, Mount):
            yield from walked(route.routes, above + route.path)
        else:
            for method in sorted(getattr(route, "methods", None) or {"GET"}):
                yield method, above + route.path


OWN = "the caller's own records and what came of them; handing over asks the gate for those whom a record names"
GATED = "somebody else's data, through the gate"
NOTHING = "holds no client's data"
VENDOR_API = {
    "/v1/records": OWN,
    "/v1/records/batch": OWN,
    "/v1/records/preview": OWN,
    "/v1/records/_search": OWN,
    "/v1/records/{submission}": OWN,
    "/v1/records/{submission}/replay": OWN,
    "/v1/records/{submission}/cancel": OWN,
    "/v1/records/{submission}/invalidate": OWN,
    "/v1/records/{submission}/withdraw": OWN,
    "/v1/records/{submission}/receipt": OWN,
    "/v1/clients/_fetch": GATED,
    "/v1/token": NOTHING,
    "/v1/.well-known/smart-configuration": NOTHING,
    "/v1/mappings": NOTHING,
    "/v1/schemas/{record}": NOTHING,
    "/v1/docs": NOTHING,
    "/v1/openapi.json": NOTHING,
    "/healthz": NOTHING,
    "/readyz": NOTHING,
    "/metrics": NOTHING,
    "/status": NOTHING,
}
"""Every address of the vendor API, and what its answers hold; `tests/pipeline` proves it of those that are gated."""


def test_every_route_of_the_adapter_is_classified() -> None:
    """A new address needs a row that says what its answer holds; those of the pages stand with the pages' own tests."""
    settings = load_settings(database="sqlite://", repository_url="http://127.0.0.1:1/fhir", demo=True)
    paths = {path for _, path in walked(adapter_app(settings).routes)}
    assert paths == VENDOR_API.keys() | {f"/review{path}" for _, path in PAGES}


def test_the_reviewers_pages_open_stored_records_in_one_place() -> None:
    """Only `files` opens stored bodies, and it shows a reviewer the registers of the account's controllers alone."""
    sources = {path.name: path.read_text() for path in Path(review.__file__).parent.glob("*.py")}
    assert [name for name, text in sources.items() if "submission/body/" in text] == ["files.py"]
    assert "keeps_register(custodians" in sources["files.py"]
