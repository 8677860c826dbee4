"""Paths in a sender's document as text: `goals[0].status`; the root is `$`.

Field names of the sender appear in messages, values never do. A name that does not look like a field name
(or holds something shaped like an identity code) is therefore shown as `…`.
"""

from __future__ import annotations

import re

ROOT = "$"
"""The document itself."""

_NAME = re.compile(r"[^\W\d]\w*(?:[-:#@$.]\w+)*|[@#$][\w:-]+")
_IDENTITY_LIKE = re.compile(r"\d{6}[-+A-Z]?\d{3}")
_LONGEST_NAME = 64


def shown(name: str) -> str:
    """Return a sender's field name as it may be shown: itself, or `…` when it may hide a value."""
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name) or _IDENTITY_LIKE.search(name):
        return "…"
    return name


def field(parent: str, name: str) -> str:
    """Return the path of the field `name` of the object at `parent`."""
    return shown(name) if parent == ROOT else f"{parent}.{shown(name)}"


def item(parent: str, index: int) -> str:
    """Return the path of the item `index` (counted from 0) of the list at `parent`."""
    return f"{parent}[{index}]"


def parent_of(path: str) -> str:
    """Return the path one step up; the root's parent is the root."""
    if path.endswith("]"):
        return path[: path.rindex("[")] or ROOT
    head, dot, _ = path.rpartition(".")
    return head if dot else ROOT
