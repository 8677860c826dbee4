"""Code lists: complete, loaded strictly, translated both ways and never guessed."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.codesystem import CodeSystem as CodeSystemModel
from fhir.resources.R4B.conceptmap import ConceptMap as ConceptMapModel
from fhir.resources.R4B.valueset import ValueSet as ValueSetModel

from adapter.data import DataFileError, data_root
from adapter.terminology import (
    PACKAGED,
    Terminology,
    code_system,
    codes_folder,
    coding,
    concept_map,
    extension,
    load_concept_map,
    system,
    value_set,
)
from adapter.terminology.check import check, kind_and_name
from adapter.types import CANONICAL_ROOT

COUNTS = {
    # path and entry
    "client-group": 6,
    "employment-situation": 9,
    "service-path": 3,
    "path-phase": 15,
    "path-risk": 38,
    "concern-source": 14,
    "contact-channel": 8,
    "referrer": 15,
    "referral-reason": 11,
    "oh-referral-trigger": 10,
    "handover-status": 5,
    "formal-type": 3,
    # actors, roles, team
    "organisation-type": 24,
    "professional-role": 26,
    "membership-type": 5,
    "team-function": 6,
    "team-task": 10,
    "team-process-phase": 3,
    "meeting-type": 8,
    "meeting-mode": 4,
    # plan
    "plan-type": 9,
    "plan-status": 6,
    "planning-mode": 3,
    "plan-end-reason": 10,
    "reconciliation-status": 4,
    "goal-area": 8,
    "goal-achievement": 9,
    "service-status": 7,
    "service-group": 8,
    "plan-activity": 8,
    "need-status": 3,
    "typ-screening": 4,
    "support-intensity": 2,
    "benefit-status": 7,
    "service": 79,
    "benefit": 15,
    # consent and disclosure
    "consent-type": 8,
    "consent-status": 7,
    "consent-form": 3,
    "consent-purpose": 7,
    "data-class": 17,
    "disclosure-basis": 7,
    "disclosure-kind": 6,
    "withdrawal-scope": 3,
    "disclosure-decision": 9,
    "register": 5,
    # health check, work ability, measures
    "health-check-level": 3,
    "health-check-component": 15,
    "health-check-outcome": 6,
    "work-ability-state": 7,
    "incapacity-duration": 3,
    "reference-work": 7,
    "incapacity-ground": 3,
    "partial-ability-cause": 4,
    "statement-type": 3,
    "instrument": 16,
    "instrument-domain": 17,
    "work-environment-item": 8,
    "assessment-mode": 4,
    "assessment-purpose": 3,
    "measurement-point": 4,
    "risk-group": 3,
    "risk-factor": 27,
    "rehab-payer": 5,
    "rehab-form": 6,
    "pension-type": 4,
    "disability-cause-group": 5,
    "restriction-condition": 10,
    # employment support and reporting
    "coaching-phase": 5,
    "quality-area": 3,
    "tailoring-step": 3,
    "working-time": 2,
    "client-outcome": 8,
    "indicator": 15,
    "indicator-reason": 8,
    "indicator-source": 7,
    "effectiveness-part": 4,
    # observations
    "observation-code": 42,
}
"""Codes a list, counted by hand in the domain model (§2.10, §2.13, §2.17, §3)."""

READ_BACK_IN_PART = {
    "consent-purpose-act-reason",
    "plan-type-snomed",
    "professional-role-snomed",
    "register-national",
}
"""Maps with rows that are wider or narrower on purpose; every other map goes back and forth."""


def names(kind: str) -> list[str]:
    """Short names of all packaged files of a kind (`codesystem` …)."""
    found = (kind_and_name(path) for path in codes_folder().glob("*.json"))
    return sorted(name for known, name in filter(None, found) if known == kind)


def concept_map_file(*elements: dict[str, Any], **group: Any) -> dict[str, Any]:
    """A concept map with one group."""
    return {
        "resourceType": "ConceptMap",
        "url": "https://vendor.example/fhir/ConceptMap/tila",
        "name": "Tila",
        "status": "active",
        "group": [{"target": f"{CANONICAL_ROOT}/CodeSystem/plan-status", "element": list(elements)} | group],
    }


def row(code: str, target: str, equivalence: str = "equivalent", **more: str) -> dict[str, Any]:
    """One row of a concept map."""
    return {"code": code, "target": [{"code": target, "equivalence": equivalence, **more}]}


def write(path: Path, content: dict[str, Any]) -> Path:
    """Write a resource as JSON."""
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def test_the_packaged_lists_are_whole() -> None:
    """Every file reads, names what exists, and has Finnish and English names."""
    assert check() == ()


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_a_list_has_all_its_codes(name: str, count: int) -> None:
    """No code of the domain model is missing, none is added."""
    assert len(code_system(name).codes) == count


def test_every_list_has_a_value_set_with_the_same_codes() -> None:
    """A profile can bind to each list whose codes are enumerated."""
    for name in names("codesystem"):
        listed = code_system(name)
        if listed.codes:
            own = [code for url, code in value_set(name).concepts if url == listed.url]
            assert own == list(listed.codes), name


def test_the_files_are_fhir_r4() -> None:
    """An independent model of R4 accepts every file."""
    models: dict[str, Any] = {"codesystem": CodeSystemModel, "valueset": ValueSetModel, "conceptmap": ConceptMapModel}
    for path in codes_folder().glob("*.json"):
        named = kind_and_name(path)
        assert named is not None, path.name
        models[named[0]].model_validate_json(path.read_bytes())


def test_files_are_written_in_one_way() -> None:
    """Two blanks, Finnish letters as they are, a line feed at the end: a change shows as one line in a diff."""
    for path in codes_folder().glob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n", path.name


def test_our_lists_say_that_they_are_local() -> None:
    """Nobody may take a list of ours for a national one."""
    for name in names("codesystem"):
        listed = code_system(name)
        assert listed.url == f"{CANONICAL_ROOT}/CodeSystem/{name}"
        assert not listed.codes or "paikallinen koodisto" in listed.description, name


def test_a_coding_has_the_finnish_display() -> None:
    """Local and national codes travel with their Finnish name, HL7 codes with their own."""
    assert coding("plan-type", "activation-plan") == {
        "system": f"{CANONICAL_ROOT}/CodeSystem/plan-type",
        "code": "activation-plan",
        "display": "aktivointisuunnitelma",
    }
    assert coding("controller-kind", "1") == {
        "system": "urn:oid:1.2.246.537.5.40172",
        "code": "1",
        "display": "Julkinen",
    }
    assert coding("v3-Confidentiality", "R")["display"] == "restricted"
    assert "display" not in coding("v2-0203", "NNFIN")


def test_swedish_falls_back_to_finnish() -> None:
    """Swedish stands only where a source gives it; nobody translated the rest."""
    roles = code_system("professional-role")
    assert roles.display("physician", "sv") == "läkare"
    assert not roles.has_display("job-coach", "sv")
    assert roles.display("job-coach", "sv") == roles.display("job-coach") == "työhönvalmentaja"
    assert roles.display("job-coach", "en") == "job coach"
    assert value_set("v3-Confidentiality").display(system("v3-Confidentiality"), "N") == "tavanomainen"


def test_properties_keep_the_other_columns() -> None:
    """Group, organiser, sensitivity and category of a code can be asked for."""
    assert code_system("data-class").properties("mental-health") == {"sensitivity": ("extra",)}
    assert code_system("service").properties("work-trial")["organiser"] == ("te-office", "pension-provider")
    assert code_system("risk-factor").properties("smoking")["group"] == ("person",)
    assert code_system("observation-code").properties("bmi")["category"] == ("vital-signs",)
    assert code_system("indicator").properties("ind-05-plans")["counted-from-pilot-clients"] == (False,)


def test_properties_that_name_codes_name_existing_ones() -> None:
    """A group, organiser, payer or category is a code of its own list."""
    lists = {
        ("service", "group"): "service-group",
        ("service", "organiser"): "organisation-type",
        ("benefit", "payer"): "organisation-type",
        ("risk-factor", "group"): "risk-group",
        ("instrument-domain", "instrument"): "instrument",
        ("indicator", "reason"): "indicator-reason",
    }
    for (name, named), target in lists.items():
        for code in code_system(name).codes:
            assert set(code_system(name).properties(code).get(named, ())) <= set(code_system(target).codes), code


def test_an_unknown_code_or_list_is_an_error() -> None:
    """Nothing is made up for what is not there."""
    with pytest.raises(LookupError, match="no such code"):
        code_system("plan-type").display("plan")
    with pytest.raises(LookupError, match="no CodeSystem 'plan-kind'"):
        code_system("plan-kind")
    with pytest.raises(LookupError, match="no such code"):
        value_set("plan-type").display(system("cs:plan-type"), "plan")
    with pytest.raises(LookupError, match="0 systems"):
        coding("loinc", "1-8")


@pytest.mark.parametrize("name", names("conceptmap"))
def test_what_is_read_back_is_what_was_sent(name: str) -> None:
    """Every reversible row of every map goes there and back; maps that lose something are known by name."""
    found = concept_map(name)
    assert found.is_injective is (name not in READ_BACK_IN_PART)
    for code in found.codes:
        target = found.translate(code)
        if target is None:
            assert code in found.unmatched
        elif found.is_injective:
            assert found.reverse(target[1], target[0]) == code


def test_codes_of_hl7_exist_in_r4() -> None:
    """Every HL7 code that a map leads to, or that we write as a constant, is a code of R4 4.0.1."""
    r4 = json.loads((data_root() / "profiles" / "r4" / "codesystems.json").read_bytes())
    written = {key for name in names("conceptmap") for key in concept_map(name).sources}
    written |= {key for name in names("valueset") for key in value_set(name).concepts}
    checked = {(url, code) for url, code in written if url in r4} - {(system("v2-0203"), "NNFIN")}
    assert len({url for url, _ in checked}) > 10
    for url, code in checked:
        assert re.search(rf"'{re.escape(code)}'", str(r4[url]["concepts"])), (url, code)


def test_the_example_of_the_page_works(tmp_path: Path) -> None:
    """The vendor's map that docs/codes.md shows can be copied as it is."""
    page = (Path(__file__).resolve().parent.parent / "docs" / "codes.md").read_text(encoding="utf-8")
    example = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert example is not None
    (tmp_path / "tila.conceptmap.json").write_text(example[1], encoding="utf-8")
    assert check(tmp_path) == ()
    shown = Terminology(tmp_path).concept_map("tila")
    assert shown.reverse("ended") == "PAATTYNYT"
    assert shown.unmatched == ("ARKISTOITU",)


