"""References inside a transaction: `urn:uuid` and other fullUrls become the ids that the server gave.

They are rewritten wherever R4 says ("transaction"): Reference.reference, elements of type uri, url and canonical (so
also extension.valueUri), and links and images of a narrative, in contained resources too. Identifier.value is a string
and stays; so do elements of type uuid and oid, which could not hold the new URL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from adapter.mock.definitions import uri_elements
from adapter.mock.search.extract import local_reference

_LINK = re.compile(r'(\b(?:href|src)\s*=\s*)(["\'])(.*?)\2')


def rewrite(node: Any, targets: dict[str, str]) -> Any:
    """Return a copy of `node` in which every link to a key of `targets` leads to its value."""

    def target(text: str) -> str:
        url, hash_mark, fragment = text.partition("#")
        found = targets.get(url)
        return text if found is None else found + hash_mark + fragment

    return _copy(node, "", target) if targets else node


def _copy(node: Any, name: str, target: Callable[[str], str]) -> Any:
    if isinstance(node, dict):
        return {key: _copy(value, key, target) for key, value in node.items()}
    if isinstance(node, list):
        return [_copy(one, name, target) for one in node]
    if isinstance(node, str):
        if name == "reference" or name in uri_elements():
            return target(node)
        if name == "div":
            return _LINK.sub(lambda found: f"{found[1]}{found[2]}{target(found[3])}{found[2]}", node)
    return node


def absolute_references(node: Any, base: str) -> Any:
    """Return a copy in which relative references (`Patient/1`) begin with the FHIR base, as some servers write them."""
    if isinstance(node, dict):
        return {
            key: f"{base}/{value}"
            if key == "reference" and isinstance(value, str) and local_reference(value, "") is not None
            else absolute_references(value, base)
            for key, value in node.items()
        }
    return [absolute_references(one, base) for one in node] if isinstance(node, list) else node


def is_conditional(reference: str) -> bool:
    """True for `Type?parameters`, a reference that a transaction resolves by a search."""
    kind, mark, _ = reference.partition("?")
    return bool(mark) and "/" not in kind and ":" not in kind


def references(node: Any, place: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    """Yield every dict with a `reference` (a FHIR Reference) below `node`, with its FHIRPath."""
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node, place
        for key, value in node.items():
            if isinstance(value, dict | list):
                yield from references(value, f"{place}.{key}" if place else key)
    elif isinstance(node, list):
        for number, value in enumerate(node):
            if isinstance(value, dict | list):
                yield from references(value, f"{place}[{number}]")
