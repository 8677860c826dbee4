"""Verifying the log from outside: chain, checkpoints stored and kept elsewhere, keys that changed, traces.

A change of the checkpoint key is an entry of the chain, covered by a checkpoint that the old key signed. Whoever
trusts the first key can so follow the chain to every later one; from then on the old key is worth nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Connection

from adapter.audit import traces
from adapter.audit.chain import WHOLE, Finding, Part, append, notes, sign_state, size, verify
from adapter.audit.checkpoints import Checkpoint, CheckpointBroken, UnknownKey, key_id, read_checkpoint
from adapter.audit.rows import read_rows
from adapter.store.cipher import Cipher

KEY_CHANGE = "checkpoint-key"


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification found.

    Attributes:
        entries: how many entries were looked at.
        held: how many checkpoints of them were checked and hold.
        unchecked: how many stored checkpoints no given key has signed.
        finding: the first thing that does not fit, or None.
        unopened: how many traces of decisions are there, but need a storage key that was not given.
    """

    entries: int
    held: int
    unchecked: int
    finding: Finding | None
    unopened: int = 0


@dataclass(frozen=True, slots=True)
class _Trusted:
    """A key and the last size of the log for which its word counts; None while it is current."""

    key: Ed25519PublicKey
    until: int | None = None


def examine(
    connection: Connection,
    keys: Sequence[Ed25519PublicKey],
    kept: Iterable[str] = (),
    part: Part = WHOLE,
    cipher: Cipher | None = None,
) -> Report:
    """Verify the log.

    Args:
        keys: public keys that are trusted; those that they handed over to count too.
        kept: checkpoints as text, kept outside the database: only they find a cut tail or a rebuilt chain.
        part: see `verify`.
        cipher: opens the traces of decisions; without it only missing ones are found.
    """
    entries = max(min(size(connection), part.last) - max(part.first, 1) + 1, 0)
    stored = notes(connection)
    trusted = _trusted(connection, keys, stored)
    unchecked, checkpoints = 0, []
    for number, (note, ours) in enumerate([*((one, True) for one in stored), *((one, False) for one in kept)], start=1):
        try:
            checkpoints.append(_read(note, trusted))
        except UnknownKey:
            if not ours:
                return Report(entries, 0, unchecked, Finding("signature", number))
            unchecked += 1
        except CheckpointBroken:
            return Report(entries, 0, unchecked, Finding("signature", number))
    finding = verify(connection, checkpoints, part)
    if finding:
        return Report(entries, 0, unchecked, finding)
    broken, unopened = traces.verify(connection, cipher, part)
    held = 0 if broken else sum(part.holds(one.size) for one in checkpoints)
    return Report(entries, held, unchecked, broken, unopened)


def change_key(connection: Connection, now: float, old: Ed25519PrivateKey, new: Ed25519PrivateKey) -> str:
    """Hand over to a new checkpoint key: an entry that names it, and a checkpoint that both sign; returns that.

    Args:
        now: the present instant, UTC seconds.
    """
    public = new.public_key()
    named = base64.b64encode(public.public_bytes_raw()).decode()
    entry = {"act": KEY_CHANGE, "key": named, "before": key_id(old.public_key()), "after": key_id(public)}
    append(connection, now, "admin", entry)
    return sign_state(connection, now, old, new)


def _trusted(connection: Connection, keys: Sequence[Ed25519PublicKey], stored: Sequence[str]) -> list[_Trusted]:
    """Return the given keys and all that they handed over to, each with its end."""
    found = [_Trusted(key) for key in keys]
    for seq, before, public in _changes(connection):
        covering = next((size for size in _sizes(stored, found) if size >= seq), None)
        if covering is None or all(key_id(one.key) != before for one in found):
            continue
        found = [_Trusted(one.key, covering) if key_id(one.key) == before else one for one in found]
        if all(key_id(one.key) != key_id(public) for one in found):
            found.append(_Trusted(public))
    return found


def _changes(connection: Connection) -> Iterator[tuple[int, str, Ed25519PublicKey]]:
    for row in read_rows(connection, kinds=("admin",)):
        if row.act == KEY_CHANGE:
            raw = base64.b64decode(row.fact("key"))
            yield row.seq, row.fact("before"), Ed25519PublicKey.from_public_bytes(raw)


def _sizes(stored: Sequence[str], trusted: Sequence[_Trusted]) -> Iterator[int]:
    for note in stored:
        try:
            yield _read(note, trusted).size
        except CheckpointBroken:
            continue


def _read(note: str, trusted: Sequence[_Trusted]) -> Checkpoint:
    """Read a checkpoint; a key that was handed over from has no word on a later state.

    Raises:
        CheckpointBroken: see `read_checkpoint`.
    """
    found = read_checkpoint(note, *(one.key for one in trusted))
    in_time = [one.key for one in trusted if one.until is None or found.size <= one.until]
    return read_checkpoint(note, *in_time)
