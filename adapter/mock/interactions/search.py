"""Search: searchset Bundles with a truthful self link and pages that stay as they are while data grows."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from adapter.mock.access import allowed
from adapter.mock.clock import fhir_instant
from adapter.mock.definitions import patient_compartment
from adapter.mock.exchange import Answer, Query, Request, parse_query, visible
from adapter.mock.national import check_search
from adapter.mock.negotiation import FORM, media_type
from adapter.mock.non_disclosure import asks_for_contacts
from adapter.mock.outcomes import refuse
from adapter.mock.search.includes import included
from adapter.mock.search.pages import Result
from adapter.mock.search.request import SILENT, SUMMARIES, Search, choice, elements_asked, read_search, whole_number
from adapter.mock.search.shaping import shaped
from adapter.mock.storage import Stored
from adapter.types import Resource, operation_outcome

PAGE = ("_page", "_offset")
"""Parameters of the links that turn pages."""


def search_type(request: Request) -> Answer:
    """Search one type (`GET Type?…`, `POST Type/_search`)."""
    return _search(request, [request.path[0]], _parameters(request))


def search_compartment(request: Request) -> Answer:
    """Search one type inside a Patient's compartment (`GET Patient/id/Type?…`)."""
    kind, identity, target = request.path[0], request.path[1], request.path[2]
    links = patient_compartment().get(target, ())
    if kind != "Patient" or not links:
        raise refuse(404, "no-such-url")
    return _search(request, [target], _parameters(request), compartment=(identity, links))


def search_system(request: Request) -> Answer:
    """Search several types at once by the parameters that all have (`GET /?_type=A,B&…`)."""
    query = _parameters(request)
    named = [one for key, value in query if key == "_type" for one in value.split(",") if one]
    allowed = [one for one in request.world.policy.types if request.world.policy.allows(one, "search-type")]
    for one in named:
        if one not in allowed:
            raise refuse(400, "unknown-type", type=one)
    rest = [(key, value) for key, value in query if key != "_type"]
    for key, _ in rest:
        if not key.startswith("_"):
            raise refuse(400, "unknown-parameter", parameter=key, type="Resource")
    return _search(request, named or allowed, rest, named=named)


def _parameters(request: Request) -> Query:
    query = list(request.query)
    if _only_in_body(request) and any(name not in (*SILENT, *PAGE) for name, _ in query):
        raise refuse(400, "search-in-url")
    if request.method == "POST" and request.body:
        if media_type(request) != FORM:
            raise refuse(415, "unsupported-media", allowed=FORM)
        query += parse_query(request.body.decode("utf-8", "replace"))
    return query


def _search(
    request: Request,
    kinds: list[str],
    query: Query,
    *,
    compartment: tuple[str, tuple[str, ...]] | None = None,
    named: list[str] | None = None,
) -> Answer:
    if page := asked_page(request, query):
        return Answer(200, bundle_page(request, *page))
    strict = request.preference("handling") == "strict" or request.world.strictness == "strict"
    if request.world.policy.patient_parameter_required:
        _check_patient(kinds, query)
    for kind in kinds:
        check_search(request, kind, query)
    searches = [read_search(request, kind, query, strict=strict) for kind in kinds]
    sequences: list[int] = []
    for search in searches:
        found = _found(request, search, compartment)
        if search.chained and request.gate is not None:
            seen = request.gate.seen(search.chained, found)
            narrowed = read_search(request, search.resource_type, query, strict=strict, seen=seen)
            found = _found(request, narrowed, compartment)
        sequences += permitted(request, found, by_contacts=asks_for_contacts(query))
    search = searches[0]
    if named:
        search.used.insert(0, ("_type", ",".join(named)))
    result = Result(sequences, search.count, (search, _self(request, search)), request.client)
    counts_only = search.count == 0 or search.summary == "count"
    token = "" if counts_only or len(sequences) <= search.count else request.world.pages.keep(result)
    handling = request.preference("handling")
    headers = {"Preference-Applied": f"handling={handling}"} if handling in ("strict", "lenient") else {}
    bundle = bundle_page(request, result, token, 0)
    return Answer(200, bundle, headers=headers)


def _found(request: Request, search: Search, compartment: tuple[str, tuple[str, ...]] | None) -> list[int]:
    if compartment is not None:
        _restrict(search, *compartment)
    sql, arguments = search.select()
    return [row[0] for row in request.world.store.rows(sql, arguments)]


def _check_patient(kinds: list[str], query: Query) -> None:
    """A Kanta-style repository answers only about one client: the search must name the patient."""
    names = {key.partition(":")[0].partition(".")[0] for key, _ in query}
    for kind in kinds:
        if kind == "Provenance":  # it is about what it targets; no parameter of it finds those of a client
            continue
        links = {"identifier", "_id"} if kind == "Patient" else {"patient", *patient_compartment().get(kind, ())}
        if kind in patient_compartment() and not names & links:
            raise refuse(400, "patient-required", type=kind)


