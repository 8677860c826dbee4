"""The slow half of the structure check: what exactly is wrong with one element, once the fast test refused it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from adapter.types import Severity
from adapter.validation.findings import Finding, Findings, joined, safe_name, under
from adapter.validation.primitives import PRIMITIVES, json_type

if TYPE_CHECKING:
    from adapter.validation.run import Run
    from adapter.validation.structure import PrimitiveField

Check = Callable[[Any, "Run"], Findings]

_ELEMENT_ID = re.compile(r"[^\s\x00-\x1f]+")

_TEXTS = ("string", "markdown")
"""Texts SHOULD hold more than white space (R4 §2.24.0.1); codes and addresses must."""

SHOWN_CODES = 15
"""A message lists no more allowed codes than this."""

ADVISED = 50
"""So many issues of a document say what may have been meant."""

LONGEST_ADVISED = 64
"""Nothing longer was meant as one of our names or codes."""


def no_content(value: object, run: Run) -> Findings:
    """Return the finding that a JSON object with content is expected."""
    if value == {}:
        return run.found(Finding("rule-ele-1", rule="ele-1"))
    if value is None:
        return run.found(Finding("null-value"))
    if isinstance(value, list):
        return run.found(Finding("not-single"))
    return run.found(Finding("not-object", {"found": json_type(value)}))


def missing(name: str, run: Run) -> Findings:
    """Return the finding that a required element is missing; it stands at the parent."""
    return run.found(Finding("missing", {"name": name}))


def unknown_element(key: str, known: Iterable[str], type_name: str, run: Run) -> Findings:
    """Return the finding that R4 has no such element, with the nearest name that it has."""
    if key == "fhir_comments":
        return run.found(Finding("comments-ignored", severity="warning"))
    name = safe_name(key)
    path = name if name != "?" else ""
    near = nearest(name, known, 1, run)
    values = {"name": name, "type": type_name}
    if near:
        return run.found(Finding("unknown-element-near", values | {"near": near[0]}, path))
    return run.found(Finding("unknown-element", values, path))


def nearest(name: str, options: Iterable[str], count: int, run: Run) -> list[str]:
    """Return the options that a name may have meant, nearest first; costly, so for the first issues only."""
    if run.count >= ADVISED:
        return []
    return get_close_matches(name[:LONGEST_ADVISED], list(options), n=count)


def element_id(value: Any, run: Run) -> Findings:
    """Check the id of an element: a text without blanks, once in its resource (R4 §2.24.0.2)."""
    if not isinstance(value, str) or not _ELEMENT_ID.fullmatch(value):
        fault = PRIMITIVES["string"].exact(value) or ("format-element-id", {})
        return run.found(Finding(*fault))
    if value in run.element_ids:
        return run.found(Finding("element-id-twice"))
    run.element_ids.add(value)
    return None


def definition_id(value: Any, run: Run) -> Findings:
    """Check the id of an ElementDefinition, which snapshot and differential of one resource share."""
    found = element_id(value, run)
    run.element_ids.discard(value if isinstance(value, str) else "")
    return found


def explain_primitive(field: PrimitiveField, owner: dict[str, Any], key: str, run: Run) -> Findings:
    """Return what is wrong with a primitive element, or None when the fast test was only too careful."""
    value = owner[key]
    if not field.definition.is_list:
        if value.__class__ is list:
            return run.found(Finding("not-single"))
        return _explain_value(field, value, run)
    if value.__class__ is not list:
        return run.found(Finding("not-list"))
    if not value:
        return run.found(Finding("empty-list"))
    found: Findings = None
    siblings = owner.get(f"_{key}")
    for index, item in enumerate(value):
        if item is None:
            inside = siblings[index] if isinstance(siblings, list) and index < len(siblings) else None
            more = None if isinstance(inside, dict) else run.found(Finding("null-without-sibling"))
        else:
            more = _explain_value(field, item, run)
        if more is not None:
            found = joined(found, under(f"[{index}]", more))
    return found


def _explain_value(field: PrimitiveField, value: Any, run: Run) -> Findings:
    if value is None:
        return run.found(Finding("null-value"))
    fault = PRIMITIVES[field.type_name].exact(value)
    if fault is not None:
        rule = "txt-1" if field.type_name == "xhtml" and fault[0].startswith("narrative") else ""
        severity: Severity = "warning" if fault[0] == "blank-string" and field.type_name in _TEXTS else "error"
        return run.found(Finding(*fault, rule=rule, severity=severity))
    if field.codes is not None and value not in field.codes:
        binding = field.definition.binding
        assert binding is not None
        codes = sorted(field.codes)
        if len(codes) > SHOWN_CODES:
            near = nearest(value, codes, 3, run)
            shown = {"value_set": binding.value_set, "near": ", ".join(near) or "–"}
            return run.found(Finding("code-not-in-large-set", shown))
        return run.found(Finding("code-not-in-set", {"value_set": binding.value_set, "codes": ", ".join(codes)}))
    if field.grammar is not None and not field.grammar.holds(value):
        binding = field.definition.binding
        assert binding is not None
        shown = {"value_set": binding.value_set, "example": field.grammar.example}
        return run.found(Finding("code-of-wrong-form", shown))
    return None


def sibling_findings(field: PrimitiveField, owner: dict[str, Any], name: str, run: Run, element: Check) -> Findings:
    """Check `_name`: id and extensions of a primitive, an array beside an array."""
    value, sibling = owner.get(name), owner[f"_{name}"]
    if field.type_name == "xhtml" or (name == "id" and field.definition.types[0].code == "id"):
        return run.found(Finding("no-extension-here", {"name": name}))
    if not field.definition.is_list:
        if sibling.__class__ is list:
            return run.found(Finding("not-single"))
        return _sibling(value, sibling, run, element)
    if sibling.__class__ is not list:
        return run.found(Finding("not-list"))
    if not sibling:
        return run.found(Finding("empty-list"))
    found: Findings = None
    values = value if isinstance(value, list) else []
    for index, item in enumerate(sibling):
        beside = values[index] if index < len(values) else None
        if item is None:
            more = None if beside is not None else run.found(Finding("null-without-sibling"))
        else:
            more = _sibling(beside, item, run, element)
        if more is not None:
            found = joined(found, under(f"[{index}]", more))
    return found


def _sibling(value: Any, sibling: Any, run: Run, element: Check) -> Findings:
    found = element(sibling, run)
    if not isinstance(sibling, dict):
        return found
    if found is None and value is None and "extension" not in sibling:
        return run.found(Finding("rule-ele-1", rule="ele-1"))
    if found is not None and value is not None and len(sibling) == 1 and "id" in sibling:
        found = [finding for finding in found if finding.rule != "ele-1"] or None
    return found
