"""Functions that FHIR R4 adds to FHIRPath (R4 §FHIRPath), and navigation that needs types."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from adapter.validation.fhirpath import model
from adapter.validation.fhirpath.errors import FhirPathError
from adapter.validation.fhirpath.functions.signature import BOOLEAN, Function
from adapter.validation.fhirpath.nodes import (
    EMPTY,
    Context,
    Items,
    Node,
    children,
    descendants,
    node_of,
    scalar,
    steps,
)
from adapter.validation.fhirpath.operators import single
from adapter.validation.narrative import narrative_fault

_MAXIMUM_ENTRIES = 100_000


def _extensions(items: Items, arguments: list[Items], context: Context) -> Items:
    """`extension(url)` of elements and of primitives."""
    url = single(arguments[0], "extension()")
    if url is None:
        return EMPTY
    found = steps((node_of(item) for item in items), "extension")
    context.spend(len(found))
    return [node for node in found if type(node.value) is dict and node.value.get("url") == url]


def _has_value(items: Items, _arguments: list[Items], _context: Context) -> Items:
    return [len(items) == 1 and _primitive(items[0]) is not None]


def _get_value(items: Items, _arguments: list[Items], _context: Context) -> Items:
    value = scalar(items[0]) if len(items) == 1 and _primitive(items[0]) is not None else None
    return EMPTY if value is None else [value]


def _primitive(item: Any) -> Any:
    value = item.value if type(item) is Node else item
    return None if type(value) in (dict, list) else value


def _children(items: Items, _arguments: list[Items], context: Context) -> Items:
    found = [child for item in items for child in children(item)]
    context.spend(len(found))
    return found


def _resolve(items: Items, _arguments: list[Items], context: Context) -> Items:
    found = []
    for item in items:
        value = item.value if type(item) is Node else item
        reference = value.get("reference") if type(value) is dict else value
        target = resolved(reference, context) if type(reference) is str else None
        if target is not None:
            found.append(target)
    return found


def resolved(reference: str, context: Context) -> Any:
    """Return the resource that a literal reference names, or None.

    `#id` looks into the container, other references into the Bundle where the root is one, then into what the
    caller's `resolve` knows.
    """
    root = context.root.value if type(context.root) is Node else context.root
    if not isinstance(root, dict):
        root = {}
    found = None
    if reference.startswith("#"):
        found = _contained(root, reference[1:])
    elif root.get("resourceType") == "Bundle":
        found = _in_bundle(root, reference, context)
    if found is not None:
        return found
    return context.resolve(reference) if context.resolve is not None else None


def _contained(root: dict[str, Any], identity: str) -> Any:
    if not identity:
        return root
    contained = root.get("contained")
    for resource in contained if isinstance(contained, list) else ():
        if isinstance(resource, dict) and resource.get("id") == identity:
            return resource
    return None


def _in_bundle(bundle: dict[str, Any], reference: str, context: Context) -> Any:
    entries = bundle.get("entry")
    entries = entries[:_MAXIMUM_ENTRIES] if isinstance(entries, list) else []
    context.spend(len(entries))
    for entry in entries:
        url = entry.get("fullUrl") if isinstance(entry, dict) else None
        if isinstance(url, str) and (url == reference or ("://" not in reference and url.endswith(f"/{reference}"))):
            return entry.get("resource")
    return None


def _member_of(items: Items, arguments: list[Items], context: Context) -> Items:
    value_set = single(arguments[0], "memberOf()")
    if not items or value_set is None:
        return EMPTY
    if context.member_of is None:
        raise FhirPathError("memberOf() needs a terminology, which the caller did not give")
    if len(items) > 1:
        raise FhirPathError("memberOf() takes one item")
    item = items[0]
    answer = context.member_of(item.value if type(item) is Node else item, value_set)
    return EMPTY if answer is None else [answer]


def _conforms_to(items: Items, arguments: list[Items], context: Context) -> Items:
    profile = single(arguments[0], "conformsTo()")
    if not items or profile is None:
        return EMPTY
    if context.conforms_to is None:
        raise FhirPathError("conformsTo() needs profiles, which the caller did not give")
    if len(items) > 1:
        raise FhirPathError("conformsTo() takes one item")
    item = items[0]
    return [context.conforms_to(item.value if type(item) is Node else item, profile)]


def _html_checks(items: Items, _arguments: list[Items], _context: Context) -> Items:
    return [all(narrative_fault(_primitive(item)) is None for item in items)]


FUNCTIONS = {
    "extension": Function(_extensions, 1, 1, "Extension", single=False, needs_nodes=True),
    "hasExtension": Function(
        lambda items, given, context: [bool(_extensions(items, given, context))], 1, 1, BOOLEAN, needs_nodes=True
    ),
    "hasValue": Function(_has_value, result=BOOLEAN),
    "getValue": Function(_get_value, result="same"),
    "children": Function(_children, single=False, needs_nodes=True),
    "descendants": Function(lambda items, _given, context: descendants(items, context), single=False, needs_nodes=True),
    "htmlChecks": Function(_html_checks, result=BOOLEAN),
    "resolve": Function(_resolve, result="Resource", single=False),
    "memberOf": Function(_member_of, 1, 1, BOOLEAN),
    "conformsTo": Function(_conforms_to, 1, 1, BOOLEAN),
}


def reference_stub(reference: str) -> dict[str, Any] | None:
    """Return an empty resource of the type that a literal reference names (`Patient/1` → a Patient), or None.

    For search parameters such as `Observation.subject.where(resolve() is Patient)`, which are indexed without
    the target at hand: give this function as `resolve`.
    """
    parts = reference.partition("?")[0].split("/")
    for name, identity in pairwise(parts):
        if model.type_of_resource(name) and identity:
            return {"resourceType": name, "id": identity}
    return None
