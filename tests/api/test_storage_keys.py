"""A process that lacks a storage key says so, and takes nothing that it cannot judge; with the key all goes on."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapter.api import app as application
from adapter.events import Event
from adapter.serve import adapter_app, in_background, load_settings
from tests.api.conftest import record


def test_a_missing_storage_key_is_answered_with_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After, alone and in a batch, and a line of the log of its own: a rotation is under way."""
    old, new = ({name: base64.b64encode(secrets.token_bytes(32)).decode()} for name in ("old", "new"))
    logged: list[Event] = []
    monkeypatch.setattr(application, "log", lambda event, **_fields: logged.append(event))

    def running(keys: dict[str, str]) -> Any:
        common = {"database": f"sqlite:///{tmp_path / 'k.sqlite'}", "repository_url": "http://127.0.0.1:9/"}
        settings = load_settings(**common, storage_keys=keys, demo=True, workers=0)
        return in_background(adapter_app(settings), "127.0.0.1", 0)

    taken, following = record("consent"), record("consent")
    with running(old) as url:
        assert httpx.post(f"{url}/v1/records", content=taken).status_code == 202
    with running(new) as url:
        refused = httpx.post(f"{url}/v1/records", content=following)
        batch = httpx.post(f"{url}/v1/records/batch", content=following.replace(b"\n", b""))
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
    assert "storage key" in refused.text
    assert batch.json()["status"] == 503
    assert Event.STORAGE_KEY_MISSING in logged
    assert Event.API_FAILED not in logged
    with running(old | new) as url:
        judged = httpx.post(f"{url}/v1/records", content=following)
    # What is on file was opened: the client has an active consent under this consent_id already.
    assert (judged.status_code, "K3506" in judged.text) == (409, True)
