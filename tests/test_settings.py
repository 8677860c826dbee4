"""The page about the settings is true."""

from __future__ import annotations

import base64
import importlib.util
import json
import secrets
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapter.serve import load_settings
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


def test_secrets_come_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file a setting, as systemd and container engines lay them out; the TOML file stands behind."""
    id_key, storage_key = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
    (tmp_path / "kykysilta_id_key").write_text(id_key + "\n")
    (tmp_path / "kykysilta_storage_keys").write_text(json.dumps({"2026": storage_key}))
    file = tmp_path / "kykysilta.toml"
    file.write_text("port = 9000\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    settings = load_settings(file)
    assert settings.id_key is not None
    assert settings.id_key.get_secret_value() == id_key
    assert settings.storage_keys["2026"].get_secret_value() == storage_key
    assert settings.port == 9000
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "nowhere"))
    assert load_settings(file).id_key is None
