"""The route table: which method and URL is which interaction. The CapabilityStatement is read from it too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapter.mock.access import authorise
from adapter.mock.definitions import resource_types
from adapter.mock.exchange import Answer, Request
from adapter.mock.interactions import bundle, capability, documents, history, operations, patch, read, search, write
from adapter.mock.interactions.write import ID
from adapter.mock.judge import check_interaction, forbidden
from adapter.mock.outcomes import Refusal, refuse
from adapter.mock.policy import OPERATIONS, SYSTEM_INTERACTIONS, TYPE_INTERACTIONS

Interaction = Callable[[Request], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """One row: segments are literals, `T` (a type), `I` (an id), `V` (a version), `C` (a compartment's type)."""

    methods: tuple[str, ...]
    segments: tuple[str, ...]
    interaction: str
    run: Interaction


def _system_post(request: Request) -> Answer:
    return bundle.system_post(request, dispatch)


READ = ("GET", "HEAD")
ROUTES = (
    Route(READ, ("metadata",), "capabilities", capability.capabilities),
    Route(READ, (".well-known", "smart-configuration"), "capabilities", capability.smart_configuration),
    Route(("POST",), (), "bundle", _system_post),
    Route(READ, (), "search-system", search.search_system),
    Route(("POST",), ("_search",), "search-system", search.search_system),
    Route(READ, ("_history",), "history-system", history.history),
    Route(READ, ("T",), "search-type", search.search_type),
    Route(("POST",), ("T",), "create", write.create),
    Route(("PUT",), ("T",), "update", write.update),
    Route(("PATCH",), ("T",), "patch", patch.patch),
    Route(("DELETE",), ("T",), "delete", write.delete),
    Route(("POST",), ("T", "_search"), "search-type", search.search_type),
    Route(READ, ("T", "_history"), "history-type", history.history),
    Route(READ, ("T", "I"), "read", read.read),
    Route(("PUT",), ("T", "I"), "update", write.update),
    Route(("PATCH",), ("T", "I"), "patch", patch.patch),
    Route(("DELETE",), ("T", "I"), "delete", write.delete),
    Route(READ, ("T", "I", "_history"), "history-instance", history.history),
    Route(READ, ("T", "I", "_history", "V"), "vread", read.vread),
    Route(("POST",), ("T", "$validate"), "validate", operations.validate),
    Route(("GET", "POST"), ("T", "I", "$validate"), "validate", operations.validate),
    Route(("GET", "POST"), ("Patient", "I", "$everything"), "everything", operations.everything),
    Route(
        ("POST",), ("Communication", "$get-persons-documents"), "get-persons-documents", documents.get_persons_documents
    ),
    Route(READ, ("T", "I", "C"), "search-type", search.search_compartment),
    Route(("POST",), ("T", "I", "C", "_search"), "search-type", search.search_compartment),
)


_BY_LENGTH = {
    length: [one for one in ROUTES if len(one.segments) == length] for length in {len(one.segments) for one in ROUTES}
}


def dispatch(request: Request) -> Answer:
    """Run the interaction that the request's method and path mean.

    Raises:
        Refusal: 404 no such URL or type, 405 not with this method or not by this policy, 400 malformed id.
    """
    possible = _BY_LENGTH.get(len(request.path), ())
    for route in possible:
        if request.method in route.methods and _fits(route.segments, request.path):
            request.interaction = route.interaction
            try:
                _check(request, route)
            except Refusal as refused:
                if refused.status == 405:
                    refused.headers = {"Allow": _methods(request, possible)}
                raise
            return route.run(request)
    if not any(_fits(one.segments, request.path) for one in possible):
        raise refuse(404, "no-such-url")
    allowed = _methods(request, possible)
    refusal = refuse(405, "method-not-allowed", method=request.method, allowed=allowed)
    refusal.headers = {"Allow": allowed}
    raise refusal


def _methods(request: Request, possible: Sequence[Route]) -> str:
    """The value of `Allow`: methods that the policy leaves at the request's URL, perhaps none."""
    found = [
        method
        for route in possible
        if _fits(route.segments, request.path)
        for method in route.methods
        if _is_offered(request, route, method)
    ]
    return ", ".join(found)


def _is_offered(request: Request, route: Route, method: str) -> bool:
    policy, path = request.world.policy, request.path
    if route.interaction not in TYPE_INTERACTIONS:
        return True
    if route.interaction == "search-type" and ("post" if method == "POST" else "get") not in policy.search_by:
        return False
    is_conditional = len(path) == 1 and method in ("PUT", "PATCH", "DELETE")
    return policy.allows(path[0], route.interaction) and not (
        is_conditional and route.interaction in policy.without_conditions
    )


def _fits(segments: tuple[str, ...], path: tuple[str, ...]) -> bool:
    for segment, part in zip(segments, path, strict=True):
        is_name = segment in ("I", "V") and part[:1] not in ("_", "$")
        is_type = segment in ("T", "C") and part[:1].isupper()
        if not (is_name or is_type or segment == part):
            return False
    return True


def _check(request: Request, route: Route) -> None:
    policy, path = request.world.policy, request.path
    if "T" in route.segments:
        kind = path[2] if "C" in route.segments else path[0]
        for one in (path[0], kind):
            if one not in resource_types() or one not in policy.types:
                raise refuse(404, "unknown-type", type=one[:40])
        if route.interaction in OPERATIONS:
            if route.interaction not in policy.operations:
                raise forbidden(policy, f"${route.interaction}", kind)
            authorise(request, kind, route.interaction)
            return
        check_interaction(request, kind, route.interaction)
        _check_by(request, route, kind)
        if "I" in route.segments and not ID.match(path[1]):
            raise refuse(400, "bad-id")
    elif route.interaction in OPERATIONS:
        if route.interaction not in policy.operations:
            raise forbidden(policy, f"${route.interaction}", path[0])
        authorise(request, path[0], route.interaction)
    elif route.interaction in SYSTEM_INTERACTIONS:
        if route.interaction not in policy.system:
            raise forbidden(policy, route.interaction, "Resource")
        for kind in _asked(request) or ["*"]:
            authorise(request, kind, route.interaction)


def _asked(request: Request) -> list[str]:
    """Types that a search over several types names; none means all."""
    return [one for name, value in request.query if name == "_type" for one in value.split(",") if one]


def _check_by(request: Request, route: Route, kind: str) -> None:
    """Ways of asking that the policy excludes: search by GET or POST, writes outside a Bundle."""
    policy = request.world.policy
    by = "post" if request.method == "POST" else "get"
    follows_page = any(name == "_page" for name, _ in request.query)
    if route.interaction == "search-type" and by not in policy.search_by and not follows_page:
        raise forbidden(policy, f"search by {by.upper()}", kind)
    writes = route.interaction in ("create", "update", "patch", "delete")
    if writes and policy.inside_bundles_only and not request.in_bundle:
        raise forbidden(policy, route.interaction, kind)
