"""Slicing: every discriminator, closed and ordered, nested and re-sliced, by type and across references."""

from __future__ import annotations

from typing import Any

import pytest

from tests.validation.test_profiles import CORE, OWN, PATIENT, judged, profile

Row = dict[str, Any]

SYSTEM = "urn:oid:1.2"


def sliced(path: str, *discriminators: tuple[str, str], rules: str = "open", ordered: bool = False, **more: Any) -> Row:
    """Return the element that divides a list."""
    rows = [{"type": kind, "path": where} for kind, where in discriminators]
    return {"path": path, "slicing": {"discriminator": rows, "rules": rules, "ordered": ordered}} | more


def piece(path: str, name: str, **more: Any) -> Row:
    """Return the element of a slice, `Patient.identifier`, `a`."""
    return {"id": f"{path}:{name}", "path": path, "sliceName": name} | more


def inside(path: str, name: str, below: str, **more: Any) -> Row:
    """Return an element inside a slice."""
    return {"id": f"{path}:{name}.{below}", "path": f"{path}.{below}"} | more


TELECOM = "Patient.telecom"
PHONE = {"system": "phone", "value": "1"}
EMAIL = {"system": "email", "value": "a"}


def _telecom(**slicing: Any) -> Row:
    return profile(
        "p",
        "Patient",
        sliced(TELECOM, ("value", "system"), **slicing),
        piece(TELECOM, "puhelin", min=1, max="1"),
        inside(TELECOM, "puhelin", "system", fixedCode="phone", min=1),
        piece(TELECOM, "posti", max="1"),
        inside(TELECOM, "posti", "system", fixedCode="email", min=1),
        inside(TELECOM, "posti", "rank", min=1),
    )


FAX = {"system": "fax", "value": "2"}
RANKED = EMAIL | {"rank": 1}


@pytest.mark.parametrize(
    ("slicing", "telecom", "expected"),
    [
        ({}, [PHONE, RANKED, FAX], []),
        ({}, [FAX], [("slice-missing", "Patient")]),
        ({}, [PHONE, PHONE], [("slice-too-many", "Patient.telecom")]),
        ({}, [PHONE, EMAIL], [("profile-missing", "Patient.telecom[1]")]),
        ({"rules": "closed"}, [PHONE, FAX], [("slice-closed", "Patient.telecom[1]")]),
        ({"rules": "openAtEnd"}, [PHONE, RANKED, FAX], []),
        ({"rules": "openAtEnd"}, [PHONE, FAX, RANKED], [("slice-at-end", "Patient.telecom[2]")]),
        ({"ordered": True}, [PHONE, FAX, RANKED], []),
        ({"ordered": True}, [RANKED, PHONE], [("slice-order", "Patient.telecom[1]")]),
    ],
)
def test_value_slices(slicing: Row, telecom: list[Row], expected: list[tuple[str, str]]) -> None:
    """Slices by a fixed value: counts, contents, closed, open at the end, ordered."""
    assert judged(PATIENT | {"telecom": telecom}, _telecom(**slicing)) == expected


IDENTIFIER = "Patient.identifier"


def test_pattern_slices() -> None:
    """A pattern at `$this` and one below tell slices."""
    definition = profile(
        "p",
        "Patient",
        sliced(IDENTIFIER, ("pattern", "$this")),
        piece(IDENTIFIER, "hetu", patternIdentifier={"system": SYSTEM}, min=1),
        inside(IDENTIFIER, "hetu", "value", min=1),
    )
    assert judged(PATIENT | {"identifier": [{"system": SYSTEM, "value": "1"}]}, definition) == []
    assert judged(PATIENT | {"identifier": [{"system": SYSTEM}]}, definition) == [
        ("profile-missing", "Patient.identifier[0]")
    ]
    assert judged(PATIENT | {"identifier": [{"value": "1"}]}, definition) == [("slice-missing", "Patient")]


