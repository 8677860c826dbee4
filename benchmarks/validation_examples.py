"""How many of HL7's own R4 examples the validator accepts: those of our twelve types under 400 kB.

    .venv/bin/python scripts/fetch_r4_examples.py
    .venv/bin/python benchmarks/validation_examples.py [PACKAGE.tgz] [--all]

`--all` takes every type that is no conformance resource. Four examples break R4 themselves and are named apart.
"""

from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapter.validation import Validator

PACKAGE = Path.home() / ".cache" / "kykysilta" / "hl7.fhir.r4.examples-4.0.1.tgz"
LARGEST = 400_000
OUR_TYPES = frozenset(
    (  # noqa: SIM905 - a table of words reads better as words
        "AuditEvent Bundle CarePlan CareTeam Consent Observation Organization Patient Practitioner PractitionerRole "
        "Provenance QuestionnaireResponse"
    ).split()
)
CONFORMANCE = frozenset(
    (  # noqa: SIM905 - as above
        "StructureDefinition ValueSet CodeSystem SearchParameter ConceptMap OperationDefinition CapabilityStatement"
    ).split()
)
BROKEN = {
    "Observation-clinical-gender.json": "performer is an Encounter, which R4 does not allow",
    "Bundle-lri-example.json": "full URLs and ids disagree",
    "Bundle-10bb101f-a121-4264-a920-67be9cb82c74.json": "a full URL and an id disagree",
    "Bundle-3a0707d3-549e-4467-b8b8-5a2ab3800efe.json": "a full URL and an id disagree",
}
"""Examples that break R4 themselves."""


def examples(package: Path, every_type: bool) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each example."""
    with tarfile.open(package) as archive:
        for member in archive:
            if not member.name.endswith(".json") or member.size > 2 * LARGEST:
                continue
            handle = archive.extractfile(member)
            assert handle is not None
            content = handle.read()
            resource: Any = json.loads(content)
            type_name = resource.get("resourceType", "") if isinstance(resource, dict) else ""
            wanted = type_name and type_name not in CONFORMANCE if every_type else type_name in OUR_TYPES
            compact = json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode()
            if wanted and len(compact) <= LARGEST:
                yield Path(member.name).name, content


def run(package: Path, every_type: bool) -> None:
    """Print every refused example with its first errors, and the sums."""
    validator = Validator()
    total = refused = 0
    for name, content in examples(package, every_type):
        total += 1
        outcome = validator.validate(content)
        if outcome.ok:
            continue
        refused += name not in BROKEN
        print(f"{name}: {BROKEN.get(name, 'refused')}")
        for issue in [one for one in outcome.issues if one.severity in ("fatal", "error")][:3]:
            print(f"    {issue.rule_id} at {issue.expression}: {issue.text('en')}")
    print(f"{total} examples, {refused} wrongly refused, beside {len(BROKEN)} that break R4 themselves")


if __name__ == "__main__":
    paths = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("--")]
    source = paths[0] if paths else PACKAGE
    if not source.is_file():
        raise SystemExit(f"no examples at {source}; run scripts/fetch_r4_examples.py")
    run(source, "--all" in sys.argv)
