"""Registered clients and their published keys.

A client registers a key set inline or by URL (rule K1). A URL is fetched with limits and never on the word of a
token (K3, K5): only the registered address, no redirects, bounded time and size, and no address inside our own
network unless it is allowed.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from adapter.security.keys import KeyProblem, KeySet, read_key_set

LARGEST_ANSWER = 200_000
FETCH_SECONDS = 5.0
LONGEST_CACHE = 3600.0
REFETCH_PAUSE = 10.0


@dataclass(frozen=True, slots=True)
class Client:
    """A registered system.

    Attributes:
        id: client id.
        scopes: what it may ask for, SMART scopes.
        keys: its inline key set, or None.
        jwks_url: where it publishes its keys, or empty.
        organization: identifier `{system, value}` of the organisation that it acts for.
        custodians: identifier values of the controllers whose records it may hand over.
        purpose: purpose code assumed when the caller states none.
        certificates: `x5t#S256` of its TLS certificates, the old and the new one while they change; empty when mTLS
            is not used. A client with certificates and no keys proves itself by its certificate alone (RFC 8705 §2.2).
    """

    id: str
    scopes: str
    keys: KeySet | None = None
    jwks_url: str = ""
    organization: dict[str, str] = field(default_factory=dict)
    custodians: tuple[str, ...] = ()
    purpose: str = ""
    certificates: tuple[str, ...] = ()

    @property
    def has_keys(self) -> bool:
        """True when it proves itself with signed assertions."""
        return self.keys is not None or bool(self.jwks_url)


class KeyDirectory:
    """Finds the keys of clients; fetched sets are cached as long as they say.

    Args:
        clock: UTC seconds.
        allow_loopback: key sets on this machine may be fetched (tests, demo).
        transport: for tests.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        allow_loopback: bool = False,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._clock = clock
        self._allow_loopback = allow_loopback
        self._http = httpx.Client(timeout=FETCH_SECONDS, follow_redirects=False, transport=transport)
        self._cache: dict[str, tuple[KeySet, float, float]] = {}
        self._lock = threading.Lock()

    def keys_of(self, client: Client, key_id: str | None) -> KeySet:
        """Return the key set; one that does not hold `key_id` is fetched anew, at most every ten seconds (K5, K6).

        Raises:
            KeyProblem: the set cannot be had or read.
        """
        if client.keys is not None:
            return client.keys
        with self._lock:
            now = self._clock()
            known = self._cache.get(client.jwks_url)
            if known is not None:
                keys, fetched, until = known
                holds = any(key.get("kid") == key_id for key in keys.keys)
                if now < until and (holds or now < fetched + REFETCH_PAUSE):
                    return keys
            keys, lifetime = self._fetch(client.jwks_url)
            self._cache[client.jwks_url] = (keys, now, now + lifetime)
            return keys

    def forget(self) -> None:
        """Drop every cached set."""
        with self._lock:
            self._cache.clear()

    def _fetch(self, url: str) -> tuple[KeySet, float]:
        refuse_inner_address(url, allow_loopback=self._allow_loopback)
        try:
            with self._http.stream("GET", url, headers={"Accept": "application/json"}) as response:
                if response.status_code != 200:
                    raise KeyProblem("set-not-fetched")
                content = b""
                for part in response.iter_bytes():
                    content += part
                    if len(content) > LARGEST_ANSWER:
                        raise KeyProblem("set-too-large")
        except httpx.HTTPError:
            raise KeyProblem("set-not-fetched") from None
        return read_key_set(content), _lifetime(response.headers.get("Cache-Control", ""))


def refuse_inner_address(url: str, *, allow_loopback: bool) -> None:
    """Refuse an address that an outsider must not make us call (SSRF).

    Raises:
        KeyProblem: not http(s), with credentials, plain http to another machine, or an address that is not public.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise KeyProblem("address-forbidden")
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError:
        raise KeyProblem("address-unknown") from None
    for *_, address in found:
        ip: Any = ipaddress.ip_address(str(address[0]).partition("%")[0])
        ip = getattr(ip, "ipv4_mapped", None) or ip
        if ip.is_loopback and allow_loopback:
            continue
        if not ip.is_global or parts.scheme != "https":
            raise KeyProblem("address-forbidden")


def _lifetime(cache_control: str) -> float:
    if "no-store" in cache_control or "no-cache" in cache_control:
        return 0.0
    age = re.search(r"max-age=(\d{1,9})", cache_control)
    return min(LONGEST_CACHE, float(age.group(1))) if age else 300.0
