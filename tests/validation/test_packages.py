"""Definitions from dicts, files, folders and packages; messages; the sender's places."""

from __future__ import annotations

import io
import json
import re
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from adapter.fhir.xml import to_xml
from adapter.i18n import catalogue
from adapter.types import SourcePlace
from adapter.validation import Validator
from adapter.validation.packages import load_definitions
from tests.validation.test_profiles import OWN, PATIENT, profile

DEFINITION = profile("p", "Patient", {"path": "Patient.name", "min": 1}) | {
    "name": "P",
    "status": "draft",
    "kind": "resource",
    "abstract": False,
}


def _archive(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def _refuses(source: Any) -> bool:
    validator = Validator([source])
    assert validator.load_issues == ()
    return not validator.validate(PATIENT, profiles=[OWN + "p"]).ok


def test_definitions_from_everywhere(tmp_path: Path) -> None:
    """A dict, a Bundle, a JSON or XML file, a folder and a .tgz all give the same profile."""
    content = json.dumps(DEFINITION).encode()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "StructureDefinition-p.json").write_bytes(content)
    (tmp_path / "folder" / "muu.txt").write_text("ei luettava")
    (tmp_path / "p.xml").write_bytes(to_xml(DEFINITION))
    _archive(tmp_path / "p.tgz", {"package/package.json": b"{}", "package/StructureDefinition-p.json": content})
    assert _refuses(DEFINITION)
    assert _refuses({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": DEFINITION}]})
    assert _refuses(tmp_path / "folder")
    assert _refuses(str(tmp_path / "folder" / "StructureDefinition-p.json"))
    assert _refuses(tmp_path / "p.xml")
    assert _refuses(tmp_path / "p.tgz")


def test_unreadable_definitions_are_named(tmp_path: Path) -> None:
    """A missing path, a broken file and a broken archive are issues with their names, not exceptions."""
    (tmp_path / "rikki.json").write_text("{")
    (tmp_path / "rikki.tgz").write_text("ei arkisto")
    validator = Validator([tmp_path / "puuttuu", tmp_path / "rikki.json", tmp_path / "rikki.tgz"])
    assert [issue.values["name"] for issue in validator.load_issues] == ["puuttuu", "rikki.json", "rikki.tgz"]


@pytest.mark.parametrize(
    "broken",
    [
        {"differential": []},
        {"differential": {"element": ["Patient.name"]}},
        {"differential": {"element": [{"path": 1}]}},
        {"differential": {"element": [{"path": "Patient.name", "min": "one"}]}},
        {"differential": {"element": [{"path": "Patient.name", "max": "9" * 10_000}]}},
        {"differential": {"element": [{"path": "Patient.name", "type": "HumanName"}]}},
        {"differential": {"element": [{"path": "Patient.name", "constraint": "name.exists()"}]}},
        {"differential": {"element": [{"min": 1}]}},
        {"baseDefinition": None},
        {"baseDefinition": OWN + "p"},
    ],
)
def test_malformed_definitions_are_named(broken: dict[str, Any]) -> None:
    """A differential that is none, or a profile that inherits from itself, is said at load and breaks nothing."""
    validator = Validator([DEFINITION | broken])
    assert {issue.key for issue in validator.load_issues} == {"validation.profile-not-understood"}
    validator.validate(PATIENT, profiles=[OWN + "p"])


def test_sender_places_are_filled_in() -> None:
    """With a trace an issue names the sender's field, or the nearest one around it."""
    places = {"Patient.name[0]": SourcePlace("nimi", 3, 7)}
    broken = PATIENT | {"name": [{"eiSellaista": 1}], "gender": "mies"}
    first, second = Validator().validate(broken, trace=places).issues
    assert first.source == SourcePlace("nimi", 3, 7)
    assert second.source is None
    by_function = Validator().validate(broken, trace=places.get).issues
    assert by_function[0].source == first.source


def test_messages_are_complete() -> None:
    """Every message has a number of its own in 4000–4999, Finnish and English with the same placeholders."""
    messages = catalogue("validation")
    numbers = [message.number for message in messages.values()]
    assert len(set(numbers)) == len(numbers)
    assert all(4000 <= number < 5000 for number in numbers)
    for name, message in messages.items():
        assert {"fi", "en"} <= set(message.texts), name
        placeholders = {language: set(re.findall(r"\{(\w+)\}", text)) for language, text in message.texts.items()}
        assert len(set(map(frozenset, placeholders.values()))) == 1, name


def test_every_issue_can_be_said() -> None:
    """Every key that the code names stands in the catalogue."""
    folder = Path(__file__).resolve().parents[2] / "adapter" / "validation"
    code = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    named = set(re.findall(r'Finding\(\s*"([a-z0-9-]+)"', code)) | set(re.findall(r'"validation\.([a-z0-9-]+)"', code))
    assert len(named) > 80
    assert named <= set(catalogue("validation"))


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_outcome_in_each_language(language: str) -> None:
    """The OperationOutcome has rule, text and FHIRPath; Swedish falls back to Finnish."""
    outcome = Validator().validate(PATIENT | {"gender": "mies"}).operation_outcome(language)
    (issue,) = outcome["issue"]
    assert issue["details"]["coding"][0]["code"] == "K4301"
    assert issue["expression"] == ["Patient.gender"]
    assert "female" in issue["details"]["text"]


def test_package_of_very_many_files_is_given_up(tmp_path: Path) -> None:
    """300,000 empty files, or gigabytes of zeros, are no package: told by its name within a second."""
    with tarfile.open(tmp_path / "many.tgz", "w:gz", compresslevel=1) as archive:
        for number in range(30_000):
            archive.addfile(tarfile.TarInfo(f"package/a{number}.txt"))
    with tarfile.open(tmp_path / "empty.tgz", "w:gz", compresslevel=1) as archive:
        for number in range(2_000):
            archive.addfile(tarfile.TarInfo(f"package/a{number}.json"))
    begin = time.process_time()
    (issue,) = load_definitions([tmp_path / "many.tgz"])[1]
    assert issue.values == {"name": "many.tgz"}
    assert 0 < len(load_definitions([tmp_path / "empty.tgz"])[1]) < 200
    assert time.process_time() - begin < 3
