"""Whoever writes into the database file is found out: bodies open only in their own row, the log only as it was."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapter import audit
from adapter.delivery import Repository
from adapter.pipeline import Line, Sender
from adapter.serve import MissingKeyError, check_keys, load_settings
from adapter.store import Cipher, Database
from adapter.store.cipher import CipherError
from tests.attacks.conftest import body
from tests.one_try import try_due

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
LOG_KEY = Ed25519PrivateKey.generate()


def line(folder: Path, keys: dict[str, bytes], posted: list[bytes] | None = None) -> Line:
    """A line over the database in a folder; what it sends is added to `posted`."""

    def answer(request: httpx.Request) -> httpx.Response:
        if posted is not None and request.method == "POST":
            posted.append(request.content)
        return httpx.Response(503)

    repository = Repository("http://repository.example/fhir", transport=httpx.MockTransport(answer))
    return Line(Database(f"sqlite:///{folder / 'k.sqlite'}"), Cipher(keys), id_key=OTHER, repository=repository)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A folder whose database holds three records and their log, with a checkpoint in `checkpoint`."""
    one = line(tmp_path, {"1": KEY})
    for _ in range(3):
        one.accept(body(), sender=Sender("local"))
    with one._database.transaction() as connection:
        note = audit.checkpoint(connection, 1.0, LOG_KEY)
    (tmp_path / "checkpoint").write_text(note)
    one._database.close()
    return tmp_path


def write(folder: Path, *statements: str) -> None:
    """Change the database behind the adapter's back."""
    connection = sqlite3.connect(folder / "k.sqlite")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


LOG_ATTACKS = {
    "an entry changed": ["UPDATE audit_entry SET entry = replace(entry, 'permit', 'denied') WHERE seq = 1"],
    "an instant changed": ["UPDATE audit_entry SET at = at + 1 WHERE seq = 2"],
    "a kind changed": ["UPDATE audit_entry SET kind = 'refusal' WHERE seq = 2"],
    "the first entry gone": ["DELETE FROM audit_entry WHERE seq = 1"],
    "an entry in the middle gone": ["DELETE FROM audit_entry WHERE seq = 2"],
    "the last entry gone": ["DELETE FROM audit_entry WHERE seq = (SELECT max(seq) FROM audit_entry)"],
    "everything gone": ["DELETE FROM audit_entry"],
    "two entries changed places": [
        "UPDATE audit_entry SET seq = 100 WHERE seq = 1",
        "UPDATE audit_entry SET seq = 1 WHERE seq = 2",
        "UPDATE audit_entry SET seq = 2 WHERE seq = 100",
    ],
    "a hash changed": ["UPDATE audit_entry SET hash = 'a' || substr(hash, 2) || 'x' WHERE seq = 3"],
    "a link changed": ["UPDATE audit_entry SET previous = hash WHERE seq = 2"],
    "an entry added": [
        "INSERT INTO audit_entry (seq, at, kind, entry, previous, hash) "
        "SELECT seq + 1, at, kind, entry, hash, hash FROM audit_entry ORDER BY seq DESC LIMIT 1"
    ],
    "an entry copied in between": [
        "UPDATE audit_entry SET seq = seq + 100 WHERE seq > 1",
        "INSERT INTO audit_entry (seq, at, kind, entry, previous, hash) "
        "SELECT 2, at, kind, entry, previous, hash FROM audit_entry WHERE seq = 1",
        "UPDATE audit_entry SET seq = seq - 99 WHERE seq > 100",
    ],
}


@pytest.mark.parametrize("attack", LOG_ATTACKS, ids=str)
def test_a_bent_log_is_found(filled: Path, attack: str) -> None:
    """The chain, or the checkpoint that was kept elsewhere, names what does not fit."""
    write(filled, *LOG_ATTACKS[attack])
    checkpoint = audit.read_checkpoint((filled / "checkpoint").read_text(), LOG_KEY.public_key())
    database = Database(f"sqlite:///{filled / 'k.sqlite'}")
    with database.reading() as connection:
        assert audit.verify(connection, [checkpoint]) is not None
    database.close()


