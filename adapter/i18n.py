"""Texts for people: message key and language in, sentence out.

Texts stand in `mappings/messages/<area>.yaml`, Finnish, Swedish and English beside each other, with the
stable number and the FHIR issue type of the message. They are written so that no value of a record is
ever needed: placeholders carry names of fields, codes that are allowed, types, lengths and counts.
A text without Swedish falls back to Finnish. `{expected:source.type}` says codes in the reader's words: those of the
messages `source.type-string`, `source.type-number` and so on; a code without a message stays as it is.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal, NamedTuple, get_args

from adapter.data import data_root, read_yaml

Language = Literal["fi", "sv", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
_CODED = re.compile(r"\{(?P<name>\w+):(?P<area>\w+)\.(?P<kind>\w+)\}")


class Message(NamedTuple):
    """One entry of the catalogue: number, FHIR issue type (`issue-type` code) and its texts by language."""

    number: int
    code: str
    texts: dict[str, str]


@cache
def catalogue(area: str) -> dict[str, Message]:
    """Return all messages of one area (the file name without ending), by the rest of their key.

    Raises:
        LookupError: there is no such area.
    """
    path = data_root() / "mappings" / "messages" / f"{area}.yaml"
    if not path.is_file():
        raise LookupError(f"no message area '{area}'")
    return {
        name: Message(
            number=int(entry["number"]),
            code=entry["code"],
            texts={language: entry[language] for language in LANGUAGES if language in entry},
        )
        for name, entry in read_yaml(path).items()
    }


def message(key: str) -> Message:
    """Return the catalogue entry of a key such as `source.duplicate-key`.

    Raises:
        LookupError: no such message; a key is part of the program, so this is a bug.
    """
    area, _, name = key.partition(".")
    found = catalogue(area).get(name)
    if found is None:
        raise LookupError(f"no message '{key}'")
    return found


def text(key: str, language: str = "en", **values: str) -> str:
    """Return the sentence for `key` in `language` (`fi`, `sv`, `en`); Swedish falls back to Finnish."""
    texts = message(key).texts
    template = texts.get(language) or texts.get("fi" if language == "sv" else "en") or texts["en"]
    if "{" in template and (coded := list(_CODED.finditer(template))):
        values |= {one["name"]: _in_words(values[one["name"]], one["area"], one["kind"], language) for one in coded}
        template = _CODED.sub(r"{\g<name>}", template)
    return template.format_map(values)


def _in_words(codes: str, area: str, kind: str, language: str) -> str:
    """Return codes, divided by commas, in the words that the catalogue has for them."""
    known = catalogue(area)
    return ", ".join(
        text(f"{area}.{kind}-{code}", language) if f"{kind}-{code}" in known else code for code in codes.split(", ")
    )
