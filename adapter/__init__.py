"""Kykysilta: work-ability records from any Finnish EHR to a Kanta-style FHIR R4 repository, and back.

    import adapter
    mapped = adapter.map_record(open("plan.json", "rb").read())
    mapped.bundle, mapped.trace, mapped.report
    adapter.validate(mapped).ok
    adapter.unmap(mapped.bundle)

The public names load on first use, so `import adapter` stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.lazy import lazily

if TYPE_CHECKING:
    from adapter.consent import Consents, Decision, decide, read_consents
    from adapter.errors import AdapterError
    from adapter.mapping import Mapped, explain, map_record, unmap
    from adapter.types import Issue, Outcome, SourcePlace, TraceRow
    from adapter.validation.judge import validate

_HOMES = {
    "AdapterError": "adapter.errors",
    "Consents": "adapter.consent",
    "Decision": "adapter.consent",
    "Issue": "adapter.types",
    "Mapped": "adapter.mapping",
    "Outcome": "adapter.types",
    "SourcePlace": "adapter.types",
    "TraceRow": "adapter.types",
    "decide": "adapter.consent",
    "explain": "adapter.mapping",
    "map_record": "adapter.mapping",
    "read_consents": "adapter.consent",
    "unmap": "adapter.mapping",
    "validate": "adapter.validation.judge",
}

__all__ = [
    "AdapterError",
    "Consents",
    "Decision",
    "Issue",
    "Mapped",
    "Outcome",
    "SourcePlace",
    "TraceRow",
    "decide",
    "explain",
    "map_record",
    "read_consents",
    "unmap",
    "validate",
]


__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
