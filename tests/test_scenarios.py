"""The scenarios, played through the line: golden Bundles and reports, the way back, explanations, and privacy.

Each record is judged at the instant it was recorded, beside what its scenario sent before. `pytest --update-golden`
rewrites `expected/` for review.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from adapter.data import parse_yaml_with_places
from adapter.delivery import Repository
from adapter.errors import AdapterError, ConsentRefused
from adapter.fhir.canonical import canonical
from adapter.fhir.ids import DEMO_KEY
from adapter.i18n import LANGUAGES
from adapter.mapping import Mapped, explain, map_record, unmap
from adapter.mapping.contained import contain, kept_by_adapter
from adapter.pipeline import Accepted, Line, Sender
from adapter.source import read
from adapter.source.json import read_json
from adapter.store import Cipher, Database
from adapter.types import Issue, Record
from adapter.validation.judge import judge

ROOT = Path(__file__).resolve().parent.parent / "fixtures" / "scenarios"
SCENARIOS = sorted(path.name for path in ROOT.glob("SCN-*"))


@dataclass(frozen=True)
class Step:
    """One record file of a scenario."""

    path: Path
    data: bytes
    record: Record
    mapped: Mapped


@dataclass
class Played:
    """A scenario after all its records went through the line.

    Attributes:
        accepted: what the line answered to each record that it took, by file name.
        refused: the error for each file in `refused/`.
        lines: every log line that was written on the way.
    """

    accepted: dict[str, Accepted] = field(default_factory=dict)
    refused: dict[str, AdapterError] = field(default_factory=dict)
    lines: list[Any] = field(default_factory=list)


Play = Callable[[str], Played]


@cache
def steps(scenario: str, folder: str = "records") -> tuple[Step, ...]:
    """Return the canonical records of a scenario in the order in which they are sent."""
    found = []
    for path in sorted((ROOT / scenario / folder).glob("*.json")):
        if path.suffixes == [".json"]:
            data = path.read_bytes()
            record = read_json(data)
            found.append(Step(path, data, record, map_record(data, id_key=DEMO_KEY)))
    return tuple(found)


def recorded(record: Record) -> float:
    """Return the instant at which a record was recorded, UTC seconds."""
    return datetime.fromisoformat(record["recorded_at"]).timestamp()


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Send a scenario through a line of its own, once."""
    kept: dict[str, Played] = {}

    def played(scenario: str) -> Played:
        if scenario not in kept:
            database = Database(f"sqlite:///{tmp_path_factory.mktemp('scenario') / 'k.sqlite'}")
            repository = Repository("http://repository.invalid/fhir")
            line = Line(
                database,
                Cipher({"test": bytes(range(32))}),
                id_key=DEMO_KEY,
                repository=repository,
                judged_at=recorded,
            )
            kept[scenario] = sent(line, scenario)
            database.close()
        return kept[scenario]

    return played


def sent(line: Line, scenario: str) -> Played:
    """Send every record, and after its step each record that must be refused."""
    played = Played()
    refused = {step.path.name[:2]: step for step in steps(scenario, "refused")}
    with structlog.testing.capture_logs() as lines:
        for step in steps(scenario):
            played.accepted[step.path.name] = line.accept(step.data, sender=Sender("scenario"))
            wrong = refused.get(step.path.name[:2])
            if wrong is not None:
                with pytest.raises(ConsentRefused) as caught:
                    line.accept(wrong.data, sender=Sender("scenario"))
                played.refused[wrong.path.name] = caught.value
    played.lines = lines
    return played


def pretty(value: Any) -> bytes:
    """Return JSON for people, keys sorted and numbers as written, with a line's end."""
    return msgspec.json.format(canonical(value), indent=2) + b"\n"


def golden_bundle(mapped: Mapped) -> bytes:
    """Return the Bundle; the mapping's digest is named, not written, because it changes with every comment."""
    return pretty(mapped.bundle).replace(mapped.mapping.digest.encode(), b"(digest of the mapping)")


def golden_report(step: Step, accepted: Accepted) -> bytes:
    """Return what became of the fields, and what the sender is told."""
    report = step.mapped.report
    return pretty(
        {
            "at": step.record["recorded_at"],
            "resources": Counter(entry["resource"]["resourceType"] for entry in step.mapped.bundle["entry"]),
            "fields": {
                "mapped": report.mapped,
                "unknown": list(report.unknown),
                "ignored": report.ignored,
                "one_way": report.one_way,
                "completed": report.completed,
            },
            "warnings": [told(issue) for issue in accepted.warnings],
        }
    )


