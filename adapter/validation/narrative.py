"""The narrative whitelist of R4 (§2.4.0, txt-1 and txt-2), in linear time.

A `div` is well-formed XHTML in its namespace, holds text or an image, and only the elements and attributes
that R4 lists, with no block inside a paragraph and with links that are URLs. A DOCTYPE is refused before
anything is parsed, so that no entity can be declared.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from adapter.source.limits import DEFAULT
from adapter.source.tags import has_crowded_tags

XHTML = "{http://www.w3.org/1999/xhtml}"

_ELEMENTS = frozenset(
    f"{XHTML}{name}"
    for name in (  # noqa: SIM905 - a table of words reads better as words
        "p br div h1 h2 h3 h4 h5 h6 a span b em i strong small big tt dfn q var abbr acronym cite blockquote hr ul "
        "ol li dl dt dd pre table caption colgroup col thead tr tfoot tbody th td code samp img map area kbd sub "
        "sup address bdo"
    ).split()
)
_ATTRIBUTES = frozenset(
    (  # noqa: SIM905 - as above
        "title style class id lang dir accesskey tabindex span width align valign char charoff abbr axis headers "
        "scope rowspan colspan border cellspacing cellpadding frame rules summary cite type value start compact "
        "height "
        "{http://www.w3.org/XML/1998/namespace}lang {http://www.w3.org/XML/1998/namespace}space"
    ).split()
)
_OF_ELEMENT = {
    "a": frozenset(("href", "name", "rel", "charset", "hreflang", "rev", "shape", "coords", "type")),
    "img": frozenset(("src", "alt", "longdesc", "usemap", "ismap", "hspace", "vspace", "name")),
    "area": frozenset(("shape", "coords", "href", "nohref", "alt")),
    "map": frozenset(("name",)),
    "td": frozenset(("nowrap", "bgcolor")),
    "th": frozenset(("nowrap", "bgcolor")),
    "tr": frozenset(("bgcolor",)),
    "table": frozenset(("bgcolor",)),
}
_BLOCKS = frozenset(f"{XHTML}{name}" for name in ("div", "blockquote", "table", "ol", "ul", "p"))
"""What may not stand inside a paragraph (HTML 4.01 §9.3.1)."""

_DOCTYPE = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_ADDRESS = re.compile(r"data:[^,]*,.*|[\w;?:@&=+$.,/%\-~#\[\]!'()*|]+", re.DOTALL)
"""The characters of a URL (RFC 3986), or content in place (`data:`)."""

_ACTIVE = re.compile(r"\s*(?:javascript|vbscript|data:text)", re.IGNORECASE)

Fault = tuple[str, dict[str, str]]


def narrative_fault(div: Any) -> Fault | None:
    """Return what is wrong with `Narrative.div`, or None: message key and placeholders."""
    if not isinstance(div, str):
        return "wrong-json-type", {"expected": "string", "found": "another type"}
    if not div.strip():
        return "empty-string", {}
    if _DOCTYPE.search(div):
        return "narrative-doctype", {}
    if has_crowded_tags(div, DEFAULT.nodes):
        return "narrative-attribute", {"name": "?", "element": "?"}
    etree = _etree()
    try:
        root = etree.fromstring(div.strip().encode("utf-8", "surrogatepass"), _parser())
    except (etree.XMLSyntaxError, ValueError):
        return "narrative-not-xhtml", {}
    if root.tag != f"{XHTML}div":
        return "narrative-root", {}
    return _content_fault(root)


def _content_fault(root: Any) -> Fault | None:
    has_content = False
    for node in root.iter():
        tag = node.tag
        if tag.__class__ is not str:
            if tag is _etree().ProcessingInstruction:
                return "narrative-element", {"name": "?"}
            has_content = has_content or bool(node.tail and not node.tail.isspace())
            continue
        if tag not in _ELEMENTS:
            return "narrative-element", {"name": _shown(tag)}
        if tag in _BLOCKS and next(node.iterancestors(f"{XHTML}p"), None) is not None:
            return "narrative-block", {"name": _shown(tag)}
        if node.attrib:
            fault = _attribute_fault(node, tag[len(XHTML) :])
            if fault is not None:
                return fault
        if not has_content:
            has_content = bool(
                (node.text and not node.text.isspace())
                or (node is not root and node.tail and not node.tail.isspace())
                or tag == f"{XHTML}img"
            )
    return None if has_content else ("narrative-empty", {})


def _attribute_fault(node: Any, element: str) -> Fault | None:
    allowed = _OF_ELEMENT.get(element, frozenset())
    for name, value in node.attrib.items():
        if name not in _ATTRIBUTES and name not in allowed:
            return "narrative-attribute", {"name": _shown(name), "element": element}
        if name in ("href", "src") and _ACTIVE.match(value):
            return "narrative-attribute", {"name": _shown(name), "element": element}
        if (element, name) in _LINKS and not _ADDRESS.fullmatch(value):
            return "narrative-address", {"name": _shown(name), "element": element}
    return None


_LINKS = frozenset((("a", "href"), ("img", "src")))


def _shown(name: str) -> str:
    """Return a name that is safe to show: markup names only, never text of the record."""
    local = name.rsplit("}", 1)[-1]
    return local if re.fullmatch(r"[A-Za-z][A-Za-z0-9\-]{0,30}", local) else "?"


@cache
def _etree() -> Any:
    from lxml import etree

    return etree


@cache
def _parser() -> Any:
    return _etree().XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, dtd_validation=False, huge_tree=False
    )
