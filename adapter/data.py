"""Where the packaged data are, and how they are read. Nobody else knows.

`mappings/` and `profiles/` stand at the top of a checkout and inside `adapter/_data/` of an installed
wheel. YAML is read strictly: every scalar is a string (YAML 1.1 would turn `no` into False and
`2025-03-14` into a date) and a duplicate key is an error that names file and line.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

Place = tuple[int, int]
"""Line and column in a file, both counted from 1."""

YamlPath = tuple[str | int, ...]
"""Keys and list positions from the top of a YAML document to one node."""


class DataFileError(Exception):
    """A packaged or user-supplied data file is broken; the text names file and line."""

    def __init__(self, path: Path | str, line: int, problem: str) -> None:
        super().__init__(f"{path}:{line}: {problem}")
        self.path = str(path)
        self.line = line
        self.problem = problem


@cache
def data_root() -> Path:
    """Return the folder that holds `mappings/` and `profiles/`: the wheel's own copy, else the checkout."""
    package = Path(__file__).resolve().parent
    packaged = package / "_data"
    return packaged if packaged.is_dir() else package.parent


def read_yaml(path: Path) -> Any:
    """Read a YAML file as dicts, lists and strings (see `read_yaml_with_places`)."""
    return read_yaml_with_places(path)[0]


def read_yaml_with_places(path: Path) -> tuple[Any, dict[YamlPath, Place]]:
    """Read a YAML file as dicts, lists and strings, with the place of every node.

    Raises:
        DataFileError: not YAML, a duplicate key, an anchor, a tag or a key that is not a scalar.
    """
    return parse_yaml_with_places(path.read_text(encoding="utf-8"), path)


def parse_yaml_with_places(text: str, path: Path | str) -> tuple[Any, dict[YamlPath, Place]]:
    """Read YAML text as `read_yaml_with_places` does; `path` only names the file in errors."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise DataFileError(path, line, getattr(error, "problem", None) or "not YAML") from None
    places: dict[YamlPath, Place] = {}
    return (None if node is None else _build(node, (), places, path)), places


_Base: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class _Loader(_Base):  # type: ignore[misc]
    """A loader that never guesses what a scalar is: here everything is a text."""

    def resolve(self, kind: type[yaml.Node], _value: str, _implicit: tuple[bool, bool]) -> str:
        return kind.__name__

    def descend_resolver(self, _parent: yaml.Node, _index: int) -> None:
        pass

    def ascend_resolver(self) -> None:
        pass


def _build(node: yaml.Node, at: YamlPath, places: dict[YamlPath, Place], path: Path | str) -> Any:
    places[at] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*at, index), places, path) for index, item in enumerate(node.value)]
    result: dict[str, Any] = {}
    assert isinstance(node, yaml.MappingNode)
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise DataFileError(path, line, "a key must be a plain word")
        if key_node.value in result:
            raise DataFileError(path, line, f"duplicate key '{key_node.value}'")
        result[key_node.value] = _build(value_node, (*at, key_node.value), places, path)
        places[(*at, key_node.value)] = (line, key_node.start_mark.column + 1)
    return result
