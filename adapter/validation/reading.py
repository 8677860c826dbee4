"""How a document to be judged comes in: FHIR JSON, FHIR XML or a dict, within limits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from jiter import from_json

from adapter.errors import SourceError
from adapter.source.json import may_hold_too_many, read_json
from adapter.source.limits import Limits
from adapter.types import Issue
from adapter.validation.findings import Finding, safe_name


def read_resource(document: bytes | str | dict[str, Any], limits: Limits) -> tuple[Any, list[Finding]]:
    """Return the document as dicts and lists, numbers with their digits, and what only its XML form shows.

    XML is told by its first character. A dict is taken as it is, after its size has been measured.

    Raises:
        SourceError: not JSON or XML, a duplicate key, a DOCTYPE, or over a limit.
    """
    if isinstance(document, dict):
        _measure(document, limits)
        return document, []
    if not isinstance(document, bytes | str):
        raise SourceError(Issue("fatal", "validation.not-a-document"))
    if is_xml(document):
        return read_xml(document, limits)
    return _read_json(document, limits), []


def is_xml(document: bytes | str) -> bool:
    """Tell XML from JSON by the first character."""
    start = document[:200]
    return (
        (start.lstrip("\ufeff \t\r\n")[:1] == "<")
        if isinstance(start, str)
        else start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"
    )


def read_xml(document: bytes | str, limits: Limits) -> tuple[Any, list[Finding]]:
    """Read FHIR XML; the order of elements and stray text are told as findings.

    Raises:
        SourceError: not well-formed, with a DOCTYPE, or over a limit.
    """
    from adapter.fhir.xml import FHIR, from_element
    from adapter.source.xml import parse_xml

    root = parse_xml(document, limits=limits)
    if not str(root.tag).startswith(f"{{{FHIR}}}"):
        raise SourceError(Issue("fatal", "validation.xml-not-fhir"))
    resource, problems = from_element(root)
    values = [{"name": safe_name(problem.name)} for problem in problems]
    return resource, [
        Finding(f"xml-{problem.kind}", named, problem.path) for problem, named in zip(problems, values, strict=True)
    ]


def _read_json(document: bytes | str, limits: Limits) -> Any:
    """Read JSON in one go; whatever jiter refuses, the exact reader explains.

    Digits of numbers and characters of texts are checked where they stand (`adapter.validation.primitives`).
    """
    body = document.encode("utf-8", "surrogatepass") if isinstance(document, str) else document
    if len(body) > limits.size or may_hold_too_many(body, limits):
        return read_json(document, limits=limits)
    try:
        value = from_json(body, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True, float_mode="decimal")
    except ValueError:
        return read_json(document, limits=limits)
    if len(body) > 2 * limits.nodes or body.count(b"{") + body.count(b"[") > limits.depth:
        _measure(value, limits)
    return value


def _measure(document: Any, limits: Limits) -> None:
    """Refuse a dict that is too deep (or goes in circles), too large, or holds what JSON does not.

    Level by level; texts, which most values are, are counted and passed over.
    """
    level, depth, nodes = [document], 1, 1
    while level:
        objects: list[dict[Any, Any]] = []
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                objects.append(value)
                below += value.values()
            elif isinstance(value, list):
                below += value
            else:
                _check_simple(value, limits)
        try:
            "".join(set().union(*objects))
        except TypeError:
            raise SourceError(Issue("fatal", "validation.not-json", {"type": "key"})) from None
        depth += 1 if below else 0
        nodes += len(below)
        if depth > limits.depth:
            raise SourceError(Issue("fatal", "validation.too-deep", {"max": str(limits.depth)}))
        if nodes > limits.nodes:
            raise SourceError(Issue("fatal", "validation.too-many-nodes", {"max": str(limits.nodes)}))
        level = [value for value in below if type(value) is not str]


def _check_simple(value: Any, limits: Limits) -> None:
    """Refuse what is neither null, Boolean nor text, nor a number within limits."""
    if value is None or isinstance(value, bool | str):
        return
    if not isinstance(value, int | Decimal):
        raise SourceError(Issue("fatal", "validation.not-json", {"type": type(value).__name__}))
    _digits(value, limits)


def _digits(value: int | Decimal, limits: Limits) -> None:
    if isinstance(value, Decimal):
        sizes = value.as_tuple()
        exponent = sizes.exponent
        too_long = (
            not isinstance(exponent, int)
            or len(sizes.digits) > limits.digits
            or abs(value.adjusted()) > limits.exponent
        )
    else:
        too_long = value.bit_length() > limits.digits * 4
    if too_long:
        raise SourceError(Issue("fatal", "validation.too-many-digits", {"max": str(limits.digits)}))
