"""Bundles: bdl-1 … bdl-12, full URLs, requests, and references inside."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.validation.conftest import Errors

ONE = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
TWO = "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0"
BASIC: dict[str, Any] = {"resourceType": "Basic", "code": {"text": "a"}}


def _entry(url: str | None = ONE, resource: dict[str, Any] | None = BASIC, **more: Any) -> dict[str, Any]:
    made = {"fullUrl": url, "resource": resource} | more
    return {name: value for name, value in made.items() if value is not None}


def _bundle(kind: str, *entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return deepcopy({"resourceType": "Bundle", "type": kind, "entry": list(entries)} | more)


POST = {"request": {"method": "POST", "url": "Basic"}}

COMPOSITION: dict[str, Any] = {
    "resourceType": "Composition",
    "status": "final",
    "type": {"text": "a"},
    "date": "2025",
    "title": "a",
    "author": [{"reference": TWO}],
}
AUTHOR = {"resourceType": "Practitioner"}
DOCUMENT = _bundle(
    "document",
    _entry(ONE, COMPOSITION),
    _entry(TWO, AUTHOR),
    identifier={"system": "https://kykysilta.example/a", "value": "1"},
    timestamp="2025-01-01T00:00:00Z",
)


def _without(bundle: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in bundle.items() if key != name}


HTTP = "https://example.org/fhir/Basic/1"

CASES: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = [
    ("collection", _bundle("collection", _entry()), []),
    ("transaction", _bundle("transaction", _entry(**POST)), []),
    ("document", DOCUMENT, []),
    ("total", _bundle("collection", _entry(), total=1), [("bdl-1", "Bundle.total")]),
    ("search", _bundle("collection", _entry(search={"mode": "match"})), [("bdl-2", "Bundle.entry[0].search")]),
    ("request missing", _bundle("transaction", _entry()), [("bdl-3", "Bundle.entry[0]")]),
    ("request too many", _bundle("collection", _entry(**POST)), [("bdl-3", "Bundle.entry[0].request")]),
    ("response missing", _bundle("batch-response", _entry()), [("bdl-4", "Bundle.entry[0]")]),
    ("empty entry", _bundle("collection", {"fullUrl": ONE}), [("bdl-5", "Bundle.entry[0]")]),
    ("same url", _bundle("collection", _entry(), _entry()), [("bdl-7", "Bundle.entry[1].fullUrl")]),
    (
        "history in url",
        _bundle("collection", _entry(f"{HTTP}/_history/1", BASIC | {"id": "1"})),
        [("bdl-8", "Bundle.entry[0].fullUrl")],
    ),
    ("no identifier", _without(DOCUMENT, "identifier"), [("bdl-9", "Bundle")]),
    ("no timestamp", _without(DOCUMENT, "timestamp"), [("bdl-10", "Bundle")]),
    ("first of message", _bundle("message", _entry()), [("bdl-12", "Bundle.entry[0].resource")]),
    ("no url", _bundle("collection", _entry(None, BASIC | {"id": "1"})), [("full-url-missing", "Bundle.entry[0]")]),
    (
        "relative url",
        _bundle("collection", _entry("Basic/1", BASIC | {"id": "1"})),
        [("full-url-relative", "Bundle.entry[0].fullUrl")],
    ),
    (
        "other id",
        _bundle("collection", _entry(HTTP, BASIC | {"id": "2"})),
        [("full-url-id", "Bundle.entry[0].fullUrl")],
    ),
    ("no id", _bundle("collection", _entry(HTTP)), [("entry-without-id", "Bundle.entry[0].resource")]),
    ("bad uuid", _bundle("collection", _entry("urn:uuid:1")), [("format-uuid", "Bundle.entry[0].fullUrl")]),
    (
        "two next links",
        _bundle("searchset", link=[{"relation": "next", "url": "a"}, {"relation": "next", "url": "b"}])
        | {"entry": [_entry()]},
        [("link-relation-twice", "Bundle.link")],
    ),
    (
        "another type in the url",
        _bundle("collection", _entry("https://example.org/fhir/Patient/1", BASIC | {"id": "1"})),
        [("full-url-type", "Bundle.entry[0].fullUrl")],
    ),
    ("url of no server", _bundle("collection", _entry("https://example.org/1", BASIC | {"id": "1"})), []),
    (
        "outcome of another type",
        _bundle("searchset", _entry(search={"mode": "outcome"})),
        [("search-outcome", "Bundle.entry[0].search.mode")],
    ),
    (
        "author of a section",
        DOCUMENT
        | {
            "entry": [
                _entry(
                    ONE,
                    COMPOSITION
                    | {
                        "section": [
                            {
                                "text": {
                                    "status": "generated",
                                    "div": '<div xmlns="http://www.w3.org/1999/xhtml">a</div>',
                                },
                                "author": [{"reference": "urn:uuid:c0ffee00-1cbf-4d64-b04d-cd9187a4c6e0"}],
                            }
                        ]
                    },
                ),
                _entry(TWO, AUTHOR),
            ]
        },
        [("document-reference", "Bundle.entry[0].resource.section[0].author[0].reference")],
    ),
    (
        "post without resource",
        _bundle("transaction", {"fullUrl": ONE, **POST}),
        [("request-without-resource", "Bundle.entry[0]")],
    ),
    (
        "post to another type",
        _bundle("transaction", _entry(request={"method": "POST", "url": "Patient"})),
        [("request-type", "Bundle.entry[0].request.url")],
    ),
    (
        "put to another id",
        _bundle("transaction", _entry(HTTP, BASIC | {"id": "1"}, request={"method": "PUT", "url": "Basic/2"})),
        [("request-id", "Bundle.entry[0].request.url")],
    ),
    (
        "relative reference without full URL",
        _bundle("collection", _entry(None, BASIC | {"id": "1", "subject": {"reference": "Patient/1"}})),
        [
            ("relative-without-full-url", "Bundle.entry[0].resource.subject.reference"),
            ("full-url-missing", "Bundle.entry[0]"),
        ],
    ),
    (
        "reference to another type than it says",
        _bundle("collection", _entry(ONE, BASIC | {"subject": {"reference": f"Group/{TWO[9:]}"}}), _entry(TWO, AUTHOR)),
        [("reference-type-differs", "Bundle.entry[0].resource.subject.reference")],
    ),
    (
        "entry of a wrong type behind a urn",
        _bundle(
            "collection",
            _entry(ONE, COMPOSITION | {"subject": {"reference": TWO}, "custodian": {"reference": TWO}}),
            _entry(TWO, AUTHOR),
        ),
        [("reference-target", "Bundle.entry[0].resource.custodian")],
    ),
]


@pytest.mark.parametrize(("bundle", "expected"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_bundle(errors: Errors, bundle: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Each rule of a Bundle is found under its key, alone; what is right is accepted."""
    assert sorted(errors(bundle)) == sorted(expected)


