"""What each kind of act in the log is: which log it belongs to, who gets to know of it, how it is called.

The list stands in `mappings/audit/acts.yaml`, the names for people in `mappings/messages/audit.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from adapter.audit.rows import Row
from adapter.data import data_root, read_yaml
from adapter.i18n import text


@dataclass(frozen=True, slots=True)
class Act:
    """One kind of act.

    Attributes:
        log: `disclosure` (luovutusloki), `use` (käyttöloki), `review` or `admin`.
        pattern: how it is projected, see `adapter.audit.projection`.
        lifecycle: ISO 21089 life-cycle event.
        sees: somebody came to see data of a client.
        told: the client's copy of the log shows it.
        purpose: v3-ActReason code of an entry that states no purpose of its own.
    """

    code: str
    log: str
    pattern: str
    lifecycle: str
    sees: bool
    told: bool
    purpose: str

    def name(self, language: str) -> str:
        """Return what people call the act."""
        return text(f"audit.act-{self.code.replace(' ', '-')}", language)


@cache
def acts() -> Mapping[str, Act]:
    """Return every act by its code."""
    return {code: _act(code, part) for code, part in _file()["acts"].items()}


def act_of(row: Row) -> Act:
    """Return what an entry is about; an act that is not listed is the default of its kind."""
    known = acts()
    return known.get(row.act) or known[str(_file()["defaults"].get(row.kind, "maintain"))]


def _act(code: str, part: Mapping[str, str]) -> Act:
    said = {name: value for name, value in part.items() if name not in ("sees", "told")}
    return Act(code, sees=part["sees"] == "yes", told=part["told"] == "yes", **said)


@cache
def _file() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = read_yaml(data_root() / "mappings" / "audit" / "acts.yaml")
    return found
