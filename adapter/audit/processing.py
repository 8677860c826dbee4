"""The record of processing (GDPR art. 30) and the facts sheet for an impact assessment (art. 35).

Both are worked out from what is in force: the packaged configuration, the settings, and for the facts sheet the
database and its log. Nothing is written by hand, so nothing can be out of date.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, func, select

from adapter.audit.acts import act_of
from adapter.audit.rows import read_rows
from adapter.audit.sheets import Sheet, Table, table
from adapter.audit.words import day, display, instant, what
from adapter.data import data_root, read_yaml
from adapter.i18n import text
from adapter.store.tables import audit_checkpoint, outbox, submission
from adapter.terminology import code_system

if TYPE_CHECKING:
    from adapter.settings import Settings

SUBJECTS = ("client", "close-person", "professional", "reviewer")
KEPT = ("bodies", "consents", "receipts", "log", "keys")


def processing_record(connection: Connection, settings: Settings, language: str, contact: str = "") -> Sheet:
    """Return the record of processing activities (art. 30(1)).

    Args:
        connection: the controllers are those whose records were taken in.
        settings: retention, protection and the repository.
        contact: name and contact of the controller's data-protection officer, when known.
    """
    lead = (_word("record-lead", language), *((_word("record-contact", language, contact=contact),) if contact else ()))
    tables = (
        _controllers(connection, language),
        _purposes(language),
        table("subjects", language, ((_word(f"subject-{name}", language),) for name in SUBJECTS)),
        _data_classes(language),
        _recipients(settings, language),
        _statutes(language),
        _retention(settings, language),
        _protection(settings, language),
        table("configuration", language, _configuration()),
    )
    return Sheet(_word("record-title", language), lead, tables)


def facts_sheet(
    connection: Connection,
    settings: Settings,
    now: float,
    language: str,
    open_findings: Mapping[str, int] | None = None,
) -> Sheet:
    """Return the facts for a data-protection impact assessment (art. 35(7)): flows, volumes, refusals, findings.

    Args:
        now: the present instant, UTC seconds.
        open_findings: name of a finding in the reader's language to how many are open.
    """
    counts = _log_counts(connection, language)
    tables = [
        _recipients(settings, language),
        _volumes(connection, language),
        *(table(name, language, _ranked(counts[name])) for name in ("disclosures", "classes", "refusals", "reviews")),
        _protection(settings, language),
        table("enforcement", language, _enforcement(connection, now, language)),
    ]
    if open_findings is not None:
        tables.append(table("findings", language, ((name, str(count)) for name, count in open_findings.items())))
    lead = (_word("facts-lead", language, day=instant(now)),)
    return Sheet(_word("facts-title", language), lead, tuple(tables))


def _controllers(connection: Connection, language: str) -> Table:
    query = select(submission.c.custodian, func.count()).group_by(submission.c.custodian)
    rows = connection.execute(query.order_by(submission.c.custodian)).all()
    return table("controllers", language, ((name, str(count)) for name, count in rows if name))


def _purposes(language: str) -> Table:
    types = _consent_file("consent-types")["types"]
    opened = {
        code: [name for name, part in types.items() if code in part["purposes"]]
        for code in code_system("consent-purpose").codes
    }
    return table(
        "purposes",
        language,
        (
            (
                display("consent-purpose", code, language),
                "; ".join(display("consent-type", one, language) for one in by),
            )
            for code, by in opened.items()
        ),
    )


def _data_classes(language: str) -> Table:
    classes = _consent_file("data-classes")["classes"]
    special = _word("special", language)
    return table(
        "data",
        language,
        ((display("data-class", code, language), special if "label" in part else "") for code, part in classes.items()),
    )


def _recipients(settings: Settings, language: str) -> Table:
    host = urlsplit(settings.repository_url).hostname or settings.repository_url
    named = (("repository", host), ("team", ""), ("statute", ""), ("client", ""))
    return table("recipients", language, ((_word(f"recipient-{name}", language), detail) for name, detail in named))


def _statutes(language: str) -> Table:
    return table(
        "statutes",
        language,
        (
            (
                rule["id"],
                rule["statute"],
                f"{day(rule.get('validFrom', ''))}–{day(rule.get('validTo', ''))}",
                "; ".join(display("organisation-type", one["code"], language) for one in rule["recipientTypes"]),
            )
            for rule in _consent_file("statutory-rules")["rules"]
        ),
    )


def _retention(settings: Settings, language: str) -> Table:
    values = {
        "days": str(settings.retention_days),
        "years": str(settings.log_retention_years),
        "hours": f"{settings.idempotency_hours:g}",
    }
    rows = ((_word(f"kept-{name}", language), _word(f"kept-{name}-time", language, **values)) for name in KEPT)
    return table("retention", language, rows)


def _protection(settings: Settings, language: str) -> Table:
    used = {
        "encryption": bool(settings.storage_keys) or settings.demo,
        "signature": settings.signing is not None,
        "client-proof": settings.backend_client is not None or settings.client_certificate is not None,
        "pseudonyms": True,
        "checkpoints": settings.audit_key_file is not None,
    }
    state = {True: _word("in-use", language), False: _word("not-in-use", language)}
    return table(
        "protection", language, ((_word(f"protection-{name}", language), state[on]) for name, on in used.items())
    )


def _configuration() -> list[tuple[str, ...]]:
    """Return every configuration file of consents with the hash of its content: that is its version."""
    files = sorted((data_root() / "mappings" / "consent").glob("*.yaml"))
    return [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()[:16]) for path in files]


def _volumes(connection: Connection, language: str) -> Table:
    types = select(submission.c.record_type, func.count(), func.count(outbox.c.lane.distinct()))
    joined = types.join(outbox, outbox.c.submission == submission.c.id).group_by(submission.c.record_type)
    rows = connection.execute(joined.order_by(submission.c.record_type)).all()
    total = connection.execute(select(func.count(), func.count(outbox.c.lane.distinct())).select_from(outbox)).one()
    every = [(what(name, language), str(records), str(clients)) for name, records, clients in rows]
    return table("volumes", language, [*every, (_word("total", language), str(total[0]), str(total[1]))])


def _log_counts(connection: Connection, language: str) -> dict[str, Counter[str]]:
    """Count the log once: disclosures by ground, classes disclosed, refusals by rule, acts of reviewers."""
    found: dict[str, Counter[str]] = {name: Counter() for name in ("disclosures", "classes", "refusals", "reviews")}
    for row in read_rows(connection):
        act = act_of(row)
        if row.kind == "refusal":
            found["refusals"].update(row.fact("rules").split(",") if row.fact("rules") else [row.fact("stage")])
        elif act.log == "disclosure":
            found["disclosures"][display("disclosure-basis", row.fact("basis"), language)] += 1
            found["classes"].update(display("data-class", code, language) for code in row.parts("classes"))
        elif act.log == "review":
            found["reviews"][act.name(language)] += 1
    return found


def _enforcement(connection: Connection, now: float, language: str) -> list[tuple[str, str]]:
    decisions = read_rows(connection, kinds=("decision", "refusal", "release"), newest_first=True)
    newest = next((row.at for row in decisions), None)
    signed = connection.execute(select(func.max(audit_checkpoint.c.at))).scalar()
    never = _word("never", language)
    return [
        (_word("last-decision", language), never if newest is None else instant(newest)),
        (_word("last-checkpoint", language), never if signed is None else instant(signed)),
        (_word("made", language), instant(now)),
    ]


def _ranked(counts: Counter[str]) -> list[tuple[str, str]]:
    return [(name, str(count)) for name, count in counts.most_common()]


def _word(key: str, language: str, **values: str) -> str:
    return text(f"audit.{key}", language, **values)


def _consent_file(name: str) -> dict[str, Any]:
    found: dict[str, Any] = read_yaml(data_root() / "mappings" / "consent" / f"{name}.yaml")
    return found
