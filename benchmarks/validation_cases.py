"""How often the validator agrees with the official Java validator, case by case.

    .venv/bin/python benchmarks/validation_cases.py [r4-validation-cases.json] [--all]

Reads cases in the form {"cases": [{"id", "resource", "expect_error", "profile"?, "definitions"}], "definitions":
{name: resource}}; by default `../shared/examples/r4-validation-cases.json` beside the checkout. Prints every
disagreement with the errors that we found, and the agreement in per cent.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapter.validation import Validator

DEFAULT = Path(__file__).resolve().parent.parent.parent / "shared" / "examples" / "r4-validation-cases.json"


def run(path: Path, show_all: bool) -> float:
    """Return the share of cases where both agree on error yes or no."""
    suite = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    validators: dict[tuple[str, ...], Validator] = {}
    wrong = 0
    for case in suite["cases"]:
        names = tuple(case["definitions"])
        if names not in validators:
            validators[names] = Validator([suite["definitions"][name] for name in names])
        wrong += not _agrees(case, validators[names], show_all)
    total = len(suite["cases"])
    share = (total - wrong) / total
    print(f"{total - wrong} of {total} agree: {share:.1%}")
    return share


def _agrees(case: dict[str, Any], validator: Validator, show_all: bool) -> bool:
    profiles = [case["profile"]] if case.get("profile") else []
    outcome = validator.validate(case["resource"], profiles=profiles)
    agrees = outcome.ok != case["expect_error"]
    if show_all or not agrees:
        print(
            f"{'same' if agrees else 'DIFFERS'}  {case['id']}: Java says {'error' if case['expect_error'] else 'fine'}"
        )
        for error in case.get("errors", ()) if not agrees else ():
            print(f"      Java: {error['code']} at {error['at']}")
        for issue in outcome.issues:
            if issue.severity in ("fatal", "error"):
                print(f"      ours: {issue.rule_id} at {issue.expression}: {issue.text('en')} {issue.profile}")
    return agrees


if __name__ == "__main__":
    paths = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("--")]
    source = paths[0] if paths else DEFAULT
    if not source.is_file():
        raise SystemExit(f"no cases at {source}")
    run(source, "--all" in sys.argv)
