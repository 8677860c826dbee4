"""Pages for people at `/_mock/`: what arrived, why it was refused, faults and clock to switch.

Server-rendered, no JavaScript, Finnish, Swedish and English; every state is said in words, not by colour alone.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader
from pydantic import ValidationError

from adapter.i18n import LANGUAGES, text
from adapter.mock import exports
from adapter.mock.clock import fhir_instant
from adapter.mock.effects import duplicates
from adapter.mock.exchange import parse_query
from adapter.mock.explain import SPECIFICATION, body_lines, explained_issue
from adapter.mock.fault_kinds import Kind
from adapter.mock.faults import Effect, FaultRule, Match, When
from adapter.mock.journal import masked
from adapter.mock.profiles import own_profile, profile_id
from adapter.mock.world import DEFAULT, World

POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
"""No script runs, nothing is loaded, and no other page frames a form that resets everything."""

router = APIRouter(prefix="/_mock", include_in_schema=False)
SHOWN = 200
_pages = Environment(loader=PackageLoader("adapter.mock"), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def _language(request: Request) -> str:
    asked = request.query_params.get("lang", "")
    if asked in LANGUAGES:
        return asked
    for part in request.headers.get("accept-language", "").split(","):
        code = part.split(";")[0].strip()[:2].lower()
        if code in LANGUAGES:
            return code
    return "fi"


def _world(request: Request) -> World:
    try:
        world: World = request.app.worlds.get(request.query_params.get("ns", DEFAULT))
    except LookupError as error:
        raise HTTPException(404, str(error)) from None
    return world


def _render(request: Request, template: str, code: int = 200, **values: Any) -> HTMLResponse:
    language, world = _language(request), _world(request)

    def link(path: str, **more: str) -> str:
        query = {"ns": world.name, "lang": language} | {name: value for name, value in more.items() if value}
        return f"{path}?{urlencode(query)}"

    def word(key: str, **more: object) -> str:
        return text(f"mock-pages.{key}", language, **{name: str(value) for name, value in more.items()})

    shown = {"t": word, "link": link, "language": language, "namespace": world.name} | values
    html = _pages.get_template(template).render(shown)
    return HTMLResponse(html, code, {"Content-Security-Policy": POLICY})


async def root() -> RedirectResponse:
    """Lead whoever opens the server's address to the page."""
    return RedirectResponse("/_mock/", 307)


@router.get("/")
async def index(request: Request, problem: str = "", status: str = "", live: str = "") -> HTMLResponse:
    """The list of requests, clock and faults of a namespace."""
    world = _world(request)
    entries = [one.summary() for one in world.journal.find()]
    if status == "refused":
        entries = [one for one in entries if one["decision"] != "done"]
    return _render(
        request,
        "index.html",
        code=422 if problem else 200,
        status=status,
        entries=entries[: -SHOWN - 1 : -1],
        base=world.base(str(request.base_url).rstrip("/")),
        policy=world.policy.name,
        strictness=world.strictness,
        namespaces=request.app.worlds.names(),
        now=fhir_instant(world.clock.now()),
        frozen=world.clock.frozen is not None,
        faults=list(world.faults),
        kinds=get_args(Kind),
        duplicates=duplicates(world),
        problem=problem,
        live=bool(live),
    )


@router.get("/profiles/{identity}")
async def one_profile(request: Request, identity: str) -> HTMLResponse:
    """One of our profiles: what it asks of each element."""
    found = own_profile(identity)
    if found is None:
        raise HTTPException(404, "no such profile")
    own = profile_id(found.parent)
    name = found.parent.rpartition("/")[2].lower()
    parent = f"/_mock/profiles/{own}" if own else f"{SPECIFICATION}/{name}.html"
    return _render(request, "profile.html", profile=found, parent=parent)


@router.get("/requests/{number}")
async def one_request(request: Request, number: int) -> HTMLResponse:
    """One request, explained."""
    entry = _world(request).journal.get(number)
    if entry is None:
        raise HTTPException(404, "no such request in the journal")
    language = _language(request)
    detail = entry.detail(language)
    word = partial(text, language=language)
    lines = body_lines(detail["requestBody"], entry) if detail["requestBody"] else []
    answer = [(line, "") for line, _ in body_lines(detail["responseBody"], entry)] if detail["responseBody"] else []
    answered = "mock-pages.answer-lost" if entry.broken else "mock-pages.answer"
    return _render(
        request,
        "request.html",
        entry=detail,
        issues=[explained_issue(one, language) for one in entry.wire.refusal],
        parts=[
            (word("mock-pages.request"), detail["requestHeaders"], lines, any(note for _, note in lines)),
            (word(answered), detail["responseHeaders"], answer, False),
        ],
        curl=masked(exports.curl(entry)),
    )


async def _form(request: Request) -> dict[str, str]:
    """Return the form's fields."""
    return dict(parse_query((await request.body()).decode("utf-8", "replace")))


def _back(request: Request) -> RedirectResponse:
    query = urlencode({"ns": _world(request).name, "lang": _language(request)})
    return RedirectResponse(f"/_mock/?{query}", 303)


@router.post("/clock", response_model=None)
async def clock(request: Request) -> RedirectResponse | HTMLResponse:
    """Freeze, step or release the clock."""
    form, world = await _form(request), _world(request)
    try:
        if form.get("do") == "run":
            world.clock.run()
        elif form.get("do") == "step":
            world.clock.step(float(form.get("step", "")))
        else:
            instant = form.get("freeze", "")
            world.clock.freeze(datetime.fromisoformat(instant) if instant else None)
    except (ValueError, OverflowError):
        return await index(request, problem="2025-03-14T08:00:00+02:00, 3600")
    return _back(request)


@router.post("/faults", response_model=None)
async def add_fault(request: Request) -> RedirectResponse | HTMLResponse:
    """Add a fault rule."""
    form = await _form(request)
    try:
        rule = FaultRule(
            match=Match(method=form.get("method", ""), path=form.get("path", "")),
            when=When(nth=int(form.get("nth") or 0)),
            effect=Effect(
                kind=form.get("kind", ""),  # type: ignore[arg-type]
                status=int(form.get("status") or 503),
                retry_after=form.get("retry_after", ""),
                commit=True if form.get("commit") else None,
            ),
        )
    except ValidationError as error:
        return await index(request, problem=", ".join(str(one["loc"][-1]) for one in error.errors()))
    except ValueError:
        return await index(request, problem="nth, status")
    _world(request).faults.add(rule)
    return _back(request)


@router.post("/faults/remove")
async def remove_fault(request: Request) -> RedirectResponse:
    """Remove a fault rule."""
    _world(request).faults.remove((await _form(request)).get("name", ""))
    return _back(request)


@router.post("/reset")
async def reset(request: Request) -> RedirectResponse:
    """Forget data, faults and requests."""
    await _form(request)
    _world(request).reset()
    return _back(request)
