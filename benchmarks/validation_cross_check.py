"""The mutants of our twelve types beside two independent validators of structure: fhirkit-rs and HL7's JSON Schema.

    pip install fhirkit-rs jsonschema-rs
    .venv/bin/python scripts/fetch_r4_core.py
    .venv/bin/python benchmarks/validation_cross_check.py [CORE.tgz] [--every N]

Says for each how many mutants it refuses, and lists by kind what another one refuses and we do not, and what others
say against resources that are right. Neither checks invariants, so that both miss many mutants.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tarfile
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from adapter.validation import Validator
from tests.validation.mutations import mutants
from tests.validation.specimens import OUR_TYPES

CORE = Path.home() / ".cache" / "kykysilta" / "hl7.fhir.r4.core-4.0.1.tgz"
SCHEMA = "package/openapi/fhir.schema.json"
Verdict = Callable[[dict[str, Any]], bool]
"""True when a resource is accepted."""


def main(core: Path, every: int) -> None:
    """Print the comparison over every N-th mutant."""
    verdicts = {"ours": _ours(), **_fhirkit(), **_json_schema(core)}
    refused: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    wrongly: Counter[str] = Counter()
    seen = 0
    rows = (row for type_name in OUR_TYPES for row in mutants(type_name))
    for number, (name, resource) in enumerate(rows):
        if number % every:
            continue
        said = {who: accepts(resource) for who, accepts in verdicts.items()}
        kind = re.sub(r" [A-Z]\S*$", "", name)
        if name.startswith("valid "):
            wrongly.update(who for who, accepted in said.items() if not accepted)
            continue
        seen += 1
        refused.update(who for who, accepted in said.items() if not accepted)
        if said["ours"]:
            missed.update(f"{who}: {kind}" for who, accepted in said.items() if not accepted)
    for who in verdicts:
        print(
            f"{who:12} refuses {refused[who]} of {seen} mutants ({refused[who] / seen:.1%}), "
            f"{wrongly[who]} right resources"
        )
    print("refused by another, not by us:", dict(missed) or "none")


def _ours() -> Verdict:
    validator = Validator()
    return lambda resource: validator.validate(resource).ok


def _fhirkit() -> dict[str, Verdict]:
    try:
        import fhirkit
    except ImportError:
        return {}

    def accepts(resource: dict[str, Any]) -> bool:
        try:
            return not [issue for issue in fhirkit.validate(_text(resource)) if issue.severity in ("error", "fatal")]
        except Exception:  # whatever it raises is its way to refuse
            return False

    return {"fhirkit-rs": accepts}


def _json_schema(core: Path) -> dict[str, Verdict]:
    try:
        import jsonschema_rs
    except ImportError:
        return {}
    if not core.is_file():
        return {}
    with tarfile.open(core) as archive:
        member = archive.extractfile(SCHEMA)
        assert member is not None
        schema = json.load(member)
    made: dict[str, Any] = {}

    def accepts(resource: dict[str, Any]) -> bool:
        type_ = resource.get("resourceType", "")
        if type_ not in made:
            root = {"$schema": schema["$schema"], "definitions": schema["definitions"]}
            made[type_] = jsonschema_rs.validator_for({**root, "$ref": f"#/definitions/{type_}"})
        return bool(made[type_].is_valid(json.loads(_text(resource))))

    return {"JSON Schema": accepts}


def _text(resource: dict[str, Any]) -> str:
    return json.dumps(resource, default=_number, ensure_ascii=True)


def _number(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("core", nargs="?", type=Path, default=CORE)
    parser.add_argument("--every", type=int, default=1)
    chosen = parser.parse_args()
    main(chosen.core, chosen.every)
