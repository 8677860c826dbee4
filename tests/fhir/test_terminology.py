"""Which codes a value set holds, without a terminology server."""

from __future__ import annotations

from typing import Any

from adapter.fhir.terminology import Terminology, core_terminology

GENDER = "http://hl7.org/fhir/administrative-gender"
OWN = "https://kykysilta.example/fhir/CodeSystem/a"


def _set(*includes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "url": "vs", "compose": {"include": list(includes)} | more}


def _answer(value_set: dict[str, Any], system: str | None, code: str, *others: dict[str, Any]) -> bool | None:
    found = Terminology([value_set, *others]).value_set("vs|1.0")
    assert found is not None
    return found.holds(system, code)


def test_core_value_sets() -> None:
    """Enumerated sets answer yes and no; sets of SNOMED CT are open; unknown sets are None."""
    gender = core_terminology().value_set("http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1")
    assert gender is not None
    assert gender.holds(GENDER, "male") is True
    assert gender.holds(GENDER, "mies") is False
    assert gender.holds("urn:oid:1.2", "male") is False
    problems = core_terminology().value_set("http://hl7.org/fhir/ValueSet/condition-code")
    assert problems is not None
    assert problems.holds("http://snomed.info/sct", "1") is None
    assert core_terminology().value_set("https://kykysilta.example/ei") is None


def test_hierarchy() -> None:
    """`is-a` takes what lies below, `descendent-of` not the code itself, `is-not-a` the rest."""
    system = {
        "resourceType": "CodeSystem",
        "url": OWN,
        "content": "complete",
        "concept": [{"code": "a", "concept": [{"code": "b", "concept": [{"code": "c"}]}]}, {"code": "d"}],
    }

    def codes(operator: str) -> list[str]:
        rule = {"property": "concept", "op": operator, "value": "b"}
        value_set = _set({"system": OWN, "filter": [rule]})
        return [code for code in "abcd" if _answer(value_set, OWN, code, system)]

    assert codes("is-a") == ["b", "c"]
    assert codes("descendent-of") == ["c"]
    assert codes("is-not-a") == ["a", "d"]


def test_composition() -> None:
    """Includes add up, an include by value sets and system takes what is in all, excludes take away."""
    pair = {"system": OWN, "concept": [{"code": "a"}, {"code": "b"}]}
    assert _answer(_set(pair), OWN, "a") is True
    assert _answer(_set(pair, exclude=[{"system": OWN, "concept": [{"code": "a"}]}]), OWN, "a") is False
    other = _set({"system": OWN, "concept": [{"code": "b"}]}) | {"url": "other"}
    both = _set(pair | {"valueSet": ["other"]})
    assert _answer(both, OWN, "b", other) is True
    assert _answer(both, OWN, "a", other) is False


def test_what_cannot_be_known_is_open() -> None:
    """A filter that is not understood, or a circle of value sets, is answered with None."""
    assert (
        _answer(_set({"system": GENDER, "filter": [{"property": "x", "op": "regex", "value": "."}]}), GENDER, "a")
        is None
    )
    assert _answer(_set({"valueSet": ["vs"]}), GENDER, "a") is None


def test_expansion_without_composition() -> None:
    """A value set that has only an expansion is taken from there."""
    contains = [{"system": OWN, "code": "a", "contains": [{"system": OWN, "code": "b"}]}]
    value_set = {"resourceType": "ValueSet", "url": "vs", "expansion": {"contains": contains}}
    assert _answer(value_set, OWN, "b") is True
    assert _answer(value_set, OWN, "c") is False
