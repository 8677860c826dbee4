"""The page about the settings is true."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapter.settings import Settings

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def maker() -> Any:
    """The script that makes the page."""
    spec = importlib.util.spec_from_file_location("maker", ROOT / "scripts" / "make_configuration_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_made_from_the_settings(maker: Any) -> None:
    """Run scripts/make_configuration_docs.py when this fails."""
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == maker.document()


def test_every_setting_is_described() -> None:
    """No setting without a sentence."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_example_has_only_settings_that_exist(maker: Any) -> None:
    """What is wrong with it here are the files alone, which this machine does not have."""
    example = maker.HEAD.split("```toml\n")[1].split("```")[0]
    with pytest.raises(ValidationError) as caught:
        Settings(**tomllib.loads(example))
    assert {error["type"] for error in caught.value.errors()} == {"path_not_file"}


def test_secrets_stand_in_no_error_and_no_representation() -> None:
    """Neither a wrong key nor a right one is repeated."""
    with pytest.raises(ValidationError) as caught:
        Settings(id_key="hush-hush-hush")
    assert "hush" not in str(caught.value)
    good = "dGhpcyBpcyBub3QgcmFuZG9tIGF0IGFsbCwgc29ycnkhISE="
    with pytest.raises(ValidationError) as caught:
        Settings(id_key=good)
    assert good not in str(caught.value)
