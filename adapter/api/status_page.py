"""`/status`: how the adapter does, as pictures for operators. No person, no sender, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import time
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool

from adapter.api.access import Access, line_of
from adapter.api.answers import language_of
from adapter.delivery.overview import Overview
from adapter.i18n import LANGUAGES, text

router = APIRouter(tags=["service"])
SHORTEST_PAUSE, LONGEST_PAUSE = 2, 3600
_pages = Environment(
    loader=PackageLoader("adapter.api"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@router.get("/status", summary="How it goes, as pictures", include_in_schema=False)
async def status_page(request: Request) -> Response:
    """Show lanes, rates, ages and last errors, to callers from the operator's networks.

    `?lang=fi|sv|en` chooses the language, `?every=SECONDS` looks again by itself.
    """
    access: Access = request.app.state.access
    access.operator(request)
    asked = request.query_params.get("lang", "")
    language = asked if asked in LANGUAGES else language_of(request)
    found = await run_in_threadpool(line_of(request).outbox.overview, time.time())
    headers = {"Content-Security-Policy": _policy(), "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    every = request.query_params.get("every", "")
    if every.isascii() and every.isdigit() and SHORTEST_PAUSE <= int(every[:5]) <= LONGEST_PAUSE:
        headers["Refresh"] = every[:5]
    return HTMLResponse(_page(found, language), headers=headers)


def _page(found: Overview, language: str) -> str:
    def say(key: str, **values: object) -> str:
        return text(f"status.{key}", language, **{name: str(value) for name, value in values.items()})

    return _pages.get_template("status.html").render(
        found=found,
        language=language,
        languages=LANGUAGES,
        say=say,
        age=lambda seconds: _age(seconds, say),
        share=lambda part, whole: round(100 * part / whole, 1) if whole else 0,
        curve=_curve,
        most=max((*found.accepted, *found.delivered, 1)),
        now=time.strftime("%Y-%m-%d %H:%M:%S %z"),
        style=_style(),
    )


def _age(seconds: float, say: Any) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return str(say(unit, count=round(seconds / length)))
    return str(say("seconds", count=round(seconds)))


def _curve(counts: tuple[int, ...], most: int) -> str:
    """Return the points of a polyline in a box of 600 × 100."""
    step = 600 / max(1, len(counts) - 1)
    return " ".join(f"{index * step:.1f},{100 - 95 * count / most:.1f}" for index, count in enumerate(counts))


@cache
def _style() -> str:
    return (files("adapter.api") / "templates" / "status.css").read_text(encoding="utf-8")


@cache
def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; frame-ancestors 'none'; base-uri 'none'"
