"""What R4 knows of its types, from the snapshot."""

from __future__ import annotations

import pytest

from adapter.fhir.definitions import (
    Binding,
    children,
    element,
    is_primitive,
    is_resource_type,
    is_subtype,
    is_type,
    json_children,
    resource_types,
    type_definition,
)


def test_types() -> None:
    """146 resource types; abstract ones, data types and primitives are none of them."""
    assert len(resource_types()) == 146
    assert is_resource_type("CarePlan")
    assert not is_resource_type("DomainResource")
    assert not is_resource_type("Period")
    assert is_primitive("date")
    assert is_type("SimpleQuantity")
    assert not is_type("EiSellaista")
    assert is_subtype("Age", "Element")
    assert is_subtype("Patient", "Resource")
    assert not is_subtype("Bundle", "DomainResource")


@pytest.mark.parametrize(
    ("type_name", "path", "types", "least", "is_list"),
    [
        ("CarePlan", "activity.detail.status", ["code"], 1, False),
        ("Observation", "valueQuantity", ["Quantity"], 0, False),
        ("Observation", "valueQuantity.value", ["decimal"], 0, False),
        ("Observation", "component.value[x]", None, 0, False),
        ("Patient", "name.given", ["string"], 0, True),
        ("Bundle", "entry.link.relation", ["string"], 1, False),
        ("QuestionnaireResponse", "item.answer.item.linkId", ["string"], 1, False),
        ("Patient", "extension.url", ["uri"], 1, False),
        ("Patient", "id", ["id"], 0, False),
        ("Range", "low.value", ["decimal"], 0, False),
    ],
)
def test_element(type_name: str, path: str, types: list[str] | None, least: int, is_list: bool) -> None:
    """A path runs through backbones, data types, choices and content references."""
    found = element(type_name, path)
    assert found is not None
    assert types is None or [type_.code for type_ in found.types] == types
    assert (found.min, found.is_list) == (least, is_list)


@pytest.mark.parametrize("path", ["eiSellaista", "name.eiSellaista", "valueQuantity", "name.family.a", ""])
def test_element_that_is_not_there(path: str) -> None:
    """An unknown path is None, never an error."""
    assert element("Patient", path) is None


def test_binding_and_targets() -> None:
    """Bindings have no version, targets no root."""
    status = element("CarePlan", "status")
    subject = element("CarePlan", "subject")
    assert status is not None
    assert subject is not None
    assert status.binding == Binding("required", "http://hl7.org/fhir/ValueSet/request-status")
    assert subject.types[0].targets == ("Patient", "Group")
    assert status.is_modifier
    assert status.is_summary


def test_children_keep_the_order_of_the_specification() -> None:
    """Children come in R4's order, a choice once by name and once for each type in JSON."""
    assert list(children("Period")) == ["id", "extension", "start", "end"]
    assert list(children("Annotation")) == ["id", "extension", "author[x]", "time", "text"]
    assert list(json_children("Annotation"))[2:4] == ["authorReference", "authorString"]


def test_invariants_stand_where_they_belong() -> None:
    """HL7 repeats inherited invariants on every element; the snapshot has each once."""
    assert [rule.key for rule in type_definition("CarePlan").elements["CarePlan.activity"].constraints] == ["cpl-3"]
    assert type_definition("CarePlan").elements["CarePlan"].constraints == ()
    with pytest.raises(LookupError):
        type_definition("EiSellaista")
