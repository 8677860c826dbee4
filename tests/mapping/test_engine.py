"""One record in, one Bundle out: ids, merging, labels, digits, explanations."""

from __future__ import annotations

import contextlib
import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapter.data import data_root
from adapter.errors import MappingError, SourceError
from adapter.fhir.canonical import canonical
from adapter.mapping import explain, map_record, mappings, unmap
from adapter.mapping.report import unknown_fields
from adapter.mapping.shape import Shape
from adapter.source import read_json
from adapter.types import Record, Resource
from tests.mapping.references import references

FOLDER = data_root() / "mappings" / "records"
EXAMPLES = sorted(FOLDER.glob("*/examples/*.source.json"))
IDS = [f"{path.parts[-3]}/{path.name}" for path in EXAMPLES]
KEY = b"key of the tests"


def example(record_type: str, name: str = "complete") -> Record:
    """Return an example record, fresh."""
    path = FOLDER / record_type.replace("_", "-") / "examples" / f"{name}.source.json"
    found: Record = read_json(path.read_bytes())
    return found


def resources(bundle: Resource, type_: str) -> list[Resource]:
    """Return the resources of one type."""
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == type_]


@pytest.mark.parametrize("path", EXAMPLES, ids=IDS)
def test_the_same_record_gives_the_same_bytes(path: Path) -> None:
    """Mapping is a function: neither time, nor chance, nor what was mapped before shows."""
    first = canonical(map_record(path.read_bytes(), id_key=KEY).bundle)
    map_record(example("client"), id_key=KEY)
    assert canonical(map_record(path.read_bytes(), id_key=KEY).bundle) == first


