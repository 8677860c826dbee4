"""Synthetic clients: the same for the same seed, right by every rule, and nobody who lives."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import pytest
from typer.testing import CliRunner

from adapter.cli.app import command_line
from adapter.cli.records import RECORDS_A_CLIENT
from adapter.fhir.canonical import canonical
from adapter.fhir.ids import DEMO_KEY
from adapter.mapping import map_record, unmap
from adapter.source import identity_code
from adapter.source.synthetic import records
from adapter.source.synthetic.case import LARGEST
from adapter.validation.judge import judge

TYPES = ["client", "team", "consent", "work_ability_plan", "health_check", "functional_assessment"]
CLIENTS = 12


@pytest.fixture(scope="module")
def generated() -> list[dict[str, Any]]:
    """Return all records of a few clients."""
    return list(records(CLIENTS, seed=20))


def test_same_seed_gives_the_same_records(generated: list[dict[str, Any]]) -> None:
    """A second run is equal to the byte, a longer one begins with it, another seed differs."""
    assert [canonical(record) for record in records(CLIENTS, seed=20)] == [canonical(record) for record in generated]
    longer = islice(records(LARGEST, seed=20), len(generated))
    assert list(longer) == generated
    assert next(records(1, seed=21)) != generated[0]


def test_every_client_has_all_six_records_in_sending_order(generated: list[dict[str, Any]]) -> None:
    """Six types for each client, no earlier one recorded after a later one, every id used once."""
    assert [record["record_type"] for record in generated] == TYPES * CLIENTS
    assert len(TYPES) == RECORDS_A_CLIENT
    for start in range(0, len(generated), len(TYPES)):
        times = [record["recorded_at"] for record in generated[start : start + len(TYPES)]]
        assert times == sorted(times)
    assert len({record["record_id"] for record in generated}) == len(generated)


def test_records_of_a_client_fit_each_other(generated: list[dict[str, Any]]) -> None:
    """One client, one team that the consent names, and a plan by members of that team."""
    for start in range(0, len(generated), len(TYPES)):
        client, team, consent, plan, check, assessment = generated[start : start + len(TYPES)]
        code = client["personal_identity_code"]
        assert {record["client"]["personal_identity_code"] for record in (team, consent, plan, check, assessment)} == {
            code
        }
        assert {record["client"]["id"] for record in (team, consent, plan, check, assessment)} == {client["record_id"]}
        assert consent["recipients"][0]["team"]["id"] == plan["team"]["id"] == team["team_id"]
        members = {member["member"]["practitioner"]["id"] for member in team["members"][:-1]}
        assert {plan["responsible_worker"]["id"], check["performer"]["id"]} <= members


def test_nothing_is_found_when_they_are_judged(generated: list[dict[str, Any]]) -> None:
    """Schema, FHIR, profiles and business rules have neither error nor warning, judged when each was recorded."""
    for start in range(0, len(generated), len(TYPES)):
        earlier: list[dict[str, Any]] = []
        for record in generated[start : start + len(TYPES)]:
            bundle = map_record(canonical(record), id_key=DEMO_KEY).bundle
            outcome = judge(bundle, context=earlier, at=record["recorded_at"])
            assert [issue.rule_id for issue in outcome.issues if issue.severity != "information"] == []
            earlier.append(bundle)


def test_records_come_back_from_their_bundles(generated: list[dict[str, Any]]) -> None:
    """Bundle to record gives the record again, to the digit."""
    for record in generated:
        assert [canonical(back) for back in unmap(map_record(record, id_key=DEMO_KEY).bundle)] == [canonical(record)]


def test_identity_codes_belong_to_nobody_and_to_one_client_each() -> None:
    """Codes are right, of individual number 900–999, of the client's day of birth, and never repeated."""
    seen = set()
    for client in (record for record in records(400, seed=3) if record["record_type"] == "client"):
        code = client["personal_identity_code"]
        assert identity_code.problem(code) is None
        assert 900 <= int(code[7:10]) <= 999
        assert identity_code.birth_date(code).isoformat() == client["birth_date"]
        seen.add(code)
    assert len(seen) == 400


def test_more_clients_than_codes_are_refused() -> None:
    """Rather than giving two clients one code, the run does not begin."""
    with pytest.raises(ValueError, match="identity code"):
        next(records(LARGEST + 1, seed=1))


def test_generate_prints_ndjson() -> None:
    """`kykysilta generate` writes a line a record on standard output."""
    result = CliRunner().invoke(command_line(), ["generate", "--clients", "2", "--seed", "1"])
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["record_type"] for line in lines] == TYPES * 2


def test_generate_fills_a_folder(tmp_path: Any) -> None:
    """With `--folder` every record is a file that is named by its id."""
    assert CliRunner().invoke(command_line(), ["generate", "--folder", str(tmp_path / "new")]).exit_code == 0
    assert {json.loads(path.read_bytes())["record_id"] for path in (tmp_path / "new").iterdir()} == {
        path.stem for path in (tmp_path / "new").iterdir()
    }
    assert len(list((tmp_path / "new").iterdir())) == RECORDS_A_CLIENT