def test_statuses_become_those_of_fhir() -> None:
    """The statuses whose names differ go to the right FHIR code, and back to the preferred one."""
    assert concept_map("plan-status").translate("ended") == ("http://hl7.org/fhir/request-status", "completed")
    assert concept_map("service-status").translate("discontinued") == (
        "http://hl7.org/fhir/care-plan-activity-status",
        "stopped",
    )
    consent = concept_map("consent-status")
    assert consent.reverse("inactive") == "withdrawn"
    assert consent.translate("expired") is None
    assert consent.unmatched == ("expired",)


def test_a_wider_row_is_not_read_back() -> None:
    """Care management covers several purposes, so it is none of them on the way back."""
    purposes = concept_map("consent-purpose-act-reason")
    act_reason = system("v3-ActReason")
    assert purposes.translate("feedback") == purposes.translate("continuity") == (act_reason, "CAREMGT")
    assert purposes.reverse("CAREMGT") is None
    assert purposes.reverse("TREAT", act_reason) == "treatment"


def test_a_target_code_in_two_systems_needs_its_system(tmp_path: Path) -> None:
    """Without the system the answer would be a guess."""
    content = concept_map_file(row("a", "1"))
    content["group"].append({"target": "urn:example:other", "element": [row("b", "1")]})
    found = load_concept_map(write(tmp_path / "tila.conceptmap.json", content))
    assert found.reverse("1") is None
    assert found.reverse("1", "urn:example:other") == "b"


