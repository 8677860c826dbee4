"""One try of what is due, step by step in this thread: what a worker spreads over its turns and threads."""

from __future__ import annotations

from adapter.delivery.messages import Message
from adapter.delivery.sending import Try
from adapter.pipeline import Line


def try_due(line: Line, now: float, limit: int = 10) -> list[Message]:
    """Claim messages, then prepare, begin, send and conclude each of them; returns them."""
    claimed = line.outbox.claim("worker", now, limit)
    for message in claimed:
        prepared = line.delivery.prepare(message)
        if isinstance(prepared, Try) and not message.doubtful:
            line.outbox.turn(now, begin=[message])
        outcome = line.delivery.send(prepared) if isinstance(prepared, Try) else prepared
        assert outcome is not None
        line.outbox.turn(now, outcomes=[outcome])
        line.delivery.tell(outcome)
    return claimed
