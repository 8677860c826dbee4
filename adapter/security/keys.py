"""JSON Web Keys: read a published key set safely, choose the one key a token names.

Rules K2–K4 of our reference (SMART Backend Services, RFC 7517): weak RSA keys and private members are refused,
exactly one key must fit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from jwt import PyJWK

from adapter.types import Issue

SHORTEST_RSA = 2048
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
FAMILY = {"RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS384": "RSA", "ES256": "EC", "ES384": "EC"}
CURVES = {"ES256": "P-256", "ES384": "P-384"}
LARGEST_SET = 100
OUT_OF_TIME = frozenset({"ended", "not-yet"})
"""Reasons of a certificate that cannot be used just now."""


class KeyProblem(Exception):  # noqa: N818
    """A key or key set cannot be used; the texts name the rule, never key material.

    Args:
        reason: which rule, as the message `signing.key-…` has it; also an attribute.
        issues: what is told instead of that message.
    """

    def __init__(self, reason: str, issues: Iterable[Issue] = ()) -> None:
        self.reason = reason
        self.issues = tuple(issues) or (Issue("error", f"signing.key-{reason}"),)
        super().__init__(self.text())

    @classmethod
    def of(cls, *issues: Issue) -> KeyProblem:
        """Return a problem of settings, told by messages of their own."""
        return cls("", issues)

    def at(self, where: str) -> KeyProblem:
        """Return the same problem with the setting or file that has it."""
        told = Issue("error", "signing.key-at", {"where": where, "reason": self.reason})
        return KeyProblem(self.reason, [told])

    def text(self, language: str = "en") -> str:
        """Return what is wrong, one thing a line."""
        return "\n".join(issue.text(language) for issue in self.issues)


@dataclass(frozen=True, slots=True)
class KeySet:
    """Public keys by key id, as published by one client."""

    keys: tuple[Mapping[str, Any], ...]

    def choose(self, key_id: str | None, algorithm: str) -> PyJWK:
        """Return the one key for a token header.

        Raises:
            KeyProblem: no `kid`, an algorithm not offered, no key or more than one that fits (K4).
        """
        family = FAMILY.get(algorithm)
        if family is None:
            raise KeyProblem("other-algorithm")
        if not key_id:
            raise KeyProblem("header-without-kid")
        fitting = [
            key
            for key in self.keys
            if key.get("kid") == key_id
            and key.get("kty") == family
            and key.get("crv") == CURVES.get(algorithm)
            and key.get("use", "sig") == "sig"
        ]
        if len(fitting) != 1:
            raise KeyProblem("not-one")
        return PyJWK(dict(fitting[0]), algorithm=algorithm)


def read_key_set(content: bytes | str | Mapping[str, Any]) -> KeySet:
    """Read a JWKS.

    Raises:
        KeyProblem: not a key set, a private or symmetric key in it, RSA shorter than 2048 bits, a key without kid.
    """
    try:
        parsed = content if isinstance(content, Mapping) else json.loads(content)
    except ValueError:
        raise KeyProblem("set-no-json") from None
    keys = parsed.get("keys") if isinstance(parsed, Mapping) else None
    if not isinstance(keys, list) or len(keys) > LARGEST_SET or not all(isinstance(key, Mapping) for key in keys):
        raise KeyProblem("no-set")
    for key in keys:
        _check_public(key)
    return KeySet(tuple(keys))


def _check_public(key: Mapping[str, Any]) -> None:
    if PRIVATE_MEMBERS & key.keys():
        raise KeyProblem("private-in-set")
    if not isinstance(key.get("kid"), str):
        raise KeyProblem("without-kid")
    try:
        public = PyJWK(dict(key), algorithm="RS384" if key.get("kty") == "RSA" else None).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        raise KeyProblem("broken") from None
    if key.get("kty") == "RSA" and public.key_size < SHORTEST_RSA:
        raise KeyProblem("short")
