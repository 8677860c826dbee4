"""What the mappings of the six records promise beyond the round trip: labels, canonical consents, R4 validity."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.data import data_root, read_yaml
from adapter.mapping import map_record, unmap
from adapter.source.json import read_json
from adapter.types import CANONICAL_ROOT
from adapter.validation import ValidationSettings, Validator

FOLDER = data_root() / "mappings" / "records"
EXAMPLES = sorted(FOLDER.glob("*/examples/*.source.json"))
IDS = [f"{path.parts[-3]}/{path.name}" for path in EXAMPLES]
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/mapping.yaml"))
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
KEY = b"key of the tests"


def example(name: str) -> dict[str, Any]:
    """Return an example record, e.g. `consent/small`."""
    folder, _, file = name.partition("/")
    return read_json((FOLDER / folder / "examples" / f"{file}.source.json").read_bytes())


def resources(record: dict[str, Any], type_: str = "") -> list[dict[str, Any]]:
    """Map a record and return its resources, of one type or all."""
    entries = map_record(record, id_key=KEY).bundle["entry"]
    return [entry["resource"] for entry in entries if type_ in ("", entry["resource"]["resourceType"])]


def labels(resource: dict[str, Any]) -> set[str]:
    """Return the security labels of a resource."""
    return {label["code"] for label in resource["meta"]["security"]}


def part(found: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return the resource whose part identifier ends with `name`."""
    return next(r for r in found if any(i["value"].endswith(f"/{name}") for i in r.get("identifier", ())))


@pytest.fixture(scope="module")
def validator() -> Validator:
    """The validator with our own profiles."""
    return Validator(definitions=[data_root() / "profiles" / "package"], settings=ValidationSettings())


OF_ONE_INSTRUMENT = (
    "kykysilta-kykyviisari",
    "kykysilta-whodas",
    "kykysilta-whoqol",
    "kykysilta-work-disability-forecast",
    "kykysilta-symptom-check",
)


def errors(validator: Validator, bundle: dict[str, Any]) -> list[str]:
    """Return what the validator refuses in a Bundle.

    Business rules aside, and what compares two fields, which a schema cannot: start and end (per-1), instrument and
    score.
    """
    issues = validator.validate(bundle).issues
    return [
        f"{issue.rule_id} {issue.expression}: {issue.text('en')}"
        for issue in issues
        if issue.severity in ("fatal", "error")
        and not issue.rule_id.startswith(("BR-", "per-1"))
        and issue.profile.partition("|")[0].rpartition("/")[2] not in OF_ONE_INSTRUMENT
    ]


@pytest.mark.parametrize("path", EXAMPLES, ids=IDS)
def test_examples_are_valid_by_our_profiles(path: Path, validator: Validator) -> None:
    """Every example gives a Bundle that base R4 and the profiles that it claims accept."""
    assert errors(validator, map_record(read_json(path.read_bytes()), id_key=KEY).bundle) == []


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_drawn_records_are_valid_by_our_profiles(
    name: str, records: Any, validator: Validator, data: st.DataObject
) -> None:
    """Whatever the schema admits becomes valid R4."""
    assert errors(validator, map_record(data.draw(records(name)), id_key=KEY).bundle) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=IDS)
def test_every_resource_has_exactly_one_confidentiality(path: Path) -> None:
    """One v3-Confidentiality code on each resource, and R beside every sensitivity (BR-079)."""
    for resource in resources(read_json(path.read_bytes())):
        security = resource["meta"]["security"]
        levels = [label["code"] for label in security if label["system"] == CONFIDENTIALITY]
        assert len(levels) == 1
        sensitive = {"PSY", "SUD", "social-welfare"} & labels(resource)
        assert not sensitive or levels[0] in ("R", "V")


@pytest.mark.parametrize(
    ("diagnosis", "expected"),
    [
        ({"diagnosis": {"code": "F32.1", "system": "urn:oid:1.2.246.537.6.1"}}, {"R", "PSY"}),
        ({"diagnosis": {"code": "F10.2", "system": "urn:oid:1.2.246.537.6.1.1999"}}, {"R", "SUD"}),
        ({"diagnosis": {"code": "P76", "system": "urn:oid:1.2.246.537.6.31"}}, {"R", "PSY"}),
        ({"diagnosis": {"code": "F92", "system": "urn:oid:1.2.246.537.6.31"}}, {"N"}),
        ({"diagnosis": {"code": "M79.7", "system": "urn:oid:1.2.246.537.6.1"}}, {"N"}),
        ({"diagnosis": {"text": "masennus"}}, {"N"}),
        ({"diagnosis": {"text": "masennus"}, "data_class": "mental-health"}, {"R", "PSY"}),
        ({"diagnosis": {"text": "päihderiippuvuus"}, "data_class": "substance-use"}, {"R", "SUD"}),
    ],
)
def test_a_diagnosis_is_protected_by_its_code_or_by_the_sender(diagnosis: Any, expected: set[str]) -> None:
    """Mental health and substance use are R with their sensitivity, and the record still comes back as it was."""
    record = {**example("client/small"), "diagnoses": [diagnosis]}
    (condition,) = resources(record, "Condition")
    assert labels(condition) == expected
    assert unmap(map_record(record, id_key=KEY).bundle)[0]["diagnoses"] == [diagnosis]


