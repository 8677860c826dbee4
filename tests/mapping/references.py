"""What refers to what in a Bundle, found without the mapping's own code."""

from __future__ import annotations

from typing import Any


def references(node: Any) -> list[str]:
    """Return every literal reference below a node."""
    if isinstance(node, list):
        return [found for child in node for found in references(child)]
    if not isinstance(node, dict):
        return []
    own = [node["reference"]] if isinstance(node.get("reference"), str) else []
    return own + [found for child in node.values() for found in references(child)]
