"""The commands of the log: what they print, what they write to the log themselves, and with which exit code."""

from __future__ import annotations

import base64
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner, Result

from adapter.cli.app import command_line
from adapter.i18n import text
from adapter.store import Database
from adapter.validation.judge import judge
from tests.audit.conftest import CODE, ID_KEY, STORAGE_KEY, bend, personal_values, rows_of

SCENARIO_SPAN = ("--since", "2023-05-05", "--until", "2023-05-05")
LONG_AGO = ("--since", "2023-01-01", "--reason", "oikeusturva")


def write_key(path: Path) -> Ed25519PrivateKey:
    """Make a checkpoint key: `NAME.pem` and its public part `NAME.pub`."""
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.with_suffix(".pub").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return key


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings of the adapter whose log it is."""
    write_key(tmp_path / "first.pem")
    path = tmp_path / "adapter.toml"
    storage = base64.b64encode(STORAGE_KEY).decode()
    path.write_text(
        f'database = "sqlite:///{tmp_path / "k.sqlite"}"\n'
        f'id_key = "{base64.b64encode(ID_KEY).decode()}"\n'
        f'storage_keys = {{ test = "{storage}" }}\n'
        f'audit_key_file = "{tmp_path / "first.pem"}"\n',
        encoding="utf-8",
    )
    return path


def run(config: Path, *arguments: object, given: str | None = None) -> Result:
    """Run a command with these settings."""
    words = [str(one) for one in arguments]
    return CliRunner().invoke(command_line(words), [*words, "--config", str(config)], input=given)


def test_verify_log_says_what_it_could_check(config: Path, told: Database, tmp_path: Path) -> None:
    """A whole log is 0; without a kept checkpoint it is told what stays unseen; with one it is checked too."""
    alone = run(config, "verify-log")
    assert (alone.exit_code, text("audit.verify-no-anchor", "fi") in alone.stdout) == (0, True)
    assert run(config, "audit", "checkpoint", "-o", tmp_path / "kept").exit_code == 0
    kept = run(config, "verify-log", "--checkpoint", tmp_path / "kept", "--key", tmp_path / "first.pub")
    assert (kept.exit_code, text("audit.verify-no-anchor", "fi") in kept.stdout) == (0, False)
    assert "2 tarkistuspistettä" in kept.stdout


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE audit_entry SET entry = replace(entry, 'permit', 'deny') WHERE seq = 3", "entry"),
        ("DELETE FROM audit_entry WHERE seq >= 3", "tail"),
        ("DELETE FROM decision_trace", "trace"),
        ("UPDATE decision_trace SET body = substr(body, 1, length(body) - 1)", "trace"),
    ],
)
def test_verify_log_names_what_does_not_fit(
    config: Path, told: Database, tmp_path: Path, statement: str, kind: str
) -> None:
    """A bent log is exit 1, with the first entry that does not fit, in the language asked for."""
    first = next(row.seq for row in rows_of(told) if row.fact("trace")) if kind == "trace" else 3
    run(config, "audit", "checkpoint", "-o", tmp_path / "kept")
    bend(told, statement)
    result = run(config, "verify-log", "--checkpoint", tmp_path / "kept", "--lang", "fi")
    assert (result.exit_code, result.stderr.strip()) == (1, text(f"audit.verify-{kind}", "fi", number=str(first)))


def test_verify_log_says_which_traces_it_could_not_open(config: Path, told: Database, tmp_path: Path) -> None:
    """Whoever verifies without the storage keys learns that the traces are there and were not looked into."""
    with_keys = run(config, "verify-log")
    lines = config.read_text(encoding="utf-8").splitlines()
    config.write_text("\n".join(line for line in lines if "storage_keys" not in line), encoding="utf-8")
    without = run(config, "verify-log")
    count = len({name for row in rows_of(told) for name in row.parts("trace")})
    said = text("audit.verify-unopened", "fi", count=str(count))
    assert (with_keys.exit_code, without.exit_code) == (0, 0)
    assert (said in with_keys.stdout, said in without.stdout) == (False, True)


def test_verify_log_looks_at_a_part(config: Path, told: Database) -> None:
    """An entry before the part is believed, and said to be; an entry after the end is missing."""
    last = len(rows_of(told))
    bend(told, "UPDATE audit_entry SET entry = replace(entry, 'permit', 'deny') WHERE seq = 3")
    part = run(config, "verify-log", "--from", 4, "--to", last)
    assert (part.exit_code, text("audit.verify-part", "fi", first="4") in part.stdout) == (0, True)
    assert run(config, "verify-log", "--to", last).exit_code == 1
    longer = run(config, "verify-log", "--from", 4, "--to", last + 1)
    assert (longer.exit_code, longer.stderr.strip()) == (1, text("audit.verify-tail", "fi", number=str(last + 1)))


def test_verify_log_is_honest_about_nothing(config: Path, tmp_path: Path) -> None:
    """No database is exit 2 and none is made; an empty log is exit 5; neither says that every entry fits."""
    missing = run(config, "verify-log")
    assert (missing.exit_code, (tmp_path / "k.sqlite").exists()) == (2, False)
    Database(f"sqlite:///{tmp_path / 'k.sqlite'}").close()
    empty = run(config, "verify-log")
    assert (empty.exit_code, empty.stdout) == (5, "")
    assert empty.stderr.strip() == text("audit.verify-empty", "fi")


def test_a_checkpoint_without_its_key_is_wrong_use(tmp_path: Path, told: Database) -> None:
    """Nobody believes a checkpoint that was not checked."""
    (tmp_path / "kept").write_text("kykysilta audit log", encoding="utf-8")
    plain = tmp_path / "plain.toml"
    plain.write_text(f'database = "sqlite:///{tmp_path / "k.sqlite"}"\n', encoding="utf-8")
    assert run(plain, "verify-log", "--checkpoint", tmp_path / "kept").exit_code == 2
    assert run(plain, "verify-log", "--key", tmp_path / "kept").exit_code == 2
    assert run(plain, "audit", "checkpoint").exit_code == 2


def test_the_key_of_checkpoints_changes(config: Path, told: Database, tmp_path: Path) -> None:
    """After the change the first public key still verifies everything, the new one what it signed."""
    run(config, "audit", "checkpoint", "-o", tmp_path / "one")
    write_key(tmp_path / "second.pem")
    changed = run(config, "audit", "change-key", tmp_path / "second.pem", "-o", tmp_path / "two")
    assert (changed.exit_code, text("audit.key-changed", "fi") in changed.stderr) == (0, True)
    kept = ("--checkpoint", tmp_path / "one", "--checkpoint", tmp_path / "two")
    assert run(config, "verify-log", *kept, "--key", tmp_path / "first.pub").exit_code == 0
    assert run(config, "verify-log", "--checkpoint", tmp_path / "two", "--key", tmp_path / "second.pub").exit_code == 0
    assert run(config, "verify-log", "--checkpoint", tmp_path / "one", "--key", tmp_path / "second.pub").exit_code == 1


@pytest.mark.parametrize("form", ["text", "json", "csv"])
def test_a_log_copy_is_written_in_every_form(config: Path, told: Database, form: str) -> None:
    """The client's acts in Finnish, as text, JSON or CSV; nobody is named; the giving is logged."""
    before = len(rows_of(told))
    result = run(config, "log-copy", *LONG_AGO, "--format", form, given=f"{CODE}\n")
    assert result.exit_code == 0
    assert "Pirkanmaan TE-toimisto" in result.stdout
    assert "te-6100" not in result.stdout
    assert "päätös" not in result.stdout
    assert [value for value in personal_values() if value in result.stdout] == []
    if form == "json":
        rows = json.loads(result.stdout)["tables"][0]["rows"]
    elif form == "csv":
        rows = list(csv.DictReader(io.StringIO(result.stdout.removeprefix("\ufeff"))))
    else:
        rows = [line for line in result.stdout.splitlines() if "loki" in line and line[:1].isdigit()]
    assert len(rows) == len([row for row in rows_of(told)[:before] if row.kind == "decision"])
    (given,) = rows_of(told)[before:]
    assert (given.act, given.fact("operator"), given.facts["rows"]) == ("log-copy", "cli", len(rows))


