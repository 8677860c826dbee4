"""What keeps the endpoint from starting is told in the language asked for, with what to do."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapter.i18n import LANGUAGES, Language, text
from adapter.mock.cli import app
from adapter.mock.token_client import write_keys


@pytest.mark.parametrize("language", LANGUAGES)
def test_wrong_use_is_told_in_each_language(tmp_path: Path, language: Language) -> None:
    """A choice, an option without an id, a file that is not there, a set with private keys, a taken port: exit 2."""
    (tmp_path / "private.jwks.json").write_text('{"keys": [{"kty": "oct", "kid": "a", "k": "AAAA"}]}')
    write_keys(tmp_path, "ehr")
    client, allowed = f"ehr={tmp_path / 'ehr.jwks.json'}", "lenient, national, strict"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        wrong = {
            ("--strictness", "soft"): text("common.bad-choice", language, option="--strictness", allowed=allowed),
            ("--client", "ehr"): text("mock.named-without-id", language, value="ehr"),
            ("--client", client, "--scopes", "other=system/*.r"): text(
                "mock.client-not-registered", language, value="other"
            ),
            ("--trusted", "nowhere.pem"): text("mock.no-such-file", language, option="--trusted", path="nowhere.pem"),
            ("--auth", "smart", "--client", f"ehr={tmp_path / 'private.jwks.json'}"): text(
                "signing.key-at", language, where="ehr", reason="private-in-set"
            ),
            ("--port", port): text("mock.cannot-listen", language, host="127.0.0.1", port=port),
        }
        for options, told in wrong.items():
            answer = CliRunner().invoke(app, ["serve", "--port", "0", *options, "--lang", language])
            assert (answer.exit_code, answer.output) == (2, told + "\n")


def test_the_variable_chooses_the_language_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the commands of the adapter."""
    monkeypatch.setenv("KYKYSILTA_LANGUAGE", "fi")
    answer = CliRunner().invoke(app, ["serve", "--trusted", "nowhere.pem"])
    assert answer.output == text("mock.no-such-file", "fi", option="--trusted", path="nowhere.pem") + "\n"
