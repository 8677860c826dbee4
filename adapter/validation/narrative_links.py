"""Links inside a narrative: `#id` leads to an element of the resource, of its narrative, or of the Bundle around it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from adapter.validation.findings import Finding, Findings, joined
from adapter.validation.run import Run

_LINK = re.compile(r"""<(?:a|img)\s[^>]*?(?:href|src)\s*=\s*["']#([^"']+)["']""")
_MARK = re.compile(r"""\s(?:id|name)\s*=\s*["']([^"']+)["']""")


def link_findings(resource: dict[str, Any], run: Run) -> Findings:
    """Return the narratives of a resource, sections of a Composition included, with a link that leads nowhere."""
    found: Findings = None
    for path, div in _narratives(resource, ""):
        if "#" in div and (links := set(_LINK.findall(div))):
            around = run.bundles[0].entries if run.bundles else resource
            if not links <= _marks(resource) and not links <= _marks(around):
                found = joined(found, run.found(Finding("narrative-link", path=path)))
    return found


def _narratives(holder: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    text = holder.get("text")
    div = text.get("div") if text.__class__ is dict else None
    if div.__class__ is str:
        yield f"{path}text.div", div
    sections = holder.get("section")
    for position, section in enumerate(sections if sections.__class__ is list else ()):
        if section.__class__ is dict:
            yield from _narratives(section, f"{path}section[{position}].")


def _marks(value: Any) -> set[str]:
    """Return what a link may lead to: ids of elements and resources, ids and names in narratives."""
    marks: set[str] = set()
    todo = [value]
    while todo:
        present = todo.pop()
        if isinstance(present, dict):
            todo += present.values()
            name, div = present.get("id"), present.get("div")
            if isinstance(name, str):
                marks.add(name)
            if isinstance(div, str):
                marks.update(_MARK.findall(div))
        elif isinstance(present, list):
            todo += present
    return marks
