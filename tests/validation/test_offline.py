"""Validation never asks the network: whatever a document names, nothing is fetched."""

from __future__ import annotations

import json
import socket
from typing import Any, NoReturn

import pytest

from adapter.data import data_root
from adapter.validation.judge import judge, validate

BUNDLES = sorted((data_root() / "fixtures" / "scenarios").glob("SCN-*/expected/*.bundle.json"))
FAR = "https://far.example/StructureDefinition/profile"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every use of a socket fail the test."""

    def refuse(*_arguments: Any, **_named: Any) -> NoReturn:
        raise AssertionError("validation asked the network")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


def test_scenarios_need_no_network() -> None:
    """One Bundle of each record type is judged with profiles, value sets and rules from the packaged files alone."""
    kinds = {path.name.partition("-")[2]: path for path in BUNDLES}
    assert len(kinds) >= 6
    for path in kinds.values():
        assert judge(path.read_bytes()).issues is not None


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Patient", "meta": {"profile": [FAR]}},
        {"resourceType": "Patient", "extension": [{"url": FAR, "valueString": "a"}]},
        {"resourceType": "Patient", "managingOrganization": {"reference": "https://far.example/Organization/1"}},
        {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": FAR, "code": "a"}]}},
        {"resourceType": "Patient", "photo": [{"url": "https://far.example/picture.png"}]},
    ],
    ids=["profile", "extension", "reference", "system", "picture"],
)
def test_what_is_named_is_not_fetched(resource: dict[str, Any]) -> None:
    """Profiles, extensions, references, code systems and pictures on another server stay there."""
    assert validate(resource).issues is not None
    assert validate(json.dumps(resource), profiles=[FAR]).ok is False


def test_xml_fetches_nothing() -> None:
    """A schema location and a stylesheet of an XML document are left alone."""
    document = (
        '<?xml version="1.0"?><?xml-stylesheet href="https://far.example/a.xsl"?>'
        '<Patient xmlns="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:schemaLocation="http://hl7.org/fhir https://far.example/a.xsd"><active value="true"/></Patient>'
    )
    assert validate(document).issues is not None


def test_definitions_of_ones_own_fetch_nothing() -> None:
    """A profile whose base and whose value set stand elsewhere says so instead of looking there."""
    definition = {
        "resourceType": "StructureDefinition",
        "url": FAR,
        "name": "Far",
        "status": "draft",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": "https://far.example/StructureDefinition/base",
        "derivation": "constraint",
        "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": 1}]},
    }
    found = validate({"resourceType": "Patient", "active": True}, profiles=[FAR], definitions=[definition])
    assert any(issue.key == "validation.profile-not-understood" for issue in found.issues)
