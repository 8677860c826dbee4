"""XML in: hardened, bounded, and turned into the same dicts and lists as JSON, as the vendor's schema says.

`parse_xml` is the only door for XML from outside and has the only parser. `read_xml` turns elements into keys,
attributes into `@name` and text into the value; a list is made exactly where the schema says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from lxml import etree

from adapter.errors import SourceError
from adapter.source import paths
from adapter.source.json import check_size, encoded
from adapter.source.limits import DEFAULT, Limits
from adapter.source.schema import Schema
from adapter.source.tags import MOST_ATTRIBUTES, has_crowded_tags
from adapter.source.vocabulary import Node
from adapter.types import Issue, Json, SourcePlace

XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
_INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"
_NIL = f"{_INSTANCE}nil"
_LAYOUT = frozenset((_NIL, f"{_INSTANCE}schemaLocation", f"{_INSTANCE}noNamespaceSchemaLocation"))
"""Attributes that say nothing of the record: where a schema is (never fetched) and that an element is absent."""

_DECLARED = re.compile(r"""<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_COMMENT = r"<!--[^-]*+(?:-(?!->)[^-]*+)*-->"
_INSTRUCTION = r"<\?[^?]*+(?:\?(?!>)[^?]*+)*\?>"
_DOCTYPE = re.compile(rf"(?:\s++|{_INSTRUCTION}|{_COMMENT})*<!DOCTYPE", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_BLANKS = " \t\r\n"

UNKNOWN = "unknown"
"""Prefix, in paths, of names from a namespace that the vendor has not declared."""


def parse_xml(data: bytes | str, *, limits: Limits = DEFAULT, encoding: str = "utf-8") -> Any:
    """Parse one XML document; comments and processing instructions are left out.

    Nothing is fetched and no entity is expanded but the five of XML itself; a DOCTYPE of any kind is refused before
    the parser sees it.

    Args:
        encoding: the one that the vendor has declared; a declaration in the document must not differ.

    Returns:
        The root element (`lxml.etree._Element`).

    Raises:
        SourceError: not well-formed, wrongly encoded, with a DOCTYPE, or above the limits.
    """
    text = decoded(data, limits, encoding)
    doctype = _DOCTYPE.match(text)
    if doctype:
        raise SourceError(Issue("fatal", "source.xml-doctype", source=_place(text, doctype.end() - len("<!DOCTYPE"))))
    if has_crowded_tags(text, limits.nodes):
        raise SourceError(Issue("fatal", "source.xml-too-many-attributes", {"limit": str(MOST_ATTRIBUTES)}))
    try:
        root = etree.fromstring(text.encode("utf-8"), _parser())
    except etree.XMLSyntaxError as error:
        line, column = error.position
        log: Any = error.error_log
        last = log.last_error
        key = _KEYS.get(last.type_name if last is not None else "ERR_DOCUMENT_EMPTY", "not-xml")
        values = {"limit": str(limits.depth)} if key == "too-deep" else {}
        place = SourcePlace(paths.ROOT, max(line, 1), max(column, 1))
        raise SourceError(Issue("fatal", f"source.{key}", values, source=place)) from None
    _check_extent(root, limits)
    return root


def decoded(data: bytes | str, limits: Limits = DEFAULT, encoding: str = "utf-8") -> str:
    """Return the document as text, without byte order mark.

    Raises:
        SourceError: too large, other bytes than the encoding allows, or another encoding is declared.
    """
    body = encoded(data)
    check_size(body, limits)
    if body.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in body[:4]:
        raise SourceError(Issue("fatal", "source.utf-16", source=SourcePlace(paths.ROOT, 1, 1)))
    body = body.removeprefix(b"\xef\xbb\xbf")
    if isinstance(data, str):
        encoding = "utf-8"
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        before = body[: error.start].decode(encoding, errors="replace")
        issue = Issue("fatal", "source.wrong-encoding", {"expected": encoding}, source=_place(before, len(before)))
        raise SourceError(issue) from None
    declared = _DECLARED.match(text)
    if declared and not isinstance(data, str) and declared[1].lower() not in (encoding, "us-ascii", "ascii"):
        values = {"declared": declared[1], "expected": encoding}
        raise SourceError(Issue("fatal", "source.xml-encoding", values, source=_place(text, declared.start(1))))
    return text


def _parser() -> Any:
    """The one XML parser. The text is handed over as UTF-8, whatever the document declares."""
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )


