"""What every page shares: language, session, forms, headers, the record of the reviewer's act."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Connection

from adapter import audit
from adapter.audit.words import day, instant
from adapter.i18n import LANGUAGES, text
from adapter.review.files import ZONE
from adapter.review.openid import OpenId
from adapter.review.sessions import Session, session_of
from adapter.review.signing import Signature
from adapter.review.words import code_name, said
from adapter.settings import Settings
from adapter.store import Cipher, Database

COOKIE = "kykysilta_review"
LANGUAGE_COOKIE = "kykysilta_review_language"
LARGEST_FORM = 64_000
# A stricter Referrer-Policy would make browsers send `Origin: null` with our own forms.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_TEMPLATES = Path(__file__).parent / "templates"
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
        why: a sentence for people, when there is more to say.
        note: writes the refusal to the audit, in a transaction of its own: what the page began is taken back. None
            when nobody's data were asked for.
    """

    def __init__(self, status: int, why: str = "", *, note: Callable[[Connection], object] | None = None) -> None:
        super().__init__(str(status))
        self.status = status
        self.why = why
        self.note = note


@dataclass(frozen=True, slots=True)
class Office:
    """What the pages work with.

    Attributes:
        id_key: keys look-ups of clients, as in the pipeline.
        settings: of the adapter, for the sheets about the service.
        openid: the organisation's log-in, or None.
        sign: signs exports, or None when no key is configured.
        clock: UTC seconds.
        remembered: what is worked out again after a minute only.
    """

    database: Database
    cipher: Cipher
    id_key: bytes
    settings: Settings
    openid: OpenId | None
    sign: Callable[[bytes], Signature] | None
    clock: Callable[[], float]
    remembered: dict[object, tuple[float, Any]] = field(default_factory=dict)

    @property
    def today(self) -> date:
        """The present day in Finland."""
        return datetime.fromtimestamp(self.clock(), ZONE).date()

    def record(self, connection: Connection, account: str, act: str, **facts: str | int) -> None:
        """Write a reviewer's act to the audit; in the transaction of the act."""
        audit.append(connection, self.clock(), "review", {"reviewer": account, "act": act, **facts})

    def refused(self, status: int, account: str, rule: str, why: str = "", **facts: str | int) -> RefusedError:
        """Return the refusal of a reviewer's request; it is written to the audit with the rule that refused it.

        Args:
            why: a sentence for people, when there is more to say.
        """
        entry = {"reviewer": account, "act": "refuse-review", "stage": "review", "rules": rule, **facts}
        at = self.clock()
        return RefusedError(status, why, note=lambda connection: audit.append(connection, at, "refusal", entry))


def office(request: Request) -> Office:
    """Return the office of the application."""
    found: Office = request.app.state.office
    return found


def session_in(request: Request) -> Session | None:
    """Return the session of a request; None when there is none, or it is over."""
    here, token = office(request), request.cookies.get(COOKIE, "")
    with here.database.transaction() as connection:
        return session_of(connection, token, here.clock()) if token else None


def signed_in(request: Request) -> Session:
    """Return the session of a request.

    Raises:
        NotSignedInError: there is none, or it is over.
    """
    session = session_in(request)
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
        raise office(request).refused(403, session.account, "role")
    return session


async def form(request: Request) -> dict[str, str]:
    """Return the fields of a form; values of one name are joined by a blank.

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
    fields: dict[str, str] = {}
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        fields[name] = f"{fields[name]} {value}" if name in fields else value
    return fields


Fields = Annotated[dict[str, str], Depends(form)]
Reviewer = Annotated[Session, Depends(reviewer)]
SignedIn = Annotated[Session, Depends(signed_in)]


def check_form(session: Session, fields: dict[str, str]) -> None:
    """Check that a form was made for this session.

    Raises:
        RefusedError: it was not.
    """
    if not hmac.compare_digest(fields.get("form_token", "").encode(), session.form_token.encode()):
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
    language, here = language_of(request), office(request)
    base = request.scope.get("root_path", "")
    shown = {
        "t": lambda key, **more: said(key, language, **more),
        "reason": lambda name: text(f"consent.reason-{name.lower().replace('_', '-')}", language),
        "code": lambda system, value: code_name(system, value, language),
        "day": day,
        "instant": instant,
        "clock_time": lambda moment: f"{datetime.fromtimestamp(moment, ZONE):%H.%M}",
        "base": base,
        "here": request.url.path.removeprefix(base),
        "query": [(name, value) for name, value in request.query_params.multi_items() if name != "lang"],
        "language": language,
        "session": session,
        "today": here.today.isoformat(),
    }
    answer = HTMLResponse(_pages.get_template(template).render(shown | values), status)
    if request.query_params.get("lang") == language:
        answer.set_cookie(LANGUAGE_COOKIE, language, path=base or "/", samesite="lax", httponly=True)
    return answer


def redirect(request: Request, path: str) -> RedirectResponse:
    """Send the browser to another page by GET."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}{path}", 303)


@cache
def static(name: str) -> bytes:
    """Return a file of the pages: the style sheet or the script.

    Raises:
        LookupError: there is no such file.
    """
    known = {
        "style.css": "style.css",
        "icon.svg": "static/icon.svg",
        "htmx.js": "static/htmx-2.0.11.min.js",
        "htmx-licence.txt": "static/htmx-LICENSE.txt",
    }
    return (_TEMPLATES / known[name]).read_bytes()


async def add_headers(request: Request, call_next: Callable[[Request], Any]) -> Response:
    """Set the headers that every answer has: nothing is cached, framed or loaded from elsewhere."""
    answer: Response = await call_next(request)
    for name, value in HEADERS.items():
        answer.headers[name] = value
    return answer
