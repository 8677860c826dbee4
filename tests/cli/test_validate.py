"""`kykysilta validate` and `kykysilta profiles check`: what they print, in which language, and how they exit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from adapter.cli.app import command_line
from adapter.cli.exits import Exit
from adapter.fhir.xml import to_xml

SCENARIO = next((Path(__file__).resolve().parents[2] / "fixtures" / "scenarios").glob("SCN-2-*"))
BUNDLE = SCENARIO / "expected" / "08-work-ability-plan.bundle.json"
RECORD = SCENARIO / "records" / "08-work-ability-plan.json"
PATIENT: dict[str, Any] = {"resourceType": "Patient", "gender": "female"}
SECRETS = ("Matti", "10903", "010594Y9032", "ammatti")


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    """Run the command `validate`."""
    return CliRunner().invoke(command_line(), ["validate", *map(str, arguments)], input=stdin)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A plan whose CarePlan has a wrong status and whose second entry lacks its subject."""
    bundle = json.loads(BUNDLE.read_text(encoding="utf-8"))
    bundle["entry"][0]["resource"]["status"] = "activ"
    del bundle["entry"][1]["resource"]["subject"]
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(bundle), encoding="utf-8")
    return path


def test_right_bundle_exits_with_0() -> None:
    """A right Bundle is ok; what is only told stands once with its count."""
    result = run(BUNDLE, "--lang", "en")
    assert result.exit_code == Exit.FINE
    assert "08-work-ability-plan.bundle.json: ok" in result.stdout.splitlines()[0]
    assert result.stdout.count("K4602") == 1


def test_a_record_that_is_taken_for_a_resource_is_told(tmp_path: Path) -> None:
    """A record without --record is no resource: the option that is missing is named."""
    result = run(RECORD, "--lang", "en")
    assert result.exit_code == Exit.FINDINGS
    assert "K4102" in result.stdout
    assert "give the option --record" in result.stdout
    (tmp_path / "nothing.json").write_text("{}", encoding="utf-8")
    assert "--record" not in run(tmp_path / "nothing.json", "--lang", "en").stdout


def test_findings_stand_under_their_resource(broken: Path) -> None:
    """The list is grouped by resource; each finding says rule, what would be right, and its place."""
    result = run(broken, "--lang", "en")
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert result.exit_code == Exit.FINDINGS
    assert lines[0].endswith("not valid: errors: 2")
    first, second = lines.index("CarePlan, Bundle.entry[0]"), lines.index("Goal, Bundle.entry[1]")
    assert first < lines.index("Bundle.entry[0].resource.status") < second
    assert any("K4301" in line and "active" in line for line in lines[first:second])
    assert any("subject is missing. Add it." in line for line in lines[second:])
    assert not [secret for secret in SECRETS if secret in result.output.replace(str(broken), "")]


@pytest.mark.parametrize(("language", "word"), [("fi", "Lisää se"), ("en", "Add it")])
def test_texts_are_in_the_language_asked_for(broken: Path, language: str, word: str) -> None:
    """`--lang` chooses the language of all texts."""
    assert word in run(broken, "--lang", language).stdout


def test_json_is_one_operation_outcome_a_line(broken: Path) -> None:
    """`--output json` gives one OperationOutcome for each resource, each on a line of its own."""
    result = run(broken, BUNDLE, "--output", "json", "--lang", "fi")
    outcomes = [json.loads(line) for line in result.stdout.splitlines()]
    assert [outcome["resourceType"] for outcome in outcomes] == ["OperationOutcome"] * 2
    assert [issue["severity"] for issue in outcomes[0]["issue"]][:2] == ["error", "error"]
    assert outcomes[0]["issue"][0]["expression"]
    assert outcomes[0]["language"] == "fi"
    assert result.exit_code == Exit.FINDINGS


def test_ndjson_and_standard_input(tmp_path: Path) -> None:
    """Each line of NDJSON is judged, one that is no JSON is told with its number, and the rest goes on."""
    lines = [json.dumps(PATIENT), "{bad", "", json.dumps({**PATIENT, "gender": "x"})]
    path = tmp_path / "patients.ndjson"
    path.write_text("\n".join(lines), encoding="utf-8")
    result = run(path, "--lang", "en")
    assert result.exit_code == Exit.UNREADABLE
    assert [f":{number}: " in result.stdout for number in (1, 2, 3, 4)] == [True, True, False, True]
    piped = run("-", "--format", "ndjson", "--output", "json", stdin=path.read_bytes())
    assert len(piped.stdout.splitlines()) == 3


def test_xml_is_read(tmp_path: Path) -> None:
    """FHIR XML is recognised and judged like JSON."""
    path = tmp_path / "patient.xml"
    path.write_bytes(to_xml({**PATIENT, "gender": "x"}))
    result = run(path, "--lang", "en")
    assert result.exit_code == Exit.FINDINGS
    assert "Patient.gender" in result.stdout


