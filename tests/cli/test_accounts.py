"""Accounts of reviewers from the command line: nothing secret on it, and every change in the log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from adapter.cli.app import command_line
from adapter.review.accounts import Account, accounts, check_password
from adapter.store import Database
from adapter.store.review_tables import review_account
from adapter.store.tables import audit_entry

PASSWORD = "correct horse battery"
CITY = "1.2.246.10.90000011.19.0"


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database that the settings name."""
    found = f"sqlite:///{tmp_path / 'k.sqlite'}"
    monkeypatch.setenv("KYKYSILTA_DATABASE", found)
    return found


def run(*words: str, typed: str = "") -> Result:
    """Run `kykysilta accounts …` in English with what is typed on standard input."""
    arguments = ("accounts", *words, "--lang", "en")
    return CliRunner().invoke(command_line(arguments), arguments, input=typed, env={"COLUMNS": "200"})


def stored(url: str) -> dict[str, Account]:
    """Every account by name."""
    database = Database(url)
    try:
        with database.reading() as connection:
            return {one.name: one for one in accounts(connection)}
    finally:
        database.close()


def fits(url: str, password: str) -> bool:
    """Say whether Aino signs in with a password."""
    database = Database(url)
    try:
        with database.transaction() as connection:
            return check_password(connection, "aino", password, 0.0) is not None
    finally:
        database.close()


def test_an_account_is_made_with_role_and_controllers(url: str) -> None:
    """The password comes from standard input and is stored as argon2id."""
    assert run("add", "aino", "--custodian", CITY, typed=f"{PASSWORD}\n").exit_code == 0
    aino = stored(url)["aino"]
    assert (aino.role, aino.locked, aino.custodians) == ("reviewer", False, frozenset([CITY]))
    assert fits(url, PASSWORD)
    database = Database(url)
    with database.reading() as connection:
        assert connection.execute(select(review_account.c.password)).scalar_one().startswith("$argon2id$")
    database.close()


def test_without_a_controller_nobody_is_seen_and_the_list_says_so(url: str) -> None:
    """None is the default."""
    run("add", "aino", "--role", "auditor", typed=f"{PASSWORD}\n")
    assert stored(url)["aino"].custodians == frozenset()
    listed = run("list")
    assert "aino" in listed.output
    assert "auditor" in listed.output
    assert "sees nobody" in listed.output


def test_lock_role_controllers_and_password_are_changed(url: str) -> None:
    """Each by its own word; a locked account does not sign in with the right password."""
    run("add", "aino", typed=f"{PASSWORD}\n")
    assert run("lock", "aino").exit_code == 0
    assert not fits(url, PASSWORD)
    for words, typed in (
        (("unlock", "aino"), ""),
        (("role", "aino", "auditor"), ""),
        (("custodians", "aino", CITY, "1.2.3"), ""),
        (("password", "aino"), "another long password\n"),
    ):
        assert run(*words, typed=typed).exit_code == 0, words
    aino = stored(url)["aino"]
    assert (aino.role, aino.locked, aino.custodians) == ("auditor", False, frozenset([CITY, "1.2.3"]))
    assert fits(url, "another long password")
    run("custodians", "aino")
    assert stored(url)["aino"].custodians == frozenset()


def test_every_change_is_in_the_log_without_name_or_password(url: str) -> None:
    """By the account's opaque id."""
    run("add", "aino", typed=f"{PASSWORD}\n")
    run("lock", "aino")
    database = Database(url)
    with database.reading() as connection:
        entries = [json.loads(each) for each in connection.execute(select(audit_entry.c.entry)).scalars()]
    database.close()
    assert [each["act"] for each in entries] == ["account-add", "account-lock"]
    assert not any(word in json.dumps(entries) for word in ("aino", PASSWORD))


@pytest.mark.parametrize(
    ("words", "typed", "code", "said"),
    [
        (("add", "aino"), "short\n", 2, "at least 12"),
        (("add", "openid:x"), f"{PASSWORD}\n", 2, "does not begin with"),
        (("add", "aino", "--role", "king"), f"{PASSWORD}\n", 2, "reviewer, auditor"),
        (("lock", "nobody"), "", 1, "accounts list"),
        (("password", "openid:x"), "", 2, "no password"),
    ],
)
def test_what_is_wrong_is_said(url: str, words: tuple[str, ...], typed: str, code: int, said: str) -> None:
    """With the exit code of wrong use, or of findings for an account that is not there."""
    answer = run(*words, typed=typed)
    assert answer.exit_code == code
    assert said in answer.output


def test_an_account_is_not_made_twice(url: str) -> None:
    """The second time it says what to use instead; the password stays."""
    run("add", "aino", typed=f"{PASSWORD}\n")
    again = run("add", "aino", typed="a different password\n")
    assert again.exit_code == 2
    assert "exists already" in again.output
    assert fits(url, PASSWORD)
