"""The traces of decisions: named by the log, stored once, encrypted, without a name, and found when bent."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from adapter import audit
from adapter.audit import traces
from adapter.audit.verification import examine
from adapter.consent.model import Decision, Entry, Reason
from adapter.consent.written import read_decision, write_decision
from adapter.data import data_root
from adapter.delivery import Repository
from adapter.errors import AdapterError
from adapter.fhir.canonical import dumps
from adapter.pipeline import Line, Sender
from adapter.source.identity_code import without_codes
from adapter.source.json import read_json
from adapter.store import Cipher, Database
from adapter.store.rotation import re_encrypt
from adapter.store.tables import decision_trace
from tests.audit.conftest import AT, CIPHER, ID_KEY, RECORDS, STORAGE_KEY, bend, personal_values, rows_of

SCENARIOS = sorted((data_root() / "fixtures" / "scenarios").glob("*/records"))
SAYING = re.compile(r"\S*|identifier of \S+|(instance|related|dependents|authoredby) \S+|on another server")
"""What a trace may say: a code, a reference, a date, a FHIRPath; of criteria also which kind of name was compared."""


def kept(database: Database) -> dict[str, bytes]:
    """Return every stored trace, opened."""
    with database.reading() as connection:
        names = connection.execute(select(decision_trace.c.hash)).scalars().all()
        return {name: traces.read(connection, name, CIPHER) for name in names}


def found(database: Database, cipher: Cipher | None = CIPHER) -> tuple[audit.Finding | None, int]:
    """Verify the log with its traces."""
    with database.reading() as connection:
        report = examine(connection, [], cipher=cipher)
    return report.finding, report.unopened


def test_every_decision_by_consent_names_its_trace(told: Database) -> None:
    """A release and a refusal by consent do, what stays in the own register does not; each is the decision it names."""
    rows = rows_of(told)
    asked = [row for row in rows if row.parts(traces.FACT)]
    assert {(row.kind, row.act) for row in asked} >= {("decision", "disclose"), ("refusal", "refuse")}
    assert not [row for row in rows if row.fact("basis") == "own-register" and row in asked]
    bodies = kept(told)
    assert set(bodies) == {name for row in asked for name in row.parts(traces.FACT)}
    for row in asked:
        words = {read_decision(bodies[name]).decision for name in row.parts(traces.FACT)}
        assert ("deny" in words) == (row.kind == "refusal")


def test_the_same_trace_is_stored_once(database: Database) -> None:
    """What is decided alike again is named again and adds nothing; several are one statement and no more rows."""
    for _ in range(2):
        with database.transaction() as connection:
            traces.keep(connection, [("a" * 64, b"[]"), ("b" * 64, b"{}"), ("a" * 64, b"[]")], CIPHER)
    with database.reading() as connection:
        assert len(connection.execute(select(decision_trace)).all()) == 2


def test_without_the_entry_there_is_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are of one transaction: an entry that cannot be written takes its trace with it."""
    database = Database(f"sqlite:///{tmp_path / 'k.sqlite'}")
    line = Line(
        database, CIPHER, id_key=ID_KEY, repository=Repository("http://repository.invalid/fhir"), clock=lambda: AT
    )
    for name in ("11-team-v2", "10-consent"):
        line.accept((RECORDS / f"{name}.json").read_bytes(), sender=Sender("ehr"))

    def failing(*_: object) -> None:
        raise OSError("the log cannot be written")

    monkeypatch.setattr(audit, "append", failing)
    with pytest.raises(OSError, match="log"):
        line.accept((RECORDS / "12-work-ability-plan.json").read_bytes(), sender=Sender("ehr"))
    assert kept(database) == {}
    monkeypatch.undo()
    line.accept((RECORDS / "12-work-ability-plan.json").read_bytes(), sender=Sender("ehr"))
    assert kept(database) != {}
    line.close()
    database.close()


@pytest.mark.parametrize(
    ("statement", "without_key"),
    [
        ("DELETE FROM decision_trace WHERE hash = :one", "found"),
        ("UPDATE decision_trace SET body = substr(body, 1, length(body) - 1) WHERE hash = :one", "unopened"),
        (
            "UPDATE decision_trace SET body = (SELECT body FROM decision_trace WHERE hash = :other) WHERE hash = :one",
            "",
        ),
        ("UPDATE decision_trace SET body = x'' WHERE hash = :one", ""),
    ],
)
def test_a_bent_trace_is_found(told: Database, statement: str, without_key: str) -> None:
    """Missing, cut, moved to another row or emptied: the first entry that names it is told. Without a storage key a
    missing one is found, and of the others it is said that they were not opened.
    """
    assert found(told) == (None, 0)
    row = next(row for row in rows_of(told) if row.parts(traces.FACT))
    one, other = row.parts(traces.FACT)[0], next(name for name in kept(told) if name != row.parts(traces.FACT)[0])
    with told.transaction() as connection:
        connection.execute(text(statement), {"one": one} | ({"other": other} if ":other" in statement else {}))
    assert found(told) == (audit.Finding("trace", row.seq), 0)
    if without_key:
        finding, unopened = found(told, None)
        assert (finding is not None, unopened > 0) == (without_key == "found", True)
    with told.reading() as connection, pytest.raises(traces.TraceBroken):
        traces.read(connection, one, CIPHER)