def test_exists_slices() -> None:
    """`exists` divides by whether an element is there."""
    definition = profile(
        "p",
        "Patient",
        sliced(IDENTIFIER, ("exists", "period"), rules="closed"),
        piece(IDENTIFIER, "vanha", max="1"),
        inside(IDENTIFIER, "vanha", "period", min=1),
        piece(IDENTIFIER, "uusi", max="1"),
        inside(IDENTIFIER, "uusi", "period", max="0"),
    )
    old, new = {"value": "1", "period": {"start": "2025"}}, {"value": "2"}
    assert judged(PATIENT | {"identifier": [old, new]}, definition) == []
    assert judged(PATIENT | {"identifier": [new, new]}, definition) == [("slice-too-many", "Patient.identifier")]


@pytest.mark.parametrize("path", ["Observation.value[x]:valueQuantity", "Observation.valueQuantity"])
def test_type_slices_of_a_choice(path: str) -> None:
    """`value[x]:valueQuantity` and its short form say the same; other types stay open."""
    name = {"path": "Observation.value[x]", "sliceName": "valueQuantity"} if ":" in path else {"path": path}
    definition = profile(
        "p", "Observation", {"id": path, **name}, {"id": f"{path}.unit", "path": f"{name['path']}.unit", "min": 1}
    )
    observation: Row = {"resourceType": "Observation", "status": "final", "code": {"text": "a"}}
    assert judged(observation | {"valueQuantity": {"value": 1, "unit": "cm"}}, definition) == []
    assert judged(observation | {"valueQuantity": {"value": 1}}, definition) == [
        ("profile-missing", "Observation.value")
    ]
    assert judged(observation | {"valueString": "a"}, definition) == []


ENTRY = "Bundle.entry"


