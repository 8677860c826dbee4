"""`kykysilta send` shows what is wrong with a record where its sender finds it."""

from __future__ import annotations

import pytest

from adapter.cli.sending import Sender
from adapter.client import AdapterClient, Problem, Refused


class Refusing(AdapterClient):
    """An adapter that refuses everything."""

    def __init__(self) -> None:
        """Nobody is called."""

    def send(self, *_: object, **__: object) -> None:  # type: ignore[override]
        """Refuse."""
        wrong = Problem("error", "value", "K1105", "Arvo on väärää tyyppiä.", "goals[0].priority", 7, 21)
        raise Refused(400, (wrong, Problem("error", "required", "K9", "Puuttuu.")))


def test_a_refusal_is_shown_at_the_senders_field(capsys: pytest.CaptureFixture[str]) -> None:
    """File, message number, sentence, field, line and column on one line; what has no place is told without."""
    sender = Sender(Refusing(), "fi")
    sender.show([sender.send("plan.json", b"{}", vendor=None, record_type=None)])
    told = capsys.readouterr().out.splitlines()
    assert "plan.json: K1105 Arvo on väärää tyyppiä. goals[0].priority (7:21)" in told
    assert "plan.json: K9 Puuttuu." in told
