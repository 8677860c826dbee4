"""Canonical records for Hypothesis, drawn from the JSON Schemas themselves.

Persons and organisations come from a small pool, so that the same one is named in several places and is always
described in the same words.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import strategies as st

from adapter.data import data_root
from adapter.source import identity_code
from adapter.terminology import PACKAGED

Draw = Callable[..., Any]
FOLDER = data_root() / "mappings" / "records"
COMMON: dict[str, Any] = json.loads((FOLDER / "common.schema.json").read_text(encoding="utf-8"))
LINE = COMMON["$defs"]["line"]["pattern"]
TEXT = COMMON["$defs"]["text"]["pattern"]
POOLED = ("OrganisationRef", "PractitionerRef", "Professional")

_words = st.text("aAeäöåÄÖs 1-–é€😀.,<&", min_size=1, max_size=12).map(str.strip).filter(bool)
_texts = st.one_of(_words, st.tuples(_words, _words).map("\n".join))
_dates = st.dates(date(1000, 1, 1), date(2999, 12, 31)).map(date.isoformat)
_offsets = st.integers(-14 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))
_numbers = st.one_of(st.integers(-1000, 1000), st.decimals(-1000, 1000, places=2), st.decimals(0, 1, places=4))


@st.composite
def _instants(draw: Draw) -> str:
    moment = draw(st.datetimes(datetime(1900, 1, 1), datetime(2099, 12, 31), timezones=_offsets))
    return moment.isoformat(timespec=draw(st.sampled_from(["seconds", "milliseconds"])))


@st.composite
def _identity_codes(draw: Draw) -> str:
    born = draw(st.dates(date(1900, 1, 1), date(2099, 12, 31)))
    return identity_code.synthetic(born, random.Random(draw(st.integers(0, 999))))


@st.composite
def _base64(draw: Draw) -> str:
    return base64.b64encode(draw(st.binary(min_size=1, max_size=12))).decode()


class Records:
    """Strategies for the parts of one schema document; `pool` has the persons and organisations of one record."""

    def __init__(self, draw: Draw, root: dict[str, Any]) -> None:
        self._draw = draw
        self._root = root
        self._pool: dict[str, list[Any]] = {}

    def value(self, node: dict[str, Any], root: dict[str, Any]) -> Any:
        """Draw a value that fits a schema node."""
        reference = node.get("$ref")
        if reference is not None:
            file, _, pointer = reference.partition("#")
            home = COMMON if file else root
            name = pointer.rpartition("/")[2]
            if name in POOLED:
                return self._draw(st.sampled_from(self._pooled(name, home)))
            return self.value(home["$defs"][name], home)
        if "const" in node:
            return node["const"]
        if "enum" in node:
            return self._draw(st.sampled_from(node["enum"]))
        if "x-codes" in node:
            return self._draw(st.sampled_from(PACKAGED.code_system(node["x-codes"]).codes))
        return getattr(self, f"_{node['type']}")(node, root)

    def _pooled(self, name: str, home: dict[str, Any]) -> list[Any]:
        if name not in self._pool:
            node = home["$defs"][name]
            drawn = [self._object(node, home) for _ in range(self._draw(st.integers(1, 3)))]
            for each in drawn:
                each["id"] = f"{name[:3]}{each['id']}"
            self._pool[name] = list({each["id"]: each for each in drawn}.values())
        return self._pool[name]

    def _object(self, node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
        names = list(node["properties"])
        chosen = set(node.get("required", ()))
        options = node.get("oneOf", node.get("anyOf", ()))
        if options:
            taken = self._draw(st.sampled_from(options))
            chosen |= set(taken["required"])
            if "oneOf" in node:
                others = {name for option in options if option is not taken for name in option["required"]}
                names = [name for name in names if name not in others]
        if node.get("maxProperties") == 1:
            chosen = {self._draw(st.sampled_from(names))}
        else:
            optional = [name for name in names if name not in chosen]
            chosen |= set(self._draw(st.lists(st.sampled_from(optional), max_size=8))) if optional else set()
        for name, needed in node.get("dependentRequired", {}).items():
            if not set(needed) <= set(names):
                chosen.discard(name)
        if len(chosen) < node.get("minProperties", 0):
            chosen.add(names[0])
        for _ in names:
            for name, needed in node.get("dependentRequired", {}).items():
                chosen |= set(needed) if name in chosen else set()
        return {name: self.value(node["properties"][name], root) for name in names if name in chosen}

    def _array(self, node: dict[str, Any], root: dict[str, Any]) -> list[Any]:
        drawn = [self.value(node["items"], root) for _ in range(self._draw(st.integers(1, 3)))]
        if not node.get("uniqueItems"):
            return drawn
        if "TURVAKIELTO" in node["items"].get("enum", ()):
            return self._draw(st.sampled_from([["R"], ["V", "TURVAKIELTO"], ["TURVAKIELTO", "N"], ["TURVAKIELTO"]]))
        return list(dict.fromkeys(drawn))

    def _string(self, node: dict[str, Any], root: dict[str, Any]) -> str:
        if node.get("format") == "date-time":
            return self._draw(_instants())
        if node.get("format") == "finnish-personal-identity-code":
            return self._draw(_identity_codes())
        if "anyOf" in node:
            option = self._draw(st.sampled_from(node["anyOf"]))
            return self.value({"type": "string", **option}, root)
        if node.get("format") == "date":
            return self._draw(_dates)
        if "contentEncoding" in node:
            return self._draw(_base64())
        simple = {LINE: _words, TEXT: _texts}
        pattern = node["pattern"]
        return self._draw(simple[pattern] if pattern in simple else st.from_regex(pattern, fullmatch=True))

    def _number(self, node: dict[str, Any], root: dict[str, Any]) -> Any:
        return self._draw(_numbers)

    def _integer(self, node: dict[str, Any], root: dict[str, Any]) -> int:
        return self._draw(st.integers(node.get("minimum", 0), node.get("maximum", 100)))

    def _boolean(self, node: dict[str, Any], root: dict[str, Any]) -> bool:
        return self._draw(st.booleans())


@st.composite
def _records(draw: Draw, folder: str) -> dict[str, Any]:
    schema = json.loads((FOLDER / folder / "source.schema.json").read_text(encoding="utf-8"))
    record: dict[str, Any] = Records(draw, schema).value(schema, schema)
    _link_goals(record)
    return record


def _link_goals(record: dict[str, Any]) -> None:
    """Let the services of a plan speak of goals that the plan has."""
    own = (record.get("overall_goal"), *record.get("client_own_goal", ()), *record.get("goals", ()))
    goals = [goal["goal_id"] for goal in own if goal is not None]
    for service in (*record.get("services", ()), *record.get("investigations", ())):
        links = service.pop("goal_links", ())
        if links and goals:
            service["goal_links"] = [{**link, "id": goals[at % len(goals)]} for at, link in enumerate(links)]
            for link in service["goal_links"]:
                link.pop("system", None)


@pytest.fixture(scope="session")
def records() -> Callable[[str], st.SearchStrategy[dict[str, Any]]]:
    """Return the strategy for records of a folder, e.g. `work-ability-plan`."""
    return _records