def test_a_log_copy_is_refused_with_a_sentence(config: Path, told: Database) -> None:
    """Too old is 3, an unknown client 1, wrong use 2; of these the refusals alone stand in the log, by their rule."""
    before = len(rows_of(told))
    cases: list[tuple[tuple[Any, ...], str, int]] = [
        (("--since", "2020-01-01"), CODE, 3),
        ((*LONG_AGO, "--requester", "other"), CODE, 3),
        ((*LONG_AGO, "--requester", "guardian", "--minor-forbids"), CODE, 3),
        (LONG_AGO, "010594Y9032", 1),
        ((*LONG_AGO, "--requester", "neighbour"), CODE, 2),
        ((*LONG_AGO, "--withhold", "1=because"), CODE, 2),
        ((*LONG_AGO, "--format", "pdf"), CODE, 2),
        (("--since", "yesterday"), CODE, 2),
    ]
    for arguments, code, expected in cases:
        result = run(config, "log-copy", *arguments, given=f"{code}\n")
        assert (arguments, result.exit_code, result.stdout) == (arguments, expected, "")
        assert result.stderr
        assert code not in result.stderr
    refused = rows_of(told)[before:]
    assert [(row.kind, row.act, row.fact("operator")) for row in refused] == [("refusal", "refuse-log-copy", "cli")] * 3
    told_of = [(row.fact("requester"), row.fact("rules")) for row in refused]
    not_for_asker = "copy-not-for-asker"
    assert told_of == [("client", "copy-too-old"), ("other", not_for_asker), ("guardian", not_for_asker)]
    assert len({row.fact("client") for row in refused}) == 1


