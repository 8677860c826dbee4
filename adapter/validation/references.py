"""References: their form, whether they lead somewhere inside the document, and to the right type.

Rules: R4 references §2.3.0, ref-1, Bundle resolution §2.36.4.1 (as the official validator reads it).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from adapter.fhir.definitions import is_resource_type
from adapter.validation.findings import Finding, Findings, joined, under
from adapter.validation.run import Run
from adapter.validation.sure_formats import surely

Check = Callable[[Any, Run], Findings]

_surely_text, _surely_uuid = surely("string"), surely("uuid")

LONGEST_REFERENCE = 2048
"""No reference that leads anywhere is longer."""

_PLAIN = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9.\-]{1,64}\Z")
_BLANK = re.compile(r"\s")
_TYPE_AND_ID = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9.\-]{1,64}(?:/_history/[A-Za-z0-9.\-]{1,64})?$")


def check(plain: Check, targets: tuple[str, ...]) -> Check:
    """Return the check of a Reference element that may point to `targets` (empty or Resource: any)."""
    allowed = allowed_types(targets)

    def check_reference(value: Any, run: Run) -> Findings:
        if value.__class__ is dict and _surely_right(value, allowed, run):
            return None
        found = plain(value, run)
        return joined(found, _meaning(value, allowed, run)) if value.__class__ is dict else found

    return check_reference


def allowed_types(targets: tuple[str, ...]) -> frozenset[str]:
    """Return the types that a reference may lead to; none means any."""
    return frozenset() if "Resource" in targets else frozenset(targets)


def is_surely_right(
    value: dict[str, Any], allowed: frozenset[str], run: Run, shape: Callable[[Any, Run], bool]
) -> bool:
    """Tell whether a Reference has its shape, and leads to where it may, as far as can be told here."""
    return _surely_right(value, allowed, run) or (shape(value, run) and _meaning(value, allowed, run) is None)


def _meaning(value: dict[str, Any], allowed: frozenset[str], run: Run) -> Findings:
    """Return what is wrong with where a reference leads."""
    found: Findings = None
    reference = value.get("reference")
    if reference.__class__ is str:
        if _BLANK.search(reference):
            found = run.found(Finding("reference-blanks"))
        elif reference[:1] == "#":
            found = _local(reference, run)
        elif run.bundles:
            found = run.bundles[-1].reference_findings(reference, run)
        if found is not None:
            found = under("reference", found)
        if allowed and reference.partition("/")[0] not in allowed:
            found = joined(found, _target_type(reference, allowed, run))
    stated = value.get("type")
    if stated.__class__ is str:
        found = joined(found, _stated_type(stated, reference, allowed, run))
    return found


def _surely_right(value: dict[str, Any], allowed: frozenset[str], run: Run) -> bool:
    """Accept what nearly every reference is: `Type/id`, a full URL of the Bundle, `#id` of a contained resource, or,
    where there is no Bundle, a `urn:uuid:`, of which nothing more can be known.

    Beside it stand at most a display and the type that it leads to.
    """
    reference, stated = value.get("reference"), None
    if reference.__class__ is not str:
        return False
    if len(value) > 1:
        display, stated = value.get("display"), value.get("type")
        if len(value) != 1 + (display is not None) + (stated is not None):
            return False
        if display is not None and not _surely_text(display):
            return False
    if reference[:1] == "#":
        target = run.contained.get(reference[1:])
        name = target.get("resourceType") if target is not None else None
    elif run.bundles:
        inside = run.bundles[-1].by_full_url.get(reference, ())
        name = inside[0].get("resourceType") if len(inside) == 1 else None
    else:
        match = _PLAIN.match(reference)
        if match is None and reference not in run.related and _surely_uuid(reference):
            return stated is None or (stated.__class__ is str and stated in allowed)
        name = match[1] if match else None
    if name.__class__ is not str or (allowed and name not in allowed) or (stated is not None and stated != name):
        return False
    if reference[:1] == "#":
        run.local_references.add(reference)
    return True


def _target_type(reference: str, allowed: frozenset[str], run: Run) -> Findings:
    name = target_type(reference, run)
    if not name or name in allowed:
        return None
    return run.found(Finding("reference-target", {"type": name, "names": ", ".join(sorted(allowed))}))


def _local(reference: str, run: Run) -> Findings:
    run.local_references.add(reference)
    if reference == "#" or reference[1:] in run.contained:
        return None
    return run.found(Finding("reference-not-contained", rule="ref-1"))


def _stated_type(stated: str, reference: Any, allowed: frozenset[str], run: Run) -> Findings:
    name = stated.removeprefix("http://hl7.org/fhir/StructureDefinition/")
    if not is_resource_type(name):
        if ":" in name or not (allowed or target_type(reference, run)):
            return None
        return run.found(Finding("reference-type-unknown", path="type"))
    actual = target_type(reference, run)
    if allowed and name not in allowed and actual != name:
        names = ", ".join(sorted(allowed))
        return run.found(Finding("reference-target", {"type": name, "names": names}, "type"))
    if actual and actual != name:
        return run.found(Finding("reference-type-differs", {"stated": name, "type": actual}, "type"))
    return None


def target_type(reference: Any, run: Run) -> str:
    """Return the type that a reference points to: of the resource when it is here, else by its text; else empty."""
    if reference.__class__ is not str or len(reference) > LONGEST_REFERENCE:
        return ""
    found = resolve(reference, run)
    if found is not None:
        name = found.get("resourceType")
        return name if isinstance(name, str) and is_resource_type(name) else ""
    match = _TYPE_AND_ID.search(reference)
    return match.group(1) if match and is_resource_type(match.group(1)) else ""


def resolve(reference: str, run: Run) -> dict[str, Any] | None:
    """Return the resource that a reference points to in the document or among the related ones, or None."""
    if reference[:1] == "#":
        return run.root if reference == "#" else run.contained.get(reference[1:])
    for bundle in reversed(run.bundles):
        found = bundle.resolve(reference, run.full_url)
        if found is not None:
            return found
    return run.related.get(reference.partition("/_history/")[0])
