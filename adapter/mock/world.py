"""One namespace of the endpoint: its own store, clock, ids and rules. Suites that run beside each other share none."""

from __future__ import annotations

import re
from pathlib import Path

from adapter.mock.clock import Clock
from adapter.mock.identity import Identities
from adapter.mock.policy import Policy, load_policy
from adapter.mock.search.pages import Pages
from adapter.mock.settings import MockSettings, Strictness
from adapter.mock.storage import Store

DEFAULT = "default"
NAMESPACE = re.compile(r"^[a-z0-9][a-z0-9-]{0,63}$")


class World:
    """Everything that one namespace owns."""

    def __init__(self, name: str, settings: MockSettings, policy: Policy) -> None:
        self.name = name
        self.settings = settings
        self.policy = policy
        self.strictness: Strictness = settings.strictness
        self.store = Store(_database(settings.data, name))
        self.clock = Clock(settings.clock)
        self.started = self.clock.now()
        self.identities = Identities(settings.seed)
        self.pages = Pages(Identities(settings.seed))

    def reset(self) -> None:
        """Forget all data; clock and ids begin again."""
        self.store.clear()
        self.clock = Clock(self.settings.clock)
        self.identities = Identities(self.settings.seed)
        self.pages = Pages(Identities(self.settings.seed))


class Worlds:
    """All namespaces; one comes into being when it is first used."""

    def __init__(self, settings: MockSettings) -> None:
        self.settings = settings
        self.policy = load_policy(settings.policy)
        self._worlds: dict[str, World] = {}

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
        return world

    def names(self) -> list[str]:
        """Return the names in use, sorted."""
        return sorted(self._worlds)

    def drop(self, name: str) -> None:
        """Close and forget a namespace; its file, if any, stays."""
        world = self._worlds.pop(name, None)
        if world is not None:
            world.store.close()

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