def _check_extent(root: Any, limits: Limits) -> None:
    nodes, depth = 0, 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        nodes += (1 + len(element.attrib)) if event == "start" else 0
        problem = "too-deep" if depth > limits.depth else "too-many-nodes" if nodes > limits.nodes else ""
        if problem:
            limit = limits.depth if problem == "too-deep" else limits.nodes
            place = SourcePlace(paths.ROOT, element.sourceline)
            raise SourceError(Issue("fatal", f"source.{problem}", {"limit": str(limit)}, source=place))


_KEYS = {
    "ERR_RESOURCE_LIMIT": "too-deep",
    "ERR_ATTRIBUTE_REDEFINED": "xml-duplicate-attribute",
    "NS_ERR_ATTRIBUTE_REDEFINED": "xml-duplicate-attribute",
    "ERR_DOCUMENT_EMPTY": "xml-no-element",
    "ERR_DOCUMENT_END": "xml-trailing",
    "ERR_TAG_NOT_FINISHED": "xml-cut-short",
    "ERR_COMMENT_NOT_FINISHED": "xml-cut-short",
    "ERR_CDATA_NOT_FINISHED": "xml-cut-short",
    "ERR_PI_NOT_FINISHED": "xml-cut-short",
    "ERR_TAG_NAME_MISMATCH": "xml-end-tag",
    "ERR_UNDECLARED_ENTITY": "xml-entity",
    "ERR_ENTITYREF_SEMICOL_MISSING": "xml-entity",
    "ERR_NAME_REQUIRED": "xml-entity",
    "ERR_INVALID_CHAR": "xml-character",
    "ERR_GT_REQUIRED": "xml-attribute",
    "ERR_SPACE_REQUIRED": "xml-attribute",
    "ERR_ATTRIBUTE_WITHOUT_VALUE": "xml-attribute",
    "ERR_ATTRIBUTE_NOT_STARTED": "xml-attribute",
    "ERR_ATTRIBUTE_NOT_FINISHED": "xml-attribute",
    "ERR_LT_IN_ATTRIBUTE": "xml-attribute",
    "NS_ERR_UNDEFINED_NAMESPACE": "xml-prefix",
}
"""What libxml2 finds most often, in words of ours."""


