"""A broken mapping file is refused when it is loaded, with file, line, row and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapter.data import DataFileError
from adapter.mapping.load import load_mapping
from adapter.mapping.model import Mapping
from adapter.mapping.problems import MappingFileError

SCHEMA = {
    "type": "object",
    "required": ["note_id", "status"],
    "properties": {
        "note_id": {"type": "string"},
        "status": {"type": "string", "x-codes": "plan-status"},
        "title": {"type": "string"},
        "days": {"type": "number"},
        "urgent": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "owner": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
        "parts": {
            "type": "array",
            "items": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
        },
    },
}
HEAD = """\
mapping: note
version: 1.0.0
record_type: note
source: source.schema.json
resources:
  note:
    type: CarePlan
    fields:
      identifier[note]: {from: note_id, as: identifier}
      status:           {from: status, code: plan-status}
"""
REST = """\
      title:            title
ignored:
  days: counted elsewhere
  urgent: of no use here
  tags: of no use here
  owner: of no use here
  parts: of no use here
"""


def load(folder: Path, text: str) -> Mapping:
    """Load a mapping file of this text; rows of interest start on line 11."""
    (folder / "source.schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    (folder / "mapping.yaml").write_text(text, encoding="utf-8")
    return load_mapping(folder / "mapping.yaml", folder)


def problems(folder: Path, text: str) -> list[str]:
    """Return what the loader says, without the folder."""
    with pytest.raises(MappingFileError) as caught:
        load(folder, text)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_the_base_file_is_right(tmp_path: Path) -> None:
    """What the tests below break is whole before."""
    mapping = load(tmp_path, HEAD + REST)
    assert [rule.name for rule in mapping.rules] == ["note"]
    assert len(mapping.digest) == 64


ROWS = {
    "unknown verb": ("intent: {valu: plan}", "intent: unknown verb 'valu'"),
    "path not in R4": ("colour: title", "CarePlan has no element 'colour'"),
    "path not in R4, deeper": ("period.begin: title", "CarePlan.period has no element 'begin'"),
    "a list without brackets": ("note.text: title", "'note' repeats: write note[] or note[kind]"),
    "brackets without a list": ("intent[]: {value: plan}", "'intent' occurs once"),
    "a choice without its type": (
        "activity[].detail.product: title",
        "a choice is written by its JSON name, e.g. valueQuantity",
    ),
    "unknown code list": ("category[]: {from: title, code: no-such-list}", "there is no code list or concept map"),
    "unknown code": ("category[]: {coding: plan-type#no-such-code}", "'plan-type' has no code 'no-such-code'"),
    "unknown system": ("subject.identifier: {from: title, system: no-such}", "no short name 'no-such'"),
    "unknown extension": ("extension[no-such].valueString: title", "there is no extension 'no-such'"),
    "unknown field": ("description: tittle", "the source has no field 'tittle'"),
    "unknown conversion": ("subject: {from: title, as: magic}", "there is no conversion 'magic'"),
    "unknown type": ("subject: {from: owner, as: Magic}", "there is no type 'Magic'"),
    "unknown rule": ("goal[]: {ref: goals}", "there is no rule 'goals'"),
    "unknown fragment": ("activity[x]: {each: parts, include: steps}", "there is no fragment 'steps'"),
    "unknown function": ("description: {from: title, call: magic}", "there is no function 'magic'"),
    "climbing too high": ("description: ^title", "'^title' climbs above the record"),
    "a list without each": ("description: tags", "the field is an array: use each"),
    "an object without as": ("description: owner", "the field is an object: use as or fields"),
    "a number in a text": ("description: days", "a value of type number cannot stand in string"),
    "a text in a type": ("period: title", "a plain value cannot stand in Period"),
    "two sources": ("description: {from: title, value: x}", "a row has one source"),
    "default without reason": ("description: {from: title, default: x}", "default and because go together"),
    "wrong reference": (
        "encounter: {from: owner, as: reference, to: Patient}",
        "a reference to Patient is not allowed",
    ),
    "not invertible": (
        "activity[].detail.status: {from: urgent, values: {'true': completed, 'false': completed}}",
        "cannot be read back: give an inverse, copy: true, or one_way: <reason>",
    ),
    "written twice": ("status: title", "duplicate key 'status'"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_wrong_row_is_named(name: str, tmp_path: Path) -> None:
    """Each family of mistakes names file, line and row."""
    row, expected = ROWS[name]
    with pytest.raises(DataFileError) as caught:
        load(tmp_path, f"{HEAD}      {row}\n{REST}")
    assert "mapping.yaml:11" in str(caught.value)
    assert expected in str(caught.value)


def test_a_field_that_nobody_accounts_for(tmp_path: Path) -> None:
    """Nothing is dropped without a reason: an unaccounted field refuses the file."""
    found = problems(tmp_path, HEAD + REST.replace("  days: counted elsewhere\n", ""))
    assert found == ["mapping.yaml:1: field 'days' is neither mapped nor ignored with a reason"]


def test_an_ignored_field_exists_and_has_a_reason(tmp_path: Path) -> None:
    """`ignored` cannot hide a typing mistake, nor go without a word."""
    found = problems(tmp_path, HEAD + REST + "  dayz: never\n")
    assert found == ["mapping.yaml:18: ignored: the source has no field 'dayz'"]
    found = problems(tmp_path, HEAD + REST.replace("days: counted elsewhere", "days: ''"))
    assert found == ["mapping.yaml:13: ignored: say why 'days' is ignored"]


def test_a_copy_alone_is_a_loss(tmp_path: Path) -> None:
    """What is marked as a copy must be read back by another row."""
    found = problems(tmp_path, HEAD + REST.replace("title:            title", "title: {from: title, copy: true}"))
    assert found == ["mapping.yaml:11: CarePlan.title: field 'title' is only copied: one row must read it back"]


def test_items_that_look_alike_are_refused(tmp_path: Path) -> None:
    """Two kinds of item need something that tells them apart on the way back."""
    rows = "      note[tag]:  {each: tags, fields: {text: .}}\n      note[part]: {each: parts, fields: {text: text}}\n"
    rest = REST.replace("  tags: of no use here\n", "").replace("  parts: of no use here\n", "")
    found = problems(tmp_path, HEAD + rows + rest)
    assert found == [
        "mapping.yaml:12: CarePlan.note[part]: "
        "items [tag] and [part] cannot be told apart on the way back: add a constant"
    ]
    told_apart = rows.replace("{text: text}", "{text: text, authorString: {value: system}}")
    assert load(tmp_path, HEAD + told_apart.replace("{text: .}", "{text: ., time: {value: '2025'}}") + rest)


def test_items_under_a_condition_would_lose_their_positions(tmp_path: Path) -> None:
    """A filtered list cannot be put back in order, so the condition belongs inside."""
    row = "      note[]: {each: parts, when: {from: text, not: x}, fields: {text: text}}\n"
    found = problems(tmp_path, HEAD + row + REST.replace("  parts: of no use here\n", ""))
    assert found[0].startswith("mapping.yaml:11: CarePlan.note[]: items with a condition lose their positions")


def test_calls_stay_the_exception(tmp_path: Path) -> None:
    """More than one row in ten with `call` refuses the file."""
    row = "      description: {from: title, call: appointment_end, one_way: a test}\n"
    assert any("of 4 rows are calls" in problem for problem in problems(tmp_path, HEAD + row + REST))


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """A file with three mistakes says three things."""
    rows = "      colour: title\n      description: tittle\n      intent: {valu: plan}\n"
    assert len(problems(tmp_path, HEAD + rows + REST)) == 3


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("version: 1.0.0\n", "", "'version' is missing"),
        ("resources:\n", "colour: red\nresources:\n", "unknown key 'colour'"),
        ("    type: CarePlan\n", "    type: CarePlann\n", "'CarePlann' is no R4 resource type"),
        ("    type: CarePlan\n", "    type: CarePlan\n    colour: red\n", "unknown key 'colour'"),
        ("    type: CarePlan\n", "    type: CarePlan\n    each: partz\n", "the source has no field 'partz'"),
        ("    type: CarePlan\n", "    type: CarePlan\n    sensitivity: secret\n", "sensitivity is one of"),
        ("    type: CarePlan\n", "    type: CarePlan\n    shared: 'true'\n", "a shared resource needs an identity"),
        (
            "    type: CarePlan\n",
            "    type: CarePlan\n    shared: 'true'\n    identity: {key: [note_id, days]}\n",
            "'days' in a key must be a text, it is number",
        ),
        ("source: source.schema.json", "source: nowhere.json", "cannot read the schema 'nowhere.json#'"),
    ],
)
def test_a_wrong_frame_is_named(old: str, new: str, expected: str, tmp_path: Path) -> None:
    """Keys around the rows are checked as strictly as the rows."""
    assert expected in "\n".join(problems(tmp_path, (HEAD + REST).replace(old, new)))
