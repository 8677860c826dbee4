"""Disclosure and protection of what leaves the record (BR-077, BR-079)."""

from __future__ import annotations

from collections.abc import Iterator

from adapter.types import CANONICAL_ROOT, Resource
from adapter.validation.rules.actors import CODES
from adapter.validation.rules.model import Breach
from adapter.validation.rules.named import judgement
from adapter.validation.rules.scope import Scope, codes_of, extension_value, objects

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
DISCLOSURE_BASIS = f"{CANONICAL_ROOT}/StructureDefinition/disclosure-basis"


@judgement("basis_always")
def basis_always(scope: Scope, message: Resource) -> Iterator[Breach]:
    """BR-077: feedback to anybody but the client names a consent or another basis."""
    if "feedback" not in codes_of(message.get("category"), CODES + "disclosure-kind"):
        return
    recipients = objects(message.get("recipient"))
    if all(scope.same(recipient, message.get("subject")) for recipient in recipients):
        return
    basis = extension_value(message, DISCLOSURE_BASIS)
    if not objects(message.get("basedOn")) and basis in (None, "own-register"):
        yield Breach("basedOn")


@judgement("security_label")
def security_label(scope: Scope, resource: Resource) -> list[Breach]:
    """BR-079: exactly one confidentiality code, none on contained resources; a log entry is no part of a record."""
    if resource["resourceType"] == "AuditEvent":
        return []
    meta = resource.get("meta")
    labels = objects(meta.get("security")) if isinstance(meta, dict) else []
    systems = [label.get("system") for label in labels]
    breaches = []
    if systems.count(CONFIDENTIALITY) != 1 and not scope.is_contained(resource):
        breaches.append(Breach("meta.security"))
    for index, inner in enumerate(objects(resource.get("contained"))) if "contained" in resource else ():
        if isinstance(inner.get("meta"), dict) and "security" in inner["meta"]:
            breaches.append(Breach(f"contained[{index}].meta.security", variant="contained"))
    return breaches
