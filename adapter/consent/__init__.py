"""The consent engine: a pure function of consents, context, request and configuration (rules R1 – R33).

on_file = read_consents(consents)
decision = decide(on_file, request, context=resources)
decision.decision, decision.reason, decision.obligations, decision.entries, decision.trace
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapter.consent.cases import decide_cases
    from adapter.consent.configuration import Configuration, packaged_configuration
    from adapter.consent.context import Context
    from adapter.consent.decision import decide
    from adapter.consent.explanation import explain
    from adapter.consent.model import Decision, Entry, Obligation, Reason, TraceStep
    from adapter.consent.outward_answer import Outward, outward
    from adapter.consent.reading import Consents, read_consents

_HOMES = {
    "Configuration": "configuration",
    "Consents": "reading",
    "Context": "context",
    "Decision": "model",
    "Entry": "model",
    "Obligation": "model",
    "Outward": "outward_answer",
    "Reason": "model",
    "TraceStep": "model",
    "decide": "decision",
    "decide_cases": "cases",
    "explain": "explanation",
    "outward": "outward_answer",
    "packaged_configuration": "configuration",
    "read_consents": "reading",
}

__all__ = [
    "Configuration",
    "Consents",
    "Context",
    "Decision",
    "Entry",
    "Obligation",
    "Outward",
    "Reason",
    "TraceStep",
    "decide",
    "decide_cases",
    "explain",
    "outward",
    "packaged_configuration",
    "read_consents",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'adapter.consent' has no attribute '{name}'")
    value = getattr(import_module(f"adapter.consent.{home}"), name)
    globals()[name] = value
    return value
