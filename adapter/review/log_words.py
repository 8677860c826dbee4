"""An entry of the log in words: who acted, on which data, for whom and why; ids and codes by their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from adapter.audit import words
from adapter.audit.rows import Row
from adapter.review.log import REASONS, is_denied
from adapter.review.words import refusal, said


@dataclass(frozen=True, slots=True)
class Names:
    """What ids of the log stand for; one that has no name here stays as it is.

    Attributes:
        clients: by pseudonym; only of those whom the reviewer may see.
        organisations: by id.
        reviewers: titles by account.
    """

    clients: Mapping[str, str]
    organisations: Mapping[str, str]
    reviewers: Mapping[str, str]


NOBODY = Names({}, {}, {})


def organisations_of(row: Row, names: Mapping[str, str]) -> str:
    """Return the organisations of an entry by name, else the system that asked."""
    own = row.parts("organisation") or row.parts("recipients")
    return ", ".join(names.get(each) or each for each in own) or row.fact("sender")


def who(row: Row, organisations: Mapping[str, str], language: str) -> str:
    """Return who acted, as role and organisation."""
    return ", ".join(filter(None, (words.role(row.fact("role"), language), organisations_of(row, organisations))))


def actor(row: Row, names: Names, language: str) -> str:
    """Return who acted: a reviewer or operator by account, else role and organisation."""
    reviewer = row.fact("reviewer")
    return names.reviewers.get(reviewer, reviewer) or who(row, names.organisations, language) or row.fact("operator")


def about(row: Row, names: Names, language: str) -> Iterator[str]:
    """Yield what an entry is about, a sentence each: data, recipients, ground, purpose, reason."""
    if row.what:
        yield words.listed(row.what, language)
    if recipients := row.parts("recipients"):
        told = ", ".join(names.organisations.get(each) or each for each in recipients)
        yield f"{said('to-whom', language)}: {told}"
    if basis := row.fact("basis"):
        yield f"{said('why', language)}: {words.ground(basis, language)}"
    if purpose := row.fact("purpose"):
        yield f"{said('purpose', language)}: {words.purpose(purpose, language)}"
    if row.fact("reason") in REASONS:
        yield said(f"log.reason-{row.fact('reason')}", language)
    if is_denied(row) and (why := refusal(row, language)):
        yield why
