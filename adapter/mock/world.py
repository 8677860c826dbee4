"""One namespace of the endpoint: its own store, clock, ids and rules. Suites that run beside each other share none."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adapter.mock.clock import Clock
from adapter.mock.faults import Faults
from adapter.mock.guard import Guard
from adapter.mock.identity import Identities
from adapter.mock.journal import Journal
from adapter.mock.limits import Window
from adapter.mock.policy import Policy, load_policy
from adapter.mock.recording import Recording
from adapter.mock.search.pages import Pages
from adapter.mock.settings import MockSettings, Strictness
from adapter.mock.storage import Store
from adapter.types import Resource

if TYPE_CHECKING:
    from adapter.mock.audit_log import AuditLog
    from adapter.mock.tls import RefusedHandshake

DEFAULT = "default"
NAMESPACE = re.compile(r"^[a-z0-9][a-z0-9-]{0,63}$")


class World:
    """Everything that one namespace owns."""

    def __init__(self, name: str, settings: MockSettings, policy: Policy) -> None:
        self.name = name
        self.settings = settings
        self.initial_policy = policy
        self.use(policy)
        self.strictness: Strictness = settings.strictness
        self.store = Store(_database(settings.data, name))
        self.clock = Clock(settings.clock)
        self.started = self.clock.now()
        self.identities = Identities(settings.seed)
        self.pages = Pages(self.identities.draw)
        self.faults = Faults()
        self.journal = Journal(settings.journal_size)
        self.rate = Window()
        self.request_ids: set[str] = set()
        self.recording = Recording()
        self.handshakes: Sequence[RefusedHandshake] = ()
        self.snapshots: dict[str, bytes] = {}
        self.guard = self._new_guard()
        self._audit: AuditLog | None = None

    def _new_guard(self) -> Guard | None:
        if self.settings.auth == "open":
            return None
        return Guard(self.settings.clients, self.clock, self._secret(self.settings.seed), self.identities.draw)

    def _secret(self, seed: int | None) -> bytes:
        """What signs the namespace's tokens: the same again under a seed."""
        return (secrets.token_bytes(32) if seed is None else f"{seed}".encode()) + self.name.encode()

    def draw_from(self, seed: int) -> None:
        """Draw all ids from a seed from now on: of resources, requests, pages, tokens. Tokens given before end."""
        self.identities.begin(seed)
        if self.guard is not None:
            self.guard.sign_with(self._secret(seed))

    @property
    def audit(self) -> AuditLog:
        """The audit log; it begins when it is first needed."""
        if self._audit is None:
            from adapter.mock.audit_log import AuditLog

            self._audit = AuditLog(_database(self.settings.data, f"{self.name}.audit"))
        return self._audit

    def close(self) -> None:
        """Close the databases."""
        self.store.close()
        if self._audit is not None:
            self._audit.close()

    def use(self, policy: Policy) -> None:
        """Follow another policy from now on, its dialect included."""
        self.policy = policy
        self.dialects = dict(policy.dialect)
        self.statements: dict[str, Resource] = {}

    def dialect(self, name: str, default: str) -> str:
        """Return how this repository speaks where servers differ, e.g. `version-conflict` 412 or 409."""
        return self.dialects.get(name, default)

    def base(self, root: str) -> str:
        """Return the absolute FHIR base URL of the namespace below the server's root URL."""
        prefix = "" if self.name == DEFAULT else f"/t/{self.name}"
        return f"{self.settings.public_url or root}{prefix}{self.settings.base_path.rstrip('/')}"

    def reset(self) -> None:
        """Forget data, faults and journal; rules, clock and ids begin again. Snapshots and the audit log stay."""
        self.store.clear()
        self.faults.clear()
        self.journal.clear()
        self.rate = Window()
        self.recording = Recording()
        self.request_ids.clear()
        self.use(self.initial_policy)
        self.strictness = self.settings.strictness
        self.clock = Clock(self.settings.clock)
        self.identities.begin(self.settings.seed)
        self.pages = Pages(self.identities.draw)
        self.guard = self._new_guard()


class Worlds:
    """All namespaces; one comes into being when it is first used."""

    def __init__(self, settings: MockSettings) -> None:
        self.settings = settings
        self.policy = load_policy(settings.policy)
        self._worlds: dict[str, World] = {}
        self.handshakes: Sequence[RefusedHandshake] = ()

    def get(self, name: str = DEFAULT) -> World:
        """Return the namespace.

        Raises:
            LookupError: the name is not lower-case letters, digits and hyphens (1 to 64).
        """
        world = self._worlds.get(name)
        if world is None:
            if not NAMESPACE.match(name):
                raise LookupError("a namespace is 1 to 64 lower-case letters, digits and hyphens")
            world = self._worlds[name] = World(name, self.settings, self.policy)
            world.handshakes = self.handshakes
        return world

    def names(self) -> list[str]:
        """Return the names in use, sorted."""
        return sorted(self._worlds)

    def drop(self, name: str) -> None:
        """Close and forget a namespace; its file, if any, stays."""
        world = self._worlds.pop(name, None)
        if world is not None:
            world.close()

    def close(self) -> None:
        """Close all databases."""
        for name in self.names():
            self.drop(name)


def _database(data: str, name: str) -> Path | str:
    if data == "memory":
        return ":memory:"
    folder = Path(data)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.sqlite"
