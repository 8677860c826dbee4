"""Whoever bends the log is found: edit, deletion, re-ordering, cut tail, rebuilt chain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from adapter import audit
from adapter.audit import merkle
from adapter.store import Database

KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A log of nine entries."""
    opened = Database(f"sqlite:///{tmp_path / 'k.sqlite'}")
    fill(opened, 9)
    yield opened
    opened.close()


def fill(database: Database, count: int, word: str = "permit") -> None:
    """Append entries."""
    with database.transaction() as connection:
        for number in range(count):
            audit.append(connection, float(number), "decision", {"submission": f"s{number}", "decision": word})


def change(database: Database, *statements: str) -> None:
    """Tamper with the file directly."""
    with database.transaction() as connection:
        for statement in statements:
            connection.execute(text(statement))


def verify(database: Database, *checkpoints: audit.Checkpoint) -> audit.Finding | None:
    """Verify the log."""
    with database.reading() as connection:
        return audit.verify(connection, checkpoints)


def signed(database: Database) -> audit.Checkpoint:
    """A checkpoint as somebody else keeps it."""
    with database.transaction() as connection:
        return audit.read_checkpoint(audit.checkpoint(connection, 100.0, KEY), KEY.public_key())


def test_an_untouched_log_fits(database: Database) -> None:
    """Chain and checkpoint agree, also after more entries."""
    kept = signed(database)
    fill(database, 3)
    assert verify(database, kept) is None


def test_an_edit_is_found(database: Database) -> None:
    """A changed word breaks the entry."""
    change(database, "UPDATE audit_entry SET entry = replace(entry, 'permit', 'deny') WHERE seq = 4")
    assert verify(database) == audit.Finding("entry", 4)


def test_a_deletion_is_found(database: Database) -> None:
    """A missing entry breaks the numbers, also when the later ones are renumbered."""
    change(database, "DELETE FROM audit_entry WHERE seq = 5")
    assert verify(database) == audit.Finding("entry", 5)
    change(database, *[f"UPDATE audit_entry SET seq = {seq - 1} WHERE seq = {seq}" for seq in range(6, 10)])
    assert verify(database) == audit.Finding("entry", 5)


def test_a_reordering_is_found(database: Database) -> None:
    """Two entries that changed places do not fit."""
    change(
        database,
        "UPDATE audit_entry SET seq = 100 WHERE seq = 2",
        "UPDATE audit_entry SET seq = 2 WHERE seq = 3",
        "UPDATE audit_entry SET seq = 3 WHERE seq = 100",
    )
    assert verify(database) == audit.Finding("entry", 2)


def test_a_cut_tail_is_found_by_a_kept_checkpoint(database: Database) -> None:
    """The chain alone is content with a shorter log; the checkpoint is not."""
    kept = signed(database)
    change(database, "DELETE FROM audit_entry WHERE seq > 6")
    assert verify(database) is None
    assert verify(database, kept) == audit.Finding("tail", 7)


def test_a_rebuilt_chain_is_found_by_a_kept_checkpoint(database: Database) -> None:
    """A whole new chain with right hashes has another root."""
    kept = signed(database)
    change(database, "DELETE FROM audit_entry")
    fill(database, 12, "deny")
    assert verify(database) is None
    assert verify(database, kept) == audit.Finding("checkpoint", 9)


def test_a_forged_checkpoint_does_not_hold(database: Database) -> None:
    """Size, root and time are under the signature; another key is no authority."""
    with database.transaction() as connection:
        note = audit.checkpoint(connection, 100.0, KEY)
    for forged in (note.replace("\n9\n", "\n8\n"), note.replace("100.0", "101.0"), "", note.replace("audit", "other")):
        with pytest.raises(audit.CheckpointBroken):
            audit.read_checkpoint(forged, KEY.public_key())
    with pytest.raises(audit.CheckpointBroken):
        audit.read_checkpoint(note, Ed25519PrivateKey.generate().public_key())


def plain_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962 §2.1, word for word."""
    if not leaves:
        return merkle.EMPTY
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return merkle.node_hash(plain_root(leaves[:split]), plain_root(leaves[split:]))


@given(st.lists(st.binary(max_size=4), max_size=40), st.data())
def test_the_tree_is_that_of_rfc_6962(entries: list[bytes], data: st.DataObject) -> None:
    """Root equals the recursive definition; an inclusion proof holds for its own leaf and place only."""
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    root = merkle.root_of(leaves)
    assert root == plain_root(leaves)
    if leaves:
        index = data.draw(st.integers(0, len(leaves) - 1))
        proof = merkle.inclusion_proof(leaves, index)
        assert merkle.check_inclusion(leaves[index], index, len(leaves), proof, root)
        assert not merkle.check_inclusion(merkle.leaf_hash(b"other"), index, len(leaves), proof, root)
        assert not merkle.check_inclusion(leaves[index], index + 1, len(leaves), proof, root) or len(set(leaves)) < len(
            leaves
        )
