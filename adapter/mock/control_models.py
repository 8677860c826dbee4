"""What the control API takes and gives beside the tester's own models, and how it finds a namespace."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from adapter.mock.world import World, Worlds


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClockState(_Model):
    """The clock of a namespace."""

    now: str
    frozen: bool


class ClockChange(_Model):
    """A change of the clock; `step` is done last."""

    freeze: datetime | None = Field(default=None, description="stand still at this instant")
    run: bool = Field(default=False, description="follow the machine's clock again")
    step: float = Field(default=0.0, ge=-1e9, le=1e9, description="move on by so many seconds")


class Behaviour(_Model):
    """How strict the namespace is and how it speaks."""

    strictness: Literal["lenient", "national", "strict"] | None = None
    policy: str | None = Field(default=None, description="name of a packaged policy, or the text of a policy file")
    dialect: dict[str, str] | None = Field(default=None, description="see mappings/mock-policies/README.md")
    seed: int | None = Field(default=None, description="server ids are drawn from this number from now on")


class BehaviourState(_Model):
    """The present behaviour."""

    strictness: str
    policy: str
    dialect: dict[str, str]


class AuditState(_Model):
    """The audit log."""

    intact: bool
    entries: list[dict[str, Any]]


class ScenarioText(_Model):
    """A scenario file's text."""

    text: str


async def named_world(request: Request, namespace: str) -> World:
    """Return the namespace of the URL; 404 when its name is none."""
    worlds: Worlds = request.app.worlds
    try:
        return worlds.get(namespace)
    except LookupError as error:
        raise HTTPException(404, str(error)) from None


InWorld = Annotated[World, Depends(named_world)]


def own_site(request: Request) -> None:
    """Let no page of another site use the tester's browser; one without a site of its own (`null`) is another's.

    Raises:
        HTTPException: 403.
    """
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise HTTPException(403, "this comes from a page of another site")