def test_an_entry_can_be_withheld(config: Path, told: Database) -> None:
    """A number and a ground take one entry out and say so."""
    first = next(row for row in rows_of(told) if row.kind == "decision")
    result = run(config, "log-copy", *LONG_AGO, "--withhold", f"{first.seq}=rights-of-others", given=f"{CODE}\n")
    assert text("audit.ground-rights-of-others", "fi") in result.stdout


def test_a_breach_names_the_clients_only_when_asked(config: Path, told: Database) -> None:
    """The identity code stands in the list for the notification and nowhere else; both searches are logged."""
    plain = run(config, "audit", "breach", *SCENARIO_SPAN)
    named = run(config, "audit", "breach", *SCENARIO_SPAN, "--identities")
    assert (plain.exit_code, named.exit_code) == (0, 0)
    assert (CODE in plain.stdout, CODE in named.stdout) == (False, True)
    assert [row.fact("identities") for row in rows_of(told) if row.act == "breach-search"] == ["0", "1"]


@pytest.mark.parametrize("national", [False, True])
def test_the_log_is_exported_as_audit_events(config: Path, told: Database, national: bool) -> None:
    """One valid AuditEvent a line, notices when asked; the export is itself in the log."""
    result = run(config, "audit", "export", *(["--national"] if national else []))
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert events
    assert {event["resourceType"] for event in events} == {"AuditEvent"}
    assert all(judge(event).ok for event in events)
    assert all(("action" in event) is not national for event in events)
    assert rows_of(told)[-1].facts["rows"] == len(events)


def test_a_client_is_erased_by_command(config: Path, told: Database) -> None:
    """While records are under way it is refused; then the person is gone, twice is unknown, and the log verifies."""
    assert run(config, "audit", "erase", given=f"{CODE}\n").exit_code == 1
    bend(told, "UPDATE outbox SET final = 1, state = 'delivered'")
    erased = run(config, "audit", "erase", given=f"{CODE}\n")
    assert (erased.exit_code, CODE in erased.stdout) == (0, False)
    assert run(config, "audit", "erase", given=f"{CODE}\n").exit_code == 1
    assert run(config, "verify-log").exit_code == 0


@pytest.mark.parametrize(("command", "title"), [("processing", "record-title"), ("facts", "facts-title")])
def test_the_sheets_are_printed(config: Path, told: Database, command: str, title: str) -> None:
    """Record of processing and facts sheet, as text in Swedish and as JSON."""
    assert text(f"audit.{title}", "sv") in run(config, "audit", command, "--lang", "sv").stdout
    assert json.loads(run(config, "audit", command, "--format", "json").stdout)["tables"]


def test_everybody_whose_retention_has_ended_is_erased(config: Path, told: Database) -> None:
    """With a long retention nobody is old enough; with a short one the scenario's people are."""
    settings = config.read_text(encoding="utf-8")
    config.write_text(f"{settings}log_retention_years = 99\n", encoding="utf-8")
    assert run(config, "audit", "erase", "--expired").exit_code == 0
    assert [row for row in rows_of(told) if row.act == "erase-person"] == []
    config.write_text(f"{settings}log_retention_years = 1\n", encoding="utf-8")
    bend(told, "UPDATE outbox SET final = 1, state = 'delivered'")
    assert run(config, "audit", "erase", "--expired").exit_code == 0
    erased = [row for row in rows_of(told) if row.act == "erase-person"]
    assert {name for row in erased for name in ("client", "user") if row.fact(name)} == {"client", "user"}
    assert run(config, "verify-log").exit_code == 0


def test_several_tables_are_one_csv_file(config: Path, told: Database) -> None:
    """One byte order mark at the beginning, one empty line between tables."""
    written = run(config, "audit", "processing", "--format", "csv").stdout
    assert (written[0], written.count("\ufeff")) == ("\ufeff", 1)
    rows = list(csv.reader(io.StringIO(written[1:].rstrip(), newline="")))
    parts = rows.count([])
    as_json = json.loads(run(config, "audit", "processing", "--format", "json").stdout)["tables"]
    assert (parts, len(rows) - parts) == (len(as_json) - 1, sum(1 + len(each["rows"]) for each in as_json))
