"""In the contained form everything but Provenance reaches a repository that takes only the four core types."""

from __future__ import annotations

import pytest

from adapter.data import data_root
from adapter.mapping import map_record
from adapter.mapping.contained import CORE_TYPES, contain, kept_by_adapter
from adapter.validation.judge import judge

EXAMPLES = sorted((data_root() / "mappings" / "records").glob("*/examples/complete.source.json"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.parent.name)
def test_nothing_but_provenance_stays_behind(path) -> None:  # type: ignore[no-untyped-def]
    """Entries are core types; each other resource is contained or is there for the sake of a Provenance only."""
    bundle = map_record(path.read_bytes(), id_key=b"a key for tests only").bundle
    form = contain(bundle)
    assert {entry["resource"]["resourceType"] for entry in form["entry"]} <= CORE_TYPES
    inside = {
        f"urn:uuid:{resource['id']}" for entry in form["entry"] for resource in entry["resource"].get("contained", ())
    }
    kept = {entry["fullUrl"] for entry in kept_by_adapter(bundle)}
    everything = {entry["fullUrl"] for entry in bundle["entry"]}
    assert everything == {entry["fullUrl"] for entry in form["entry"]} | inside | kept
    assert judge(form).ok


def test_a_clients_diagnosis_travels_inside_an_observation() -> None:
    """What no core resource leads to is named by `focus`."""
    path = next(path for path in EXAMPLES if path.parent.parent.name == "client")
    form = contain(map_record(path.read_bytes(), id_key=b"a key for tests only").bundle)
    carried = {resource["resourceType"] for resource in form["entry"][0]["resource"]["contained"]}
    assert carried >= {"Condition", "RelatedPerson", "EpisodeOfCare", "Patient"}
