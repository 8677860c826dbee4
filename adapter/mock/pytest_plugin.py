"""pytest plugin: an endpoint for the run, a namespace of its own for each test; works with `pytest -n 4`.

    def test_my_client(fhir_mock):
        MyClient(fhir_mock.fhir_url).send(plan)
        fhir_mock.assert_stored_once("CarePlan", "urn:my|1")

    def test_my_client_with_tokens(fhir_mock_smart):
        mock, tokens = fhir_mock_smart
        MyClient(mock.fhir_url, tokens.token("system/CarePlan.cruds")).send(plan)

Every worker starts one endpoint; `--mock-url` uses one that runs already.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from adapter.mock.client import MockClient
    from adapter.mock.token_client import TokenClient

CLIENT_ID = "pytest"
"""Client id of the plugin's own client."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--mock-url` and `--mock-policy`."""
    group = parser.getgroup("kykysilta", "Kykysilta mock national endpoint")
    group.addoption("--mock-url", default="", help="root URL of a running endpoint; by default one is started")
    group.addoption("--mock-policy", default="open", help="policy of the endpoint that is started")


@pytest.fixture(scope="session")
def fhir_mock_root(pytestconfig: pytest.Config) -> Iterator[str]:
    """Root URL of the endpoint of this run (of this worker)."""
    url: str = pytestconfig.getoption("--mock-url")
    if url:
        yield url.rstrip("/")
        return
    from adapter.mock.serve import running_mock
    from adapter.mock.settings import MockSettings

    settings = MockSettings(port=0, policy=pytestconfig.getoption("--mock-policy"))
    with running_mock(settings) as base:
        yield base.removesuffix(settings.base_path)


@pytest.fixture
def fhir_mock(fhir_mock_root: str) -> Iterator[MockClient]:
    """Control of a namespace that only this test uses; `fhir_mock.fhir_url` is its FHIR base."""
    from adapter.mock.client import MockClient

    with MockClient(fhir_mock_root, f"t{uuid.uuid4().hex[:16]}") as client:
        yield client
        client.drop()


@pytest.fixture(scope="session")
def fhir_mock_smart_root(pytestconfig: pytest.Config) -> Iterator[tuple[str, bytes]]:
    """Root URL of an endpoint that wants tokens, and the key of the client that it knows."""
    from adapter.mock.serve import running_mock
    from adapter.mock.settings import ClientSettings, MockSettings
    from adapter.mock.token_client import make_key

    key, key_set = make_key()
    clients = (ClientSettings(CLIENT_ID, key_set),)
    settings = MockSettings(port=0, policy=pytestconfig.getoption("--mock-policy"), auth="smart", clients=clients)
    with running_mock(settings) as base:
        yield base.removesuffix(settings.base_path), key


@pytest.fixture
def fhir_mock_smart(fhir_mock_smart_root: tuple[str, bytes]) -> Iterator[tuple[MockClient, TokenClient]]:
    """Control of a namespace that only this test uses and that wants tokens, and a client that gets them."""
    from adapter.mock.client import MockClient
    from adapter.mock.token_client import TokenClient

    root, key = fhir_mock_smart_root
    with (
        MockClient(root, f"t{uuid.uuid4().hex[:16]}") as client,
        TokenClient(client.fhir_url, CLIENT_ID, key) as tokens,
    ):
        yield client, tokens
        client.drop()
