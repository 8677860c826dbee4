"""The generated yes never hides a finding: with it and without it every document has the same verdict."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from adapter.data import data_root
from adapter.types import Issue
from adapter.validation import Validator, sure_shapes
from adapter.validation.judge import package_folder, packaged_validator
from adapter.validation.profile import Profile
from adapter.validation.run import Run
from adapter.validation.settings import ValidationSettings
from adapter.validation.sure_profiles import sure_profile
from adapter.validation.sure_shapes import SureShapes, not_sure
from tests.validation.mutations import mutants
from tests.validation.specimens import OUR_TYPES

AT = "2026-03-02T12:00:00+02:00"
BUNDLES = sorted((data_root() / "fixtures" / "scenarios").glob("SCN-*/expected/*.bundle.json"))
EXAMPLES = sorted((package_folder() / "example").glob("*.json"))
BASE = Validator()
SHAPE = Validator(settings=ValidationSettings(structure_only=True, unknown_extension="ignore"))
CHANGES = 4
"""Random changes of each document."""

Verdict = Callable[[Validator, Any], tuple[Issue, ...]]


def read(path: Any) -> Any:
    """Return a document with its decimals."""
    return json.loads(path.read_bytes(), parse_float=Decimal)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every yes is written when it is first asked for."""
    monkeypatch.setattr(sure_shapes, "FIRST", 0)


@pytest.fixture
def exactly(monkeypatch: pytest.MonkeyPatch) -> Verdict:
    """Return what judges without any generated yes."""

    def judge(validator: Validator, document: Any) -> tuple[Issue, ...]:
        with monkeypatch.context() as patch:
            patch.setattr(SureShapes, "resource", lambda shapes, type_name: lambda value, run: False)
            patch.setattr(Profile, "is_surely_met", lambda profile, value, run: False)
            return validator.validate(document, at=AT).issues

    return judge


@pytest.mark.parametrize("type_name", OUR_TYPES)
def test_every_mutant_has_the_verdict_of_the_exact_check(type_name: str, exactly: Verdict) -> None:
    """Every broken and every unbroken specimen is told of in the same words with and without the yes."""
    for name, resource in mutants(type_name):
        assert BASE.validate(resource, at=AT).issues == exactly(BASE, resource), name


@pytest.mark.parametrize("type_name", OUR_TYPES)
def test_shape_alone_has_the_verdict_of_the_exact_check(type_name: str, exactly: Verdict) -> None:
    """Also where rules and bindings are left out, as for the structure of consents."""
    for name, resource in mutants(type_name):
        assert SHAPE.validate(resource, at=AT).issues == exactly(SHAPE, resource), name


@pytest.mark.parametrize("path", [*BUNDLES, *EXAMPLES], ids=lambda path: path.name)
def test_changed_documents_have_the_verdict_of_the_exact_check(path: Any, exactly: Verdict) -> None:
    """Our Bundles and the examples of our profiles, whole and changed at random, have one verdict."""
    validator, document = packaged_validator(), read(path)
    chance = random.Random(path.name)
    assert validator.validate(document, at=AT).issues == exactly(validator, document)
    for number in range(CHANGES):
        changed = deepcopy(document)
        for _ in range(chance.choice((1, 1, 2))):
            change(changed, chance)
        assert validator.validate(changed, at=AT).issues == exactly(validator, changed), number


def test_a_target_without_a_type_is_answered(exactly: Verdict) -> None:
    """A reference that says its type may lead to a resource whose own type is no text."""
    validator, document = packaged_validator(), read(next(path for path in BUNDLES if "functional" in path.name))
    for entry in document["entry"]:
        changed = deepcopy(document)
        broken = changed["entry"][document["entry"].index(entry)]["resource"]
        broken["resourceType"] = [broken["resourceType"]]
        broken.pop("meta")
        issues = validator.validate(changed, at=AT).issues
        assert any(issue.key == "validation.no-resource-type" for issue in issues)
        assert issues == exactly(validator, changed)