NOTES: dict[str, Callable[[str], str]] = {
    "another size": lambda note: note.replace("\n3\n", "\n2\n").replace("\n4\n", "\n3\n"),
    "another root": lambda note: note.replace("A", "B", 1).replace("a", "b", 1),
    "no signature": lambda note: note.split("\n\n")[0] + "\n\n",
    "nothing": lambda _note: "",
    "another signer": lambda note: note,
    "noise": lambda _note: "\0" * 1_000,
    "huge": lambda note: note + "x" * 1_000_000,
}


@pytest.mark.parametrize("attack", NOTES, ids=str)
def test_a_bent_checkpoint_does_not_hold(filled: Path, attack: str) -> None:
    """Only the note that was signed is read, and only with the key of its signer."""
    key = Ed25519PrivateKey.generate() if attack == "another signer" else LOG_KEY
    note = NOTES[attack]((filled / "checkpoint").read_text())
    with pytest.raises(audit.CheckpointBroken):
        audit.read_checkpoint(note, key.public_key())


BODY_ATTACKS = {
    "the bodies of two rows change places": [
        "CREATE TABLE t AS SELECT id, body FROM submission",
        "UPDATE submission SET body = (SELECT body FROM t WHERE t.id != submission.id LIMIT 1)",
    ],
    "source for body": ["UPDATE submission SET body = source"],
    "a bit turned": ["UPDATE submission SET body = CAST(substr(body, 1, 40) || x'00' || substr(body, 42) AS BLOB)"],
    "cut": ["UPDATE submission SET body = substr(body, 1, 20)"],
    "empty": ["UPDATE submission SET body = x''"],
    "in clear": ['UPDATE submission SET body = CAST(\'{"resourceType":"Bundle"}\' AS BLOB)'],
    "another key's name": ["UPDATE submission SET body = CAST(x'0132' || substr(body, 3) AS BLOB)"],
}


@pytest.mark.parametrize("attack", BODY_ATTACKS, ids=str)
def test_a_moved_or_damaged_body_does_not_open(filled: Path, attack: str) -> None:
    """Nothing that was not written for this row is delivered, and the error says nothing of what is inside."""
    write(filled, *BODY_ATTACKS[attack])
    posted: list[bytes] = []
    one = line(filled, {"1": KEY, "2": OTHER}, posted)
    (message,) = try_due(one, 4e9)
    with pytest.raises(CipherError) as caught:
        assert message.body
    assert "080885" not in str(caught.value)
    status = one.status(message.submission, "local")
    assert status is not None
    assert status.state != "delivered"
    assert posted == []
    one._database.close()


def test_the_file_holds_nothing_in_clear(filled: Path) -> None:
    """Neither identity codes nor names nor texts can be read from the database or its journal."""
    for file in filled.glob("k.sqlite*"):
        content = file.read_bytes()
        for secret in (b"080885-906S", b"906S", b"Asiakas"):
            assert secret not in content, file.name


WEAK_KEYS = {
    "empty": "",
    "short": base64.b64encode(b"short").decode(),
    "zeros": base64.b64encode(bytes(32)).decode(),
    "one letter": base64.b64encode(b"a" * 32).decode(),
    "two letters": base64.b64encode(b"ab" * 16).decode(),
    "counted up": base64.b64encode(bytes(range(32))).decode(),
    "counted down": base64.b64encode(bytes(range(255, 223, -1))).decode(),
    "eight again and again": base64.b64encode(b"12345678" * 4).decode(),
    "sixteen twice": base64.b64encode(b"a long password!" * 2).decode(),
    "too long": base64.b64encode(bytes(range(64))).decode(),
    "hex": bytes(range(32)).hex(),
    "password": "correct horse battery staple",
    "PEM": "-----BEGIN PRIVATE KEY-----",
}


@pytest.mark.parametrize("attack", WEAK_KEYS, ids=str)
@pytest.mark.parametrize("setting", ["id_key", "token_key", "storage_keys"])
def test_a_weak_key_starts_nothing(setting: str, attack: str) -> None:
    """Refused before anything is opened; the key is not repeated."""
    value = {"1": WEAK_KEYS[attack]} if setting == "storage_keys" else WEAK_KEYS[attack]
    with pytest.raises((ValueError, MissingKeyError)) as caught:
        check_keys(load_settings(demo=True, **{setting: value}))
    assert not WEAK_KEYS[attack] or WEAK_KEYS[attack] not in str(caught.value)