def test_mental_health_and_substance_assessments_are_protected() -> None:
    """The two assessments of a health check are R, the panel around them is not."""
    found = resources(example("health-check/complete"))
    assert labels(part(found, "mental_health_assessment")) == {"R", "PSY"}
    assert labels(part(found, "substance_use_assessment")) == {"R", "SUD"}
    assert labels(found[0]) == {"N"}


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        ("social-welfare", {"R", "social-welfare"}),
        ("mental-health-and-substance-services", {"R", "PSY"}),
        (None, {"N"}),
    ],
)
def test_what_an_actor_tells_belongs_to_the_class_of_the_actor(type_: str | None, expected: set[str]) -> None:
    """Information from social welfare or mental-health services is R; from others it is not."""
    record = example("team/complete")
    organisation = {"id": "toimija-1", "name": "Toimija"} | ({"organisation_type": type_} if type_ else {})
    record["information_input"] = [{"organisation": organisation, "status": "provided", "summary": "Tieto."}]
    inputs = [r for r in resources(record, "Observation") if r["code"]["coding"][0]["code"] == "information-input"]
    assert [labels(each) for each in inputs] == [expected]


def test_nothing_to_report_is_no_finding() -> None:
    """An actor without information leaves no value but the reason why there is none (BR-050)."""
    inputs = resources(example("team/complete"), "Observation")
    without = [each for each in inputs if "dataAbsentReason" in each]
    assert len(without) == 2
    assert all("valueString" not in each for each in without)


def test_turvakielto_travels_with_every_resource_of_the_record_and_the_client() -> None:
    """The label of the envelope stands on what the record owns and on the Patient, not on professionals."""
    for resource in resources(example("client/complete")):
        shared = resource["resourceType"] in ("Organization", "Practitioner", "PractitionerRole")
        assert ("TURVAKIELTO" in labels(resource)) is not shared


