"""Limits over time: how many requests a client may make in a minute, how many wrong assertions it may try."""

from __future__ import annotations

from collections import defaultdict, deque

from adapter.mock.exchange import Request
from adapter.mock.outcomes import refuse

MINUTE = 60.0
PUBLIC_PATHS = (("metadata",), (".well-known", "smart-configuration"))
WRONG_ASSERTIONS = 30
"""Failed requests for a token that one claimed client may make in a minute (rule T14)."""


class Window:
    """Counts events of a key over the last minute, by whatever clock the caller gives."""

    def __init__(self) -> None:
        self._events: defaultdict[str, deque[float]] = defaultdict(deque)

    def add(self, key: str, now: float) -> None:
        """Count an event at `now` (seconds)."""
        self._events[key].append(now)

    def wait(self, key: str, limit: int, now: float) -> int:
        """Return the whole seconds until there is room for another event; 0 when there is."""
        events = self._events[key]
        while events and not now - MINUTE < events[0] <= now:
            events.popleft()
        return max(1, int(events[0] + MINUTE - now)) if len(events) >= limit else 0


def check_rate(request: Request) -> None:
    """Count a request of the caller; refuse it where the policy allows no more in this minute.

    Raises:
        Refusal: 429 with Retry-After in seconds of the endpoint's clock.
    """
    world = request.world
    limit = world.policy.requests_per_minute
    if not limit:
        return
    caller, now = request.access.client.id if request.access is not None else "", world.clock.now().timestamp()
    if wait := world.rate.wait(caller, limit, now):
        refusal = refuse(429, "rate-limit", limit=str(limit))
        refusal.headers = {"Retry-After": str(wait)}
        raise refusal
    world.rate.add(caller, now)


def check_request_id(request: Request) -> None:
    """Refuse a request without an id of its own where the policy demands one, once and for all different.

    Raises:
        Refusal: 400.
    """
    world, wanted = request.world, request.world.policy.request_id
    if wanted == "optional" or request.path in PUBLIC_PATHS:
        return
    given = request.headers.get("x-request-id", "")
    if not given or (wanted == "unique" and given in world.request_ids):
        raise refuse(400, "request-id-repeated" if given else "request-id-missing")
    world.request_ids.add(given)
