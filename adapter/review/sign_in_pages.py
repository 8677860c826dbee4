"""Signing in and out, by local account or the organisation's log-in; how long the session lasts; style and script."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from adapter.events import Event, log
from adapter.review.accounts import TooManyGuessesError, check_password
from adapter.review.openid import SIGN_IN_SECONDS, OpenIdProblem
from adapter.review.sessions import WARNING_SECONDS, end_session, open_session, session_of
from adapter.review.web import (
    COOKIE,
    Fields,
    Office,
    RefusedError,
    SignedIn,
    check_form,
    office,
    redirect,
    render,
    static,
)

router = APIRouter()
STATE_COOKIE = "kykysilta_review_state"
MEDIA = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "txt": "text/plain; charset=utf-8"}


@router.get("/static/{name}")
def static_file(name: str) -> Response:
    """The style sheet, the script and its licence."""
    try:
        return Response(static(name), media_type=MEDIA[name.rpartition(".")[2]])
    except LookupError:
        raise RefusedError(404) from None


@router.get("/sign-in")
def sign_in_page(request: Request) -> Response:
    """The form for signing in."""
    return _form(request, "ended" if COOKIE in request.cookies else "")


@router.post("/sign-in")
def signing_in(request: Request, fields: Fields) -> Response:
    """Open a session."""
    here = office(request)
    try:
        with here.database.transaction() as connection:
            account = check_password(connection, fields.get("name", ""), fields.get("password", ""), here.clock())
            token = _opened(here, connection, account) if account else ""
    except TooManyGuessesError:
        return _form(request, "too-many", 429)
    if not token:
        return _form(request, "wrong", 401)
    return _with_session(request, redirect(request, "/"), token)


@router.get("/openid/start")
def openid_start(request: Request) -> Response:
    """Send the browser to the organisation's log-in."""
    here = office(request)
    if here.openid is None:
        raise RefusedError(404)
    try:
        with here.database.transaction() as connection:
            started = here.openid.start(connection, _callback(request), here.clock())
    except OpenIdProblem as problem:
        log(Event.SIGN_IN_FAILED, cause=str(problem))
        return _form(request, problem.reason, 502)
    answer = Response(status_code=303, headers={"Location": started.url})
    # Lax: the provider sends the browser back from its own site.
    options = {"path": _path(request), "httponly": True, "secure": request.url.scheme == "https"}
    answer.set_cookie(STATE_COOKIE, started.state, samesite="lax", max_age=int(SIGN_IN_SECONDS), **options)  # type: ignore[arg-type]
    return answer


@router.get("/openid/callback")
def openid_callback(request: Request) -> Response:
    """Take the answer of the organisation's log-in."""
    here = office(request)
    if here.openid is None:
        raise RefusedError(404)
    answer, cookie = dict(request.query_params), request.cookies.get(STATE_COOKIE, "")
    try:
        with here.database.transaction() as connection:
            account = here.openid.finish(connection, answer, cookie, _callback(request), here.clock())
            token = _opened(here, connection, account)
    except OpenIdProblem as problem:
        log(Event.SIGN_IN_FAILED, cause=str(problem))
        return _form(request, problem.reason, 403)
    # A page of our own in between: after a redirect from the provider a strict cookie would not be sent.
    page = render(request, "continue.html")
    page.delete_cookie(STATE_COOKIE, path=_path(request))
    return _with_session(request, page, token)


@router.get("/session")
def session_left(request: Request) -> Response:
    """A warning when the session is about to end, else nothing; looking does not put the end off."""
    here = office(request)
    with here.database.transaction() as connection:
        session = session_of(connection, request.cookies.get(COOKIE, ""), here.clock(), click=False)
    left = session.ends - here.clock() if session else 0.0
    return render(request, "session.html", seconds=int(left), warn=left < WARNING_SECONDS, over=session is None)


@router.post("/sign-out")
def signing_out(request: Request, fields: Fields, session: SignedIn) -> Response:
    """End the session here; the organisation's log-in is ended by a link, because it is another site."""
    check_form(session, fields)
    here = office(request)
    with here.database.transaction() as connection:
        end_session(connection, request.cookies.get(COOKIE, ""))
        here.record(connection, session.account, "sign-out")
    there = ""
    if here.openid is not None and session.who.external:
        there = here.openid.sign_out_url(_address(request, "/sign-in"))
    answer = render(request, "signed-out.html", there=there) if there else redirect(request, "/sign-in")
    answer.delete_cookie(COOKIE, path=_path(request))
    return answer


def _opened(here: Office, connection: Connection, account: str) -> str:
    token = open_session(connection, account, here.clock())
    here.record(connection, account, "sign-in")
    return token


def _form(request: Request, problem: str, status: int = 200) -> Response:
    return render(request, "sign-in.html", status=status, problem=problem, openid=office(request).openid is not None)


def _with_session(request: Request, answer: Response, token: str) -> Response:
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, token, path=_path(request), httponly=True, samesite="strict", secure=secure)
    return answer


def _callback(request: Request) -> str:
    return _address(request, "/openid/callback")


def _address(request: Request, path: str) -> str:
    """Return the address of a page as the browser knows it."""
    known = office(request).settings.public_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"
    return f"{known}{request.scope.get('root_path', '')}{path}"


def _path(request: Request) -> str:
    return request.scope.get("root_path", "") or "/"
