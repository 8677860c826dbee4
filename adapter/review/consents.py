"""Consents as people read them, and the list of all clients' consents with its filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from adapter.consent import packaged_configuration
from adapter.consent.instants import period_span
from adapter.review.files import ZONE, ClientFile, Kept, actors, coded
from adapter.review.matrix import PURPOSES, consent_title, name_of
from adapter.terminology import code_system
from adapter.types import Resource

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """One version of one consent.

    Attributes:
        id: opaque id of this version.
        in_force: active, and its period holds the instant asked about.
        recipients, classes, purposes: names in the reader's language.
        exclusions: what is refused inside it, one text a refusal.
        evidence: the signed form or the record of an oral permission is attached.
        newest: no later version is on file.
    """

    id: str
    lane: str
    title: str
    version: int
    status: str
    start: str
    end: str
    in_force: bool
    recipients: tuple[str, ...]
    classes: tuple[str, ...]
    purposes: tuple[str, ...]
    exclusions: tuple[str, ...]
    evidence: bool
    newest: bool


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list is narrowed to; an empty field narrows nothing.

    Attributes:
        state: `in-force`, `expiring` (within 30 days), `expired`, `withdrawn`, `no-evidence`.
        recipient: part of a recipient's name.
        data_class, purpose: names as shown.
    """

    state: str = ""
    recipient: str = ""
    data_class: str = ""
    purpose: str = ""


STATES = ("in-force", "expiring", "expired", "withdrawn", "no-evidence")
EXPIRING_DAYS = 30


def rows_of(file: ClientFile, moment: float, language: str) -> list[ConsentRow]:
    """Return every version of every consent in a file, newest first."""
    newest = {kept.id for kept in file.at(float("inf")).kept}
    rows = [_row(file, kept, consent, moment, language, kept.id in newest) for kept, consent in file.consents]
    return rows[::-1]


def fitting(rows: Iterable[ConsentRow], filters: Filters, today: date) -> list[ConsentRow]:
    """Return the rows that pass the filters."""
    return [row for row in rows if _fits(row, filters, today)]


def _fits(row: ConsentRow, filters: Filters, today: date) -> bool:
    states: Mapping[str, bool] = {
        "": True,
        "in-force": row.in_force,
        "expiring": row.in_force and row.end != "" and days_left(row, today) <= EXPIRING_DAYS,
        "expired": row.status == "active" and row.end != "" and days_left(row, today) < 0,
        "withdrawn": row.status == "inactive",
        "no-evidence": not row.evidence,
    }
    recipient = filters.recipient.strip().lower()
    return (
        states.get(filters.state, False)
        and (not recipient or any(recipient in name.lower() for name in row.recipients))
        and (not filters.data_class or filters.data_class in row.classes)
        and (not filters.purpose or filters.purpose in row.purposes)
    )


def days_left(row: ConsentRow, today: date) -> int:
    """Return how many days a consent with a full end date still runs; a less exact end counts as today."""
    return (date.fromisoformat(row.end[:10]) - today).days if len(row.end) >= 10 else 0


def _row(file: ClientFile, kept: Kept, consent: Resource, moment: float, language: str, newest: bool) -> ConsentRow:
    provision = consent.get("provision", {})
    period = provision.get("period", {})
    span = period_span(period, ZONE)
    return ConsentRow(
        id=kept.id,
        lane=kept.lane,
        title=consent_title(consent, language),
        version=kept.version,
        status=str(consent.get("status", "")),
        start=str(period.get("start", "")),
        end=str(period.get("end", "")),
        in_force=consent.get("status") == "active" and span is not None and span.holds(int(moment * MICROSECONDS)),
        recipients=_recipients(file, provision),
        classes=_classes(provision, language),
        purposes=tuple(
            code_system("consent-purpose").display(each["code"], language)
            for each in provision.get("purpose", ())
            if each.get("system") == PURPOSES
        ),
        exclusions=tuple(_exclusion(file, below, language) for below in provision.get("provision", ())),
        evidence="sourceAttachment" in consent or "sourceReference" in consent,
        newest=newest,
    )


def _recipients(file: ClientFile, provision: Resource) -> tuple[str, ...]:
    own = {name: value for name, value in provision.items() if name != "provision"}
    return tuple(dict.fromkeys(name_of(file, each) for each in actors(own)))


def _classes(provision: Resource, language: str) -> tuple[str, ...]:
    known = packaged_configuration().data_classes
    topics = {(coding.system, coding.code): code for coding, code in known.labels.items()}
    codes = [known.classes.get(each.get("code", ""), "") for each in provision.get("class", ())]
    labels = [topics.get((each.get("system"), each.get("code")), "") for each in provision.get("securityLabel", ())]
    names = code_system("data-class")
    return tuple(names.display(code, language) for code in dict.fromkeys([*codes, *labels]) if code)


def _exclusion(file: ClientFile, provision: Resource, language: str) -> str:
    who = ", ".join(_recipients(file, provision))
    what = ", ".join(_classes(provision, language))
    return f"{what} → {who}" if who else what


def type_of(consent: Resource) -> str:
    """Return the code of a consent's type (cs:consent-type); empty when it has none of ours."""
    codes = (coded(category, "consent-type") for category in consent.get("category", ()))
    return next((code for code in codes if code), "")