def _place(text: str, offset: int) -> SourcePlace:
    before = text[:offset]
    return SourcePlace(paths.ROOT, before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


def read_xml(
    data: bytes | str,
    schema: Schema,
    namespaces: Mapping[str, str] | None = None,
    *,
    limits: Limits = DEFAULT,
    encoding: str = "utf-8",
) -> tuple[dict[str, Json], list[Issue]]:
    """Read an XML document as the record that a schema describes.

    Numbers and truth values are converted where the schema asks for them, with decimals kept; what cannot be
    converted stays text, so that the check of the record tells it. Blanks around a text are layout and are dropped.
    `xsi:nil="true"` means that the element, which then is empty, is absent; `xsi:schemaLocation` is not looked at.

    Args:
        schema: of the document; `#text` names the text of an element that has attributes.
        namespaces: prefix in the schema's names to namespace; the prefix "" is for names without one.

    Returns:
        The record, and what was found on the way and has no place in a record, so that nothing is lost silently:
        names of unknown namespaces, elements that occur twice, text between elements, attributes and elements of an
        element that holds but text; each with the record's path.

    Raises:
        SourceError: as `parse_xml`.
    """
    return convert_xml(parse_xml(data, limits=limits, encoding=encoding), schema, namespaces)


def convert_xml(
    root: Any, schema: Schema, namespaces: Mapping[str, str] | None = None
) -> tuple[dict[str, Json], list[Issue]]:
    """Turn a parsed document into a record; see `read_xml`."""
    conversion = _Conversion(schema, prefixes_of(namespaces))
    record = conversion.object(root, schema.document, paths.ROOT)
    return record, conversion.issues


def prefixes_of(namespaces: Mapping[str, str] | None) -> dict[str, str]:
    """Return namespace to prefix, with `xml` and, when no namespaces are declared, names without one."""
    declared = namespaces if namespaces else {"": ""}
    return {XML_NAMESPACE: "xml", **{uri: prefix for prefix, uri in declared.items()}}


def key_of(namespace: str, local: str, prefixes: Mapping[str, str]) -> str:
    """Return the key of a name in a record."""
    prefix = prefixes.get(namespace, UNKNOWN)
    return f"{prefix}:{local}" if prefix else local


class _Conversion:
    def __init__(self, schema: Schema, prefixes: Mapping[str, str]) -> None:
        self.schema = schema
        self.prefixes = prefixes
        self.issues: list[Issue] = []

    def tell(self, name: str, path: str, **values: str) -> None:
        self.issues.append(Issue("error", f"source.{name}", values, source=SourcePlace(path)))

    def value(self, element: Any, node: Node, path: str) -> Json:
        if node.get("type") in _TEXTS:
            return self.text(element, node, path)
        if len(element) or any(name not in _LAYOUT for name in element.attrib) or _is_object(node):
            return self.object(element, node, path)
        return _scalar((element.text or "").strip(_BLANKS), node)

    def text(self, element: Any, node: Node, path: str) -> Json:
        """Return the text of an element that holds nothing else; what else it holds is told."""
        surplus = [self.attribute_key(name) for name in element.attrib if name not in _LAYOUT]
        surplus += [self.key(child.tag) for child in element]
        for key in surplus:
            self.tell("xml-text-only", paths.field(path, key), field=paths.shown(key))
        return _scalar(_own_text(element), node)

    def object(self, element: Any, node: Node, path: str) -> dict[str, Json]:
        properties: Mapping[str, Node] = node.get("properties", {})
        made: dict[str, Json] = {}
        for name, text in element.attrib.items():
            if name not in _LAYOUT:
                self.attribute(name, text, properties, made, path)
        for child in element:
            self.child(child, properties, made, path)
        self.own_text(element, properties, made, path)
        return made

    def key(self, name: str) -> str:
        qualified = etree.QName(name)
        return key_of(qualified.namespace or "", qualified.localname, self.prefixes)

    def attribute_key(self, name: str) -> str:
        """Return the key of an attribute: without a prefix it has no namespace, not that of its element."""
        return f"@{self.key(name)}" if name.startswith("{") else f"@{name}"

    def attribute(self, name: str, text: str, properties: Mapping[str, Node], made: dict[str, Json], path: str) -> None:
        key = self.attribute_key(name)
        if key.startswith(f"@{UNKNOWN}:"):
            self.unknown_namespace(paths.field(path, key))
        else:
            made[key] = _scalar(text.strip(_BLANKS), self.schema.resolved(properties.get(key, {})))

    def child(self, child: Any, properties: Mapping[str, Node], made: dict[str, Json], path: str) -> None:
        key = self.key(child.tag)
        here = paths.field(path, key)
        node = self.schema.resolved(properties.get(key, {}))
        if key.startswith(f"{UNKNOWN}:"):
            self.unknown_namespace(here)
        elif key in properties and self.is_absent(child, here):
            return
        elif node.get("type") == "array":
            items: list[Json] = made.setdefault(key, [])
            inner = self.schema.resolved(node.get("items", {}))
            items.append(self.value(child, inner, paths.item(here, len(items))))
        elif key in made:
            self.tell("element-twice", here, field=paths.shown(key))
        else:
            made[key] = self.value(child, node, here)

    def is_absent(self, element: Any, path: str) -> bool:
        """Tell whether an element says that it is absent; one that has content nevertheless is told and read."""
        if element.get(_NIL) not in ("true", "1"):
            return False
        if len(element) or _own_text(element) or any(name not in _LAYOUT for name in element.attrib):
            self.tell("xml-nil", path)
            return False
        return True

    def own_text(self, element: Any, properties: Mapping[str, Node], made: dict[str, Json], path: str) -> None:
        text = _own_text(element)
        if text and (len(element) or (properties and "#text" not in properties)):
            self.tell("xml-mixed", path)
        elif text:
            made["#text"] = _scalar(text, self.schema.resolved(properties.get("#text", {})))

    def unknown_namespace(self, path: str) -> None:
        known = ", ".join(uri for uri in self.prefixes if uri and uri != XML_NAMESPACE)
        self.tell("unknown-namespace", path, known=known or "-")


_TEXTS = frozenset(("string", "integer", "number", "boolean"))


def _own_text(element: Any) -> str:
    """Return what an element says beside its children, without the blanks around."""
    return "".join([element.text or "", *(child.tail or "" for child in element)]).strip(_BLANKS)


def _is_object(node: Node) -> bool:
    return node.get("type") == "object" or ("properties" in node and "type" not in node)


def _scalar(text: str, node: Node) -> Json:
    kind = node.get("type")
    if kind == "boolean":
        return _TRUTH.get(text, text)
    if kind == "integer" and _WHOLE.fullmatch(text) and len(text) <= DEFAULT.digits:
        return int(text)
    if kind == "number" and _NUMBER.fullmatch(text) and len(text) <= DEFAULT.digits:
        return int(text) if _WHOLE.fullmatch(text) else Decimal(text)
    return text
