"""Control of recording and replay: which sandbox is recorded, and the recording as a HAR file."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from adapter.mock.control_models import InWorld
from adapter.mock.recording import Mode
from adapter.mock.storage import from_json
from adapter.mock.world import World

router = APIRouter(prefix="/_mock/api", tags=["recording"])


class RecordingChange(BaseModel):
    """What the namespace does with the requests that come."""

    model_config = ConfigDict(extra="forbid")
    mode: Mode = Field(description="record: send on and keep; replay: answer from the record; off: answer itself")
    upstream: str = Field(default="", description="record: FHIR base of the sandbox")


class RecordingState(RecordingChange):
    """The same, and how many exchanges are kept."""

    exchanges: int


@router.get("/{namespace}/recording")
async def recording(world: InWorld) -> RecordingState:
    """Whether the namespace records or replays."""
    return _state(world)


@router.put("/{namespace}/recording")
async def change_recording(world: InWorld, change: RecordingChange) -> RecordingState:
    """Begin to record (from nothing) or to replay (from the first exchange), or stop."""
    try:
        world.recording.begin(change.mode, change.upstream)
    except ValueError as error:
        raise HTTPException(422, str(error)) from None
    return _state(world)


@router.get("/{namespace}/recording.har")
async def recording_har(world: InWorld) -> Response:
    """The recording as an HTTP Archive: bodies as they were, no tokens and no cookies."""
    return Response(world.recording.as_har(), media_type="application/json")


@router.put("/{namespace}/recording.har")
async def load_recording(
    world: InWorld, request: Request, archive: Annotated[dict[str, Any], Body()]
) -> RecordingState:
    """Take the exchanges of an HTTP Archive, to replay them."""
    del archive  # documents the body; the bytes are read with decimals kept
    try:
        world.recording.load(from_json(await request.body()))
    except ValueError as error:
        raise HTTPException(422, str(error)) from None
    return _state(world)


def _state(world: World) -> RecordingState:
    found = world.recording
    return RecordingState(mode=found.mode, upstream=found.upstream, exchanges=len(found.exchanges))
