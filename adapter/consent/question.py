"""What is asked of every provision: one request about one resource of one client, worked out once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from adapter.consent.configuration import Configuration
from adapter.consent.context import Context, Party, party
from adapter.consent.item import Item, Part
from adapter.consent.references import Ref, Token
from adapter.consent.request import Request

if TYPE_CHECKING:
    from adapter.consent.teams import Standing


class Asking:
    """The part of a question that all resources of a request share.

    Attributes:
        direct_keys, direct_identifiers: all names of organisation, person, role, RelatedPerson and Device.
        standings: what is known of the requester in each team or group of each client, filled while deciding.
    """

    def __init__(self, request: Request, context: Context, configuration: Configuration) -> None:
        self.request = request
        self.context = context
        self.configuration = configuration
        self.moment = request.moment
        purposes, actions = configuration.purposes, configuration.actions
        self.permitting_purposes = purposes.permitting(request.purpose)
        self.refusing_purposes = purposes.refusing(request.purpose)
        self.purpose_is_known = request.purpose in purposes.tree.codes
        self.permitting_actions = actions.permitting(request.action)
        self.refusing_actions = actions.refusing(request.action)
        who = request.requester
        sure_roles = who.roles if len(who.roles) == 1 else ()
        people = (who.practitioner,) if who.practitioner else ()
        self.people: tuple[Party, ...] = (*people, *sure_roles, *who.others)
        self.parties: tuple[Party, ...] = (*((who.organization,) if who.organization else ()), *self.people)
        self.direct_keys = frozenset[str]().union(*(one.keys for one in self.parties))
        self.direct_identifiers = frozenset[Token]().union(*(one.identifiers for one in self.parties))
        self.names_are_complete = all(one.resource is not None for one in self.parties)
        self.possible_role_keys = frozenset[str]().union(*(role.keys for role in who.roles)) - self.direct_keys
        self.standings: dict[frozenset[str], dict[Ref, Standing | None]] = {}

    @cached_property
    def units_above(self) -> tuple[frozenset[str], frozenset[Token], bool]:
        """Keys and identifiers of the organisation and all above it, and whether the chain is whole (R18)."""
        keys: set[str] = set()
        tokens: set[Token] = set()
        unit = self.request.requester.organization
        while unit is not None:
            if unit.resource is None or unit.keys & keys:
                return frozenset(keys | unit.keys), frozenset(tokens | unit.identifiers), False
            keys |= unit.keys
            tokens |= unit.identifiers
            above = unit.resource.get("partOf")
            if above is None:
                break
            ref = self.context.reference(above)
            unit = party(ref, self.context)
            if ref.kind in ("foreign", "unreadable"):
                return frozenset(keys), frozenset(tokens), False
        return frozenset(keys), frozenset(tokens), True


class Question:
    """One resource and one client of it.

    Attributes:
        client_names: all keys and identifiers of the client.
        element: one element of the resource, when only that element is in question (R28).
    """

    __slots__ = ("asking", "client", "client_names", "element", "item", "moment", "standings")

    def __init__(self, asking: Asking, item: Item, client: Party) -> None:
        self.asking = asking
        self.item = item
        self.client = client
        self.client_names: frozenset[str | Token] = client.keys | client.identifiers
        self.moment = asking.moment
        self.standings = asking.standings.setdefault(client.keys, {})
        self.element: Part | None = None
