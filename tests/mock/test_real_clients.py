"""Clients that others wrote work unchanged against the endpoint, open and with tokens."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from adapter.mock.serve import running_mock
from adapter.mock.settings import ClientSettings, MockSettings
from adapter.security.assertions import ASSERTION_TYPE, make_assertion

pytestmark = pytest.mark.filterwarnings("ignore")  # what other people's clients warn about is theirs
KEY = ec.generate_private_key(ec.SECP384R1())
JWKS = json.dumps({"keys": [json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())) | {"kid": "k1"}]})
SCOPE = "system/*.cruds"
NODE_CLIENTS = Path(__file__).with_name("clients")
TRANSACTION = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [{"resource": {"resourceType": "CareTeam"}, "request": {"method": "POST", "url": "CareTeam"}}],
}


class Endpoint:
    """A running endpoint, with or without tokens."""

    def __init__(self, base: str, *, guarded: bool) -> None:
        self.base = base
        self.guarded = guarded

    def assertion(self) -> str:
        """A signed assertion of the registered client."""
        url = self.base.replace("/fhir", "/oauth/token")
        return make_assertion("ehr", url, KEY, "k1", algorithm="ES384", now=time.time())

    def token(self) -> str:
        """An access token, or nothing when none is needed."""
        if not self.guarded:
            return ""
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion(),
            "scope": SCOPE,
        }
        return str(httpx.post(self.base.replace("/fhir", "/oauth/token"), data=form).json()["access_token"])


@pytest.fixture(autouse=True)
def connections_left_open() -> Iterator[None]:
    """Let go of connections that a library leaves open here, and not in some later test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module", params=["open", "smart"])
def repository(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    """An endpoint for real clients."""
    settings = MockSettings(port=0, auth=request.param, clients=(ClientSettings("ehr", JWKS),))
    with running_mock(settings) as base:
        yield Endpoint(base, guarded=request.param == "smart")


def test_fhirclient(repository: Endpoint) -> None:
    """SMART's own Python client: create, read, update, search, delete; finds the token URL by the older extension."""
    library = pytest.importorskip("fhirclient.client", reason="fhirclient is not installed: pip install .[clients]")
    from fhirclient.models.patient import Patient

    settings = {"app_id": "ehr", "api_base": repository.base}
    if repository.guarded:
        settings |= {"jwt_token": repository.assertion(), "scope": SCOPE}
    client = library.FHIRClient(settings=settings)
    client.prepare()
    if repository.guarded:
        client.authorize()
    created = Patient({"name": [{"family": "Virtanen"}]}).create(client.server)
    found = Patient.read(created["id"], client.server)
    found.gender = "female"
    found.update(client.server)
    assert len(Patient.where({"family": "Virtanen"}).perform_resources(client.server)) == 1
    found.delete()


def test_fhirpy(repository: Endpoint) -> None:
    """Save, refresh (its If-None-Match is a bare number), search, transaction, delete."""
    library = pytest.importorskip("fhirpy", reason="fhirpy is not installed: pip install .[clients]")
    client = library.SyncFHIRClient(repository.base, authorization=f"Bearer {repository.token()}")
    patient = client.resource("Patient", name=[{"family": "Pyy"}])
    patient.save()
    patient["gender"] = "male"
    patient.save()
    client.reference("Patient", patient["id"]).to_resource().refresh()
    assert len(client.resources("Patient").search(family="Pyy").fetch_all()) == 1
    assert client.execute("", data=TRANSACTION)["type"] == "transaction-response"
    patient.delete()


def test_pymedplum(repository: Endpoint) -> None:
    """Create, conditional create, search, batch, update, patch, delete."""
    library = pytest.importorskip("pymedplum", reason="pymedplum is not installed: pip install .[clients]")
    root = repository.base.removesuffix("fhir")
    client = library.MedplumClient(base_url=root, fhir_url_path="fhir/", access_token=repository.token() or "none")
    body = {"resourceType": "Patient", "identifier": [{"system": "urn:pymedplum", "value": "1"}]}
    patient = client.create_resource(body)
    assert client.create_resource_if_none_exist(body, "identifier=urn:pymedplum|1")["id"] == patient["id"]
    client.search_resources("Patient", {"identifier": "urn:pymedplum|1"})
    assert client.execute_batch(TRANSACTION)["type"] == "transaction-response"
    client.update_resource(patient | {"gender": "male"})
    client.patch_resource("Patient", patient["id"], [{"op": "add", "path": "/active", "value": True}])
    client.delete_resource("Patient", patient["id"])


@pytest.mark.node
@pytest.mark.parametrize("name", ["fhir-kit-client", "fhirclient", "medplum"])
def test_npm_clients(repository: Endpoint, name: str) -> None:
    """Capabilities, create, update, patch, search, history, transaction and delete from Node."""
    if shutil.which("node") is None or not (NODE_CLIENTS / "node_modules").is_dir():
        pytest.skip("needs Node.js and `npm install` in tests/mock/clients")
    command = ["node", str(NODE_CLIENTS / "clients.mjs"), name, repository.base, repository.token()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
