"""What is done now and then: retention, checkpoints of the audit log, certificates that end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapter import audit
from adapter.delivery import Outbox, chores
from adapter.delivery.keeping import forget_bodies
from adapter.delivery.messages import Delivered
from adapter.delivery.states import Known
from adapter.events import Event
from adapter.security.certificates import Authority
from adapter.store import Database
from tests.delivery.conftest import BUNDLE, CIPHER, Put

DAY = chores.DAY


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Event, dict[str, Any]]]:
    """Every line of the log."""
    lines: list[tuple[Event, dict[str, Any]]] = []
    monkeypatch.setattr(chores, "log", lambda event, **fields: lines.append((event, fields)))
    return lines


@pytest.mark.parametrize(("days", "told"), [(31, []), (29, [29]), (-1, [-1])])
def test_a_certificate_is_announced_a_month_ahead(
    days: int, told: list[int], logged: list[tuple[Event, dict[str, Any]]]
) -> None:
    """And every day until it is replaced."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = Authority.create("CA", now).issue("Adapter", "signature", now, days=days).certificate
    chores.expiry(lambda: {"signing": certificate}).act(now.timestamp())
    assert [fields["days"] for event, fields in logged if event is Event.CERTIFICATE_EXPIRES] == told


def test_a_checkpoint_is_signed_when_the_log_has_grown(database: Database) -> None:
    """Each covers everything so far; without new entries there is no new one."""
    key = Ed25519PrivateKey.generate()
    chore = chores.checkpoints(database, key)
    chore.act(1.0)
    with database.transaction() as connection:
        audit.append(connection, 1.0, "admin", {"act": "test"})
    chore.act(2.0)
    chore.act(3.0)
    with database.reading() as connection:
        notes = [audit.read_checkpoint(note, key.public_key()) for note in audit.notes(connection)]
        assert [note.size for note in notes] == [1]
        assert audit.verify(connection, notes) is None


def test_bodies_are_deleted_when_their_days_are_over(database: Database, outbox: Outbox, put: Put) -> None:
    """Thirty days after the receipt, not before."""
    put("moona", BUNDLE)
    places = {"urn:uuid:a": Known("Patient/1", "1")}
    outbox.turn(2.0, outcomes=[Delivered(outbox.claim("w", 1.0)[0], "r", places, set(), "receipt", attempts=1)])
    chore = chores.retention(database, CIPHER, 30)
    chore.act(30 * DAY)
    assert forget_bodies(database, CIPHER, 1.0, 1.0) == 0
    chore.act(30 * DAY + 3.0)
    assert forget_bodies(database, CIPHER, 1e9, 1e9) == 0


def test_a_chore_that_fails_is_told_and_the_end_is_done(logged: list[tuple[Event, dict[str, Any]]]) -> None:
    """One broken chore stops no other; what belongs to the end is done when the service stops."""
    done: list[str] = []

    def broken(now: float) -> None:
        raise OSError(now)

    last = chores.Chore("last", 1e9, lambda _now: done.append("last"), at_end=True)
    running = chores.Chores([chores.Chore("broken", 1e9, broken), last])
    running.start()
    running.stop()
    assert done[-1] == "last"
    assert all(event is Event.CHORE_FAILED and fields["name"] == "broken" for event, fields in logged)
