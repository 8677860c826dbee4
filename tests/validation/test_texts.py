"""Every text for people exists in Finnish, Swedish and English, with the same placeholders."""

from __future__ import annotations

import re

import pytest

from adapter.data import data_root
from adapter.i18n import LANGUAGES, catalogue
from adapter.validation.rules import catalogue as rules

AREAS = sorted(path.stem for path in (data_root() / "mappings" / "messages").glob("*.yaml"))
PLACEHOLDER = re.compile(r"\{(\w*)\}")


def complete(texts: dict[str, str]) -> bool:
    """Tell whether no language is missing and all name the same things."""
    placeholders = [sorted(set(PLACEHOLDER.findall(text))) for text in texts.values()]
    return set(texts) == set(LANGUAGES) and all(found == placeholders[0] for found in placeholders)


@pytest.mark.parametrize("area", AREAS)
def test_messages_are_in_all_languages(area: str) -> None:
    """No message falls back to another language."""
    assert [name for name, message in catalogue(area).items() if not complete(message.texts)] == []


def test_rules_are_in_all_languages() -> None:
    """No business rule, and no variant of one, falls back to another language."""
    for rule in rules().rules:
        for texts in (rule.texts, *(variant.texts for variant in rule.variants.values())):
            assert complete(dict(texts)), rule.id
            assert len(set(texts.values())) == len(LANGUAGES), rule.id
