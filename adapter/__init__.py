"""Kykysilta: work-ability records from any Finnish EHR to a Kanta-style FHIR R4 repository, and back.

The public names load on first use, so `import adapter` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapter.errors import AdapterError
    from adapter.types import Issue, Outcome, SourcePlace, TraceRow

_HOMES = {
    "AdapterError": "adapter.errors",
    "Issue": "adapter.types",
    "Outcome": "adapter.types",
    "SourcePlace": "adapter.types",
    "TraceRow": "adapter.types",
}

__all__ = ["AdapterError", "Issue", "Outcome", "SourcePlace", "TraceRow"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'adapter' has no attribute '{name}'")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
