"""`kykysilta map`, `unmap`, `explain` and `decide`: what they print, where, and with which exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from adapter.cli.app import command_line
from adapter.fhir.canonical import canonical
from adapter.source.json import read_json

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / "fixtures" / "scenarios" / "SCN-3-moona" / "records"
PLAN = RECORDS / "08-work-ability-plan.json"
LAHDE = RECORDS / "08-work-ability-plan.lahde.json"
SILMU = RECORDS / "08-work-ability-plan.silmu.xml"
CASES = ROOT / "tests" / "consent" / "worked-examples.json"


def run(*arguments: object, given: bytes | None = None) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(command_line(), [str(argument) for argument in arguments], input=given)


def said(result: Result) -> str:
    """Return what was said to people, in one line."""
    return " ".join(result.stderr.split())


def lines_of(result: Result) -> list[Any]:
    """Return the JSON lines of standard output."""
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def bundle() -> bytes:
    """Return Moona's plan as a Bundle."""
    return run("map", PLAN).stdout_bytes


def test_map_prints_a_bundle_a_line() -> None:
    """Two files give two lines in their order, exit 0, and nothing is said."""
    result = run("map", RECORDS / "01-client.json", PLAN)
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line["entry"][0]["resource"]["resourceType"] for line in lines_of(result)] == ["Patient", "CarePlan"]


@pytest.mark.parametrize(("vendor", "path"), [("lahde", LAHDE), ("silmu", SILMU)])
def test_map_reads_vendor_formats(vendor: str, path: Path, bundle: bytes) -> None:
    """The vendor's form gives the Bundle of the canonical record, to the byte."""
    result = run("map", "--vendor", vendor, path)
    assert result.exit_code == 0
    assert canonical(read_json(result.stdout_bytes)) == canonical(read_json(bundle))


def test_map_reads_standard_input_and_ndjson(bundle: bytes) -> None:
    """`-` is standard input; with `--format ndjson` every line of it is a record."""
    assert run("map", "-", given=PLAN.read_bytes()).stdout_bytes == bundle
    line = canonical(read_json(PLAN.read_bytes()))
    result = run("map", "--format", "ndjson", "-", given=line + b"\n\n{}\n" + line)
    assert result.exit_code == 2
    assert result.stdout_bytes == bundle * 2
    assert "-:3" in result.stderr


def test_map_writes_a_file_anew(tmp_path: Path, bundle: bytes) -> None:
    """`-o` writes the file; a second run does not add to the first."""
    out = tmp_path / "plan.json"
    for _ in range(2):
        assert run("map", PLAN, "-o", out).stdout == ""
    assert out.read_bytes() == bundle
    assert run("map", PLAN, "-o", tmp_path / "no" / "such").exit_code == 2


def test_map_shows_trace_and_report(bundle: bytes) -> None:
    """Tables go to standard error, so standard output stays a Bundle."""
    result = run("map", PLAN, "--trace", "--report")
    assert result.stdout_bytes == bundle
    assert "CarePlan.activity[2].detail.code" in result.stderr
    assert "services[0].service_code" in result.stderr
    assert "K2" in result.stderr  # the published demo key is warned about


def test_map_contains_supporting_resources() -> None:
    """`--contained` leaves only core resources as entries."""
    (contained,) = lines_of(run("map", PLAN, "--contained"))
    assert all(each["resource"]["resourceType"] != "Practitioner" for each in contained["entry"])
    assert contained["entry"][0]["resource"]["contained"]


def test_map_names_the_vendors_json_field_with_line_and_column() -> None:
    """A wrong code is told at the sender's own field, in Finnish unless asked otherwise; nothing is mapped."""
    text = LAHDE.read_text(encoding="utf-8")
    at = text.index('"tila": "voimassa"')
    wrong = text[:at] + text[at:].replace("voimassa", "voimasa", 1)
    result = run("map", "--vendor", "lahde", "-", given=wrong.encode())
    assert (result.exit_code, result.stdout) == (2, "")
    place = f"suunnitelma.tila ({text.count(chr(10), 0, at) + 1}:{at - text.rfind(chr(10), 0, at)})"
    assert place in said(result)
    assert "Koodia ei ole luettelossa" in said(result)
    assert "voimasa " not in said(result)