def test_codes_not_in_a_map_have_no_translation() -> None:
    """A map answers for its own codes only."""
    found = concept_map("professional-role-snomed")
    assert found.translate("astronaut") is None
    assert found.coding("astronaut") is None
    assert found.coding("physician") == coding("snomed", "736055001") | {
        "code": "309343006",
        "display": "Physician",
    }


def test_national_codes_are_never_invented() -> None:
    """Where no national code is known, the map says so for every code."""
    for name in ("plan-type-national", "service-national", "instrument-national", "instrument-loinc"):
        assert concept_map(name).unmatched == concept_map(name).codes, name


def test_sensitive_classes_have_their_label() -> None:
    """Three data classes carry a sensitivity; no other does."""
    labels = concept_map("data-class-sensitivity")
    matched = {code: labels.translate(code) for code in labels.codes if code not in labels.unmatched}
    assert matched == {
        "mental-health": (system("v3-ActCode"), "PSY"),
        "substance-use": (system("v3-ActCode"), "SUD"),
        "social-welfare": (system("cs:security-label"), "social-welfare"),
    }


def test_short_names_are_uris() -> None:
    """Short names resolve to absolute URIs; lists of ours need no row."""
    assert system("hetu") == "urn:oid:1.2.246.21"
    assert system("cs:register") == f"{CANONICAL_ROOT}/CodeSystem/register"
    assert system("record-version") == f"{CANONICAL_ROOT}/record-version"
    for rows in PACKAGED.short_names().values():
        for short, uri in rows.items():
            assert re.fullmatch(r"(urn:|https?://)\S+", uri), short
    with pytest.raises(LookupError, match="no short name 'sosiaaliturvatunnus'"):
        system("sosiaaliturvatunnus")
    with pytest.raises(LookupError):
        system("cs:sosiaaliturvatunnus")


