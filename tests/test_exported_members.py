"""The public Python interface: what `adapter` promises is there, documented, and cheap to import."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module

import pytest

import adapter

HEAVY = (
    "fastapi",
    "fhir",
    "httpx",
    "lxml",
    "pydantic",
    "pydantic_core",
    "rich",
    "sqlalchemy",
    "typer",
    "uvicorn",
    "yaml",
)


def test_all_is_sorted_and_complete() -> None:
    """`adapter.__all__` is sorted without repetition, and is what `dir` shows."""
    assert adapter.__all__ == sorted(set(adapter.__all__))
    assert dir(adapter) == adapter.__all__


@pytest.mark.parametrize("name", adapter.__all__)
def test_member_is_importable_and_documented(name: str) -> None:
    """Every name leads to something of ours with words about it."""
    member = getattr(adapter, name)
    assert member.__module__.startswith("adapter.")
    assert member.__name__ == name
    documented = inspect.getdoc(member)
    assert documented
    assert documented[0].isupper()
    assert not documented.startswith(f"{name}(")  # a dataclass without words of its own shows its signature


@pytest.mark.parametrize("name", ["map_record", "unmap", "explain", "validate", "read_consents", "decide"])
def test_functions_are_annotated(name: str) -> None:
    """Every parameter and the answer of a public function has a type."""
    signature = inspect.signature(getattr(adapter, name))
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(each.annotation is not inspect.Parameter.empty for each in signature.parameters.values())


def test_unknown_name_is_an_attribute_error() -> None:
    """A name that is not public is refused as Python does it."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        import_module("adapter").nonsense  # noqa: B018


def test_import_is_light() -> None:
    """`import adapter` loads no library and none of our own parts but what fetches them when they are asked for."""
    code = "import sys; before = set(sys.modules); import adapter; print(*sorted(set(sys.modules) - before))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(shown.stdout.split())
    assert {name for name in loaded if name.partition(".")[0] in HEAVY} == set()
    assert {name for name in loaded if name.startswith("adapter")} == {"adapter", "adapter.lazy"}