def change(document: Any, chance: random.Random) -> None:
    """Change one place of a document: take it away, double it, put something else there, or move its content."""
    holder, key = chance.choice(list(places(document)))
    others = [value[other] for value, other in places(document)]
    values = (None, "", " ", 0, -1, True, [], {}, "a  b", "x\n", Decimal("1.50"), {"id": "a"}, {"reference": "#x"})
    match chance.randrange(6):
        case 0:
            del holder[key]
        case 1:
            holder[key] = chance.choice(values)
        case 2:
            holder[key] = [holder[key]]
        case 3 if isinstance(holder, dict):
            holder[chance.choice((f"_{key}", "id", "extension", "unknown", "text", "type"))] = chance.choice(values)
        case 4 if isinstance(holder[key], list):
            holder[key].append(deepcopy(chance.choice(holder[key] or [{}])))
        case _:
            holder[key] = deepcopy(chance.choice(others))


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place of a document: what holds it, and its name or position."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


def test_right_resources_are_told_by_the_yes() -> None:
    """Nearly all resources of our Bundles are accepted without the exact check: codes of our own are no news there."""
    validator = packaged_validator()
    sure = asked = 0
    for path in BUNDLES:
        bundle = read(path)
        for entry in bundle["entry"]:
            resource = entry["resource"]
            shape = validator.registry.sure_shapes.resource(resource["resourceType"])
            asked += 1
            sure += shape(resource, Run(validator.registry, validator.settings, resource))
    assert sure > 0.98 * asked


def constraining(url: str, elements: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a profile of Patient with these elements."""
    return {
        "resourceType": "StructureDefinition",
        "url": url,
        "type": "Patient",
        "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": elements},
    }


ONE, OTHER = {"system": "urn:oid:1.2.3", "code": "a"}, {"system": "urn:oid:1.2.3", "code": "b"}
KINDS = [{"coding": [ONE]}, {"coding": [OTHER, ONE]}, {"text": "a"}, {"coding": [{"code": "a"}]}, {"coding": [OTHER]}]
CODE = {
    "id": "Patient.contact.relationship:one.coding.code",
    "path": "Patient.contact.relationship.coding.code",
    "patternCode": "a",
}


@pytest.mark.parametrize(
    ("path", "said"), [*(("$this", {"patternCodeableConcept": kind}) for kind in KINDS[:4]), ("coding.code", CODE)]
)
def test_slices_are_told_apart_as_by_the_exact_check(path: str, said: dict[str, Any], exactly: Verdict) -> None:
    """Whatever a slice says at the discriminator's path, it has the same values, here one too many."""
    concept = {"id": "Patient.contact.relationship", "path": "Patient.contact.relationship"}
    slice_ = concept | {"id": f"{concept['id']}:one", "sliceName": "one", "max": "1"}
    elements = [concept | {"slicing": {"discriminator": [{"type": "pattern", "path": path}], "rules": "open"}}]
    elements += [slice_, said] if "id" in said else [slice_ | said]
    url = "https://kykysilta.example/sliced"
    validator = Validator([constraining(url, elements)])
    too_many = 0
    for held in KINDS:
        contact = {"name": {"text": "Aino"}, "relationship": [held, held]}
        patient = {"resourceType": "Patient", "meta": {"profile": [url]}, "contact": [contact]}
        issues = validator.validate(patient, at=AT).issues
        assert issues == exactly(validator, patient)
        too_many += any(issue.severity == "error" for issue in issues)
    assert 0 < too_many < len(KINDS)


@pytest.mark.parametrize("text", ["Aino", "'\"\n): raise SystemExit #\\"])
def test_texts_of_definitions_are_literals(text: str, exactly: Verdict) -> None:
    """Quotes, line ends and code in a definition are compared with, never run."""
    url = "https://kykysilta.example/'quoted'"
    validator = Validator([constraining(url, [{"path": "Patient.name.text", "patternString": text}])])
    for name in ("Aino", "'\"\n): raise SystemExit #\\"):
        patient = {"resourceType": "Patient", "meta": {"profile": [url]}, "name": [{"text": name}]}
        issues = validator.validate(patient, at=AT).issues
        assert issues == exactly(validator, patient)
        assert [issue.key for issue in issues] == ["validation.profile-pattern"] * (name != text)


def test_what_python_does_not_compile_is_left_to_the_exact_check() -> None:
    """A profile with lists in lists in lists has no yes when that is more than Python takes; a flat one has."""
    for depth, has_yes in ((3, True), (30, False)):
        paths = ["Patient" + ".extension" * level for level in range(1, depth + 1)]
        url = f"https://kykysilta.example/deep-{depth}"
        elements = [{"path": path, "max": "3"} for path in paths]
        profile = Validator([constraining(url, elements)]).registry.profile(url)
        assert profile is not None
        assert (sure_profile(profile) is not not_sure) == has_yes