def test_own_definitions_and_profiles(tmp_path: Path) -> None:
    """A profile from `--definitions` that `--profile` names is enforced."""
    profile = {
        "resourceType": "StructureDefinition",
        "url": "https://example.org/StructureDefinition/named",
        "name": "Named",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": 1}]},
    }
    definition, patient = tmp_path / "named.json", tmp_path / "patient.json"
    definition.write_text(json.dumps(profile), encoding="utf-8")
    patient.write_text(json.dumps(PATIENT), encoding="utf-8")
    assert run(patient).exit_code == Exit.FINE
    result = run(patient, "--definitions", definition, "--profile", profile["url"], "--lang", "en")
    assert result.exit_code == Exit.FINDINGS
    assert str(profile["url"]) in result.stdout


def test_record_is_judged_in_the_senders_terms(tmp_path: Path) -> None:
    """With `--record` a finding names the sender's field with line and column."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    record["period"]["end"] = "2020-01-01"
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(record, indent=1), encoding="utf-8")
    line = path.read_text(encoding="utf-8").splitlines().index(' "period": {') + 1
    result = run("--record", path, "--lang", "en")
    assert result.exit_code == Exit.FINDINGS
    assert f"period ({line}:2)" in result.stdout
    assert run("--record", RECORD, "--at", "2021-05-05T10:00:00+03:00").exit_code == Exit.FINE


def test_warnings_refuse_when_asked_to(tmp_path: Path) -> None:
    """`--fail-on warning` turns a warning into exit code 1."""
    path = tmp_path / "patient.json"
    path.write_text(json.dumps({**PATIENT, "meta": {"profile": ["https://example.org/unknown"]}}), encoding="utf-8")
    assert run(path).exit_code == Exit.FINE
    assert run(path, "--fail-on", "warning").exit_code == Exit.FINDINGS


def test_context_is_looked_at() -> None:
    """With the team at hand the plan's worker must be its member at the present instant; without it nothing is held."""
    team = SCENARIO / "expected" / "07-team.bundle.json"
    before, present = "2021-05-05T10:00:00+03:00", "2021-12-01T14:10:00+02:00"
    assert run(BUNDLE, "--context", team, "--at", present).exit_code == Exit.FINE
    assert run(BUNDLE, "--at", before).exit_code == Exit.FINE
    assert "BR-002" in run(BUNDLE, "--context", team, "--at", before).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["/no/such/file.json"],
        [BUNDLE, "--lang", "de"],
        [BUNDLE, "--at", "2021-05-05"],
        [BUNDLE, "--at", "yesterday"],
        [BUNDLE, "--output", "yaml"],
        [BUNDLE, "--fail-on", "never"],
        [BUNDLE, "--format", "csv"],
        [BUNDLE, "--context", "/no/such/file.json"],
        [],
    ],
)
def test_wrong_use_exits_with_2(arguments: list[object]) -> None:
    """What cannot be read, and options that are not understood, say so and exit with 2."""
    result = run(*arguments)
    assert result.exit_code == Exit.UNREADABLE
    assert result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe{",
        b'{"resourceType":"Patient","id":"a","id":"b"}',
        b'{"a":' * 100_000,
        b'{"resourceType":"Patient","name":[' + b"{}," * 500_000 + b"{}]}",
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Patient xmlns="http://hl7.org/fhir"/>',
        b"[" + b" " * 11_000_000 + b"]",
    ],
    ids=["empty", "not UTF-8", "key twice", "deep", "many values", "entity", "large"],
)
def test_hostile_input_is_answered(tmp_path: Path, content: bytes) -> None:
    """Whatever comes in is answered with an issue and exit code 2, never with an exception."""
    path = tmp_path / "hostile.json"
    path.write_bytes(content)
    result = run(path, "--lang", "en")
    assert result.exit_code == Exit.UNREADABLE
    assert "not valid: errors: 1" in result.stdout
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_every_rule_is_listed() -> None:
    """`profiles check` names all 149 rules, what the waiting ones wait for, and exits with 0."""
    result = CliRunner().invoke(command_line(), ["profiles", "check", "--lang", "en"])
    assert result.exit_code == Exit.FINE
    assert [number for number in range(1, 150) if f"BR-{number:03d}" not in result.stdout] == []
    assert "all understood" in result.stdout
    waiting = next(line for line in result.stdout.splitlines() if "BR-066" in line)
    assert "disclosure" in waiting


def test_check_tells_a_broken_rule_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """`profiles check` names file and line of what is wrong, and exits with 1."""
    from adapter.data import DataFileError
    from adapter.validation import rules

    def refuse() -> None:
        raise DataFileError(Path("plan.yaml"), 7, "unknown key")

    monkeypatch.setattr(rules, "catalogue", refuse)
    result = CliRunner().invoke(command_line(), ["profiles", "check"])
    assert result.exit_code == Exit.FINDINGS
    assert "plan.yaml" in result.output
    assert "7" in result.output
