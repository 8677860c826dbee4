"""The gate itself: who is asked, what is cut, what the witness hears."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from adapter.consent import Context, decide, packaged_configuration, read_consents
from adapter.consent.configuration import read_statutory_rule
from adapter.consent.withholding import redacted
from adapter.release import Asked, OnFile, Reader, Word, gate, pass_gate
from tests.mock.consent_world import CODES, CONSENT, NORMAL, NOW, PATIENT, PURPOSE, RESOURCES, concept, organisation

AT = NOW.timestamp()
COMPONENTS = [{"code": concept("v3-ActCode", code)} for code in ("ETH", "PSY", "HIV")]
OBSERVATION = {
    "resourceType": "Observation",
    "id": "o1",
    "meta": {"security": [NORMAL]},
    "status": "final",
    "text": {"status": "generated", "div": "<div>PSY</div>"},
    "code": {"coding": [{"system": "urn:tests", "code": "panel"}]},
    "subject": PATIENT,
    "component": COMPONENTS,
}


def on_file(*consents: dict[str, Any]) -> OnFile:
    """Consents, and the organisations of the repository."""
    return OnFile(read_consents(consents), Context(RESOURCES, ()))


def reading(name: str, **more: Any) -> Reader:
    """An organisation that reads for coordination of care."""
    token = ("urn:org", name)
    identifier = {"system": token[0], "value": name}
    return Reader({"organization": {"identifier": identifier}}, frozenset({token}), PURPOSE, **more)


def asked(*resources: dict[str, Any], **more: Any) -> Asked:
    """A question about data in the register of `hva`."""
    return Asked("Patient/p1", {"reference": "Organization/hva"}, frozenset({("urn:org", "hva")}), resources, **more)


def permitting(*below: dict[str, Any]) -> dict[str, Any]:
    """A consent to all classes, with nested refusals."""
    provision = {name: value for name, value in CONSENT["provision"].items() if name != "class"}
    return CONSENT | {"provision": provision | ({"provision": list(below)} if below else {})}


def test_the_witness_hears_before_anything_is_given() -> None:
    """Every resource is told to the witness; a witness that fails stops the release."""
    heard: list[Word] = []
    pass_gate(reading("tyolli"), asked(OBSERVATION), on_file(permitting()), AT, heard.append)
    told = [word._replace(made=None) for word in heard]
    assert told == [Word("Observation/o1", "permit", "CONSENT_PERMIT", ("Consent/c1/_history/1",))]

    def failing(_: Word) -> None:
        raise OSError("the log cannot be written")

    for name in ("tyolli", "hva"):
        with pytest.raises(OSError, match="log"):
            pass_gate(reading(name), asked(OBSERVATION), on_file(permitting()), AT, failing)


def test_the_keeper_of_the_register_is_not_asked() -> None:
    """Its own data it sees whole, and the log says on which ground."""
    heard: list[Word] = []
    passed = pass_gate(reading("hva"), asked(OBSERVATION, protected=True), on_file(), AT, heard.append)
    assert passed.shown == (OBSERVATION,)
    assert [word.reason for word in heard] == ["OWN_REGISTER"]


def test_all_refused_elements_go_and_no_other() -> None:
    """Two refused components leave the one between them; the narrative, which may name them, goes too (R28)."""
    codes = [COMPONENTS[0]["code"]["coding"][0], COMPONENTS[2]["code"]["coding"][0]]
    consent = permitting({"type": "deny", "code": [{"coding": [code]} for code in codes]})
    (shown,) = pass_gate(reading("tyolli"), asked(OBSERVATION), on_file(consent), AT, lambda _: None).shown
    assert shown is not None
    assert shown["component"] == [COMPONENTS[1]]
    assert "text" not in shown


def test_an_obligation_that_cannot_be_followed_releases_nothing() -> None:
    """A path that names no item of a list of the resource is an error, never a release of the whole."""
    with pytest.raises(ValueError, match="cannot cut"):
        redacted(OBSERVATION, ["Observation.value"])


def test_a_search_leaves_out_and_a_submission_is_all_or_nothing() -> None:
    """What a refusal reaches is missing from a search; a submission with it is refused whole."""
    restricted = OBSERVATION | {"id": "o2", "meta": {"security": [NORMAL | {"code": "R"}]}}
    label = {"system": f"{CODES}/v3-Confidentiality", "code": "R"}
    consents = on_file(permitting({"type": "deny", "securityLabel": [label]}))
    both = asked(organisation("hva"), OBSERVATION, restricted, interaction="search")
    shown = pass_gate(reading("tyolli"), both, consents, AT, lambda _: None).shown
    assert [one["id"] if one else None for one in shown] == ["hva", "o1", None]
    whole = replace(both, interaction="submit")
    shown = pass_gate(reading("tyolli"), whole, consents, AT, lambda _: None).shown
    assert [one["id"] if one else None for one in shown] == ["hva", None, None]


PROTECTED = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {"security": [NORMAL]},
    "gender": "female",
    "address": [{"city": "Tampere"}],
    "contact": [{"name": {"family": "Virtanen"}, "telecom": [{"system": "phone", "value": "1"}]}],
}


@pytest.mark.parametrize("inside", [False, True])
def test_contact_data_under_turvakielto_leave_on_a_statutory_basis_alone(
    monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    """BR-150: cut for a reader with consent, also where the Patient is contained; whole for a statutory reader."""
    claim = {"system": "urn:basis", "code": "duty"}
    rule = {
        "id": "duty",
        "legalBasis": claim,
        "actions": ["access"],
        "purposes": [PURPOSE],
        "classes": ["Patient", "Observation"],
        "recipients": ["Organization/tyolli"],
    }
    packaged = packaged_configuration()
    statutory = (read_statutory_rule(rule, packaged.zone, (), ""),)
    monkeypatch.setattr(gate, "decide", partial(decide, config=replace(packaged, statutory_rules=statutory)))
    resource = OBSERVATION | {"contained": [PROTECTED | {"id": "x"}]} if inside else PROTECTED
    by_consent = pass_gate(
        reading("tyolli"), asked(resource, protected=True), on_file(permitting()), AT, lambda _: None
    )
    assert by_consent.shown[0] is not None
    assert "Tampere" not in str(by_consent.shown[0])
    assert "phone" not in str(by_consent.shown[0])
    by_law = pass_gate(
        reading("tyolli", legal_basis=claim), asked(resource, protected=True), on_file(), AT, lambda _: None
    )
    assert by_law.shown == (resource,)
