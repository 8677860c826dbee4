"""Bodies at rest open only with their key and in their row; the database only moves forward."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from adapter.store import Cipher, Database
from adapter.store.cipher import CipherError, keyed_hash
from adapter.store.migrations import MIGRATIONS, DatabaseTooNewError

OLD, NEW = b"o" * 16 + bytes(range(16)), b"n" * 16 + bytes(range(16))


def test_a_body_opens_with_its_key_in_its_row() -> None:
    """Encrypt and decrypt are each other's inverse; the plain text does not show."""
    cipher = Cipher({"a": OLD})
    stored = cipher.encrypt("t/c/1", b"salainen")
    assert b"salainen" not in stored
    assert cipher.decrypt("t/c/1", stored) == b"salainen"


def test_a_body_moved_to_another_row_does_not_open() -> None:
    """Swapping two rows in the file is found."""
    cipher = Cipher({"a": OLD})
    with pytest.raises(CipherError):
        cipher.decrypt("t/c/2", cipher.encrypt("t/c/1", b"salainen"))


def test_rotation_keeps_old_bodies_readable() -> None:
    """A new first key encrypts, the old one still opens."""
    stored = Cipher({"a": OLD}).encrypt("t/c/1", b"vanha")
    rotated = Cipher({"b": NEW, "a": OLD})
    assert rotated.decrypt("t/c/1", stored) == b"vanha"
    assert Cipher.key_id(rotated.encrypt("t/c/1", b"uusi")) == "b"
    with pytest.raises(CipherError, match="'a' is not configured"):
        Cipher({"b": NEW}).decrypt("t/c/1", stored)


def test_keyed_hash_tells_parts_apart() -> None:
    """ab|c is not a|bc, and another key gives another value."""
    assert keyed_hash(OLD, "ab", "c") != keyed_hash(OLD, "a", "bc")
    assert keyed_hash(OLD, "a") != keyed_hash(NEW, "a")


def test_opening_twice_migrates_once(tmp_path: Path) -> None:
    """An up-to-date database is left as it is."""
    url = f"sqlite:///{tmp_path / 'k.sqlite'}"
    Database(url).close()
    database = Database(url)
    with database.reading() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("SELECT version FROM store_version")).all() == [(len(MIGRATIONS),)]
    database.close()


def test_a_database_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    """Data are never downgraded by accident."""
    url = f"sqlite:///{tmp_path / 'k.sqlite'}"
    database = Database(url)
    with database.transaction() as connection:
        connection.execute(text("UPDATE store_version SET version = 999"))
    database.close()
    with pytest.raises(DatabaseTooNewError):
        Database(url)
