"""The message catalogue: every file can be read, and every text is whole in every language it stands in."""

from __future__ import annotations

from collections import Counter
from string import Formatter

import pytest

from adapter.data import data_root
from adapter.i18n import LANGUAGES, Message, catalogue, text

AREAS = sorted(path.stem for path in (data_root() / "mappings" / "messages").glob("*.yaml"))


def placeholders(text: str) -> set[str]:
    """The names in braces."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("area", AREAS)
def test_every_text_is_whole(area: str) -> None:
    """Finnish and English are there, Swedish says no other values than they do, and no text is empty."""
    for name, message in catalogue(area).items():
        assert {"fi", "en"} <= message.texts.keys(), name
        assert all(text.strip() for text in message.texts.values()), name
        assert len({frozenset(placeholders(text)) for text in message.texts.values()}) == 1, name


def test_codes_are_said_in_the_readers_words() -> None:
    """A wrong type is told in the language of the reader; a code without words stays as it is."""
    told = {one: text("source.wrong-type", one, expected="string, integer", found="date") for one in LANGUAGES}
    assert told["fi"] == "Arvo on väärää tyyppiä: pitää olla teksti, kokonaisluku, on date."
    assert "text, heltal" in told["sv"]
    assert "a text, a whole number" in told["en"]


def test_a_number_means_one_message() -> None:
    """What a sender looks up by its number is found once."""
    every: list[Message] = [message for area in AREAS for message in catalogue(area).values()]
    assert [number for number, count in Counter(message.number for message in every).items() if count > 1] == []
