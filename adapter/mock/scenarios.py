"""Scenario files: data, clock, faults and expectations in one YAML file that can be attached to a ticket."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from adapter.data import parse_yaml_with_places
from adapter.mock.assertions import Assertion, judge
from adapter.mock.effects import Verdict
from adapter.mock.faults import FaultRule
from adapter.mock.policy import load_policy
from adapter.mock.seeding import seed_resources
from adapter.mock.settings import Strictness
from adapter.mock.world import World

KEYS = ("name", "title", "seed", "clock", "policy", "strictness", "resources", "faults", "steps", "expect")


@dataclass(frozen=True, slots=True)
class Step:
    """A request that the runner itself sends, and the status it expects; `body` is its text."""

    method: str
    path: str
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    status: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario as its file tells it.

    Attributes:
        seed: server ids are drawn from it; None leaves them random.
        clock: the clock stands frozen at this instant; None lets it run.
        resources: JSON text of what is stored beforehand: a list, a Bundle or one resource with id.
        steps: requests that the runner sends; none means that a client under test sends them.
    """

    name: str
    title: str = ""
    seed: int | None = None
    clock: datetime | None = None
    policy: str = ""
    strictness: Strictness | None = None
    resources: str = ""
    faults: list[FaultRule] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    expect: list[Assertion] = field(default_factory=list)


def parse_scenario(text: str, path: str = "scenario") -> Scenario:
    """Read a scenario file.

    Raises:
        DataFileError: not YAML, or a duplicate key; names the line.
        ValueError: a key or value is not known.
    """
    data, _ = parse_yaml_with_places(text, path)
    if not isinstance(data, dict):
        raise ValueError("a scenario is a mapping")  # noqa: TRY004 - the file's content is wrong, not a type of ours
    if unknown := sorted(set(data) - set(KEYS)):
        raise ValueError(f"unknown key {unknown[0]!r}, known are {', '.join(KEYS)}")
    try:
        return Scenario(
            name=data.get("name", "scenario"),
            title=data.get("title", ""),
            seed=int(data["seed"]) if "seed" in data else None,
            clock=datetime.fromisoformat(data["clock"]) if "clock" in data else None,
            policy=data.get("policy", ""),
            strictness=data.get("strictness"),
            resources=data.get("resources", ""),
            faults=[FaultRule.model_validate(one) for one in data.get("faults", [])],
            steps=[Step(**one) for one in data.get("steps", [])],
            expect=[Assertion.model_validate(one) for one in data.get("expect", [])],
        )
    except (ValidationError, TypeError) as error:
        raise ValueError(str(error)) from None


def begin(world: World, scenario: Scenario, base: str) -> int:
    """Bring a namespace into the scenario's first state; return the number of resources stored.

    Raises:
        Refusal: a resource is none.
    """
    world.reset()
    if scenario.policy:
        world.use(load_policy(scenario.policy))
    if scenario.strictness is not None:
        world.strictness = scenario.strictness
    if scenario.seed is not None:
        world.draw_from(scenario.seed)
    if scenario.clock is not None:
        world.clock.freeze(scenario.clock)
    stored = seed_resources(world, scenario.resources.encode(), base) if scenario.resources else 0
    for rule in scenario.faults:
        world.faults.add(rule)
    return stored


def check(world: World, scenario: Scenario) -> list[Verdict]:
    """Judge all expectations of the scenario."""
    return [judge(world, one) for one in scenario.expect]
