"""Consents as people read them, and the list of all clients' consents with its filters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime

from adapter.consent import Reason, packaged_configuration
from adapter.consent.instants import period_span
from adapter.consent.shape import base_structure
from adapter.consent.structure import flaw
from adapter.i18n import text
from adapter.lifecycle.receipt import grounds_of
from adapter.review.files import ZONE, ClientFile, Kept
from adapter.review.matrix import ACTIONS, PURPOSES, Access, consent_title, name_of
from adapter.review.resources import actors, coded, value_of
from adapter.review.words import said
from adapter.terminology import code_system
from adapter.types import Resource

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """One version of one consent.

    Attributes:
        id: opaque id of this version.
        record: opaque, the same for every version.
        recorded: when the source system recorded it, UTC seconds.
        in_force: active, and its period holds the instant asked about.
        recipients: names; classes, purposes: codes.
        exclusions: what is refused inside it, one text a refusal.
        document: title of the signed form or of the oral wording; empty when there is none.
        evidence: the signed form or the record of an oral permission is attached.
        grounds: on what the register is kept, and on what data go to others; two sentences, never one.
        performer: who gave it: `client`, `representative` or `unknown`.
        flaw: `malformed` or `unknown-codes` when it cannot be relied on; else empty.
        newest: no later version is on file.
    """

    id: str
    record: str
    lane: str
    title: str
    version: int
    status: str
    recorded: float
    start: str
    end: str
    in_force: bool
    recipients: tuple[str, ...]
    classes: tuple[str, ...]
    purposes: tuple[str, ...]
    exclusions: tuple[str, ...]
    document: str
    evidence: bool
    grounds: tuple[str, ...]
    performer: str
    flaw: str
    newest: bool


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list is narrowed to; an empty field narrows nothing. All but `recipient` may be saved.

    Attributes:
        state: one of `STATES`.
        withdrawn_days: withdrawn within so many days.
        recipient: part of a recipient's name.
        data_class, purpose: codes.
        document: part of the title of the form.
        performer: as in `ConsentRow`.
    """

    state: str = ""
    withdrawn_days: str = ""
    recipient: str = ""
    data_class: str = ""
    purpose: str = ""
    document: str = ""
    performer: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Filters:
        """Read the filters from the fields of a form."""
        return cls(**{each.name: given.get(each.name, "").strip()[:200] for each in fields(cls)})


EXPIRING = {"expiring-30": 30, "expiring-14": 14, "expiring-7": 7}
EXPIRING_DAYS = EXPIRING["expiring-30"]
STATES = (
    "in-force", *EXPIRING, "expired", "withdrawn", "status-proposed", "status-draft", "status-rejected",
    "status-entered-in-error", "no-evidence", "malformed", "unknown-codes", "blocked",
)  # fmt: skip
PERFORMERS = ("client", "representative", "unknown")


def rows_of(file: ClientFile, moment: float, language: str) -> list[ConsentRow]:
    """Return every version of every consent in a file, newest first."""
    newest = {kept.id for kept in file.at(float("inf")).kept}
    rows = [_row(file, kept, consent, moment, language, kept.id in newest) for kept, consent in file.consents]
    return rows[::-1]


def fitting(file: ClientFile, rows: Iterable[ConsentRow], filters: Filters, moment: float) -> list[ConsentRow]:
    """Return the rows of a file that pass the filters."""
    today = datetime.fromtimestamp(moment, ZONE).date()
    found = [row for row in rows if _fits(row, filters, today)]
    if filters.state != "blocked":
        return found
    blocked = blocked_by_older(file, moment)
    return [row for row in found if row.id in blocked]


def blocked_by_older(file: ClientFile, moment: float) -> set[str]:
    """Return ids of consents in force that a refusal in an older consent stops for some of their recipients."""
    access = Access(file.at(moment), moment)
    given = {f"Consent/{kept.id}": str(consent.get("dateTime", "")) for kept, consent in access.file.all_consents}
    refusing = {
        by.consent
        for recipient in access.recipients
        for data_class in access.data
        for answer in access.answers(recipient, data_class, access.purposes, "disclose")
        if answer.decision.reason == Reason.EXPLICIT_DENY
        for by in answer.decision.decided_by
    }
    oldest = min((given[one] for one in refusing if one in given), default="")
    rows = (row for row in rows_of(access.file, moment, "fi") if row.in_force)
    return {
        row.id for row in rows if oldest and f"Consent/{row.id}" not in refusing and given[f"Consent/{row.id}"] > oldest
    }


def _fits(row: ConsentRow, filters: Filters, today: date) -> bool:
    recipient, document = filters.recipient.lower(), filters.document.lower()
    return (
        _is_in_state(row, filters.state, today)
        and (not filters.withdrawn_days or _withdrawn_within(row, filters.withdrawn_days, today))
        and (not recipient or any(recipient in name.lower() for name in row.recipients))
        and (not filters.data_class or filters.data_class in row.classes)
        and (not filters.purpose or filters.purpose in row.purposes)
        and document in row.document.lower()
        and (not filters.performer or filters.performer == row.performer)
    )


def _is_in_state(row: ConsentRow, state: str, today: date) -> bool:
    if state in EXPIRING:
        return row.in_force and row.end != "" and days_left(row, today) <= EXPIRING[state]
    if state.startswith("status-"):
        return row.status == state.removeprefix("status-")
    known = {
        "": True,
        "in-force": row.in_force,
        "blocked": row.in_force,
        "expired": row.status == "active" and row.end != "" and days_left(row, today) < 0,
        "withdrawn": row.status == "inactive",
        "no-evidence": not row.evidence,
        "malformed": row.flaw == "malformed",
        "unknown-codes": row.flaw == "unknown-codes",
    }
    return known.get(state, False)