def test_value_sets_of_foreign_codes_bear_the_short_name_of_their_system() -> None:
    """`coding: loinc#59284-0` and `system: loinc` mean the same system."""
    for name in set(names("valueset")) - set(names("codesystem")):
        assert {url for url, _ in value_set(name).concepts} == {system(name)}, name


def test_there_are_nine_extensions() -> None:
    """Eight of our own and the national municipality code; everything else has a native element."""
    extensions = PACKAGED.short_names()["extensions"]
    assert len(extensions) == 9
    assert extension("consent-form") == f"{CANONICAL_ROOT}/StructureDefinition/consent-form"
    assert extension("municipality-code").startswith("https://hl7.fi/fhir/finnish-base-profiles/")


def test_a_vendors_folder_is_asked_first(tmp_path: Path) -> None:
    """A vendor's map hides the packaged one of the same name; other names come from the packaged lists."""
    write(tmp_path / "tila.conceptmap.json", concept_map_file(row("VOIMASSA", "active"), row("PAAT", "ended")))
    lists = Terminology(tmp_path)
    assert lists.concept_map("tila").translate("PAAT") == (system("cs:plan-status"), "ended")
    assert lists.concept_map("tila").reverse("active") == "VOIMASSA"
    assert lists.concept_map("plan-status") == concept_map("plan-status")
    assert not PACKAGED.has("ConceptMap", "tila")
    assert check(tmp_path) == ()


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "unknown equivalence": (concept_map_file(row("a", "draft", "same")), r"element\[0\].target\[0\].equivalence"),
    "no target": (concept_map_file({"code": "a", "target": []}), "exactly one target"),
    "two targets": (
        concept_map_file({"code": "a", "target": row("a", "x")["target"] * 2}),
        "exactly one target",
    ),
    "code twice": (concept_map_file(row("a", "draft"), row("a", "active")), "'a' stands twice"),
    "two preferred": (concept_map_file(row("a", "draft"), row("b", "draft")), "mark all but one as 'wider'"),
    "unmatched with code": (concept_map_file(row("a", "draft", "unmatched")), "unless it is 'unmatched'"),
    "no code": (concept_map_file({"code": "a", "target": [{"equivalence": "equal"}]}), "unless it is 'unmatched'"),
    "inexact without reason": (concept_map_file(row("a", "draft", "inexact")), "cmd-1"),
    "no target system": (concept_map_file(row("a", "draft"), target=""), "names their system"),
    "unmapped is a guess": (concept_map_file(row("a", "draft"), unmapped={"mode": "fixed"}), "unknown field"),
    "not a map": ({"resourceType": "ValueSet", "url": "u", "name": "n", "status": "active", "group": []}, "ValueSet"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_map_is_refused_with_its_place(tmp_path: Path, case: str) -> None:
    """The error names the file, the line and the element."""
    content, expected = BROKEN[case]
    path = write(tmp_path / "tila.conceptmap.json", content)
    with pytest.raises(DataFileError, match=expected) as caught:
        load_concept_map(path)
    assert caught.value.path == str(path)
    assert caught.value.line > 1


def test_the_line_is_that_of_the_element(tmp_path: Path) -> None:
    """The line is where the author has to look, also for a key that stands twice."""
    path = tmp_path / "tila.conceptmap.json"
    text = json.dumps(concept_map_file(row("a", "draft"), row("a", "active")), indent=1)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataFileError) as caught:
        load_concept_map(path)
    place = caught.value.line
    assert text.splitlines()[place - 1].strip() == "{"
    assert text.splitlines()[place].strip() == '"code": "a",'
    path.write_text('{\n"url": "a",\n"url": "b"\n}', encoding="utf-8")
    with pytest.raises(DataFileError) as caught:
        load_concept_map(path)
    assert caught.value.line == 3
    path.write_text('{\n\t"url": 5,\n\t"name": "n"\n}', encoding="utf-8")
    with pytest.raises(DataFileError, match="Expected `str`"):
        load_concept_map(path)


