"""The parameters of a search request, read and sorted by what they do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from adapter.mock.access import authorise
from adapter.mock.exchange import Query, Request
from adapter.mock.outcomes import refuse
from adapter.mock.scope_gate import ScopeGate
from adapter.mock.search.compile import Compiler, UnknownParameter, order
from adapter.types import Issue

DEFAULT_COUNT = 50
LARGEST_COUNT = 1000
INCLUDES = ("_include", "_revinclude", "_include:iterate", "_revinclude:iterate")
SILENT = ("_format", "_pretty")
SUMMARIES = ("true", "text", "data", "count", "false")
NOT_OFFERED = ("_filter", "_query")
"""To ignore them would answer another question, whatever the handling."""


@dataclass(slots=True)
class Search:
    """A search, compiled.

    Attributes:
        resource_type: type searched.
        where, arguments: SQL condition on `resource r` and its values.
        order, order_arguments: ORDER BY.
        count: matches a page; 0 asks for the number alone.
        total: `none`, `estimate` or `accurate`.
        includes: (parameter name, value) of `_include` and `_revinclude` in all their forms.
        summary, elements: `_summary` and `_elements`.
        used: parameters really used, for the self link.
        issues: what was ignored, as warnings.
        chained: types of clients' resources that chains and `_has` look at.
    """

    resource_type: str
    where: list[str] = field(default_factory=list)
    arguments: list[Any] = field(default_factory=list)
    order: str = "r.pk"
    order_arguments: list[Any] = field(default_factory=list)
    count: int = DEFAULT_COUNT
    total: str = "accurate"
    includes: Query = field(default_factory=list)
    summary: str = ""
    elements: tuple[str, ...] = ()
    used: Query = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    criteria: int = 0
    chained: frozenset[str] = frozenset()

    def select(self) -> tuple[str, list[Any]]:
        """Return the SQL that lists the sequence numbers of all matches, in order."""
        conditions = " AND ".join(["+r.type = ?" if self.criteria else "r.type = ?", "r.deleted = 0", *self.where])
        return (
            f"SELECT r.seq FROM resource r WHERE {conditions} ORDER BY {self.order}",
            [self.resource_type, *self.arguments, *self.order_arguments],
        )


def read_search(
    request: Request, resource_type: str, query: Query, *, strict: bool, seen: frozenset[int] | None = None
) -> Search:
    """Read the parameters of a search.

    Args:
        strict: an unknown parameter refuses (`Prefer: handling=strict`); else it is ignored with a warning.
        seen: primary keys of clients' resources that a chain or `_has` may look at; None means all.

    Raises:
        Refusal: 400, a value or modifier does not fit; 403, a chain looks at a type outside the token's scopes.
    """
    search = Search(resource_type)
    if request.as_of is not None:
        search.where.append("r.updated <= ?")
        search.arguments.append(request.as_of)
    resolves = request.world.policy.identifier_resolves
    compiler = Compiler(request.base, request.world.clock.now(), seen=seen, resolves=resolves)
    for key, value in query:
        if key in SILENT or not value:
            continue
        try:
            _one(search, compiler, key, value)
        except UnknownParameter as unknown:
            if strict:
                raise unknown.refusal() from None
            search.issues.append(Issue("warning", "mock.ignored-parameter", {"parameter": unknown.name}))
            continue
        search.used.append((key, value))
    if search.summary == "text" and search.includes:
        raise refuse(400, "text-with-include")
    for other in sorted(compiler.touched):
        authorise(request, other, "search-type", whole=True)
    search.chained = frozenset(compiler.chained)
    return search


def _one(search: Search, compiler: Compiler, key: str, value: str) -> None:
    if key in INCLUDES:
        everything = f"{search.resource_type}:*" if key.startswith("_include") else "*:*"
        search.includes.append((key, everything if value == "*" else value))
    elif key == "_count":
        search.count = min(whole_number(key, value), LARGEST_COUNT)
    elif key == "_sort":
        search.order, search.order_arguments = order(search.resource_type, value)
    elif key == "_total":
        search.total = choice(key, value, ("none", "estimate", "accurate"))
    elif key == "_summary":
        search.summary = choice(key, value, SUMMARIES)
    elif key == "_elements":
        search.elements = elements_asked(value)
    elif key in NOT_OFFERED:
        raise refuse(400, "not-offered", parameter=key)
    elif key == "_contained":
        choice(key, value, ("false",))
    else:
        sql, arguments = compiler.criterion(search.resource_type, key, value)
        search.where.append(sql)
        search.arguments += arguments
        search.criteria += 1


def whole_number(key: str, value: str) -> int:
    """Return a value that must be a number without sign; 400 when it is none."""
    if not (value.isascii() and value.isdigit()):
        raise refuse(400, "bad-value", parameter=key, kind="number", hint="0, 1, 2, …")
    return int(value)


def elements_asked(text: str) -> tuple[str, ...]:
    """Return the names in a value of `_elements`, each perhaps with its type before it (`Patient.name`)."""
    return tuple(one.strip() for one in text.split(",") if one.strip())


def choice(key: str, value: str, allowed: tuple[str, ...]) -> str:
    """Return a value that must be one of a few; 400 when it is another."""
    if value not in allowed:
        raise refuse(400, "bad-value", parameter=key, kind="code", hint=", ".join(filter(None, allowed)))
    return value


def matches(request: Request, resource_type: str, query: Query) -> list[int]:
    """Return sequence numbers of what a condition finds (conditional create, update, delete, reference).

    Raises:
        Refusal: 400 when a parameter is unknown, 412 when there is no criterion at all: never "everything".
    """
    authorise(request, resource_type, "search-type")
    # A condition answers yes or no: where consents are enforced, a chain in it looks at no client's data.
    seen = frozenset[int]() if request.gate is not None else None
    search = read_search(request, resource_type, query, strict=True, seen=seen)
    if not search.criteria:
        raise refuse(412, "no-criteria")
    sql, arguments = search.select()
    found = [row[0] for row in request.world.store.rows(sql, arguments)]
    gate = request.gate
    if isinstance(gate, ScopeGate):
        return [one.seq for one in request.world.store.by_sequence(found) if gate.covers(one, "s")]
    return found