def _bundle(*resources: Row) -> Row:
    entries = [
        {"fullUrl": f"https://example.org/{one['resourceType']}/{one['id']}", "resource": one} for one in resources
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


DOCTOR = {"resourceType": "Practitioner", "id": "d"}
CLIENT = {"resourceType": "Patient", "id": "c"}


def test_entries_by_type_and_by_profile() -> None:
    """Entries of a Bundle are told by the type of their resource, or by the profile that it meets."""
    active = profile("aktiivi", "Patient", {"path": "Patient.active", "min": 1, "fixedBoolean": True})
    by_type = profile(
        "p",
        "Bundle",
        sliced(ENTRY, ("type", "resource")),
        piece(ENTRY, "asiakas", min=1, max="1"),
        inside(ENTRY, "asiakas", "resource", min=1, type=[{"code": "Patient"}]),
    )
    by_profile = profile(
        "p",
        "Bundle",
        sliced(ENTRY, ("profile", "resource")),
        piece(ENTRY, "asiakas", min=1, max="1"),
        inside(ENTRY, "asiakas", "resource", min=1, type=[{"code": "Patient", "profile": [OWN + "aktiivi"]}]),
    )
    assert judged(_bundle(CLIENT, DOCTOR), by_type) == []
    assert judged(_bundle(DOCTOR), by_type) == [("slice-missing", "Bundle")]
    assert judged(_bundle(CLIENT | {"active": True}, CLIENT | {"id": "e"}), active, by_profile) == []
    assert judged(_bundle(CLIENT), active, by_profile) == [("slice-missing", "Bundle")]


MEMBER = "CareTeam.participant"


def test_resolving_discriminator() -> None:
    """`member.resolve()` looks at the resource inside the Bundle; the type of a plain reference shows, too."""
    team_profile = profile(
        "tiimi",
        "CareTeam",
        sliced(MEMBER, ("type", "member.resolve()")),
        piece(MEMBER, "ammattilainen", min=1),
        inside(
            MEMBER,
            "ammattilainen",
            "member",
            min=1,
            type=[{"code": "Reference", "targetProfile": [CORE + "Practitioner"]}],
        ),
        inside(MEMBER, "ammattilainen", "role", min=1),
    )
    bundle_profile = profile("p", "Bundle", {"path": "Bundle.type", "fixedCode": "collection"})
    team: Row = {"resourceType": "CareTeam", "id": "t", "meta": {"profile": [OWN + "tiimi"]}}
    definitions = (team_profile, bundle_profile)
    with_role = team | {"participant": [{"member": {"reference": "Practitioner/d"}, "role": [{"text": "a"}]}]}
    assert judged(_bundle(with_role, DOCTOR), *definitions) == []
    without = team | {"participant": [{"member": {"reference": "Practitioner/d"}}]}
    assert judged(_bundle(without, DOCTOR), *definitions) == [
        ("profile-missing", "Bundle.entry[0].resource.participant[0]")
    ]
    other = team | {"participant": [{"member": {"reference": "Patient/c"}}]}
    assert judged(_bundle(other, CLIENT), *definitions) == [("slice-missing", "Bundle.entry[0].resource")]


def test_nested_slices() -> None:
    """Slices inside slices: codings inside a category."""
    category = "Observation.category"
    coding = "Observation.category:kanta.coding"
    definition = profile(
        "p",
        "Observation",
        sliced(category, ("exists", "text")),
        piece(category, "kanta", min=1),
        inside(category, "kanta", "text", min=1),
        {
            "id": coding,
            "path": "Observation.category.coding",
            "slicing": {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"},
        },
        {"id": f"{coding}:oma", "path": "Observation.category.coding", "sliceName": "oma", "min": 1},
        {"id": f"{coding}:oma.system", "path": "Observation.category.coding.system", "fixedUri": SYSTEM, "min": 1},
    )
    observation: Row = {"resourceType": "Observation", "status": "final", "code": {"text": "a"}}
    right = {"text": "a", "coding": [{"system": SYSTEM, "code": "b"}]}
    assert [
        found for found in judged(observation | {"category": [right]}, definition) if "warning" not in found[0]
    ] == []
    assert ("slice-missing", "Observation.category[0]") in judged(
        observation | {"category": [{"text": "a"}]}, definition
    )


def test_re_slicing() -> None:
    """A slice of a slice: official phones among the phones."""
    definition = profile(
        "p",
        "Patient",
        sliced(TELECOM, ("value", "system")),
        piece(TELECOM, "puhelin", slicing={"discriminator": [{"type": "value", "path": "use"}], "rules": "open"}),
        inside(TELECOM, "puhelin", "system", fixedCode="phone", min=1),
        piece(TELECOM, "puhelin/koti", min=1),
        {"id": f"{TELECOM}:puhelin/koti.use", "path": "Patient.telecom.use", "fixedCode": "home", "min": 1},
        {"id": f"{TELECOM}:puhelin/koti.rank", "path": "Patient.telecom.rank", "min": 1},
    )
    assert judged(PATIENT | {"telecom": [PHONE | {"use": "home", "rank": 1}]}, definition) == []
    assert judged(PATIENT | {"telecom": [PHONE | {"use": "home"}]}, definition) == [
        ("profile-missing", "Patient.telecom[0]")
    ]
    assert judged(PATIENT | {"telecom": [PHONE]}, definition) == [("slice-missing", "Patient")]


def test_extension_slices_need_no_slicing() -> None:
    """Extensions are told by their URL even where the differential does not say so."""
    extension = "Patient.extension"
    definition = profile(
        "p",
        "Patient",
        piece(
            extension,
            "synnyinpaikka",
            min=1,
            max="1",
            type=[{"code": "Extension", "profile": [CORE + "patient-birthPlace"]}],
        ),
    )
    place = {"url": CORE + "patient-birthPlace", "valueAddress": {"city": "a"}}
    assert judged(PATIENT | {"extension": [place]}, definition) == []
    assert judged(PATIENT, definition) == [("slice-missing", "Patient")]


def test_ids_may_be_missing() -> None:
    """A differential without ids is read by paths and slice names, in order."""
    definition = profile("p", "Patient", sliced(TELECOM, ("value", "system")))
    definition["differential"]["element"] += [
        {"path": TELECOM, "sliceName": "puhelin", "min": 1},
        {"path": f"{TELECOM}.system", "fixedCode": "phone"},
        {"path": TELECOM, "sliceName": "posti"},
        {"path": f"{TELECOM}.system", "fixedCode": "email"},
        {"path": f"{TELECOM}.rank", "min": 1},
    ]
    assert judged(PATIENT | {"telecom": [PHONE, RANKED]}, definition) == []
    assert judged(PATIENT | {"telecom": [PHONE, EMAIL]}, definition) == [("profile-missing", "Patient.telecom[1]")]
