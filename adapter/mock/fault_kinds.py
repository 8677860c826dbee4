"""The kinds of faults, and what they have in common. Without imports, so that the command line can name them."""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "latency",
    "status",
    "drop",
    "reset",
    "half-body",
    "wrong-length",
    "malformed-json",
    "html",
    "slow",
    "stale-search",
    "wrong-etag",
    "clock-skew",
    "duplicate",
    "token-expired",
    "certificate-revoked",
    "oauth-error",
    "jwks-unreachable",
    "key-rotated",
]
NOT_DONE = frozenset(
    (
        "status",
        "html",
        "drop",
        "reset",
        "token-expired",
        "certificate-revoked",
        "oauth-error",
        "jwks-unreachable",
        "key-rotated",
    )
)
"""Kinds that keep the request from being done unless the rule says otherwise."""

AT_TOKEN_ENDPOINT = frozenset(("oauth-error", "jwks-unreachable", "key-rotated"))
"""Kinds that only requests for a token meet; `token-expired` is met only by the others."""

TOKEN_PATH = ("oauth", "token")

OAuthError = Literal[
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "temporarily_unavailable",
]
"""Errors of a token endpoint (RFC 6749 §5.2), and the one by which it asks for patience."""
