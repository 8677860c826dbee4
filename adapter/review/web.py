"""What every page shares: language, session, forms, headers, the record of the reviewer's act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Connection

from adapter import audit
from adapter.i18n import LANGUAGES, text
from adapter.review.files import ZONE
from adapter.review.matrix import day
from adapter.review.sessions import Session, session_of
from adapter.store import Cipher, Database
from adapter.terminology import code_system

COOKIE = "kykysilta_review"
LANGUAGE_COOKIE = "kykysilta_review_language"
LARGEST_FORM = 64_000
# A stricter Referrer-Policy would make browsers send `Origin: null` with our own forms.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_pages = Environment(
    loader=PackageLoader("adapter.review"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class NotSignedInError(Exception):
    """The page needs a session."""


class RefusedError(Exception):
    """The request is not let through.

    Attributes:
        status: HTTP status; 404 also for what exists but is not for this reviewer.
    """

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


@dataclass(frozen=True, slots=True)
class Office:
    """What the pages work with.

    Attributes:
        id_key: keys look-ups of clients, as in the pipeline.
        clock: UTC seconds.
    """

    database: Database
    cipher: Cipher
    id_key: bytes
    clock: Callable[[], float]

    @property
    def today(self) -> date:
        """The present day in Finland."""
        return datetime.fromtimestamp(self.clock(), ZONE).date()

    def record(self, connection: Connection, account: str, act: str, **facts: str | int) -> None:
        """Write a reviewer's act to the audit; in the transaction of the act."""
        audit.append(connection, self.clock(), "review", {"reviewer": account, "act": act, **facts})


def office(request: Request) -> Office:
    """Return the office of the application."""
    found: Office = request.app.state.office
    return found


def signed_in(request: Request) -> Session:
    """Return the session of a request.

    Raises:
        NotSignedInError: there is none, or it is over.
    """
    here = office(request)
    token = request.cookies.get(COOKIE, "")
    with here.database.transaction() as connection:
        session = session_of(connection, token, here.clock()) if token else None
    if session is None:
        raise NotSignedInError
    return session


def reviewer(request: Request) -> Session:
    """Return the session of somebody who may open clients.

    Raises:
        NotSignedInError: there is no session.
        RefusedError: the role may not.
    """
    session = signed_in(request)
    if session.role != "reviewer":
        raise RefusedError(403)
    return session


async def form(request: Request) -> dict[str, str]:
    """Return the fields of a form.

    Raises:
        RefusedError: it comes from another site, or is too large.
    """
    origin = request.headers.get("origin", "")
    if origin and urlsplit(origin).netloc != request.headers.get("host"):
        raise RefusedError(403)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            raise RefusedError(413)
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def check_form(session: Session, fields: dict[str, str]) -> None:
    """Check that a form was made for this session.

    Raises:
        RefusedError: it was not.
    """
    if fields.get("form_token") != session.form_token:
        raise RefusedError(403)


def language_of(request: Request) -> str:
    """Return the language asked for: in the address, chosen before, or the browser's."""
    asked = (request.query_params.get("lang", ""), request.cookies.get(LANGUAGE_COOKIE, ""))
    browser = [part.strip()[:2].lower() for part in request.headers.get("accept-language", "").split(",")]
    return next((each for each in (*asked, *browser) if each in LANGUAGES), "fi")


def render(
    request: Request, template: str, *, session: Session | None = None, status: int = 200, **values: Any
) -> HTMLResponse:
    """Return a page."""
    language = language_of(request)

    def word(key: str, **more: object) -> str:
        return text(f"review.{key}", language, **{name: str(value) for name, value in more.items()})

    def reason(name: str) -> str:
        return text(f"consent.reason-{name.lower().replace('_', '-')}", language)

    def code(system: str, value: str) -> str:
        try:
            return code_system(system).display(value, language)
        except LookupError:
            return value

    shown = {
        "t": word,
        "reason": reason,
        "code": code,
        "day": day,
        "instant": _instant,
        "base": request.scope.get("root_path", ""),
        "language": language,
        "session": session,
        "today": office(request).today.isoformat(),
    }
    answer = HTMLResponse(_pages.get_template(template).render(shown | values), status)
    if request.query_params.get("lang") == language:
        path = request.scope.get("root_path", "") or "/"
        answer.set_cookie(LANGUAGE_COOKIE, language, path=path, samesite="strict", httponly=True)
    return answer


def redirect(request: Request, path: str) -> RedirectResponse:
    """Send the browser to another page by GET."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}{path}", 303)


@cache
def style() -> bytes:
    """Return the style sheet."""
    return (Path(__file__).parent / "templates" / "style.css").read_bytes()


async def add_headers(request: Request, call_next: Callable[[Request], Any]) -> Response:
    """Set the headers that every answer has: nothing is cached, framed or loaded from elsewhere."""
    answer: Response = await call_next(request)
    for name, value in HEADERS.items():
        answer.headers[name] = value
    return answer


def _instant(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, ZONE)
    return f"{moment.day}.{moment.month}.{moment.year} {moment:%H.%M.%S}"
