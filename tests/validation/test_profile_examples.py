"""Each profile of ours accepts its example, and refuses it once anything that the profile asks for is taken away."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from adapter.validation.judge import package_folder, packaged_validator

Element = dict[str, Any]
DEFINITIONS: dict[str, Any] = {
    definition["url"]: definition
    for definition in map(
        json.loads, (path.read_bytes() for path in package_folder().glob("StructureDefinition-*.json"))
    )
}
PROFILES = sorted(
    (each for each in DEFINITIONS.values() if each["type"] != "Extension" and not each["abstract"]),
    key=lambda each: str(each["id"]),
)
EXAMPLES = [
    json.loads(path.read_bytes(), parse_float=Decimal) for path in sorted((package_folder() / "example").glob("*.json"))
]


def example_of(profile: dict[str, Any]) -> dict[str, Any]:
    """Return the first example that names a profile."""
    return next(each for each in EXAMPLES if profile["url"] in each["meta"]["profile"])


def asked(profile: dict[str, Any]) -> Iterator[Element]:
    """Yield what a profile and its parents ask of plain elements: presence, or a fixed code."""
    parent = DEFINITIONS.get(profile["baseDefinition"])
    if parent is not None:
        yield from asked(parent)
    for element in profile["differential"]["element"]:
        if ":" not in element["id"] and "." in element["id"] and (element.get("min") or "patternCode" in element):
            yield element


def places(resource: dict[str, Any], path: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the objects that hold an element, with its JSON name."""
    holders = [resource]
    *above, last = path.split(".")[1:]
    for name in above:
        found = [holder[name] for holder in holders if name in holder]
        holders = [item for value in found for item in (value if isinstance(value, list) else [value])]
    for holder in holders:
        for name in list(holder):
            if name == last or (last.endswith("[x]") and name.startswith(last[:-3])):
                yield holder, name


def broken(resource: dict[str, Any], element: Element) -> dict[str, Any] | None:
    """Return a copy without the element, or with another code in it; None where the example does not have it."""
    copied = copy.deepcopy(resource)
    found = list(places(copied, element["path"]))
    for holder, name in found:
        if element.get("min"):
            del holder[name]
        else:
            holder[name] = {"completed": "draft", "POST": "PUT"}.get(holder[name], "completed")
    return copied if found else None


@pytest.mark.parametrize("profile", PROFILES, ids=[each["id"] for each in PROFILES])
def test_profile_refuses_its_example_broken(profile: dict[str, Any]) -> None:
    """Right as it is under this profile alone; wrong without any single element that the profile asks for."""
    example = example_of(profile)
    example = example | {"meta": example["meta"] | {"profile": [profile["url"]]}}
    assert packaged_validator().validate(example).ok
    wrong = [(element["id"], broken(example, element)) for element in asked(profile)]
    made = [(name, resource) for name, resource in wrong if resource is not None]
    assert made
    accepted = [name for name, each in made if packaged_validator().validate(each, profiles=[profile["url"]]).ok]
    assert accepted == []


def test_profiles_speak_to_people() -> None:
    """Each profile and extension has title, description and version; each profile says what must be supported."""
    for definition in DEFINITIONS.values():
        assert {"title", "description", "version"} <= definition.keys(), definition["id"]
    for profile in PROFILES:
        chain = [profile]
        while chain[-1]["baseDefinition"] in DEFINITIONS:
            chain.append(DEFINITIONS[chain[-1]["baseDefinition"]])
        elements = (element for each in chain for element in each["differential"]["element"])
        assert any(element.get("mustSupport") for element in elements), profile["id"]


def test_invariants_of_ours_speak_one_language_at_a_time() -> None:
    """FHIR has one text for an invariant; ours holds Finnish and English, and each reader gets the own one."""
    role = copy.deepcopy(next(each for each in EXAMPLES if each["resourceType"] == "PractitionerRole"))
    del role["practitioner"], role["organization"]
    (issue,) = (each for each in packaged_validator().validate(role).issues if each.rule_id == "kyk-role-1")
    assert issue.text("fi").startswith("Tehtävästä puuttuu")
    assert issue.text("sv") == issue.text("fi")
    assert issue.text("en").endswith("Add one.")
    assert " / " not in issue.text("fi") + issue.text("en")