def test_a_trace_written_anew_with_the_key_is_found_too(told: Database) -> None:
    """Who has the storage key can seal another body for the row; its hash is not the one in the chain."""
    row = next(row for row in rows_of(told) if row.parts(traces.FACT))
    name = row.parts(traces.FACT)[0]
    bend(told, "DELETE FROM decision_trace")
    with told.transaction() as connection:
        traces.keep(connection, [(name, b'{"decision":"deny"}')], CIPHER)
    assert found(told)[0] == audit.Finding("trace", row.seq)


def test_a_part_of_the_log_is_verified_with_its_own_traces(told: Database) -> None:
    """Entries before the part may name what they like."""
    last = max(row.seq for row in rows_of(told) if row.parts(traces.FACT))
    bend(told, "DELETE FROM decision_trace")
    with told.reading() as connection:
        assert examine(connection, [], part=audit.Part(last + 1), cipher=CIPHER).finding is None
        assert examine(connection, [], part=audit.Part(last), cipher=CIPHER).finding == audit.Finding("trace", last)


def test_traces_are_written_anew_with_the_other_rows(told: Database) -> None:
    """After a rotation the new key alone opens them, and the log verifies."""
    before = kept(told)
    new = Cipher({"new": bytes(range(1, 33)), "test": STORAGE_KEY})
    re_encrypt(told, new)
    assert found(told, Cipher({"new": bytes(range(1, 33))})) == (None, 0)
    assert found(told, Cipher({"test": STORAGE_KEY})) == (None, len(before))


OFFICE = {"id": "te-6100", "system": "https://toimistot.te-palvelut.example", "name": "Pirkanmaan TE-toimisto"}
RECIPIENTS = [{"organisation": OFFICE | {"organisation_type": "te-office"}}]
RELEASE = {"basis": "client-consent", "purpose": "service-coordination", "recipients": RECIPIENTS}


@pytest.fixture(scope="module")
def every_trace(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The traces of all decisions of all scenarios; what is for the own register is asked to go to an office too."""
    collected: dict[str, bytes] = {}
    for folder in SCENARIOS:
        database = Database(f"sqlite:///{tmp_path_factory.mktemp('traces') / 'k.sqlite'}")
        line = Line(
            database, CIPHER, id_key=ID_KEY, repository=Repository("http://repository.invalid/fhir"), clock=lambda: AT
        )
        for record in records(folder):
            line_takes(line, record if "release" in record else record | {"release": RELEASE})
            line_takes(line, record)
        collected |= kept(database)
        line.close()
        database.close()
    return collected


def records(folder: Path) -> Iterator[dict[str, Any]]:
    """The canonical records of a scenario."""
    for path in sorted(folder.glob("[0-9][0-9]-*.json")):
        if path.name.count(".") == 1:
            yield read_json(path.read_bytes())


def line_takes(line: Line, record: dict[str, Any]) -> None:
    """Hand a record over, whatever comes of it."""
    with contextlib.suppress(AdapterError):
        line.accept(dumps(record), sender=Sender("ehr"))


def texts(value: Any) -> Iterator[str]:
    """Every text in a trace."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from texts(one)


def test_no_trace_holds_a_name_a_text_or_an_identity_code(every_trace: dict[str, bytes]) -> None:
    """Over all decisions of all scenarios: nothing but codes, references, dates and paths; nothing of a person."""
    said = {one for body in every_trace.values() for one in texts(json.loads(body))}
    reasons = {step.outcome for body in every_trace.values() for step in read_decision(body).trace}
    assert {"CONSENT_PERMIT", "nearest-miss", "NO_CONSENT"} <= reasons
    assert [one for one in said if not SAYING.fullmatch(one)] == []
    assert [one for one in said if without_codes(one) != one] == []
    personal = personal_values(*SCENARIOS)
    assert len(personal) > 50
    whole = b"\n".join(every_trace.values()).decode()
    assert [value for value in personal if re.search(rf"\b{re.escape(value)}\b", whole)] == []


def test_an_identity_code_used_as_an_id_is_masked() -> None:
    """Who names a resource by the code of its client does not get it into the trace."""
    entry = Entry("Patient/010594-9032", 0, "deny", Reason.NO_CONSENT)
    written = write_decision(Decision("deny", Reason.NO_CONSENT, entries={entry.key: entry}))
    assert b"9032" not in written.body
    assert read_decision(written.body).reason is Reason.NO_CONSENT
