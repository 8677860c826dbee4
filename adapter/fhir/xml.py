"""FHIR XML to FHIR JSON and back (R4 §2.6.1), by the definitions of the snapshot.

`from_element` takes a parsed root (parsing belongs to `adapter.source.xml.parse_xml`, the one hardened door) and
gives the JSON form as dicts with Decimals. What R4 does not know is kept under its own name, so that the validator
can say so; what JSON cannot say (order, stray text) is returned as problems. `to_xml` writes elements in R4's order.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple
from xml.sax.saxutils import quoteattr

from lxml import etree

from adapter.fhir.definitions import ElementDefinition, is_primitive, is_resource_type, is_type, json_children

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"

_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,63})(\.[0-9]{1,63})?([eE][+-]?[0-9]{1,3})?")
_INTEGER = re.compile(r"0|[-+]?[1-9][0-9]{0,63}")
_INTEGERS = ("integer", "positiveInt", "unsignedInt")
_DOCTYPE = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)

Place = tuple[str, str]
"""Type, and path inside it: where the children of an element are defined."""

UNKNOWN: Place = ("", "")
_OF_PRIMITIVE: Place = ("Element", "")
_NAMESPACES = (f"{{{FHIR}", f"{{{XHTML}")
_IN_XHTML = f"{{{XHTML}}}"
"""What a primitive holds beside its value: id and extensions."""


class XmlProblem(NamedTuple):
    """What the JSON form cannot say: `order`, `text`, `namespace` or `attribute`, where (FHIRPath), and the name."""

    kind: str
    path: str
    name: str


def from_element(root: Any) -> tuple[dict[str, Any], list[XmlProblem]]:
    """Return the JSON form of a FHIR XML document, and the problems that only XML can have.

    Args:
        root: `lxml.etree._Element` of the document, already parsed safely.
    """
    reader = _Reader()
    return reader.resource(root, etree.QName(root).localname), reader.problems


class _Reader:
    def __init__(self) -> None:
        self.problems: list[XmlProblem] = []

    def tell(self, kind: str, path: str, name: str = "") -> None:
        self.problems.append(XmlProblem(kind, path, name))

    def resource(self, element: Any, path: str) -> dict[str, Any]:
        name = etree.QName(element).localname
        place = (name, "") if is_resource_type(name) else UNKNOWN
        return {"resourceType": name, **self.object(element, place, path)}

    def object(self, element: Any, place: Place, path: str) -> dict[str, Any]:
        """Return an element with children as an object."""
        known = json_children(*place) if place[0] else {}
        made: dict[str, Any] = {}
        for name, value in element.attrib.items():
            if name in ("id", "url"):
                made[name] = value
            elif name == "value" and place == _OF_PRIMITIVE:
                continue
            elif not name.startswith("{"):
                self.tell("attribute", path, name)
        order, last = _order(place), -1
        has_text = _is_text(element.text)
        for child in element:
            namespace, _, name = child.tag.rpartition("}")
            has_text = has_text or _is_text(child.tail)
            if namespace not in _NAMESPACES:
                self.tell("namespace", path, name)
                continue
            rank = order.get(name, last)
            if rank < last:
                self.tell("order", path, name)
            last = max(last, rank)
            self.child(child, name, known.get(name), place, made, path)
        if has_text:
            self.tell("text", path)
        return made

    def child(
        self, child: Any, name: str, definition: ElementDefinition | None, place: Place, made: dict[str, Any], path: str
    ) -> None:
        many = definition is not None and definition.is_list
        here = f"{path}.{name}[{_count(made, name)}]" if many else f"{path}.{name}"
        value, sibling = self.value(child, definition, place, name, here)
        held = made.get(name, made.get(f"_{name}"))
        if not many and held is None:
            _set(made, name, value)
            _set(made, f"_{name}", sibling)
            return
        count = _count(made, name)
        if not many and count:
            _make_lists(made, name)
        _append(made, name, value, count)
        _append(made, f"_{name}", sibling, count)

    def value(
        self, child: Any, definition: ElementDefinition | None, place: Place, name: str, path: str
    ) -> tuple[Any, Any]:
        """Return an element's value, and the sibling of a primitive."""
        if child.tag.startswith(_IN_XHTML):
            return etree.tostring(child, encoding="unicode", with_tail=False), None
        code = definition.types[0].code if definition is not None and definition.types else ""
        if code == "Resource":
            inside = list(child)
            if len(inside) != 1:
                return self.object(child, UNKNOWN, path), None
            return self.resource(inside[0], path), None
        if is_primitive(code) or (definition is None and "value" in child.attrib):
            return self.primitive(child, code, path)
        return self.object(child, _place(definition, place, name), path), None

    def primitive(self, child: Any, code: str, path: str) -> tuple[Any, Any]:
        text = child.get("value")
        value = None if text is None else _converted(text, code)
        attributes = {name: held for name, held in child.attrib.items() if name != "value"}
        if not len(child) and not attributes and value is not None and not (child.text or "").strip():
            return value, None
        return value, self.object(child, _OF_PRIMITIVE, path)


