"""Makes the vendor API's doors out of settings: registered clients, their limits, TLS."""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from adapter.api.access import Access
from adapter.api.pace import Pace
from adapter.security.certificates import thumbprint
from adapter.security.clients import Client, KeyDirectory
from adapter.security.connections import server_context
from adapter.security.key_files import read_certificates
from adapter.security.keys import KeyProblem, KeySet, read_key_set
from adapter.security.tokens import TokenServer
from adapter.settings import ApiClient, Settings, key_bytes
from adapter.types import Issue


def access(settings: Settings, first_use: Callable[[str, str, float], bool] | None = None) -> Access:
    """Return who may call, and how fast.

    Args:
        first_use: says whether a client assertion is used for the first time (see `TokenServer`).

    Raises:
        KeyProblem: a client has no way to prove itself, its keys or certificates cannot be used, or nobody is
            registered outside a demo.
    """
    clients = _clients(settings)
    paces = {name: given.requests_per_second for name, given in settings.clients.items() if given.requests_per_second}
    pace = Pace(settings.requests_per_second, settings.burst, time.monotonic, rates=paces)
    if not clients:
        if not settings.demo:
            raise KeyProblem.of(Issue("error", "cli.key-nobody"))
        return Access(None, token_url(settings), pace, operators=settings.operator_networks)
    key = key_bytes(settings.token_key) if settings.token_key else secrets.token_bytes(32)
    directory = KeyDirectory(clock=time.time, allow_loopback=settings.demo)
    tokens = TokenServer(clients, directory, key, clock=time.time, first_use=first_use)
    return Access(tokens, token_url(settings), pace, operators=settings.operator_networks)


def tls(settings: Settings) -> ssl.SSLContext | None:
    """Return TLS for the vendor API, or None when it speaks plain HTTP.

    Raises:
        KeyProblem: a certificate or its key cannot be used.
    """
    if settings.tls is None:
        certified = [name for name, client in settings.clients.items() if client.certificate_file]
        if certified:
            raise KeyProblem.of(*(Issue("error", "cli.key-needs-tls", {"client": name}) for name in certified))
        return None
    callers = [each for name, client in settings.clients.items() for each in _certificates(name, client)]
    try:
        return server_context(settings.tls.certificate_file, settings.tls.key_file, callers)
    except (OSError, ssl.SSLError):
        raise KeyProblem("no-pair").at("tls") from None


def public_url(settings: Settings) -> str:
    """Return the address under which callers know the vendor API, without a slash at its end."""
    scheme = "https" if settings.tls else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return (settings.public_url or f"{scheme}://{host}:{settings.port}").rstrip("/")


def token_url(settings: Settings) -> str:
    """Return the address of the token endpoint, which is also the audience of assertions."""
    return f"{public_url(settings)}/v1/token"


def _clients(settings: Settings) -> dict[str, Client]:
    clients: dict[str, Client] = {}
    problems: list[Issue] = []
    for name, given in settings.clients.items():
        try:
            clients[name] = _client(name, given)
        except KeyProblem as problem:
            problems += problem.issues
    if problems:
        raise KeyProblem.of(*problems)
    return clients


def _client(name: str, given: ApiClient) -> Client:
    if given.certificate_file is None and given.jwks_file is None and not given.jwks_url:
        raise KeyProblem.of(Issue("error", "cli.key-client-without", {"client": name}))
    return Client(
        name,
        given.scopes,
        keys=_keys(name, given.jwks_file) if given.jwks_file else None,
        jwks_url=given.jwks_url,
        custodians=tuple(given.custodians),
        certificates=tuple(thumbprint(each.public_bytes(Encoding.DER)) for each in _certificates(name, given)),
    )


def _keys(name: str, file: Path) -> KeySet:
    setting = f"clients.{name}.jwks_file"
    try:
        return read_key_set(file.read_bytes())
    except OSError:
        raise KeyProblem("no-file").at(setting) from None
    except KeyProblem as problem:
        raise problem.at(setting) from None


def _certificates(name: str, given: ApiClient) -> list[x509.Certificate]:
    file = given.certificate_file
    return read_certificates(file, f"clients.{name}.certificate_file") if file else []
