"""Search parameters of a request compiled to one SQL condition: modifiers, chains and `_has` included."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapter.mock.definitions import Parameter, parameters, patient_compartment, resource_types
from adapter.mock.outcomes import Refusal, refuse
from adapter.mock.search.conditions import MODIFIERS, NEGATED, Condition, alternatives, value_condition
from adapter.mock.search.values import split_unescaped, unescape
from adapter.mock.search.whole import WHOLE, checked

HINTS = {
    "date": "yyyy, yyyy-MM, yyyy-MM-dd, yyyy-MM-ddThh:mm:ss+02:00; eq ne gt lt ge le sa eb ap",
    "reference": "Type/id, id, https://…",
    "quantity": "5.4, 5.4|http://unitsofmeasure.org|mg, 5.4||mg",
    "number": "5, 5.40; eq ne gt lt ge le sa eb ap",
    "token": "code, system|code, |code, system|",
    "composite": "a$b",
    "string": "a word",
    "special": "60.17|24.94|5|km",
}


NAMING = ("identifier", "_id")


class UnknownParameter(Exception):  # noqa: N818 - not always an error: lenient handling ignores it
    """The type has no such search parameter."""

    def __init__(self, name: str, resource_type: str) -> None:
        super().__init__(name)
        self.name = name
        self.resource_type = resource_type

    def refusal(self) -> Refusal:
        """The refusal of strict handling."""
        return refuse(400, "unknown-parameter", parameter=self.name, type=self.resource_type)


@dataclass(slots=True)
class Compiler:
    """Compiles criteria for one search.

    Attributes:
        base: FHIR base URL whose absolute references are local.
        now: the endpoint's clock, for the prefix `ap`.
        touched: resource types that chains and `_has` look at.
        seen: primary keys of clients' resources that a chain or `_has` may look at; None means all.
        chained: types of clients' resources that chains and `_has` look at.
        resolves: `:identifier` finds literal references to a Patient too, by the identifier of that Patient.
    """

    base: str
    now: datetime
    touched: set[str] = field(default_factory=set)
    seen: frozenset[int] | None = None
    chained: set[str] = field(default_factory=set)
    resolves: bool = False
    _aliases: int = field(default=0)

    def criterion(self, resource_type: str, key: str, value: str, alias: str = "r") -> Condition:
        """Return the condition of `key=value` on the resource rows `alias`.

        Raises:
            UnknownParameter: the type has no such parameter.
            Refusal: 400, the modifier or value does not fit.
        """
        if key.startswith("_has:"):
            return self._reverse_chain(resource_type, key, value, alias)
        if key == "_list":
            return self._in_list(value, alias)
        head, dot, rest = key.partition(".")
        name, _, modifier = head.partition(":")
        parameter = parameters(resource_type).get(name)
        if parameter is None:
            raise UnknownParameter(name, resource_type)
        if dot:
            return self._chain(parameter, resource_type, modifier, rest, value, alias)
        if modifier == "identifier" and self.resolves and "Patient" in parameter.targets:
            return self._by_client(parameter, resource_type, value, alias)
        return self._plain(parameter, resource_type, modifier, value, alias)

    def _by_client(self, parameter: Parameter, kind: str, value: str, alias: str) -> Condition:
        """Whoever names a client by identifier knows the client: this is no chain that a token must cover."""
        logical, values = self._plain(parameter, kind, "identifier", value, alias)
        touched = set(self.touched)
        literal, more = self._chain(parameter, kind, "Patient", "identifier", value, alias)
        self.touched = touched
        return f"({logical} OR {literal})", [*values, *more]

    def _plain(self, parameter: Parameter, kind: str, modifier: str, value: str, alias: str) -> Condition:
        self._check_modifier(parameter, modifier)
        if parameter.name == "_id" and modifier in ("", "not"):
            sql, args = alternatives(value.split(","), lambda one: (f"{alias}.id = ?", [one]))
            return (f"NOT {sql}" if modifier else sql), args
        if parameter.name in WHOLE and not modifier:
            return self._whole(parameter, value, alias)
        if modifier == "missing":
            return self._missing(parameter, kind, value, alias)
        values = split_unescaped(value, ",")
        try:
            if parameter.name == "_lastUpdated":
                return self._updated(values, alias)
            if parameter.type == "composite":
                return self._composite(parameter, kind, values, alias)
            sql, args = alternatives(
                values,
                lambda one: value_condition(
                    parameter.type, one, NEGATED.get(modifier, modifier), parameter, self.base, self.now
                ),
            )
        except (ValueError, OverflowError):
            raise self._bad_value(parameter) from None
        name = f"{kind}.{parameter.name}" + (":of-type" if modifier == "of-type" else "")
        negation = "NOT " if modifier in NEGATED else ""
        rows = f"SELECT pk FROM {parameter.table} WHERE parameter = ? AND {sql}"
        return f"{alias}.pk {negation}IN ({rows})", [name, *args]

    def _check_modifier(self, parameter: Parameter, modifier: str) -> None:
        allowed = () if parameter.name in WHOLE else MODIFIERS[parameter.type]
        fits = (modifier in allowed and not (parameter.name == "_id" and modifier not in ("not", "missing"))) or (
            parameter.type == "reference" and modifier in resource_types()
        )
        if modifier and not fits:
            raise refuse(
                400,
                "bad-modifier",
                parameter=parameter.name,
                modifier=modifier,
                kind=parameter.type,
                allowed=", ".join(f":{one}" for one in allowed),
            )

    def _bad_value(self, parameter: Parameter) -> Refusal:
        hint = HINTS.get(parameter.type, "")
        return refuse(400, "bad-value", parameter=parameter.name, kind=parameter.type, hint=hint)

    def _whole(self, parameter: Parameter, value: str, alias: str) -> Condition:
        try:
            wanted = [checked(parameter.name, unescape(one)) for one in split_unescaped(value, ",")]
        except (ValueError, KeyError):
            raise self._bad_value(parameter) from None
        body = f"(SELECT v.body FROM version v WHERE v.seq = {alias}.seq)"
        return alternatives(wanted, lambda one: (f"resource_fits({body}, ?, ?)", [parameter.name, one]))

    def _in_list(self, value: str, alias: str) -> Condition:
        """`_list=id`: what a List of this server holds."""
        inner = self._alias()
        sql, args = self._of_seen("List", "_id", inner, (f"{inner}.id = ?", [value.removeprefix("List/")]))
        return (
            f"({alias}.type, {alias}.id) IN (SELECT x.type, x.id FROM index_reference x JOIN resource {inner} ON "
            f"{inner}.pk = x.pk AND {inner}.deleted = 0 WHERE x.parameter = 'List.item' AND {sql})",
            args,
        )

    def _missing(self, parameter: Parameter, kind: str, value: str, alias: str) -> Condition:
        if value not in ("true", "false"):
            raise refuse(400, "bad-value", parameter=parameter.name, kind="boolean", hint="true, false")
        if parameter.name in ("_id", "_lastUpdated"):
            return ("1 = 0" if value == "true" else "1 = 1"), []
        negation = "NOT " if value == "true" else ""
        if parameter.type == "composite":
            table, name = parameter.components[0].table, f"{kind}.{parameter.name}.0"
        else:
            table, name = parameter.table, f"{kind}.{parameter.name}"
        return f"{alias}.pk {negation}IN (SELECT pk FROM {table} WHERE parameter = ?)", [name]

    def _updated(self, values: list[str], alias: str) -> Condition:
        sql, args = alternatives(
            values, lambda one: value_condition("date", one, "", _LAST_UPDATED, self.base, self.now)
        )
        column = f"{alias}.updated"
        return sql.replace("low", column).replace("high", column), args

    def _composite(self, parameter: Parameter, kind: str, values: list[str], alias: str) -> Condition:
        def one(value: str) -> Condition:
            parts = split_unescaped(value, "$")
            if len(parts) != len(parameter.components):
                raise ValueError("composite")
            selects, args = [], []
            for number, (component, part) in enumerate(zip(parameter.components, parts, strict=True)):
                sql, more = value_condition(component.type, part, "", parameter, self.base, self.now)
                selects.append(f"SELECT pk, grp FROM {component.table} WHERE parameter = ? AND {sql}")
                args += [f"{kind}.{parameter.name}.{number}", *more]
            return f"{alias}.pk IN (SELECT pk FROM ({' INTERSECT '.join(selects)}))", args

        return alternatives(values, one)

    def _chain(self, parameter: Parameter, kind: str, target: str, rest: str, value: str, alias: str) -> Condition:
        if parameter.type != "reference":
            raise self._bad_value(parameter)
        if target and target not in resource_types():
            self._check_modifier(parameter, target)
        only = next((place.only for place in parameter.places if place.only), None)
        possible = [target] if target else [only] if only else list(parameter.targets) or sorted(resource_types())
        name = rest.split(".")[0].split(":")[0] if not rest.startswith("_has:") else "_id"
        fitting = [one for one in possible if name in parameters(one)]
        if not fitting:
            raise UnknownParameter(f"{parameter.name}.{name}", kind)
        found: list[Condition] = []
        for one in fitting:
            inner = self._alias()
            sql, args = self._of_seen(one, name, inner, self.criterion(one, rest, value, inner))
            found.append(
                (
                    f"{alias}.pk IN (SELECT x.pk FROM index_reference x JOIN resource {inner} ON "
                    f"{inner}.type = x.type AND {inner}.id = x.id AND {inner}.deleted = 0 "
                    f"WHERE x.parameter = ? AND x.type = ? AND {sql})",
                    [f"{kind}.{parameter.name}", one, *args],
                )
            )
        return "(" + " OR ".join(sql for sql, _ in found) + ")", [arg for _, args in found for arg in args]

    def _reverse_chain(self, resource_type: str, key: str, value: str, alias: str) -> Condition:
        parts = key.split(":", 3)
        if len(parts) != 4 or parts[1] not in resource_types():
            raise refuse(400, "bad-value", parameter="_has", kind="_has", hint="_has:Observation:patient:code=…")
        _, source, link, rest = parts
        parameter = parameters(source).get(link)
        if parameter is None or parameter.type != "reference":
            raise UnknownParameter(f"_has:{source}:{link}", resource_type)
        inner = self._alias()
        sql, args = self._of_seen(source, "", inner, self.criterion(source, rest, value, inner))
        return (
            f"({alias}.type, {alias}.id) IN (SELECT x.type, x.id FROM index_reference x JOIN resource {inner} ON "
            f"{inner}.pk = x.pk AND {inner}.deleted = 0 WHERE x.parameter = ? AND {sql})",
            [f"{source}.{link}", *args],
        )

    def _of_seen(self, kind: str, name: str, alias: str, condition: Condition) -> Condition:
        """Let a chain look only at what the caller may see; whoever names a client by identifier knows the client."""
        self.touched.add(kind)
        if kind not in patient_compartment() or (kind == "Patient" and name in NAMING):
            return condition
        self.chained.add(kind)
        if self.seen is None:
            return condition
        sql, args = condition
        return f"{alias}.pk IN (SELECT value FROM json_each(?)) AND {sql}", [json.dumps(sorted(self.seen)), *args]

    def _alias(self) -> str:
        self._aliases += 1
        return f"r{self._aliases}"


_LAST_UPDATED = Parameter("_lastUpdated", "date", ())


def order(resource_type: str, sort: str) -> tuple[str, list[Any]]:
    """Return ORDER BY for `_sort`; resources without the value come last.

    Raises:
        UnknownParameter: a name is no search parameter of the type.
    """
    parts: list[str] = []
    args: list[Any] = []
    for item in dict.fromkeys(one for one in sort.split(",") if one):
        descending, name = item.startswith("-"), item.lstrip("-")
        parameter = parameters(resource_type).get(name)
        if parameter is None or parameter.type == "composite" or name in WHOLE:
            raise UnknownParameter(name, resource_type)
        direction = "DESC" if descending else "ASC"
        if name in ("_id", "_lastUpdated"):
            parts.append(f"{'r.id' if name == '_id' else 'r.updated'} {direction}")
            continue
        column = _sort_column(parameter.type, descending)
        value = f"(SELECT {column} FROM {parameter.table} WHERE pk = r.pk AND parameter = ?)"
        parts += [f"{value} IS NULL", f"{value} {direction}"]
        args += [f"{resource_type}.{name}"] * 2
    return ", ".join([*parts, "r.pk"]), args


def _sort_column(kind: str, descending: bool) -> str:
    function = "max" if descending else "min"
    if kind in ("date", "number", "quantity"):
        return f"{function}({'high' if descending else 'low'})"
    column = {"token": "code", "string": "folded", "uri": "value"}.get(kind, "coalesce(type || '/' || id, uri)")
    return f"{function}({column})"