def _withdrawn_within(row: ConsentRow, days: str, today: date) -> bool:
    since = (today - datetime.fromtimestamp(row.recorded, ZONE).date()).days
    return row.status == "inactive" and days.isdigit() and 0 <= since <= int(days)


def days_left(row: ConsentRow, today: date) -> int:
    """Return how many days a consent with a full end date still runs; a less exact end counts as today."""
    return (date.fromisoformat(row.end[:10]) - today).days if len(row.end) >= 10 else 0


def _row(file: ClientFile, kept: Kept, consent: Resource, moment: float, language: str, newest: bool) -> ConsentRow:
    provision = consent.get("provision", {})
    period = provision.get("period", {})
    span = period_span(period, ZONE)
    return ConsentRow(
        id=kept.id,
        record=kept.record,
        lane=kept.lane,
        title=consent_title(consent, language),
        version=kept.version,
        status=str(consent.get("status", "")),
        recorded=kept.recorded,
        start=str(period.get("start", "")),
        end=str(period.get("end", "")),
        in_force=consent.get("status") == "active" and span is not None and span.holds(int(moment * MICROSECONDS)),
        recipients=recipients_of(file, provision),
        classes=_classes(provision),
        purposes=tuple(str(each["code"]) for each in provision.get("purpose", ()) if each.get("system") == PURPOSES),
        exclusions=tuple(_exclusion(file, below, language) for below in provision.get("provision", ())),
        document=_document(kept, consent),
        evidence="sourceAttachment" in consent or "sourceReference" in consent,
        grounds=_grounds(consent, language),
        performer=_performer(consent),
        flaw=_flaw(kept, consent),
        newest=newest,
    )


def _grounds(consent: Resource, language: str) -> tuple[str, ...]:
    register = coded({"coding": consent.get("meta", {}).get("tag", [])}, "register")
    known = grounds_of(register)
    processing = text(f"receipt.basis-{known.article6}", language) if known.article6 else "–"
    disclosure = code_system("disclosure-basis").display(known.disclosure, language)
    return (
        text("review.ground-processing", language, basis=processing),
        text("review.ground-disclosure", language, ground=disclosure),
    )


def _document(kept: Kept, consent: Resource) -> str:
    attached = str(consent.get("sourceAttachment", {}).get("title", ""))
    described = (str(one.get("description", "")) for one in kept.of_type("DocumentReference"))
    return attached or next((each for each in described if each), "")


def _performer(consent: Resource) -> str:
    kinds = {each.get("type") or value_of(each) for each in consent.get("performer", ())}
    if "RelatedPerson" in kinds:
        return "representative"
    return "client" if "Patient" in kinds else "unknown"


def _flaw(kept: Kept, consent: Resource) -> str:
    written = next(one for one in kept.of_type("Consent") if one.get("identifier") == consent.get("identifier"))
    reason = flaw(written, base_structure, packaged_configuration()) if written.get("status") == "active" else None
    if reason == Reason.CONSENT_MALFORMED:
        return "malformed"
    return "unknown-codes" if reason or any(_unknown(consent.get("provision", {}))) else ""


def _unknown(provision: Resource) -> Iterator[str]:
    """Yield the codes of a provision, and of all below it, that no list of ours knows."""
    known = packaged_configuration()
    purposes = code_system("consent-purpose").codes
    for each in provision.get("purpose", ()):
        if each.get("system") == PURPOSES and each.get("code") not in purposes:
            yield str(each.get("code"))
    for each in provision.get("class", ()):
        if each.get("system") == "urn:ietf:rfc:3986" and each.get("code") not in known.data_classes.classes:
            yield str(each.get("code"))
    for action in provision.get("action", ()):
        codes = [str(each.get("code")) for each in action.get("coding", ())]
        if not {*codes} & {*ACTIONS, "collect", "correct"}:
            yield from codes
    for below in provision.get("provision", ()):
        yield from _unknown(below)


def recipients_of(file: ClientFile, provision: Resource) -> tuple[str, ...]:
    """Return the names of those whom a provision names, without those of the provisions below it: they refuse."""
    own = {name: value for name, value in provision.items() if name != "provision"}
    return tuple(dict.fromkeys(name_of(file, each) for each in actors(own)))


def _classes(provision: Resource) -> tuple[str, ...]:
    known = packaged_configuration().data_classes
    topics = {(coding.system, coding.code): code for coding, code in known.labels.items()}
    codes = [known.classes.get(each.get("code", ""), "") for each in provision.get("class", ())]
    labels = [topics.get((each.get("system"), each.get("code")), "") for each in provision.get("securityLabel", ())]
    return tuple(code for code in dict.fromkeys([*codes, *labels]) if code)


def _exclusion(file: ClientFile, provision: Resource, language: str) -> str:
    names = code_system("data-class")
    who = ", ".join(recipients_of(file, provision))
    what = ", ".join(names.display(code, language) for code in _classes(provision))
    return f"{what or said('all', language)} → {who}" if who else what


def type_of(consent: Resource) -> str:
    """Return the code of a consent's type (cs:consent-type); empty when it has none of ours."""
    codes = (coded(category, "consent-type") for category in consent.get("category", ()))
    return next((code for code in codes if code), "")