def own_code_system(**concept: Any) -> dict[str, Any]:
    """A code system under our canonical with one concept."""
    return {
        "resourceType": "CodeSystem",
        "url": f"{CANONICAL_ROOT}/CodeSystem/colour",
        "name": "Colour",
        "status": "active",
        "content": "complete",
        "count": 1,
        "concept": [{"code": "red", "display": "punainen"} | concept],
    }


ENGLISH = {"designation": [{"language": "en", "value": "red"}]}

UNSOUND: dict[str, tuple[str, dict[str, Any], str]] = {
    "no English": ("CodeSystem-colour.json", own_code_system(), "no name in 'en'"),
    "wrong count": ("CodeSystem-colour.json", own_code_system(**ENGLISH) | {"count": 2}, "has 1 codes"),
    "wrong file name": ("CodeSystem-color.json", own_code_system(**ENGLISH), "name of the file"),
    "no kind": ("colour.json", own_code_system(**ENGLISH), "name the file"),
    "nested concepts": ("CodeSystem-colour.json", own_code_system(concept=[]), "unknown field `concept`"),
    "undeclared property": (
        "CodeSystem-colour.json",
        own_code_system(**ENGLISH, property=[{"code": "warm", "valueBoolean": True}]),
        "'warm' is not declared",
    ),
    "property of another type": (
        "CodeSystem-colour.json",
        own_code_system(**ENGLISH, property=[{"code": "warm", "valueCode": "yes"}])
        | {"property": [{"code": "warm", "type": "boolean"}]},
        "of type boolean",
    ),
    "code twice": (
        "CodeSystem-colour.json",
        own_code_system() | {"concept": [{"code": "red"}, {"code": "red"}]},
        r"concept\[1\].code: code 'red' stands twice",
    ),
    "target code missing": ("tila.conceptmap.json", concept_map_file(row("a", "gone")), "has no code 'gone'"),
    "target system missing": (
        "tila.conceptmap.json",
        concept_map_file(row("a", "x"), target=f"{CANONICAL_ROOT}/CodeSystem/gone"),
        "there is no code system",
    ),
    "another name": (
        "tila.conceptmap.json",
        concept_map_file(row("a", "draft", display="hahmotelma")),
        "another name in 'plan-status'",
    ),
    "source not covered": (
        "tila.conceptmap.json",
        concept_map_file(row("physical", "draft"), source=f"{CANONICAL_ROOT}/CodeSystem/meeting-mode"),
        "no row for virtual, work-pair, separate",
    ),
    "value set code missing": (
        "ValueSet-some.json",
        {
            "resourceType": "ValueSet",
            "url": "urn:example:/some",
            "name": "Some",
            "status": "active",
            "compose": {
                "include": [{"system": f"{CANONICAL_ROOT}/CodeSystem/meeting-mode", "concept": [{"code": "telepathy"}]}]
            },
        },
        "has no code 'telepathy'",
    ),
    "whole foreign system": (
        "ValueSet-some.json",
        {
            "resourceType": "ValueSet",
            "url": "urn:example:/some",
            "name": "Some",
            "status": "active",
            "compose": {"include": [{"system": "http://loinc.org"}]},
        },
        "list the codes",
    ),
}


@pytest.mark.parametrize("case", UNSOUND)
def test_the_check_finds_what_is_unsound(tmp_path: Path, case: str) -> None:
    """Each fault is reported once, with file and place."""
    name, content, expected = UNSOUND[case]
    path = write(tmp_path / name, content)
    found = check(tmp_path)
    assert [problem.path for problem in found] == [str(path)]
    assert re.search(expected, str(found[0]))


def test_the_page_of_codes_is_up_to_date() -> None:
    """docs/codes.md says what the files say; `python scripts/make_code_docs.py` rewrites it."""
    root = Path(__file__).resolve().parent.parent
    page = runpy.run_path(str(root / "scripts" / "make_code_docs.py"))["code_docs"]()
    assert (root / "docs" / "codes.md").read_text(encoding="utf-8") == page