def test_map_names_the_vendors_xml_attribute_with_line_and_column() -> None:
    """The same for XML, in English."""
    wrong = SILMU.read_bytes().replace(b'planType="typ-plan"', b'planType="typ-pla"')
    result = run("map", "--vendor", "silmu", "--lang", "en", "-", given=wrong)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "/Plan/@planType (2:" in said(result)
    assert "Did you mean typ-plan?" in said(result)


@pytest.mark.parametrize(
    ("arguments", "given", "words"),
    [
        (["map", "-"], b"nonsense", "K1026"),
        (["map", "-"], b'{"record_type": "diary"}', "work_ability_plan"),
        (["map", "no-such-file.json"], None, "no-such-file.json"),
        (["map", "no-such-file.ndjson"], None, "No such file"),
        (["map", "--vendor", "unknown", str(PLAN)], None, "lahde, silmu"),
        (["map", "--type", "team", str(PLAN)], None, "record_type"),
        (["map"], None, "FILE"),
        (["unmap", "-"], b"{", "K1"),
        (["explain", "-"], b"[]", "$"),
        (["decide", "-"], b"{", "K1"),
        (["decide", "-"], b"[]", "vectors"),
    ],
)
def test_unreadable_input_and_wrong_use_exit_with_2(arguments: list[str], given: bytes | None, words: str) -> None:
    """The reason is said on standard error; standard output stays empty."""
    result = run(*arguments, given=given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_unmap_gives_the_record_back(bundle: bytes) -> None:
    """Bundle on standard input, canonical record on standard output."""
    result = run("unmap", "-", given=bundle)
    assert (result.exit_code, result.stderr) == (0, "")
    assert canonical(read_json(result.stdout_bytes)) == canonical(read_json(PLAN.read_bytes()))


@pytest.mark.parametrize("foreign", ['{"resourceType":"Bundle"}', "[1]", '{"entry": [7]}', '{"entry": {}}', "null"])
def test_unmap_refuses_what_is_not_ours(foreign: str) -> None:
    """Readable JSON that is no Bundle of ours is a finding: exit 1 and the reason."""
    result = run("unmap", "-", given=foreign.encode())
    assert (result.exit_code, result.stdout) == (1, "")
    assert "K2023" in result.stderr


def test_explain_answers_in_both_directions() -> None:
    """An element names its field, a field names its elements; a vendor's own field too."""
    forward = run("explain", PLAN, "CarePlan.title")
    back = run("explain", PLAN, "title")
    for result in (forward, back):
        assert result.exit_code == 0
        assert "CarePlan.title" in result.stdout
    own = run("explain", "--vendor", "lahde", LAHDE, "CarePlan.title")
    assert "suunnitelma.otsikko" in own.stdout
    as_told = run("explain", "--vendor", "silmu", SILMU, "/Plan/@title")
    assert "CarePlan.title" in as_told.stdout


def test_explain_says_when_there_is_nothing() -> None:
    """Neither field nor element: exit 1."""
    result = run("explain", PLAN, "CarePlan.nothing")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "CarePlan.nothing" in result.stderr


def test_decide_answers_every_case() -> None:
    """One JSON line a case, in order, each with decision and reason."""
    result = run("decide", CASES)
    assert (result.exit_code, result.stderr) == (0, "")
    answers = lines_of(result)
    assert [answer["id"] for answer in answers] == [case["id"] for case in read_json(CASES.read_bytes())["vectors"]]
    assert {answer["decision"] for answer in answers} >= {"permit", "deny"}
    assert all(answer["reason"] for answer in answers)
