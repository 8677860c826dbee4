"""Who may do what: SMART scopes on every interaction, entry of a Bundle, include, chain and condition.

Rules R1–R8 and S1–S8 of SMART App Launch 2.2 as testable statements. Under `open` everybody may do everything.
"""

from __future__ import annotations

from adapter.mock.consent_gate import Gate
from adapter.mock.exchange import Request
from adapter.mock.outcomes import Refusal, refuse
from adapter.mock.scope_gate import ScopeGate
from adapter.mock.storage import Stored
from adapter.security.scopes import covering
from adapter.security.tokens import TokenRefused
from adapter.types import Issue

LETTER = {
    "read": "r",
    "vread": "r",
    "history-instance": "r",
    "search-type": "s",
    "history-type": "s",
    "search-system": "s",
    "history-system": "s",
    "create": "c",
    "update": "u",
    "patch": "u",
    "delete": "d",
    "validate": "r",
    "everything": "rs",
    "get-persons-documents": "rs",
}
"""Which letters of a scope an interaction needs (rules S1, S2)."""

PUBLIC = ((), ("metadata",), (".well-known", "smart-configuration"))
"""What is answered without a token."""


def authenticate(request: Request) -> None:
    """Put what the request's token allows into the request.

    Raises:
        Refusal: 401 with `WWW-Authenticate`, no token or one that does not hold.
    """
    guard = request.world.guard
    if guard is None or request.path in PUBLIC[1:]:
        return
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token or any(name == "access_token" for name, _ in request.query):
        raise unauthorised("")
    try:
        request.access = guard.tokens.check(token, token_url=guard.token_url(request), certificate=request.certificate)
    except TokenRefused as refused:
        raise unauthorised(refused.error) from None
    consents = request.world.policy.consent_enforced
    if any(one.query for one in request.access.scopes):
        letter = asked_letter(request.method, request.path)
        request.gate = ScopeGate(request.world, request.access, request.base, letter, consents=consents)
    elif consents:
        request.gate = Gate(request.world, request.access)


def asked_letter(method: str, path: tuple[str, ...]) -> str:
    """Return the letter of a scope that a request is about (rule S2): `c`, `r`, `u`, `d` or `s`."""
    last = path[-1] if path else ""
    if last in ("$validate", "$everything"):
        return "r"
    if method in ("GET", "HEAD") or last.startswith(("_search", "$")):
        on_one = (len(path) == 2 and path[1][:1] != "_") or "_history" in path[2:]
        return "r" if on_one and method != "POST" else "s"
    return {"POST": "c", "DELETE": "d"}.get(method, "u")


def unauthorised(error: str) -> Refusal:
    """Return the refusal of a request without a good token (rules R1, R2); `error` as RFC 6750 §3.1, or empty."""
    challenge = f'Bearer error="{error}"' if error else "Bearer"
    return Refusal(401, Issue("error", "mock.token-required"), {"WWW-Authenticate": challenge})


def authorise(request: Request, resource_type: str, interaction: str, *, whole: bool = False) -> None:
    """Refuse what the token's scopes do not cover on this type (403, rule S8).

    Args:
        whole: a scope that is narrowed to some resources of the type does not do (chains and `_has`, rule S5).
    """
    if request.world.guard is None:
        return
    for letter in LETTER[interaction]:
        if not allowed(request, resource_type, letter, whole=whole):
            raise scope_missing(resource_type, letter)


def allowed(request: Request, resource_type: str, letter: str, *, whole: bool = False) -> bool:
    """True when a scope covers the interaction on some resources of the type, on all of them if `whole`."""
    if request.world.guard is None:
        return True
    scopes = request.access.scopes if request.access is not None else ()
    return any(not (whole and scope.query) for scope in covering(scopes, resource_type, letter))


def check_inside(request: Request, letter: str, *versions: Stored | None) -> None:
    """Refuse to change what lies outside the token's narrowed scopes, before or after the change (rule S6).

    Raises:
        Refusal: 403.
    """
    gate = request.gate
    if isinstance(gate, ScopeGate):
        for one in versions:
            if one is not None and one.body is not None and not gate.covers(one, letter):
                raise scope_missing(one.type, letter)


def scope_missing(resource_type: str, letter: str) -> Refusal:
    """Return the refusal that names the scope which is needed (rule R3)."""
    refusal = refuse(403, "scope-missing", scope=f"system/{resource_type}.{letter}")
    refusal.headers = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}
    return refusal
