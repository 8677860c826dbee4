"""What R4 and the official validator ask of Coding, Identifier, Attachment and Meta beyond the invariants."""

from __future__ import annotations

from typing import Any

from adapter.types import Severity
from adapter.validation.bundle_index import is_absolute
from adapter.validation.explain import SHOWN_CODES, nearest
from adapter.validation.findings import Finding, Findings
from adapter.validation.run import Run

URI_SYSTEM = "urn:ietf:rfc:3986"


def coding(value: dict[str, Any], run: Run) -> Findings:
    """A code system is named by an absolute URI, is no value set, and has the code when it is known whole."""
    system = value.get("system")
    if system.__class__ is not str:
        return None
    if system in run.registry.terminology.added:
        return _listed_code(system, value.get("code"), run)
    if system.startswith("urn:"):
        return None
    if system.startswith(OF_HL7):
        return _known_code(system, value.get("code"), run)
    if not is_absolute(system):
        return run.found(Finding("system-relative", {"type": "Coding"}, "system"))
    if "/ValueSet/" in system and run.registry.terminology.is_value_set(system):
        return run.found(Finding("system-is-value-set", path="system"))
    return None


GROWING = "http://terminology.hl7.org/"
OF_HL7 = ("http://hl7.org/fhir/", GROWING)


def _known_code(system: str, code: Any, run: Run) -> Findings:
    """A code of a code system of FHIR itself must exist; those of HL7 Terminology grow, so there it is a warning."""
    terminology = run.registry.terminology
    if "/ValueSet/" in system and terminology.is_value_set(system):
        return run.found(Finding("system-is-value-set", path="system"))
    tree = terminology.code_system(system) if isinstance(code, str) else None
    if tree is None or code in tree.codes:
        return None
    severity: Severity = "error" if system.startswith("http://hl7.org/fhir/") else "warning"
    return run.found(Finding("code-unknown", {"system": system}, "code", severity=severity))


def _listed_code(system: str, code: Any, run: Run) -> Findings:
    """A code of a code system that the caller gave whole must exist."""
    codes = run.registry.terminology.added[system].codes
    if not isinstance(code, str) or code in codes:
        return None
    near = sorted(codes) if len(codes) <= SHOWN_CODES else nearest(code, codes, 3, run)
    if not near:
        return run.found(Finding("code-unknown", {"system": system}, "code"))
    return run.found(Finding("code-unknown-near", {"system": system, "near": ", ".join(near)}, "code"))


def attachment(value: dict[str, Any], run: Run) -> Findings:
    """The stated size is that of the data, before base64 (R4 §2.24.0.13)."""
    data, size = value.get("data"), value.get("size")
    if not isinstance(data, str) or not isinstance(size, int) or isinstance(size, bool):
        return None
    packed = "".join(data.split())
    actual = len(packed) // 4 * 3 - packed[-2:].count("=")
    if actual == size or len(packed) % 4:
        return None
    return run.found(Finding("attachment-size", {"actual": str(actual)}, "size"))


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


def meta(value: dict[str, Any], run: Run) -> Findings:
    """Security labels are a set: each label, its system and code, stands once (R4 §2.26.0.2)."""
    labels = value.get("security")
    if labels.__class__ is not list or len(labels) < 2:
        return None
    names = [(str(label.get("system")), str(label.get("code"))) for label in labels if isinstance(label, dict)]
    return run.found(Finding("security-twice", path="security")) if len(set(names)) < len(names) else None


OF_TYPE = {"Attachment": attachment, "Coding": coding, "Identifier": identifier, "Meta": meta}
"""Rules by data type."""