@cache
def _order(place: Place) -> dict[str, int]:
    """Return the rank of each element of a place."""
    return {name: rank for rank, name in enumerate(json_children(*place))} if place[0] else {}


def _is_text(text: str | None) -> bool:
    return text is not None and not text.isspace() and text != ""


def _place(definition: ElementDefinition | None, place: Place, name: str) -> Place:
    if definition is None:
        return UNKNOWN
    code = definition.types[0].code if definition.types else ""
    if definition.content or code in ("BackboneElement", "Element"):
        return place[0], f"{place[1]}.{name}" if place[1] else name
    return (code, "") if is_type(code) else UNKNOWN


def _converted(text: str, code: str) -> Any:
    """Return the JSON value of an XML attribute; what has not the form of its type stays text."""
    if code == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if code in _INTEGERS:
        return int(text) if _INTEGER.fullmatch(text) else text
    if code == "decimal":
        match = _DECIMAL.fullmatch(text)
        if match is None:
            return text
        return Decimal(text) if match[1] or match[2] else int(text)
    return text


def _count(made: dict[str, Any], name: str) -> int:
    sizes = [
        len(held) if isinstance(held, list) else 1
        for held in (made.get(name), made.get(f"_{name}"))
        if held is not None
    ]
    return max(sizes, default=0)


def _set(made: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        made[name] = value


def _make_lists(made: dict[str, Any], name: str) -> None:
    for key in (name, f"_{name}"):
        if key in made and not isinstance(made[key], list):
            made[key] = [made[key]]


def _append(made: dict[str, Any], name: str, value: Any, count: int) -> None:
    """Append to an array, nulls filled in where the other of value and sibling has nothing."""
    if value is None and name not in made:
        return
    held = made.setdefault(name, [])
    held.extend([None] * (count - len(held)))
    held.append(value)


def to_xml(resource: dict[str, Any]) -> bytes:
    """Return a resource as FHIR XML (UTF-8), elements in R4's order, decimals with their digits.

    Raises:
        ValueError: no resource type of R4, or a narrative that is not well-formed.
    """
    name = resource.get("resourceType")
    if not isinstance(name, str) or not is_resource_type(name):
        raise ValueError("a resource of FHIR R4 is needed")
    pieces: list[str] = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    _write_object(pieces, name, resource, (name, ""), f" xmlns={quoteattr(FHIR)}")
    return "".join(pieces).encode("utf-8")


def _write_object(pieces: list[str], tag: str, value: dict[str, Any], place: Place, attributes: str = "") -> None:
    known = json_children(*place) if place[0] else {}
    for name in ("id", "url"):
        definition = known.get(name)
        if definition is not None and definition.is_xml_attribute and name in value:
            attributes += f" {name}={quoteattr(str(value[name]))}"
    pieces.append(f"<{tag}{attributes}>")
    for name, definition in known.items():
        if definition.is_xml_attribute or not (name in value or f"_{name}" in value):
            continue
        held, beside = value.get(name), value.get(f"_{name}")
        values = held if isinstance(held, list) else [held]
        siblings = beside if isinstance(beside, list) else [beside]
        for index in range(max(len(values), len(siblings))):
            item = values[index] if index < len(values) else None
            sibling = siblings[index] if index < len(siblings) else None
            _write_value(pieces, name, item, sibling, definition, place)
    pieces.append(f"</{tag}>")


def _write_value(
    pieces: list[str], name: str, item: Any, sibling: Any, definition: ElementDefinition, place: Place
) -> None:
    code = definition.types[0].code if definition.types else ""
    if code == "xhtml":
        pieces.append(_narrative(item))
    elif is_primitive(code):
        attributes = "" if item is None else f" value={quoteattr(_text(item), _ESCAPES)}"
        if not isinstance(sibling, dict):
            pieces.append(f"<{name}{attributes}/>")
        else:
            _write_object(pieces, name, sibling, _OF_PRIMITIVE, attributes)
    elif code == "Resource" and isinstance(item, dict):
        inner = str(item.get("resourceType"))
        pieces.append(f"<{name}>")
        if is_resource_type(inner):
            _write_object(pieces, inner, item, (inner, ""))
        pieces.append(f"</{name}>")
    elif isinstance(item, dict):
        _write_object(pieces, name, item, _place(definition, place, name))


_ESCAPES = {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _narrative(div: Any) -> str:
    """Return the div as it is, once it is known to be well-formed."""
    if not isinstance(div, str) or _DOCTYPE.search(div):
        raise ValueError("the narrative is not well-formed")
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        root = etree.fromstring(div.encode("utf-8"), parser)
    except (etree.XMLSyntaxError, UnicodeEncodeError):
        raise ValueError("the narrative is not well-formed") from None
    return etree.tostring(root, encoding="unicode")
