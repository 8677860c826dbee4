"""Contained resources beside their container, so that rules find them as they find the entries of a Bundle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapter.types import Resource

MARK = "urn:contained:"
"""Begins the addresses that contained resources and their containers get for one check."""


def opened(resource: Resource, path: str, number: int) -> Iterator[tuple[str, str, Resource]]:
    """Yield address, place and content of a resource and then of what it contains.

    `#x` means something else in every container (R4 references, contained); in copies it becomes an address that
    is unique in the document. A resource that contains nothing comes back itself, without an address.

    Args:
        resource: the container.
        path: its FHIRPath.
        number: tells the containers of one check apart.
    """
    contained = resource.get("contained")
    if not isinstance(contained, list) or not contained:
        yield "", path, resource
        return
    address = f"{MARK}{number}"
    copy = _addressed(resource, address)
    yield address, path, copy
    for index, part in enumerate(copy["contained"]):
        if isinstance(part, dict) and isinstance(part.get("resourceType"), str):
            yield f"{address}#{part.get('id', '')}", f"{path}.contained[{index}]", part


def _addressed(node: Any, address: str) -> Any:
    if isinstance(node, dict):
        return {name: _address(value, address, name) for name, value in node.items()}
    return [_addressed(item, address) for item in node] if isinstance(node, list) else node


def _address(value: Any, address: str, name: str) -> Any:
    if name != "reference" or not isinstance(value, str):
        return _addressed(value, address)
    if value == "#":
        return address
    return f"{address}{value}" if value.startswith("#") else value
