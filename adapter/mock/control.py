"""The tester's control over HTTP: everything under `/_mock/api/{namespace}`, described by OpenAPI.

It never touches the FHIR base: a client under test sees nothing of it.
"""

from __future__ import annotations

import base64
import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, HTTPException, Query, Request, Response
from fastapi.responses import PlainTextResponse

from adapter.data import DataFileError
from adapter.mock import exports
from adapter.mock.assertions import Assertion, RequestFilter, judge
from adapter.mock.clock import fhir_instant
from adapter.mock.control_models import (
    AuditState,
    Behaviour,
    BehaviourState,
    ClockChange,
    ClockState,
    InWorld,
    ScenarioText,
)
from adapter.mock.effects import Verdict
from adapter.mock.faults import FaultRule, FaultState
from adapter.mock.journal import Entry
from adapter.mock.outcomes import Refusal
from adapter.mock.policy import load_policy, parse_policy
from adapter.mock.scenarios import begin, parse_scenario
from adapter.mock.seeding import seed_resources
from adapter.mock.world import World

router = APIRouter(prefix="/_mock/api", tags=["control"])


@router.get("")
async def namespaces(request: Request) -> list[str]:
    """Names of the namespaces in use."""
    found: list[str] = request.app.worlds.names()
    return found


@router.delete("/{namespace}", status_code=204)
async def drop(request: Request, namespace: str) -> None:
    """Close and forget a namespace."""
    request.app.worlds.drop(namespace)


@router.post("/{namespace}/reset", status_code=204)
async def reset(world: InWorld) -> None:
    """Forget all data, faults and the journal; clock and ids begin again."""
    world.reset()


@router.post("/{namespace}/seed")
async def seed(world: InWorld, request: Request, resources: Annotated[list[Any] | dict[str, Any], Body()]) -> int:
    """Store resources (a list, a Bundle or one) with their own ids; the number stored."""
    del resources  # documents the body; the bytes are read with decimals kept
    try:
        return seed_resources(world, await request.body(), _base(request, world))
    except Refusal as refusal:
        raise HTTPException(422, refusal.operation_outcome()) from None


@router.get("/{namespace}/export")
async def export(world: InWorld) -> PlainTextResponse:
    """All present resources as NDJSON, in the order of their creation."""
    return PlainTextResponse(world.store.export(), media_type="application/fhir+ndjson")


@router.put("/{namespace}/snapshots/{name}", status_code=204)
async def snapshot(world: InWorld, name: str) -> None:
    """Remember the data under a name."""
    world.snapshots[name] = world.store.snapshot()


@router.get("/{namespace}/snapshots/{name}")
async def download(world: InWorld, name: str) -> str:
    """A snapshot as base64 of a SQLite database."""
    return base64.b64encode(_snapshot(world, name)).decode()


@router.post("/{namespace}/snapshots/{name}/restore", status_code=204)
async def restore(world: InWorld, name: str) -> None:
    """Go back to a snapshot; journal, faults and clock stay."""
    world.store.restore(_snapshot(world, name))


def _snapshot(world: World, name: str) -> bytes:
    if name not in world.snapshots:
        raise HTTPException(404, f"no such snapshot; there are {len(world.snapshots)}")
    return world.snapshots[name]


@router.get("/{namespace}/clock")
async def clock(world: InWorld) -> ClockState:
    """What time it is in the namespace."""
    return ClockState(now=fhir_instant(world.clock.now()), frozen=world.clock.frozen is not None)


@router.post("/{namespace}/clock")
async def change_clock(world: InWorld, change: ClockChange) -> ClockState:
    """Freeze, step or release the clock."""
    try:
        if change.run:
            world.clock.run()
        if change.freeze is not None:
            world.clock.freeze(change.freeze)
        if change.step:
            world.clock.step(change.step)
    except OverflowError:
        raise HTTPException(422, "the clock cannot go there") from None
    return await clock(world)


@router.get("/{namespace}/behaviour")
async def behaviour(world: InWorld) -> BehaviourState:
    """Policy, strictness and dialect."""
    return BehaviourState(strictness=world.strictness, policy=world.policy.name, dialect=world.dialects)