def provisions(consent: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the nested provisions of a consent."""
    yield from consent["provision"].get("provision", ())


def test_consents_are_written_in_the_canonical_form() -> None:
    """Permit at the top under OPTIN, denies below, local purposes only, recipients IRCP, controllers named."""
    (consent,) = resources(example("consent/complete"), "Consent")
    assert consent["policyRule"]["coding"][0]["code"] == "OPTIN"
    assert consent["provision"]["type"] == "permit"
    assert {each["type"] for each in provisions(consent)} == {"deny"}
    purposes = [*consent["provision"]["purpose"], *(p for each in provisions(consent) for p in each.get("purpose", ()))]
    assert {purpose["system"] for purpose in purposes} == {f"{CANONICAL_ROOT}/CodeSystem/consent-purpose"}
    assert {actor["role"]["coding"][0]["code"] for actor in consent["provision"]["actor"]} == {"IRCP"}
    assert len(consent["organization"]) == 3


def test_data_classes_become_the_profiles_that_stand_for_them() -> None:
    """`provision.class` has every profile of the permitted classes, as the consent engine is configured."""
    written = read_yaml(data_root() / "mappings" / "consent" / "data-classes.yaml")
    record = example("consent/complete")
    (consent,) = resources(record, "Consent")
    expected = [
        written["canonicalRoot"] + profile
        for code in record["data_classes"]
        for profile in written["classes"][code]["profiles"]
    ]
    assert [coding["code"] for coding in consent["provision"]["class"]] == expected


def test_extra_protected_data_are_excluded_by_label_and_others_by_class() -> None:
    """Mental-health data by PSY, income by its profile; each exclusion is a deny of its own."""
    (consent,) = resources(example("consent/complete"), "Consent")
    mental, income, _, recipient, diagnosis = provisions(consent)
    assert mental["securityLabel"][0]["code"] == "PSY"
    assert "class" not in mental
    assert income["class"][0]["code"].endswith("kykysilta-observation-income-and-debt")
    assert "securityLabel" not in income
    assert recipient["period"]["start"] == "2022-10-01T08:00:00+03:00"
    assert "actor" not in diagnosis


def test_an_oral_permission_has_its_wording_as_evidence() -> None:
    """Form oral: sourceReference leads to the DocumentReference with wording, recorder and time."""
    record = map_record(example("consent/small"), id_key=KEY)
    entries = {entry["fullUrl"]: entry["resource"] for entry in record.bundle["entry"]}
    consent = next(r for r in entries.values() if r["resourceType"] == "Consent")
    wording = entries[consent["sourceReference"]["reference"]]
    assert wording["resourceType"] == "DocumentReference"
    assert {"contentType", "data", "creation"} <= set(wording["content"][0]["attachment"])
    assert wording["author"]
    assert wording["date"]


def test_a_close_person_is_a_witness_and_no_recipient() -> None:
    """The close person present stands in Provenance as WIT (BR-047)."""
    found = resources(example("consent/complete"))
    witnesses = [
        agent
        for each in found
        if each["resourceType"] == "Provenance"
        for agent in each["agent"]
        if agent["type"]["coding"][0]["code"] == "WIT"
    ]
    assert len(witnesses) == 1
    (consent,) = (each for each in found if each["resourceType"] == "Consent")
    assert all(actor["reference"].get("type") != "RelatedPerson" for actor in consent["provision"]["actor"])


def test_the_controller_stands_alone_in_its_provenance() -> None:
    """Public and private controllers name their own registers; the recorder stands in a second Provenance."""
    for type_, role, system in (
        ("wellbeing-county", "1", "urn:oid:1.2.246.537.6.40174"),
        ("occupational-health", "2", "urn:oid:1.2.246.537.6.202"),
    ):
        record = example("team/small")
        record["custodian"] = {**record["custodian"], "organisation_type": type_}
        record["managing_organisation"] = record["custodian"]
        custodian, recording = resources(record, "Provenance")
        (agent,) = custodian["agent"]
        assert agent["role"][0]["coding"][0]["code"] == role
        assert agent["who"]["identifier"]["system"] == system
        assert len(recording["agent"]) == 2
        assert recording["entity"][0]["what"]["display"] == "team"


def test_the_same_person_has_the_same_id_in_every_record() -> None:
    """Client, coordinator and centre are the same resources in plan, team, consent and health check."""
    names = ("work-ability-plan/complete", "team/complete", "consent/complete", "functional-assessment/complete")
    seen = [{entry["fullUrl"] for entry in map_record(example(name), id_key=KEY).bundle["entry"]} for name in names]
    common = set.intersection(*seen)
    types = {
        entry["resource"]["resourceType"]
        for entry in map_record(example(names[0]), id_key=KEY).bundle["entry"]
        if entry["fullUrl"] in common
    }
    assert types >= {"Patient", "Practitioner", "PractitionerRole", "Organization"}


def test_an_activity_has_detail_or_reference() -> None:
    """cpl-3: a booked time is an activity of its own that refers to an Appointment with start and end (app-2)."""
    record = map_record(example("work-ability-plan/complete"), id_key=KEY)
    entries = {entry["fullUrl"]: entry["resource"] for entry in record.bundle["entry"]}
    plan = next(r for r in entries.values() if r["resourceType"] == "CarePlan")
    assert all(("detail" in each) != ("reference" in each) for each in plan["activity"])
    booked = [entries[each["reference"]["reference"]] for each in plan["activity"] if "reference" in each]
    assert [each["resourceType"] for each in booked] == ["Appointment"] * 3
    assert all("start" in each and "end" in each for each in booked)


def test_no_applications_is_said_without_a_frequency() -> None:
    """Zero applications a month is a value of its own: R4 knows no frequency 0."""
    record = example("work-ability-plan/complete")
    (plan,) = resources(record, "CarePlan")
    timings = [each["detail"]["scheduledTiming"] for each in plan["activity"] if "boundsPeriod" in str(each)]
    assert [timing["repeat"].get("frequency") for timing in timings] == [4, 1, None]


def test_a_changed_identity_code_keeps_the_person() -> None:
    """The oldest known code gives the id, so a new code does not make a new client."""
    record = example("client/small")
    later = copy.deepcopy(record)
    later["previous_codes"] = [record["personal_identity_code"]]
    later["personal_identity_code"] = "010594Y9032"
    first, second = (map_record(each, id_key=KEY).bundle["entry"][0]["fullUrl"] for each in (record, later))
    assert first == second
