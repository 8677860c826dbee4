"""Token searches by meaning: `:in` and `:not-in` a value set, `:below` and `:above` in a code system (R4 search).

The code systems and value sets are those of base R4 and of our package; of one that is not known in full nothing is
guessed.
"""

from __future__ import annotations

from functools import cache

import jiter
import msgspec

from adapter.data import data_root
from adapter.fhir.terminology import CodeSystemTree, Terminology
from adapter.mock.outcomes import refuse
from adapter.mock.search.values import token, unescape

Codes = dict[str, frozenset[str]]


@cache
def _terminology() -> Terminology:
    folder = data_root() / "profiles" / "package"
    files = [path for kind in ("CodeSystem", "ValueSet") for path in sorted(folder.glob(f"{kind}-*.json"))]
    return Terminology(jiter.from_json(path.read_bytes()) for path in files)


def codes_meant(text: str, modifier: str) -> Codes:
    """Return the codes by system that the value of a token parameter with a modifier stands for.

    Args:
        modifier: `in` (the text is a value set's canonical), `below` or `above` (it is `system|code`).

    Raises:
        Refusal: 400, the value set or code system is not known here in full.
        ValueError: `:below` or `:above` without a system.
    """
    if modifier == "in":
        found = _terminology().value_set(unescape(text))
        if found is None or found.open_systems:
            raise refuse(400, "value-set-unknown")
        return dict(found.by_system)
    system, code = token(text)
    if not system or code is None:
        raise ValueError("a code system is needed")
    tree = _terminology().code_system(system)
    if tree is None:
        raise refuse(400, "code-system-unknown")
    return {system: tree.is_a(code) if modifier == "below" else _above(tree, code)}


def _above(tree: CodeSystemTree, code: str) -> frozenset[str]:
    return frozenset(one for one in tree.codes if code in tree.is_a(one))


def codes_condition(codes: Codes) -> tuple[str, list[str]]:
    """Return the condition on `index_token` that one of the codes stands there."""
    parts = ["(system = ? AND code IN (SELECT value FROM json_each(?)))" for _ in codes]
    arguments = [
        text for system, named in codes.items() for text in (system, msgspec.json.encode(sorted(named)).decode())
    ]
    return f"({' OR '.join(parts) or '1 = 0'})", arguments
