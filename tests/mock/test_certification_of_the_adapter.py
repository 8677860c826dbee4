"""Our own adapter passes the certification run that vendors' systems are led through."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapter.data import data_root
from adapter.mock.certify import CertificationStep, Place, certify
from adapter.mock.client import MockClient
from adapter.serve import adapter_app, in_background, load_settings
from adapter.types import Record

SCENARIO = data_root() / "fixtures" / "scenarios" / "SCN-5-tyoton-polku"
WAIT = 30.0
TRYING = 1.5
"""Seconds in which the adapter meets the refused handshake and would hammer if it did."""


def record(name: str) -> Any:
    """A record of the scenario."""
    return json.loads((SCENARIO / name).read_text(encoding="utf-8"))


def recorded(one: Record) -> float:
    """The scenario's records are judged at their own instant."""
    return datetime.fromisoformat(one["recorded_at"]).timestamp()


class VendorSystem:
    """Hands records to the adapter as a vendor would, one step of the run after the other."""

    def __init__(self, adapter: httpx.Client, folder: Path) -> None:
        self.adapter = adapter
        self.folder = folder
        self.refused: list[httpx.Response] = []

    def act(self, step: CertificationStep, place: Place) -> None:
        """Do what the step asks for."""
        if place.certificate is not None:
            with adapter_for(place, self.folder) as adapter:
                check = record("records/05-health-check.json") | {"record_id": step.name, "check_id": step.name}
                assert adapter.post("/v1/records", json=check).status_code == 202
                time.sleep(TRYING)
            return
        if step.name == "withdrawn-consent":
            self._withdraw()
            return
        own = "first" if step.name in ("create", "create-again", "update") else step.name
        check = record("records/05-health-check.json") | {"record_id": own, "check_id": own}
        check["referral"]["id"] = f"ohjaus-{own}"
        if step.name == "update":
            check["record_version"] = 2
            check["symptoms"] = [{"text": "väsymys"}]
        assert self._send(check).status_code == 202
        if step.name != "wrong-certificate":  # there the adapter stops on purpose
            self._settle()

    def _settle(self) -> None:
        """Wait until nothing is under way, so that no step meets what an earlier one left."""
        until = time.monotonic() + WAIT
        while time.monotonic() < until:
            found = self.adapter.post("/v1/records/_search", json={}).json()["submissions"]
            if all(one["state"] in ("delivered", "rejected", "dead") for one in found):
                return
            time.sleep(0.1)

    def _withdraw(self) -> None:
        for name in ("records/09-team.json", "records/10-consent.json", "records/16-consent-v2.json"):
            assert self._send(record(name)).status_code == 202
        plan = record("records/12-work-ability-plan.json") | {"recorded_at": "2023-08-02T09:00:00+03:00"}
        self.refused.append(self._send(plan))

    def _send(self, body: Record) -> httpx.Response:
        return self.adapter.post("/v1/records", json=body)


@contextmanager
def adapter_for(place: Place, folder: Path) -> Iterator[httpx.Client]:
    """An adapter that delivers to a place, with the certificate that the place gives it."""
    over_tls: dict[str, Any] = {}
    if place.certificate is not None:
        over_tls = {
            "client_certificate": {"certificate_file": str(place.certificate), "key_file": str(place.key)},
            "trusted_authorities": str(place.authority),
        }
    name = "secured" if over_tls else "adapter"
    settings = load_settings(
        database=f"sqlite:///{folder / name}.sqlite", repository_url=place.fhir_url, demo=True, **over_tls
    )
    with (
        in_background(adapter_app(settings, judged_at=recorded), "127.0.0.1", 0) as base,
        httpx.Client(base_url=base, timeout=60) as client,
    ):
        yield client


@pytest.fixture
def vendor(endpoint: str, tmp_path: Path) -> Iterator[VendorSystem]:
    """A vendor's system in front of an adapter that delivers to the endpoint."""
    with adapter_for(Place(f"{endpoint}/t/adapter/fhir"), tmp_path) as client:
        yield VendorSystem(client, tmp_path)


def test_the_adapter_passes_every_step(endpoint: str, vendor: VendorSystem) -> None:
    """Patience, no duplicate, a new version by its number, and no release on a consent that is gone."""
    with MockClient(endpoint, "adapter") as control:
        results = certify(control, vendor.act, wait=WAIT)
    assert {one.step.name: [verdict.message for verdict in one.verdicts if not verdict.ok] for one in results} == {
        one.step.name: [] for one in results
    }
    assert [one.status_code for one in vendor.refused] == [403], [one.text for one in vendor.refused]
