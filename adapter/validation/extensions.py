"""Extensions: form, definition, context, and whether they may modify meaning.

An extension whose definition is not known is an error by default, as in the official validator
(`ValidationSettings.unknown_extension`). Where an extension may stand is decided when the path is whole, see
`adapter.validation.contexts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from adapter.validation.bundle_index import is_absolute
from adapter.validation.findings import Finding, Findings, joined
from adapter.validation.run import Run

Check = Callable[[Any, Run], Findings]

BOTH_OR_NEITHER = "ext-1"

_ELSEWHERE = re.compile(
    r"\b(?:example\.(?:org|com|net)|acme\.(?:org|com))\b|^http://hl7\.org/fhir/(?:us|uv|eu|ca|be|ch|[0-9]+\.[0-9]+)/"
)
"""Addresses kept for examples (RFC 2606, and HL7's own), HL7's published guides and elements of other FHIR versions:
not known, but no invention."""


def check(shape: Check, *, modifier: bool, nested: bool) -> Check:
    """Return the check of one extension: in `modifierExtension` or not, inside another extension or not."""

    def check_extension(value: Any, run: Run) -> Findings:
        found = shape(value, run)
        if value.__class__ is not dict or not value:
            return found
        has_value = any(key.startswith(("value", "_value")) for key in value)
        broken = has_value == ("extension" in value)
        if broken:
            found = joined(found, run.found(Finding("extension-value", rule=BOTH_OR_NEITHER)))
        url = value.get("url")
        if broken or url.__class__ is not str or (nested and not is_absolute(url)):
            return found
        return joined(found, _definition(url, value, run, modifier))

    return check_extension


def is_surely_right(value: dict[str, Any], run: Run, modifier: bool, nested: bool, names: frozenset[str]) -> bool:
    """Tell whether an extension of the right shape is known, keeps its definition and surely stands where it may.

    Args:
        names: contexts that the place of the extension meets wherever it is: `element Patient`.
    """
    has_value = len(value) - ("extension" in value) > 1
    if has_value == ("extension" in value):
        return False
    url = value["url"]
    if not is_absolute(url):
        return nested
    definition = None if "|" in url else run.registry.extension(url)
    return (
        definition is not None
        and definition.is_modifier == modifier
        and (definition.anywhere or not names.isdisjoint(definition.contexts))
        and definition.profile.is_surely_met(value, run)
    )


def _definition(url: str, value: dict[str, Any], run: Run, modifier: bool) -> Findings:
    if not is_absolute(url):
        return run.found(Finding("extension-url-relative", path="url"))
    definition = None if "|" in url else run.registry.extension(url)
    if definition is None:
        if "|" in url:
            return run.found(Finding("extension-url-version", path="url"))
        severity = run.settings.unknown_extension
        if severity == "error" and _ELSEWHERE.search(url):
            severity = "warning"
        return None if severity == "ignore" else run.found(Finding("extension-unknown", severity=severity))
    found = definition.profile.findings(value, run)
    if definition.is_modifier != modifier:
        key = "extension-is-modifier" if definition.is_modifier else "extension-not-modifier"
        found = joined(found, run.found(Finding(key)))
    if not definition.anywhere:
        context = Finding("extension-context", {"contexts": definition.places}, contexts=definition.contexts)
        found = joined(found, [context])
    return found
