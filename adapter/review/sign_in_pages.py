"""Signing in and out, and the style sheet."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from adapter.review.accounts import TooManyGuessesError, check_password
from adapter.review.sessions import Session, end_session, open_session
from adapter.review.web import COOKIE, check_form, form, office, redirect, render, signed_in, style

router = APIRouter()
Fields = Annotated[dict[str, str], Depends(form)]


@router.get("/style.css")
def style_sheet() -> Response:
    """The one style sheet."""
    return Response(style(), media_type="text/css")


@router.get("/sign-in")
def sign_in_page(request: Request) -> Response:
    """The form for signing in."""
    return render(request, "sign-in.html", problem="")


@router.post("/sign-in")
def signing_in(request: Request, fields: Fields) -> Response:
    """Open a session."""
    here = office(request)
    try:
        with here.database.transaction() as connection:
            account = check_password(connection, fields.get("name", ""), fields.get("password", ""), here.clock())
            token = open_session(connection, account, here.clock()) if account else ""
            if account:
                here.record(connection, account, "sign-in")
    except TooManyGuessesError:
        return render(request, "sign-in.html", status=429, problem="too-many")
    if not token:
        return render(request, "sign-in.html", status=401, problem="wrong")
    answer = redirect(request, "/")
    path = request.scope.get("root_path", "") or "/"
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, token, path=path, httponly=True, samesite="strict", secure=secure)
    return answer


@router.post("/sign-out")
def signing_out(request: Request, fields: Fields, session: Annotated[Session, Depends(signed_in)]) -> Response:
    """End the session."""
    check_form(session, fields)
    here = office(request)
    with here.database.transaction() as connection:
        end_session(connection, request.cookies.get(COOKIE, ""))
        here.record(connection, session.account, "sign-out")
    answer = redirect(request, "/sign-in")
    answer.delete_cookie(COOKIE, path=request.scope.get("root_path", "") or "/")
    return answer