def told(issue: Issue) -> dict[str, str]:
    """Return an issue as it stands in a report."""
    place = issue.source.path if issue.source else ""
    return {
        "rule": issue.rule_id,
        "severity": issue.severity,
        "field": place,
        "element": issue.expression,
        "text": issue.text("fi"),
    }


def compare(path: Path, made: bytes, update: bool) -> None:
    """Compare with a golden file, or rewrite it."""
    if update:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(made)
    assert path.read_bytes() == made, f"{path.name} differs; look, then pytest --update-golden"


def test_there_are_seven_scenarios() -> None:
    """SCN-1 to SCN-7 stand here, each with records and a story."""
    assert [name[:5] for name in SCENARIOS] == [f"SCN-{number}" for number in range(1, 8)]
    assert all(steps(name) for name in SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_records_give_the_golden_bundles(scenario: str, update_golden: bool) -> None:
    """Every record becomes its expected Bundle, byte for byte, the same in a second run."""
    for step in steps(scenario):
        expected = ROOT / scenario / "expected" / f"{step.path.stem}.bundle.json"
        compare(expected, golden_bundle(step.mapped), update_golden)
        assert canonical(map_record(step.data, id_key=DEMO_KEY).bundle) == canonical(step.mapped.bundle)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_records_give_the_golden_reports(scenario: str, play: Play, update_golden: bool) -> None:
    """The line takes every record, loses no field and tells exactly the expected warnings."""
    accepted = play(scenario).accepted
    for step in steps(scenario):
        report = golden_report(step, accepted[step.path.name])
        compare(ROOT / scenario / "expected" / f"{step.path.stem}.report.json", report, update_golden)
        assert not step.mapped.report.unknown


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_else_is_expected(scenario: str) -> None:
    """Each golden file belongs to a record."""
    made = {f"{step.path.stem}.{kind}.json" for step in steps(scenario) for kind in ("bundle", "report")}
    assert {path.name for path in (ROOT / scenario / "expected").iterdir()} == made


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_last_look_finds_no_error(scenario: str) -> None:
    """At the story's instant the newest versions of all records, judged together, break no rule that refuses."""
    at = story(scenario)["at"]
    newest = {(step.record["source_system"], step.record["record_id"]): step for step in steps(scenario)}
    bundles = [step.mapped.bundle for step in newest.values()]
    for step in newest.values():
        outcome = judge(step.mapped.bundle, at=at, context=[each for each in bundles if each is not step.mapped.bundle])
        assert [told(issue) for issue in outcome.issues if issue.severity in ("fatal", "error")] == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_refused_records_leave_no_trace_but_the_refusal(scenario: str, play: Play) -> None:
    """What the consents on file do not permit is refused at the time it is sent, and the sender learns which field."""
    refused = play(scenario).refused
    assert refused.keys() == {step.path.name for step in steps(scenario, "refused")}
    for error in refused.values():
        assert all(issue.source and issue.source.path.startswith("release") for issue in error.issues)


def story(scenario: str) -> dict[str, Any]:
    """Return the front matter of a story and its `text`."""
    _, front, text = (ROOT / scenario / "story.md").read_text(encoding="utf-8").split("---\n", 2)
    found = parse_yaml_with_places(front, "story.md")[0]
    return {**found, "text": text}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_story_tells_of_every_record(scenario: str) -> None:
    """The step table names each record file, and no file that is not there."""
    told_of = story(scenario)
    steps_table = told_of["text"].partition("## Steps")[2].partition("## What the adapter must say")[0]
    named = set(re.findall(r"`((?:refused/)?[0-9]{2}-[a-z0-9-]+\.json)`", steps_table))
    there = {step.path.name for step in steps(scenario)}
    there |= {f"refused/{step.path.name}" for step in steps(scenario, "refused")}
    assert named == there
    codes = {
        step.record["personal_identity_code"] for step in steps(scenario) if "personal_identity_code" in step.record
    }
    assert codes == {told_of["identity_code"]}
    assert max(recorded(step.record) for step in steps(scenario)) <= datetime.fromisoformat(told_of["at"]).timestamp()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_story_tells_what_the_adapter_says(scenario: str, play: Play) -> None:
    """The story's table of warnings is what the line said, no more and no less."""
    rows = re.findall(r"^\| `([^`]+)` \| ([A-Z]+-[0-9]+) \|", story(scenario)["text"], re.MULTILINE)
    said = {
        (name, issue.rule_id)
        for name, accepted in play(scenario).accepted.items()
        for issue in accepted.warnings
        if issue.rule_id.startswith("BR-")
    }
    assert set(rows) == said


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_record_comes_back(scenario: str) -> None:
    """unmap(map(record)) is the record, to the digit, from entries and from contained resources."""
    for step in steps(scenario):
        contained, kept = contain(step.mapped.bundle), kept_by_adapter(step.mapped.bundle)
        for back in (unmap(step.mapped.bundle), unmap(contained, kept=kept)):
            assert [canonical(each) for each in back] == [canonical(comes_back(step.record))]


def comes_back(record: Record) -> Any:
    """Return a record without what is never written, with the end that is assumed of a meeting."""
    return _completed({name: value for name, value in record.items() if name != "release"})


def _completed(value: Any) -> Any:
    if isinstance(value, list):
        return [_completed(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {name: _completed(child) for name, child in value.items() if name != "sha256"}
    for name in ("booked_time", "next_meeting", "meeting_time"):
        if name in made and "end" not in made[name]:
            start = datetime.fromisoformat(made[name]["start"])
            made[name] = {**made[name], "end": (start + timedelta(hours=1)).isoformat()}
    return made


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_explanations_go_both_ways(scenario: str) -> None:
    """Every field that was mapped names its elements, and each of those elements names the field."""
    for step in steps(scenario):
        sources: dict[str, set[str]] = {}
        for row in step.mapped.trace:
            if row.source:
                sources.setdefault(row.source, set()).add(row.element)
        assert sources.keys() >= {"record_id", "recorded_at", "custodian.name"}
        for source in sorted(sources)[::7]:
            found = {row.element for row in explain(step.mapped, source) if row.source == source}
            assert found == sources[source]
            for element in sorted(found)[:2]:
                assert source in {row.source for row in explain(step.mapped, element)}


def secrets_of(records: list[Record]) -> set[str]:
    """Return identity codes, identifiers and names of the people in records."""
    found: set[str] = set()
    for record in records:
        found.update(_secrets(record))
    return found


def _secrets(value: Any, person: bool = False) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _secrets(item, person)
    if not isinstance(value, dict):
        return
    for name, child in value.items():
        people = name in (
            "recorded_by",
            "close_person",
            "legal_representative",
            "practitioner",
            "performer",
            "convener",
        )
        if name in ("personal_identity_code", "temporary_id", "family_name", "phone", "street_address", "email"):
            yield from child if isinstance(child, list) else [child]
        elif name == "previous_codes":
            yield from child
        elif name == "name" and person:
            yield child
        else:
            yield from _secrets(child, people)


def broken(record: Record) -> Iterator[Record]:
    """Yield copies of a record with one field wrong: missing or of another type."""
    for name in record:
        yield {key: value for key, value in record.items() if key != name}
        yield {**record, name: [[record[name]]]}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_line_text_or_url_names_a_person(scenario: str, play: Play) -> None:
    """No identity code, name, number or address stands in a log line, an error text, a URL or a reference."""
    secrets = secrets_of([step.record for step in steps(scenario)])
    assert len(secrets) > 10
    played = play(scenario)
    texts = [str(line) for line in played.lines]
    assert len(texts) > len(steps(scenario))
    issues = [issue for accepted in played.accepted.values() for issue in accepted.warnings]
    issues += [issue for error in played.refused.values() for issue in error.issues]
    for step in steps(scenario)[::3]:
        for wrong in broken(step.record):
            try:
                map_record(read(canonical(wrong), record_type=step.record["record_type"]), id_key=DEMO_KEY)
            except AdapterError as error:
                issues += error.issues
                texts.append(str(error))
    texts += {issue.text(language) for issue in issues for language in LANGUAGES}
    texts += {issue.expression for issue in issues} | {issue.source.path for issue in issues if issue.source}
    for step in steps(scenario):
        for entry in step.mapped.bundle["entry"]:
            texts += [entry["fullUrl"], entry["request"]["url"], *references(entry["resource"])]
        texts.append(step.path.name)
    together = "\n".join(texts)
    assert [secret for secret in secrets if secret in together] == []


def references(value: Any) -> Iterator[str]:
    """Yield every `Reference.reference` in a resource."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        for name, child in value.items():
            if name == "reference" and isinstance(child, str):
                yield child
            else:
                yield from references(child)