def test_the_same_person_has_the_same_id_in_every_record() -> None:
    """Whoever has the same identity code is the same entry in every record, under the same key only."""
    code = "010594Y9032"
    found = set()
    for record_type in ("work_ability_plan", "consent", "health_check", "functional_assessment", "team"):
        record = example(record_type, "small")
        record["client"] = {"personal_identity_code": code}
        bundle = map_record(record, id_key=KEY).bundle
        found |= {e["fullUrl"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient"}
    client = example("client", "small")
    client.pop("previous_codes", None)
    client["personal_identity_code"] = code
    bundle = map_record(client, id_key=KEY).bundle
    found |= {entry["fullUrl"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Patient"}
    assert len(found) == 1
    other = map_record(client, id_key=b"another key").bundle
    assert found.isdisjoint(entry["fullUrl"] for entry in other["entry"])


def test_a_changed_identity_code_keeps_the_first_id() -> None:
    """A client with previous codes is recognised by the oldest one."""
    record = example("client", "small")
    record.update(personal_identity_code="010594Y9032", previous_codes=["010594Y9021"])
    changed = map_record(record, id_key=KEY).bundle["entry"]
    record.pop("previous_codes")
    record["personal_identity_code"] = "010594Y9021"
    before = map_record(record, id_key=KEY).bundle["entry"]
    assert changed[0]["resource"]["resourceType"] == "Patient"
    assert changed[0]["fullUrl"] == before[0]["fullUrl"]


def test_identity_codes_stand_in_bodies_only() -> None:
    """No identity code in a full URL, a request URL or a reference; conditions may carry it, they are bodies."""
    bundle = map_record(example("work_ability_plan"), id_key=KEY).bundle
    codes = {i["value"] for p in resources(bundle, "Patient") for i in p["identifier"] if i["system"].endswith(".21")}
    assert codes
    for entry in bundle["entry"]:
        for code in codes:
            assert code not in entry["fullUrl"] + entry["request"]["url"]
            assert code not in json.dumps(list(references(entry["resource"])))


def test_mentions_of_one_person_become_one_resource() -> None:
    """The same professional said twice is one Practitioner; a mention that says less changes nothing."""
    record = example("work_ability_plan", "small")
    record["author"] = {"practitioner": {"id": "7", "name": "Aino Aalto", "phone": "050 123"}}
    record["contributors"] = [{"id": "7", "name": "Aino Aalto"}, {"id": "7", "name": "Aino Aalto", "email": "a@b.fi"}]
    bundle = map_record(record, id_key=KEY).bundle
    named = [p for p in resources(bundle, "Practitioner") if p["name"][0]["text"] == "Aino Aalto"]
    contacts = [[t["value"] for t in r.get("telecom", ())] for r in resources(bundle, "PractitionerRole")]
    assert len(named) == 1
    assert [sorted(found) for found in contacts if "a@b.fi" in found] == [["050 123", "a@b.fi"]]


def test_a_person_described_in_two_ways_is_refused() -> None:
    """Two names for one identifier are an error that names both places and no value."""
    record = example("work_ability_plan", "small")
    record["author"] = {"practitioner": {"id": "7", "name": "Aino Aalto"}}
    record["contributors"] = [{"id": "7", "name": "Aino Salmi"}]
    with pytest.raises(MappingError) as caught:
        map_record(record, id_key=KEY)
    (issue,) = caught.value.issues
    assert issue.key == "mapping.described-in-two-ways"
    assert {issue.values["other"], issue.values["field"]} == {"author.practitioner", "contributors[0]"}
    assert "Aino" not in caught.value.text("fi") + caught.value.text("en")


def test_digits_dates_and_finnish_text_survive() -> None:
    """5.10 stays 5.10, a year stays a year, å and line breaks stay what they are."""
    record = example("work_ability_plan", "small")
    record["period"] = {"start": "2022", "end": "2023-05"}
    record["situation"] = "Ääkköset, öljyä ja Åbo\ntoinen rivi – €"
    record["services"] = [
        {
            "service_code": "work-activity",
            "organiser": {"id": "1.2.246.10.1", "name": "Sosiaalipalvelut"},
            "responsible": [{"id": "7", "name": "Aino Aalto"}],
            "status": "planned",
            "client_cost": {"value": Decimal("5.10"), "currency": "EUR"},
        }
    ]
    mapped = map_record(record, id_key=KEY)
    written = canonical(mapped.bundle)
    assert b'"value":5.10' in written
    assert b'"start":"2022"' in written
    assert "Åbo\\ntoinen".encode() in written
    assert unmap(read_json(written)) == [record]


def test_unknown_codes_keep_their_text() -> None:
    """A need in words only stays a text, one of a foreign list keeps system, code and both names."""
    record = example("work_ability_plan", "small")
    needs = [
        {"text": "Näyttöä työtaidoista"},
        {"code": "x9", "system": "urn:oid:1.2.3", "display_fi": "tarve", "display_en": "need", "text": "sanoin"},
    ]
    record["needs"] = needs
    bundle = map_record(record, id_key=KEY).bundle
    concepts = [o["valueCodeableConcept"] for o in resources(bundle, "Observation") if "valueCodeableConcept" in o]
    assert {"text": "Näyttöä työtaidoista"} in concepts
    assert unmap(bundle)[0]["needs"] == needs


@pytest.mark.parametrize("labels", [["R"], ["V", "TURVAKIELTO"], ["N"]])
def test_exactly_one_confidentiality_and_the_stricter_wins(labels: list[str]) -> None:
    """Every resource has one v3-Confidentiality; sensitive classes are R at least; TURVAKIELTO is carried along."""
    record = example("health_check")
    record["security_labels"] = labels
    bundle = map_record(record, id_key=KEY).bundle
    sensitive = 0
    for entry in bundle["entry"]:
        resource = entry["resource"]
        codes = [label["code"] for label in resource["meta"]["security"]]
        levels = [code for code in codes if code in "ULMNRV"]
        assert len(levels) == 1
        owned = "tag" in resource["meta"]
        topics = [code for code in codes if code in ("PSY", "SUD", "social-welfare")]
        sensitive += bool(topics)
        assert levels[0] == ("N" if not owned else "V" if "V" in labels else "R" if "R" in labels or topics else "N")
        if owned or resource["resourceType"] == "Patient":
            assert ("TURVAKIELTO" in codes) == ("TURVAKIELTO" in labels)
    assert sensitive >= 2
    assert unmap(bundle)[0]["security_labels"] == labels


def test_without_a_key_there_is_a_warning() -> None:
    """The published demo key is used only with a word about it."""
    assert [issue.key for issue in map_record(example("team")).report.issues] == ["mapping.demo-key"]
    assert map_record(example("team"), id_key=KEY).report.issues == ()


@pytest.mark.parametrize("path", EXAMPLES, ids=IDS)
def test_every_example_is_explained_in_both_directions(path: Path) -> None:
    """Every traced element exists, every traced field exists, and each leads to the other."""
    mapped = map_record(path.read_bytes(), id_key=KEY)
    for row in mapped.trace:
        assert value_at({"Bundle": mapped.bundle}, row.element) is not None
        if row.source:
            assert value_at(mapped.record, row.source) is not None
            assert row in explain(mapped, row.element)
            assert row in explain(mapped, row.source)
    assert mapped.report.mapped > 20
    everything = {row.source for row in mapped.trace}
    lost = [
        path for path in leaves(mapped.record) if not any(path.startswith(source) for source in everything if source)
    ]
    assert set(lost) <= set(mapped.report.ignored)


def value_at(node: Any, path: str) -> Any:
    """Return the value at a path such as `a.b[0].c`."""
    for part in path.replace("[", ".[").split("."):
        node = node[int(part[1:-1])] if part.startswith("[") else node.get(part)
    return node


def leaves(value: Any, path: str = "") -> list[str]:
    """Return the paths of plain values."""
    if isinstance(value, dict):
        return [leaf for key, child in value.items() for leaf in leaves(child, f"{path}.{key}" if path else key)]
    if isinstance(value, list):
        return [leaf for position, child in enumerate(value) for leaf in leaves(child, f"{path}[{position}]")]
    return [path]


def test_what_is_assumed_is_reported() -> None:
    """An end of a meeting that nobody said is told with its reason, one that was said is not."""
    team = example("team")
    said = map_record(team, id_key=KEY).report.completed
    del team["meetings"][0]["meeting_time"]["end"]
    assumed = map_record(team, id_key=KEY).report.completed
    (element,) = assumed.keys() - said.keys()
    assert element.endswith(".end")
    assert "60 minutes" in assumed[element]


def test_explanations_are_short_to_ask_for() -> None:
    """`CarePlan.status` finds the plan's status, `services[0]` what a service became, a wrong word nothing."""
    mapped = map_record(example("work_ability_plan"), id_key=KEY)
    (row,) = explain(mapped, "CarePlan.status")
    assert (row.source, row.via) == ("status", "plan-status")
    assert row.row == "work-ability-plan:CarePlan.status"
    assert {row.source.split(".")[0] for row in explain(mapped, "services[0]")} == {"services[0]"}
    assert explain(mapped, "no such thing") == []
    assert explain(mapped) == mapped.trace


def test_an_element_leads_to_the_sender_s_place() -> None:
    """Validation asks by FHIRPath and gets the sender's path, the nearest one around where there is no exact row."""
    mapped = map_record(example("work_ability_plan"), id_key=KEY)
    status = mapped.locate("Bundle.entry[0].resource.status")
    assert status is not None
    assert status.path == "status"
    part = mapped.locate("Bundle.entry[0].resource.category[0].coding[0].code")
    assert part is not None
    assert part.path == "plan_type"
    version = mapped.locate("Bundle.entry[0].resource.meta.tag[1].code")
    assert version is not None
    assert version.path == "record_version"


@pytest.mark.parametrize("link", [{"id": "no-such-goal"}, {"id": "", "system": "urn:oid:1.2.3"}])
def test_a_service_for_a_goal_that_the_plan_lacks_is_refused(link: dict[str, str]) -> None:
    """A link to a goal that is not there, or is another system's, is an error at the link; its value is not told."""
    record = example("work_ability_plan")
    link = {**link, "id": link["id"] or record["goals"][0]["goal_id"]}
    record["services"][0]["goal_links"] = [*record["services"][0].get("goal_links", ()), link]
    with pytest.raises(MappingError) as caught:
        map_record(record, id_key=KEY)
    (issue,) = caught.value.issues
    assert issue.key == "mapping.no-such-part"
    assert issue.source is not None
    assert issue.source.path == f"services[0].goal_links[{len(record['services'][0]['goal_links']) - 1}]"
    assert "no-such-goal" not in caught.value.text("fi") + caught.value.text("en")


def test_all_problems_of_a_record_are_told_at_once() -> None:
    """An unknown code, a missing field and an unknown field are three issues with the sender's paths."""
    record = example("work_ability_plan", "small")
    record["status"] = "aktiivinen"
    record["colour"] = "red"
    del record["situation"]
    before = copy.deepcopy(record)
    with pytest.raises(SourceError) as caught:
        map_record(record, id_key=KEY)
    places = {issue.source.path for issue in caught.value.issues if issue.source}
    assert {"status", "colour"} <= places
    assert len(caught.value.issues) == 3
    assert "aktiivinen" not in caught.value.text("fi")
    assert record == before


def test_what_is_no_record_is_refused() -> None:
    """A list, or a record of a type that nobody knows, is an error and not a crash."""
    with pytest.raises(SourceError):
        map_record([], id_key=KEY)
    with pytest.raises(SourceError):
        map_record({"record_type": "horse"}, id_key=KEY)
    with pytest.raises(MappingError, match="K2023"):
        unmap({"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient"}}]})


@pytest.mark.parametrize("broken", ["text", 5, None, [None], ["text"], [{}]])
@pytest.mark.parametrize("name", ["identifier", "careTeam", "author", "goal"])
def test_a_broken_bundle_is_refused_or_read(name: str, broken: Any) -> None:
    """An element that breaks R4 makes no crash when the Bundle is read back."""
    bundle = map_record(example("work_ability_plan"), id_key=KEY).bundle
    changed = copy.deepcopy(bundle)
    changed["entry"][0]["resource"][name] = broken
    with contextlib.suppress(MappingError):
        assert unmap(changed)


def test_a_broken_bundle_says_what_to_do() -> None:
    """The refusal sends the reader to the validator."""
    bundle = map_record(example("work_ability_plan"), id_key=KEY).bundle
    bundle["entry"][0]["resource"]["author"] = 5
    with pytest.raises(MappingError, match="K2032"):
        unmap(bundle)


def test_unknown_fields_are_found_at_any_depth() -> None:
    """The loss check names each field that the shape does not have."""
    inner = {"type": "object", "properties": {"a": {"type": "string"}}}
    shape = Shape({"type": "object", "properties": {"list": {"type": "array", "items": inner}, "one": inner}}, Path())
    value = {"list": [{"a": "1"}, {"b": "2"}], "one": {"a": "1", "c": {"d": 1}}, "two": 2}
    assert list(unknown_fields(value, shape)) == ["list[1].b", "one.c", "two"]


def test_several_records_in_one_bundle_come_back() -> None:
    """`unmap` returns every record whose resources it finds."""
    records = [example("team", "small"), example("consent", "small")]
    bundles = [map_record(record, id_key=KEY).bundle for record in records]
    entries = {entry["fullUrl"]: entry for bundle in bundles for entry in bundle["entry"]}
    back = unmap({"resourceType": "Bundle", "type": "collection", "entry": list(entries.values())})
    assert {record["record_type"] for record in back} == {"team", "consent"}


def test_every_mapping_describes_itself() -> None:
    """Id, version and digest of each mapping are what Provenance will name."""
    described = [mapping.describe() for mapping in mappings()]
    assert len({(each["id"], each["vendor"]) for each in described}) == len(described) >= 6
    assert all(len(each["digest"]) == 64 for each in described)
    provenance = map_record(example("team"), id_key=KEY).provenance
    assert provenance.startswith("team|1.")