@router.patch("/{namespace}/behaviour")
async def change_behaviour(world: InWorld, change: Behaviour) -> BehaviourState:
    """Change policy, strictness, dialect or the seed of the ids."""
    if change.policy is not None:
        world.use(_policy(change.policy))
    if change.strictness is not None:
        world.strictness = change.strictness
    if change.dialect is not None:
        world.dialects |= change.dialect
    if change.seed is not None:
        world.draw_from(change.seed)
    return await behaviour(world)


def _policy(text: str) -> Any:
    try:
        if re.fullmatch(r"[a-z0-9-]+", text):
            return load_policy(text)
        return parse_policy(text, "policy")
    except (DataFileError, ValueError, TypeError, AttributeError) as error:
        raise HTTPException(422, f"not a policy: {error}") from None


@router.get("/{namespace}/faults")
async def faults(world: InWorld) -> list[FaultState]:
    """The fault rules with their counts."""
    return list(world.faults)


@router.post("/{namespace}/faults", status_code=201)
async def add_fault(world: InWorld, rule: FaultRule) -> FaultState:
    """Add a fault rule; one of the same name is replaced."""
    return world.faults.add(rule)


@router.delete("/{namespace}/faults", status_code=204)
async def clear_faults(world: InWorld) -> None:
    """Remove all fault rules."""
    world.faults.clear()


@router.delete("/{namespace}/faults/{name}", status_code=204)
async def remove_fault(world: InWorld, name: str) -> None:
    """Remove one fault rule."""
    if not world.faults.remove(name):
        raise HTTPException(404, "no such fault rule")


Filter = Annotated[RequestFilter, Query()]


def _found(world: World, wanted: RequestFilter) -> list[Entry]:
    return world.journal.find(wanted.journal_filter())


@router.get("/{namespace}/journal")
async def journal(world: InWorld, wanted: Filter) -> list[dict[str, Any]]:
    """The requests that fit, oldest first, without bodies."""
    return [one.summary() for one in _found(world, wanted)]


@router.delete("/{namespace}/journal", status_code=204)
async def clear_journal(world: InWorld) -> None:
    """Forget the requests."""
    world.journal.clear()


@router.get("/{namespace}/journal.har")
async def journal_har(world: InWorld, wanted: Filter) -> Response:
    """The requests that fit as an HTTP Archive."""
    return Response(exports.har(_found(world, wanted)), media_type="application/json")


@router.get("/{namespace}/journal/{number}")
async def journal_entry(world: InWorld, number: int, language: Literal["fi", "sv", "en"] = "en") -> dict[str, Any]:
    """One request with everything that was kept."""
    return _entry(world, number).detail(language)


@router.get("/{namespace}/journal/{number}/curl")
async def journal_curl(world: InWorld, number: int) -> PlainTextResponse:
    """One request as a shell command."""
    return PlainTextResponse(exports.curl(_entry(world, number)))


def _entry(world: World, number: int) -> Entry:
    entry = world.journal.get(number)
    if entry is None:
        raise HTTPException(404, "no such request in the journal")
    return entry


@router.get("/{namespace}/audit")
async def audit(world: InWorld) -> AuditState:
    """The audit log of a policy that keeps one, and whether its chain is intact."""
    return AuditState(intact=world.audit.intact(), entries=world.audit.entries())


@router.post("/{namespace}/assertions")
async def assertion(world: InWorld, wanted: Assertion) -> Verdict:
    """Judge an expectation on the requests or on their effect."""
    try:
        return judge(world, wanted)
    except Refusal as refusal:
        raise HTTPException(422, refusal.text()) from None


@router.post("/{namespace}/scenario")
async def scenario(world: InWorld, request: Request, wanted: ScenarioText) -> int:
    """Begin a scenario: reset, clock, seed, data and faults as its file says; the number of resources stored."""
    try:
        return begin(world, parse_scenario(wanted.text), _base(request, world))
    except (DataFileError, ValueError) as error:
        raise HTTPException(422, f"not a scenario: {error}") from None
    except Refusal as refusal:
        raise HTTPException(422, refusal.text()) from None


def _base(request: Request, world: World) -> str:
    root = str(request.base_url).rstrip("/")
    return world.base(root)
