"""First versions are created, later ones replace what the receipt names, others' resources stay alone."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.delivery.outgoing import is_owned, outgoing, receipts
from adapter.delivery.states import Known

SOURCE = "urn:oid:1.2.246.10.1234567.93"


def entry(url: str, kind: str, *, owned: bool) -> dict[str, Any]:
    """An entry as the mapping makes it."""
    identifier = {"use": "secondary", "system": SOURCE, "value": url} if owned else {"system": "urn:x", "value": url}
    resource = {"resourceType": kind, "meta": {"source": SOURCE}, "identifier": [identifier]}
    return {"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": kind, "ifNoneExist": "x"}}


PLAN, PATIENT = entry("urn:uuid:plan", "CarePlan", owned=True), entry("urn:uuid:patient", "Patient", owned=False)
BUNDLE = {"resourceType": "Bundle", "type": "transaction", "entry": [PLAN, PATIENT]}
KNOWN = {"urn:uuid:plan": Known("CarePlan/7", "3"), "urn:uuid:patient": Known("Patient/8", "1")}


def test_ownership_is_read_from_the_part_identifier() -> None:
    """Only what the record owns may be replaced."""
    assert is_owned(PLAN["resource"])
    assert not is_owned(PATIENT["resource"])


def test_a_first_version_goes_out_as_it_is() -> None:
    """Nothing known: everything is created if it does not exist."""
    assert outgoing(BUNDLE, {}) == BUNDLE


def test_a_later_version_replaces_its_own_resources_only() -> None:
    """The plan is put with If-Match, the Patient of somebody else is not touched, a part that is gone is deleted."""
    plan, patient, gone = outgoing(BUNDLE, KNOWN, [Known("Goal/9", "1")])["entry"]
    assert plan["request"] == {"method": "PUT", "url": "CarePlan/7", "ifMatch": 'W/"3"'}
    assert plan["resource"]["id"] == "7"
    assert patient == PATIENT
    assert gone == {"request": {"method": "DELETE", "url": "Goal/9"}}
    assert "id" not in PLAN["resource"]


def answer(*responses: tuple[str, str]) -> dict[str, Any]:
    """An answer of a repository: (status, location) of each entry."""
    entries = [{"response": {"status": status, "location": location}} for status, location in responses]
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}


def test_receipts_name_place_and_version_of_every_entry() -> None:
    """Locations may be relative or absolute, with or without history."""
    said = answer(("201 Created", "CarePlan/7/_history/1"), ("200 OK", "https://r.example/fhir/Patient/8/_history/4"))
    assert receipts(BUNDLE, said) == (
        {"urn:uuid:plan": Known("CarePlan/7", "1"), "urn:uuid:patient": Known("Patient/8", "4")},
        [],
    )


def test_an_update_needs_no_location() -> None:
    """FHIR promises a location for what was created; the version of an update is in its ETag."""
    sent = outgoing(BUNDLE, KNOWN)
    said = answer(("200 OK", ""), ("200 OK", "Patient/8/_history/4"))
    said["entry"][0]["response"]["etag"] = 'W/"4"'
    assert receipts(sent, said) == (
        {"urn:uuid:plan": Known("CarePlan/7", "4"), "urn:uuid:patient": Known("Patient/8", "4")},
        [],
    )


def test_an_owned_resource_that_somebody_else_had_made_is_reported() -> None:
    """200 on a conditional create of our own resource means that it still has another's content."""
    said = answer(("200 OK", "CarePlan/7/_history/2"), ("200 OK", "Patient/8/_history/4"))
    assert receipts(BUNDLE, said)[1] == ["urn:uuid:plan"]


@pytest.mark.parametrize("said", [answer(("201", "CarePlan/7")), answer(("201", ""), ("201", "")), {}])
def test_an_answer_that_does_not_fit_is_no_receipt(said: dict[str, Any]) -> None:
    """A receipt is never guessed."""
    with pytest.raises(ValueError, match="answer"):
        receipts(BUNDLE, said)
