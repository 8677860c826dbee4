"""Which diagnoses are extra protected: as the sender says, else by the code.

The codes stand in `mappings/records/sensitive-diagnoses.yaml`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from adapter.data import data_root, read_yaml
from adapter.terminology import concept_map
from adapter.types import Json


@cache
def _rows() -> tuple[tuple[str, str, str], ...]:
    rows = read_yaml(data_root() / "mappings" / "records" / "sensitive-diagnoses.yaml")
    return tuple((row["system"], row["begins"], row["data_class"]) for row in rows)


def data_class_of(system: str | None, code: str | None) -> str | None:
    """Return the extra protected data class (cs:data-class) of a diagnosis code, None when it has none.

    A version behind the code system's OID (`…6.1.1999`) makes no difference.
    """
    if not system or not code:
        return None
    return next(
        (
            data_class
            for known, begins, data_class in _rows()
            if (system == known or system.startswith(f"{known}.")) and code.upper().startswith(begins)
        ),
        None,
    )


def diagnosis_label(value: Any, _context: Any, _to: str) -> Json:
    """Return the sensitivity label of `[data_class, system, code]` as a Coding, None when none is needed."""
    said, system, code = value
    data_class = said or data_class_of(system, code)
    return concept_map("data-class-sensitivity").coding(data_class) if data_class else None
