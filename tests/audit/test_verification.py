"""Verifying from outside: what bends the log is found, and what could not be checked is said."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapter import audit
from adapter.audit import Part
from adapter.audit.verification import Report, change_key, examine
from adapter.store import Database
from tests.audit.conftest import bend

FIRST, SECOND, THIRD, STRANGE = (Ed25519PrivateKey.generate() for _ in range(4))


def fill(database: Database, count: int, word: str = "permit") -> None:
    """Append entries."""
    with database.transaction() as connection:
        for number in range(count):
            audit.append(connection, float(number), "decision", {"submission": f"s{number}", "decision": word})


def sign(database: Database, key: Ed25519PrivateKey) -> str:
    """Store a checkpoint and return it."""
    with database.transaction() as connection:
        return audit.checkpoint(connection, 100.0, key)


def hand_over(database: Database, old: Ed25519PrivateKey, new: Ed25519PrivateKey) -> str:
    """Change the key."""
    with database.transaction() as connection:
        return change_key(connection, 200.0, old, new)


def examined(
    database: Database, *keys: Ed25519PrivateKey, kept: tuple[str, ...] = (), part: Part = audit.WHOLE
) -> Report:
    """Verify the log, or a part of it, with public keys."""
    with database.reading() as connection:
        return examine(connection, [key.public_key() for key in keys], kept, part)


def test_an_empty_log_has_nothing_to_verify(database: Database) -> None:
    """No entry and no finding; with a kept checkpoint of a longer log it is a cut one."""
    assert examined(database) == Report(0, 0, 0, None)
    fill(database, 3)
    kept = sign(database, FIRST)
    with database.transaction() as connection:
        for table in ("audit_entry", "audit_checkpoint"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    assert examined(database, FIRST, kept=(kept,)).finding == audit.Finding("tail", 1)


@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        (("UPDATE audit_entry SET entry = replace(entry, 'permit', 'deny') WHERE seq = 4",), "entry"),
        (("UPDATE audit_entry SET at = at + 1 WHERE seq = 4",), "entry"),
        (("UPDATE audit_entry SET kind = 'outcome' WHERE seq = 4",), "entry"),
        (("DELETE FROM audit_entry WHERE seq = 4",), "entry"),
        (
            (
                "UPDATE audit_entry SET seq = 100 WHERE seq = 4",
                "UPDATE audit_entry SET seq = 4 WHERE seq = 5",
                "UPDATE audit_entry SET seq = 5 WHERE seq = 100",
            ),
            "entry",
        ),
        (("DELETE FROM audit_entry WHERE seq > 3",), "tail"),
    ],
)
def test_a_bent_log_is_found(database: Database, statements: tuple[str, ...], kind: str) -> None:
    """An edit of text, time or kind, a deletion, a re-ordering and a cut tail are each found at entry 4."""
    fill(database, 9)
    kept = sign(database, FIRST)
    bend(database, *statements)
    assert examined(database, FIRST, kept=(kept,)).finding == audit.Finding(kind, 4)


@pytest.mark.parametrize(
    ("part", "report"),
    [
        (Part(5), Report(5, 1, 0, None)),
        (Part(last=3), Report(3, 0, 0, None)),
        (Part(last=6), Report(6, 0, 0, audit.Finding("entry", 4))),
        (Part(4), Report(6, 0, 0, audit.Finding("entry", 4))),
        (Part(6, 9), Report(4, 1, 0, None)),
        (Part(6, 8), Report(3, 0, 0, None)),
        (Part(6, 12), Report(4, 0, 0, audit.Finding("tail", 10))),
        (Part(10), Report(0, 0, 0, audit.Finding("tail", 10))),
    ],
)
def test_a_part_of_the_log_can_be_verified(database: Database, part: Part, report: Report) -> None:
    """What stands before the part is believed, what was asked for must be there; a checkpoint counts by its size."""
    fill(database, 9)
    bend(database, "UPDATE audit_entry SET at = at + 1 WHERE seq = 4")
    kept = sign(database, FIRST)
    bend(database, "DELETE FROM audit_checkpoint")
    assert examined(database, FIRST, kept=(kept,), part=part) == report


def test_a_rebuilt_log_is_found_by_a_kept_checkpoint(database: Database) -> None:
    """Chain and stored checkpoints may all be made anew; the one kept elsewhere says otherwise."""
    fill(database, 9)
    kept = sign(database, FIRST)
    bend(database, "DELETE FROM audit_entry", "DELETE FROM audit_checkpoint")
    fill(database, 12, "deny")
    assert examined(database, FIRST).finding is None
    assert examined(database, FIRST, kept=(kept,)).finding == audit.Finding("checkpoint", 9)


def test_a_forged_checkpoint_is_found(database: Database) -> None:
    """A changed note breaks its signature; one of a strange key is unchecked in the store, and refused as kept."""
    fill(database, 3)
    strange = sign(database, STRANGE)
    sign(database, FIRST)
    assert examined(database, FIRST) == Report(3, 1, 1, None)
    assert examined(database, FIRST, kept=(strange,)).finding == audit.Finding("signature", 3)
    bend(database, "UPDATE audit_checkpoint SET note = replace(note, '100.0', '101.0')")
    assert examined(database, FIRST).finding == audit.Finding("signature", 2)


def test_whoever_trusts_the_first_key_follows_every_change(database: Database) -> None:
    """Two changes later the first key still leads to all checkpoints; the newest alone checks what it signed."""
    fill(database, 3)
    notes = [sign(database, FIRST), hand_over(database, FIRST, SECOND)]
    fill(database, 2)
    notes += [sign(database, SECOND), hand_over(database, SECOND, THIRD), sign(database, THIRD)]
    assert examined(database, FIRST, kept=tuple(notes)) == Report(7, 10, 0, None)
    assert examined(database, THIRD) == Report(7, 2, 3, None)


def test_a_key_that_was_handed_over_has_no_word_on_what_comes_later(database: Database) -> None:
    """Whoever stole the old key cannot sign a later state."""
    fill(database, 3)
    hand_over(database, FIRST, SECOND)
    fill(database, 2)
    sign(database, FIRST)
    report = examined(database, FIRST)
    assert (report.finding, report.unchecked) == (None, 1)
    stolen = sign(database, FIRST)
    assert examined(database, FIRST, kept=(stolen,)).finding == audit.Finding("signature", 4)


def test_a_change_of_key_counts_only_under_the_old_signature(database: Database) -> None:
    """An entry that names a new key without a checkpoint of the old one makes nobody trusted."""
    fill(database, 3)
    sign(database, FIRST)
    hand_over(database, STRANGE, SECOND)
    sign(database, SECOND)
    assert examined(database, FIRST) == Report(4, 1, 2, None)
