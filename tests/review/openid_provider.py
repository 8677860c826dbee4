"""A real OpenID provider for tests, run as a process of its own: Authlib's provider side on Flask, PKCE required.

python -m tests.review.openid_provider PORT CLIENT_ID CLIENT_SECRET REDIRECT_URI
Whoever asks is signed in without a question; `POST /people/NAME` says as whom, and what claims they have.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, Response, jsonify, redirect, request
from joserfc.jwk import RSAKey

PORT, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI = [*sys.argv[1:], "0", "", "", ""][:4]
ISSUER = f"http://localhost:{PORT}"
KEY = RSAKey.generate_key(2048, {"kid": "provider", "use": "sig", "alg": "RS256"}, private=True)
CODES: dict[str, Any] = {}
PEOPLE: dict[str, dict[str, Any]] = {}
app = Flask("provider")


class Client(ClientMixin):  # type: ignore[misc]
    """The one registered client."""

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_default_redirect_uri(self) -> str:
        return REDIRECT_URI

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == REDIRECT_URI

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class Code:
    """An authorization code with what it was asked with."""

    def __init__(self, code: str, asked: Any) -> None:
        data = asked.payload.data
        self.code, self.user = code, asked.user
        self.redirect_uri, self.scope = data.get("redirect_uri"), data.get("scope")
        self.nonce, self.auth_time = data.get("nonce"), int(time.time())
        self.code_challenge = data.get("code_challenge")
        self.code_challenge_method = data.get("code_challenge_method")

    def get_redirect_uri(self) -> str:
        return str(self.redirect_uri)

    def get_scope(self) -> str:
        return str(self.scope)

    def get_nonce(self) -> str:
        return str(self.nonce)

    def get_auth_time(self) -> int:
        return self.auth_time

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class Grant(AuthorizationCodeGrant):  # type: ignore[misc]
    """Codes in memory, each good for once."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

    def save_authorization_code(self, code: str, asked: Any) -> None:
        CODES[code] = Code(code, asked)

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        return CODES.get(code)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        CODES.pop(authorization_code.code, None)

    def authenticate_user(self, authorization_code: Code) -> str:
        return str(authorization_code.user)


class IdToken(OpenIDCode):  # type: ignore[misc]
    """ID tokens with the claims of the person."""

    def exists_nonce(self, nonce: str, asked: Any) -> bool:
        return any(code.nonce == nonce for code in CODES.values())

    def get_jwt_config(self, grant: Any, client: Any = None) -> dict[str, Any]:
        return {"key": KEY.as_dict(private=True), "alg": "RS256", "kid": "provider", "iss": ISSUER, "exp": 300}

    def generate_user_info(self, user: str, scope: str) -> UserInfo:
        return UserInfo(sub=user, **PEOPLE.get(user, {}))


server = AuthorizationServer(app, query_client=lambda name: Client() if name == CLIENT_ID else None,
                             save_token=lambda token, asked: None)  # fmt: skip
server.register_grant(Grant, [CodeChallenge(required=True), IdToken(require_nonce=True)])


@app.get("/.well-known/openid-configuration")
def metadata() -> Response:
    """Discovery 1.0."""
    names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
    return jsonify({"issuer": ISSUER, "end_session_endpoint": f"{ISSUER}/sign-out"}
                   | {name: f"{ISSUER}/{path}" for name, path in names.items()})  # fmt: skip


@app.get("/jwks")
def jwks() -> Response:
    """The public key."""
    return jsonify({"keys": [KEY.as_dict(private=False)]})


@app.get("/authorize")
def authorize() -> Any:
    """Sign the person in without a question: who it is was said beforehand."""
    return server.create_authorization_response(grant_user=PEOPLE.get("", {}).get("sub", "nobody"))


@app.post("/token")
def token() -> Any:
    """Exchange a code."""
    return server.create_token_response()


@app.get("/sign-out")
def sign_out() -> Any:
    """End the session and go back."""
    return redirect(request.args["post_logout_redirect_uri"])


@app.post("/people/<name>")
def person(name: str) -> Response:
    """Say who signs in next, and with which claims."""
    PEOPLE[name], PEOPLE[""] = request.get_json(), {"sub": name}
    return jsonify({})


if __name__ == "__main__":
    app.run("localhost", int(PORT))
