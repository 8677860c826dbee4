"""One endpoint on a real socket for the module, one namespace for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from adapter.mock.client import MockClient
from adapter.mock.serve import running_mock
from adapter.mock.settings import MockSettings
from tests.mock.national_world import numbered

_numbers = itertools.count()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Root URL of a running endpoint."""
    with running_mock(MockSettings(port=0, strictness="lenient")) as base:
        yield base.removesuffix("/fhir")


@pytest.fixture
def root(endpoint: str) -> str:
    """Root URL of a namespace of its own."""
    return f"{endpoint}/t/test-{next(_numbers)}"


@pytest.fixture
def fhir(root: str) -> Iterator[httpx.Client]:
    """Client whose base is the FHIR base of the namespace."""
    headers = {"accept": "application/fhir+json"}
    with httpx.Client(base_url=f"{root}/fhir/", headers=headers) as client:
        yield client


@pytest.fixture
def patient(fhir: httpx.Client) -> dict[str, Any]:
    """A stored Patient."""
    created: dict[str, Any] = fhir.post(
        "Patient",
        json={
            "resourceType": "Patient",
            "identifier": [{"system": "urn:oid:1.2.246.21", "value": "010594Y9032"}],
            "name": [{"family": "Åkerström", "given": ["Moona"]}],
            "birthDate": "1994-05-01",
            "gender": "female",
        },
    ).json()
    return created


@pytest.fixture
def control(root: str) -> Iterator[MockClient]:
    """Control of the test's namespace."""
    address, _, namespace = root.rpartition("/t/")
    with MockClient(address, namespace) as client:
        yield client


@pytest.fixture
def national(fhir: httpx.Client, control: MockClient) -> httpx.Client:
    """A namespace under the national policy, and a client that numbers its requests."""
    control.behave(policy="national")
    fhir.event_hooks = {"request": [numbered]}
    return fhir