@pytest.mark.parametrize("type_name", [["Matti"], {"family": "Matti"}, "Matti"])
def test_a_type_that_is_none_is_told_once_and_not_shown(errors: Errors, type_name: object) -> None:
    """The request of a resource whose type is none is not compared with it, so no value of it gets into a message."""
    bundle = _bundle("transaction", _entry(ONE, {"resourceType": type_name}, **POST))
    assert [key for key, _ in errors(bundle)] in (["no-resource-type"], ["unknown-resource-type"])


def test_document_holds_what_it_refers_to(errors: Errors) -> None:
    """A document's Composition may not refer to what is not there, and nothing lies about unconnected."""
    missing = deepcopy(DOCUMENT)
    missing["entry"][1]["fullUrl"] = "urn:uuid:11111111-2222-4333-8444-555555555555"
    assert set(errors(missing)) >= {
        ("document-reference", "Bundle.entry[0].resource.author[0].reference"),
        ("document-unreachable", "Bundle.entry[1]"),
    }


def test_document_starts_with_a_composition(errors: Errors) -> None:
    """bdl-11: the first entry of a document is its Composition."""
    turned = deepcopy(DOCUMENT)
    turned["entry"].reverse()
    assert ("bdl-11", "Bundle.entry[0].resource") in errors(turned)


def test_contained_bundle_resolves_inside_itself(errors: Errors) -> None:
    """A Bundle inside a Bundle resolves its own references first."""
    inner = _bundle(
        "collection", _entry(ONE, BASIC | {"subject": {"reference": TWO}}), _entry(TWO, {"resourceType": "Patient"})
    )
    assert errors(_bundle("collection", _entry(ONE, inner))) == []
