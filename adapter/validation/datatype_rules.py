"""What the official validator asks of Coding and Identifier beyond R4's invariants (R4 §2.24.0.3, §2.24.0.6)."""

from __future__ import annotations

from typing import Any

from adapter.validation.bundle_index import is_absolute
from adapter.validation.findings import Finding, Findings
from adapter.validation.run import Run

URI_SYSTEM = "urn:ietf:rfc:3986"


def coding(value: dict[str, Any], run: Run) -> Findings:
    """A code system is named by an absolute URI, and is no value set."""
    system = value.get("system")
    if system.__class__ is not str or system.startswith(("http://terminology.hl7.org/CodeSystem/", "urn:")):
        return None
    if not is_absolute(system):
        return run.found(Finding("system-relative", {"type": "Coding"}, "system"))
    if "/ValueSet/" in system and run.registry.terminology.is_value_set(system):
        return run.found(Finding("system-is-value-set", path="system"))
    return None


def identifier(value: dict[str, Any], run: Run) -> Findings:
    """An identifier system is an absolute URI; a value that is itself a URI is a full one."""
    system = value.get("system")
    if system.__class__ is not str:
        return None
    if system == URI_SYSTEM:
        held = value.get("value")
        if isinstance(held, str) and not is_absolute(held):
            return run.found(Finding("identifier-not-uri", path="value", severity="warning"))
        return None
    return None if is_absolute(system) else run.found(Finding("system-relative", {"type": "Identifier"}, "system"))


OF_TYPE = {"Coding": coding, "Identifier": identifier}
"""Rules by data type."""
