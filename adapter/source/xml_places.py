"""Where everything stands in a well-formed XML document: the record's path to the sender's XPath, line and column.

A slow, exact scanner over the text; it runs only when an issue must be shown.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from adapter.source import paths
from adapter.source.xml import key_of, prefixes_of
from adapter.types import SourcePlace

_MARKUP = re.compile(
    r"""<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|</[^>]*+>"""
    r"""|<(?P<name>[^\s/>!?]++)(?P<attributes>(?:[^<>"'/]++|/(?!>)|"[^"]*+"|'[^']*+')*)(?P<closed>/?)>""",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"""([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_STEP = re.compile(r"([^.\[]+)(?:\[([0-9]+)\])?\.?")


@dataclass(slots=True)
class _Element:
    """One element as written: its name, where it begins, which of its name it is among its siblings."""

    name: str
    line: int
    column: int
    parent: _Element | None = None
    number: int = 1
    key: str = ""
    namespaces: Mapping[str, str] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    children: dict[tuple[str, int], _Element] = field(default_factory=dict)
    attributes: dict[str, tuple[str, int, int]] = field(default_factory=dict)

    def xpath(self) -> str:
        """Return the sender's path: prefixes as written, positions from 1 where a name repeats."""
        if self.parent is None:
            return f"/{self.name}"
        position = f"[{self.number}]" if self.parent.names[self.name] > 1 else ""
        return f"{self.parent.xpath()}/{self.name}{position}"


class XmlPlaces:
    """Finds places in one document.

    Args:
        text: the document; well-formed and without DOCTYPE.
        namespaces: as for `read_xml`.
    """

    def __init__(self, text: str, namespaces: Mapping[str, str] | None = None) -> None:
        self._prefixes = prefixes_of(namespaces)
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._root = self._scan(text)

    def __call__(self, path: str) -> SourcePlace:
        """Return the place of a record's path; of a missing field the place of what it is missing from."""
        at: _Element = self._root
        steps = [] if path == paths.ROOT else list(_STEP.finditer(path))
        for done, step in enumerate(steps):
            name, index = step[1], int(step[2] or 0)
            if name == "#text":
                break
            if name.startswith("@") and name in at.attributes:
                written, line, column = at.attributes[name]
                return SourcePlace(f"{at.xpath()}/@{written}", line, column)
            child = at.children.get((name, index))
            if child is None:
                rest = "".join(f"/{_written(missing[1], at)}" for missing in steps[done:])
                return SourcePlace(at.xpath() + rest, at.line, at.column)
            at = child
        return SourcePlace(at.xpath(), at.line, at.column)

    def _scan(self, text: str) -> _Element:
        root: _Element | None = None
        at: _Element | None = None
        for markup in _MARKUP.finditer(text):
            if markup["name"] is not None:
                found = self._begun(markup, at)
                root = root or found
                at = at if markup["closed"] else found
            elif markup[0].startswith("</") and at is not None:
                at = at.parent
        assert root is not None
        return root

    def _begun(self, markup: re.Match[str], parent: _Element | None) -> _Element:
        line, column = self._line_and_column(markup.start())
        found = _Element(markup["name"], line, column, parent)
        attributes = list(_ATTRIBUTE.finditer(markup["attributes"]))
        declared = {
            match[1].partition(":")[2]: match[2] if match[2] is not None else match[3]
            for match in attributes
            if match[1] == "xmlns" or match[1].startswith("xmlns:")
        }
        found.namespaces = {**(parent.namespaces if parent else {}), **declared}
        prefix, _, local = found.name.rpartition(":")
        found.key = key_of(found.namespaces.get(prefix, ""), local, self._prefixes)
        for match in attributes:
            offset = markup.start("attributes") + match.start()
            found.attributes[f"@{self._attribute_key(match[1], found)}"] = (match[1], *self._line_and_column(offset))
        if parent is not None:
            found.number = parent.names[found.name] = parent.names.get(found.name, 0) + 1
            index = parent.keys[found.key] = parent.keys.get(found.key, -1) + 1
            parent.children[found.key, index] = found
        return found

    def _attribute_key(self, name: str, element: _Element) -> str:
        prefix, _, local = name.rpartition(":")
        if not prefix:
            return local
        return key_of(element.namespaces.get(prefix, ""), local, self._prefixes) if prefix != "xml" else name

    def _line_and_column(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1


def _written(key: str, parent: _Element) -> str:
    """Return how the sender would write a missing name: with the parent's prefix."""
    prefix = parent.name.rpartition(":")[0]
    return key if key.startswith("@") or ":" in key or not prefix else f"{prefix}:{key}"
