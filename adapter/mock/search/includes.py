"""`_include` and `_revinclude`, with `:iterate`: resources that the matches point to, or that point to them."""

from __future__ import annotations

from collections.abc import Iterable

from adapter.mock.definitions import parameters, resource_types
from adapter.mock.exchange import Query, Request, visible
from adapter.mock.outcomes import refuse
from adapter.mock.storage import Store, Stored


def included(request: Request, found: list[Stored], includes: Query) -> list[Stored]:
    """Return the resources that `includes` add to the matches, each once, none of the matches themselves.

    Only what the caller may see is followed further.

    Raises:
        Refusal: 400, an include names no reference parameter.
    """
    rules = [(key, *_rule(key, value)) for key, value in includes]
    store, known = request.world.store, {one.seq for one in found}
    added: list[Stored] = []
    frontier, first = found, True
    while frontier:
        sequences: set[int] = set()
        for key, source, parameter, target in rules:
            if first or key.endswith(":iterate"):
                select = _forward if key.startswith("_include") else _backward
                sequences |= select(store, frontier, source, parameter, target)
        fresh = sorted(sequences - known)
        known |= set(fresh)
        frontier = [one for one in store.by_sequence(fresh) if visible(request, one) is not None]
        added += frontier
        first = False
    return added


def _rule(key: str, value: str) -> tuple[str, str, str]:
    """Return (source type, parameter, target type); `*` as parameter means all references, as source all types."""
    source, _, rest = value.partition(":")
    name, _, target = rest.partition(":")
    fits = (source in resource_types() or value == "*:*") and (not target or target in resource_types())
    if fits and name != "*":
        parameter = parameters(source).get(name)
        fits = parameter is not None and parameter.type == "reference"
    if not fits:
        raise refuse(400, "bad-value", parameter=key.split(":")[0], kind="reference", hint="CarePlan:subject")
    return source, name, target


def _forward(store: Store, frontier: Iterable[Stored], source: str, parameter: str, target: str) -> set[int]:
    condition, arguments = ("x.parameter = ?", [f"{source}.{parameter}"]) if parameter != "*" else ("1 = 1", [])
    if target:
        condition, arguments = f"{condition} AND x.type = ?", [*arguments, target]
    sql = (
        "SELECT t.seq FROM index_reference x JOIN resource s ON s.pk = x.pk "
        "JOIN resource t ON t.type = x.type AND t.id = x.id AND t.deleted = 0 "
        f"WHERE s.type = ? AND s.id = ? AND {condition}"
    )
    found: set[int] = set()
    for one in frontier:
        if one.type == source:
            found |= {row[0] for row in store.rows(sql, [one.type, one.id, *arguments])}
    return found


def _backward(store: Store, frontier: Iterable[Stored], source: str, parameter: str, target: str) -> set[int]:
    condition, arguments = ("x.parameter = ?", [f"{source}.{parameter}"]) if parameter != "*" else ("1 = 1", [])
    if source != "*":
        condition, arguments = f"{condition} AND s.type = ?", [*arguments, source]
    sql = (
        "SELECT s.seq FROM index_reference x JOIN resource s ON s.pk = x.pk AND s.deleted = 0 "
        f"WHERE x.type = ? AND x.id = ? AND {condition}"
    )
    found: set[int] = set()
    for one in frontier:
        if not target or one.type == target:
            found |= {row[0] for row in store.rows(sql, [one.type, one.id, *arguments])}
    return found
