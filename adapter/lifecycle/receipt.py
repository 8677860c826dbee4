"""The client's receipt for what became of a consent: plain words in fi, sv and en. Pure, no database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from adapter.data import data_root, read_yaml
from adapter.i18n import text
from adapter.terminology import code_system
from adapter.types import Record


class Act(StrEnum):
    """What became of a consent."""

    GIVEN = "given"
    AMENDED = "amended"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    CORRECTED = "corrected"
    REFUSED = "refused"
    ASKED = "asked"

    @property
    def takes_back(self) -> bool:
        """True when those who got data are to be told."""
        return self in (Act.WITHDRAWN, Act.CORRECTED, Act.SUPERSEDED)


_BY_STATUS = {
    "withdrawn": Act.WITHDRAWN,
    "entered-in-error": Act.CORRECTED,
    "refused": Act.REFUSED,
    "draft": Act.ASKED,
    "requested": Act.ASKED,
}


@dataclass(frozen=True, slots=True)
class Grounds:
    """The two grounds beside each other; the one is never taken for the other.

    Attributes:
        article6, article9: letters of GDPR art. 6(1) and 9(2), on which the register is kept; empty when not stated.
        disclosure: code of cs:disclosure-basis, on which data go to others.
    """

    article6: str
    article9: str
    disclosure: str = "client-consent"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the client gets.

    Attributes:
        lines: sentences in the client's language.
    """

    act: Act
    language: str
    title: str
    lines: tuple[str, ...]
    grounds: Grounds

    def as_text(self) -> str:
        """Return the receipt as plain text."""
        return "\n".join((self.title, "", *self.lines, ""))


def act_of(record: Record, before: Record | None) -> Act:
    """Return what a version of a consent's record did.

    Args:
        before: the version before; None for the first.
    """
    status = str(record["status"])
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if before is None or before["status"] != "active":
        return Act.SUPERSEDED if "replaces" in record else Act.GIVEN
    withdrawn = len(record.get("withdrawals", ())) > len(before.get("withdrawals", ()))
    return Act.WITHDRAWN if withdrawn else Act.AMENDED


def grounds_of(register: str) -> Grounds:
    """Return on what a register is kept, and that single data go to others by the client's consent."""
    known = _registers().get(register, {})
    return Grounds(known.get("article6", ""), known.get("article9", ""))


def receipt(record: Record, before: Record | None, told: Sequence[str], language: str) -> Receipt:
    """Return the receipt for a version of a consent's record.

    Args:
        record: the version, canonical.
        before: the version before it; None for the first.
        told: names of those who are told of a withdrawal.
        language: fi, sv or en.
    """
    act, grounds = act_of(record, before), grounds_of(str(record["register"]))
    lines = [*_opening(record, act, before, language)]
    if act not in (Act.CORRECTED, Act.REFUSED) and record["status"] != "withdrawn":
        lines += _content(record, language)
    if act.takes_back:
        lines.append(_say("already-given", language))
        lines += [_say("told", language, names=_listed(told))] if told else []
    lines += _footing(record, grounds, language)
    return Receipt(act, language, _say(f"title-{act}", language), tuple(lines), grounds)


def name_of(recipient: Record) -> str:
    """Return what people call a recipient of a consent's record: a team, an organisation or a professional."""
    kind, who = next(iter(recipient.items()))
    name = str(who.get("name") or who.get("display") or who.get("id", ""))
    employer = who.get("organisation", {}).get("name", "") if kind == "practitioner" else ""
    return f"{name} ({employer})" if employer else name


def _opening(record: Record, act: Act, before: Record | None, language: str) -> Iterator[str]:
    kind = code_system("consent-type").display(record["consent_type"], language)
    yield _say("what", language, kind=kind, day=day(str(record["given_at"])))
    if "legal_representative" in record["given_by"]:
        yield _say("by-representative", language)
    if act in (Act.CORRECTED, Act.REFUSED):
        yield _say("entered-in-error" if act is Act.CORRECTED else "refused", language)
    if act is Act.WITHDRAWN:
        known = len(before.get("withdrawals", ())) if before else 0
        fresh = record.get("withdrawals", ())[known:] or [
            {"withdrawal_scope": "whole", "withdrawn_at": record["recorded_at"]}
        ]
        for one in fresh:
            scope = str(one["withdrawal_scope"])
            yield _say(f"withdrawn-{scope}", language, day=day(str(one["withdrawn_at"])), names=_taken(one, language))


def _taken(withdrawal: Record, language: str) -> str:
    if "recipient" in withdrawal:
        return name_of(withdrawal["recipient"])
    return _codes("data-class", [withdrawal["data_class"]], language) if "data_class" in withdrawal else ""


def _content(record: Record, language: str) -> Iterator[str]:
    """Say who may get what for what, without whom, and how long."""
    gone = record.get("withdrawals", ())
    without = {name_of(one["recipient"]) for one in gone if "recipient" in one}
    refused = {one["data_class"] for one in gone if "data_class" in one}
    recipients = [name for name in map(name_of, record["recipients"]) if name not in without]
    senders = [str(one.get("name") or one["id"]) for one in (record["custodian"], *record.get("senders", ()))]
    allowed = [one for one in record["data_classes"] if one not in refused]
    yield _say("recipients", language, names=_listed(recipients) or "–")
    yield _say("senders", language, names=_listed(dict.fromkeys(senders)))
    yield _say("classes", language, names=_codes("data-class", allowed, language) or "–")
    yield _say("purposes", language, names=_codes("consent-purpose", record["purposes"], language))
    for exclusion in record.get("exclusions", ()):
        what = _codes("data-class", [exclusion["data_class"]], language) if "data_class" in exclusion else ""
        what = what or _say("some-records", language)
        if "recipients" in exclusion:
            what = _say("exclusion-for", language, what=what, names=_listed(map(name_of, exclusion["recipients"])))
        yield _say("exclusion", language, what=what)
    start, end = record["period"].get("start", ""), record["period"].get("end", "")
    ends = {"end": day(end)} if end else {}
    yield _say("period" if end else "period-open", language, start=day(start or str(record["given_at"])), **ends)


def _footing(record: Record, grounds: Grounds, language: str) -> Iterator[str]:
    if grounds.article6:
        yield _say("processing", language, basis=_say(f"basis-{grounds.article6}", language))
    yield _say("ground", language, ground=code_system("disclosure-basis").display(grounds.disclosure, language))
    yield _say("not-kanta", language)
    if record["status"] == "active":
        yield _say("right", language)


def day(written: str) -> str:
    """Return a FHIR date of any precision as people in Finland write it."""
    return ".".join(str(int(part)) for part in reversed(written[:10].split("-")))


def _codes(system: str, codes: Iterable[Any], language: str) -> str:
    names = code_system(system)
    return _listed(names.display(str(code), language) for code in codes)


def _listed(names: Iterable[str]) -> str:
    return "; ".join(names)


def _say(key: str, language: str, **values: str) -> str:
    return text(f"receipt.{key}", language, **values)


@cache
def _registers() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = read_yaml(data_root() / "mappings" / "consent" / "processing-bases.yaml")[
        "registers"
    ]
    return found