def permitted(request: Request, sequences: list[int], *, by_contacts: bool = False) -> list[int]:
    """Return the versions that the caller may see at all, so that no total tells of the others.

    Args:
        by_contacts: the search looked at contact data; clients with TURVAKIELTO are not found so.
    """
    gate = request.gate
    if gate is None:
        return sequences
    return [
        one.seq
        for one in request.world.store.by_sequence(sequences)
        if gate.show(one) is not None and not (by_contacts and one.type in patient_compartment() and gate.protects(one))
    ]


def _restrict(search: Search, identity: str, links: tuple[str, ...]) -> None:
    marks = ", ".join("?" * len(links))
    search.where.append(
        f"r.pk IN (SELECT pk FROM index_reference WHERE type = 'Patient' AND id = ? AND parameter IN ({marks}))"
    )
    search.arguments += [identity, *(f"{search.resource_type}.{one}" for one in links)]
    search.criteria += 1


def asked_page(request: Request, query: Query) -> tuple[Result, str, int] | None:
    """Return the fixed result, its token and the offset of the page that a link of ours asks for.

    Raises:
        Refusal: 410 the result is forgotten or another client's, 400 the offset is no number.
    """
    values = dict(query)
    token, offset = values.get("_page", ""), values.get("_offset", "0")
    if not token:
        return None
    result = request.world.pages.get(token, request.client)
    if result is None:
        raise refuse(410, "page-expired")
    return result, token, whole_number("_offset", offset)


def _only_in_body(request: Request) -> bool:
    """True where a search is allowed by POST alone: then nothing that it asks for may stand in any URL."""
    return "get" not in request.world.policy.search_by


def _self(request: Request, search: Search) -> str:
    if _only_in_body(request):
        return f"{request.base}/{'/'.join(request.path)}"
    path = "/".join(one for one in request.path if one != "_search")
    query = urlencode(search.used)
    return f"{request.base}/{path}" + (f"?{query}" if query else "")


def bundle_page(request: Request, result: Result, token: str, offset: int) -> Resource:
    """Return one page of a fixed result; an empty token means that there is only this page."""
    search: Search
    search, self_url = result.context
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "id": request.world.identities.draw(),
        "meta": {"lastUpdated": fhir_instant(request.world.clock.now())},
        "type": "searchset",
    }
    if search.total != "none" or search.count == 0:
        bundle["total"] = len(result.sequences)
    bundle["link"] = _links(request, result, token, offset, self_url)
    entries: list[dict[str, Any]] = []
    if search.count and search.summary != "count":
        found = request.world.store.by_sequence(result.sequences[offset : offset + result.size])
        entries = _entries(request, search, found, "match")
        if search.includes:
            more = included(request, found, search.includes)
            entries += _entries(request, search, [one for one in more if allowed(request, one.type, "r")], "include")
    if search.issues and not offset:
        outcome = operation_outcome(search.issues, request.language)
        entries.append({"resource": outcome, "search": {"mode": "outcome"}})
    if entries:
        bundle["entry"] = entries
    if request.gate is not None and (labels := request.gate.handling):
        bundle["meta"]["security"] = labels
    return bundle


def _entries(request: Request, search: Search, found: list[Stored], mode: str) -> list[dict[str, Any]]:
    return [
        {
            "fullUrl": f"{request.base}/{one.path}",
            "resource": shaped(resource, search.summary, search.elements),
            "search": {"mode": mode},
        }
        for one in found
        if (resource := visible(request, one)) is not None
    ]


def _links(request: Request, result: Result, token: str, offset: int, self_url: str) -> list[dict[str, str]]:
    path = "/".join(one for one in request.path if one != "_search" and not one.startswith("$"))
    path = path.removesuffix(f"/{request.path[1]}") if request.path and request.path[-1].startswith("$") else path
    return page_links(f"{request.base}/{path}", result, token, offset, self_url)


def page_links(url: str, result: Result, token: str, offset: int, self_url: str) -> list[dict[str, str]]:
    """Return the links of one page of a fixed result; an empty token means that there is only this page."""
    if not token:
        return [{"relation": "self", "url": self_url}]
    size, last = result.size, (len(result.sequences) - 1) // result.size * result.size
    starts = {"first": 0, "last": last}
    if offset > 0:
        starts["previous"] = max(0, offset - size)
    if offset + size < len(result.sequences):
        starts["next"] = offset + size
    pages = {name: f"{url}?_page={token}&_offset={start}" for name, start in starts.items()}
    pages["self"] = f"{url}?_page={token}&_offset={offset}" if offset else self_url
    order = ("self", "first", "previous", "next", "last")
    return [{"relation": name, "url": pages[name]} for name in order if name in pages]


def read_shape(query: Query) -> tuple[str, tuple[str, ...]]:
    """Return (`_summary`, `_elements`) of a read; both empty when the whole resource is wanted."""
    if not query:
        return "", ()
    values = dict(query)
    return choice("_summary", values.get("_summary", ""), ("", *SUMMARIES)), elements_asked(values.get("_elements", ""))
