"""The request as the rules see it, and the first gate (R2): who asks, for whom, what for, when.

A request is a dict as in the decision format: `time`, `mode`, `requester`, `purpose`, `action`, `patient`,
`custodian`, `resource` or `resources`, `interaction`, `legalBasis`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from adapter.consent.configuration import Configuration
from adapter.consent.context import Context, Party, identifiers_of, party, unpacked
from adapter.consent.instants import instant, period_span
from adapter.consent.model import YES, Coding, Reason
from adapter.consent.references import Ref
from adapter.consent.vocabulary import read_coding
from adapter.types import Resource

Mode = Literal["live", "retrospective"]
Interaction = Literal["read", "search", "submit"]

_MODES: tuple[Mode, ...] = ("live", "retrospective")
_INTERACTIONS: tuple[Interaction, ...] = ("read", "search", "submit")


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks: an organisation (or a RelatedPerson, or a Device), and the person acting for it.

    Attributes:
        organization: the claimed organisation; None for a RelatedPerson or Device of its own.
        practitioner: the named person; None for a system's own request.
        roles: the PractitionerRole that was claimed, else every current one that ties person to organisation.
        others: RelatedPerson and Device.
    """

    organization: Party | None
    practitioner: Party | None
    roles: tuple[Party, ...]
    others: tuple[Party, ...]

    @property
    def is_system(self) -> bool:
        """True when an organisation's own system asks, no person."""
        return self.practitioner is None and not any(
            key.startswith("RelatedPerson/") for other in self.others for key in other.keys
        )


@dataclass(frozen=True, slots=True)
class Request:
    """A request that has passed R2.

    Attributes:
        moment: the instant asked about, in microseconds (see `instants`).
        several: the resources came as a list: the answer has entries.
        legal_basis: a claimed statutory right; None when nothing is claimed.
        basis_unreadable: a right is claimed, but without system or code.
        resources: address (`fullUrl`) and resource.
    """

    moment: int
    mode: Mode
    requester: Requester
    purpose: Coding
    action: str
    client: Party
    custodian: Party | None
    resources: tuple[tuple[str, Resource], ...]
    several: bool
    interaction: Interaction
    legal_basis: Coding | None
    basis_unreadable: bool


def read_request(document: Mapping[str, Any], context: Context, configuration: Configuration) -> Request | Reason:
    """Read and check a request; a reason when R2 refuses it."""
    moment = document.get("time")
    moment = instant(moment) if isinstance(moment, str) else None
    mode, action, purpose = document.get("mode", "live"), document.get("action"), _purpose(document)
    client = context.named(document.get("patient"))
    resources, several = _resources(document)
    interaction = document.get("interaction", "search" if several else "read")
    if (
        moment is None
        or purpose is None
        or resources is None
        or mode not in _MODES
        or interaction not in _INTERACTIONS
        or not isinstance(action, str)
        or action not in configuration.actions.codes
        or client.kind == "unreadable"
        or client.type not in ("Patient", "")
    ):
        return Reason.REQUEST_INVALID
    requester = _requester(document.get("requester"), context, moment, configuration)
    if isinstance(requester, Reason):
        return requester
    basis = document.get("legalBasis")
    custodian = context.named(document.get("custodian"))
    return Request(
        moment=moment,
        mode=mode,
        requester=requester,
        purpose=purpose,
        action=action,
        client=party(client, context),
        custodian=party(custodian, context) if custodian.key or custodian.identifier else None,
        resources=resources,
        several=several,
        interaction=interaction,
        legal_basis=read_coding(basis),
        basis_unreadable=basis is not None and read_coding(basis) is None,
    )


def _purpose(document: Mapping[str, Any]) -> Coding | None:
    purposes = document.get("purpose")
    if isinstance(purposes, list):
        return read_coding(purposes[0]) if len(purposes) == 1 else None
    return read_coding(purposes)


def _resources(document: Mapping[str, Any]) -> tuple[tuple[tuple[str, Resource], ...] | None, bool]:
    """Return the resources asked for and whether they came as a list; None when there is not one at all."""
    several = document.get("resources")
    if isinstance(several, list):
        readable = all(isinstance(item, dict) for item in several)
        return tuple(unpacked(several)) if readable else None, True
    single = document.get("resource")
    return ((("", single),) if isinstance(single, dict) else None), False


def _requester(value: Any, context: Context, moment: int, configuration: Configuration) -> Requester | Reason:
    """Read who asks; a named person must be tied to the claimed organisation by a current role (R2)."""
    if not isinstance(value, dict):
        return Reason.REQUEST_INVALID
    refs = {name: context.named(value[name]) for name in _NAMES if value.get(name) is not None}
    if any(ref.kind == "unreadable" for ref in refs.values()):
        return Reason.REQUEST_INVALID
    organization = refs.get("organization")
    others = [refs[name] for name in ("relatedPerson", "device") if name in refs]
    if organization and organization.type in ("RelatedPerson", "Device"):
        others, organization = [*others, organization], None
    person, role = refs.get("practitioner"), refs.get("practitionerRole")
    if organization is None and (not others or person or role):
        return Reason.REQUEST_INVALID
    parties = tuple(party(ref, context) for ref in others)
    if organization is None:
        return Requester(None, None, (), parties)
    employer = party(organization, context)
    if person is None and role is None:
        return Requester(employer, None, (), parties)
    return _person(person, role, employer, parties, context, moment, configuration)


_NAMES = ("organization", "relatedPerson", "device", "practitioner", "practitionerRole")


def _person(
    person: Ref | None,
    role: Ref | None,
    employer: Party,
    others: tuple[Party, ...],
    context: Context,
    moment: int,
    configuration: Configuration,
) -> Requester | Reason:
    """Tie a person to the employer by the claimed role, or by any current one when none is claimed."""
    if role is not None:
        claimed = context.look_up(role)
        candidates = [claimed] if claimed is not None else []
    else:
        candidates = context.of_type("PractitionerRole")
    named = party(person, context) if person else None
    roles: list[Party] = []
    for candidate in candidates:
        holder = context.reference(candidate.get("practitioner"))
        if named is None and (holder.key or holder.identifier):
            named = party(holder, context)
        if (
            named is not None
            and named.matches(holder) is YES
            and employer.matches(context.reference(candidate.get("organization"))) is YES
            and is_current(candidate, moment, configuration)
        ):
            roles.append(role_party(candidate, context))
    if named is None or not roles:
        return Reason.REQUESTER_ROLE_INACTIVE
    return Requester(employer, named, tuple(roles), others)


def role_party(resource: Resource, context: Context) -> Party:
    """Return a resource of the context as a party."""
    return Party(context.keys_of(resource), frozenset(identifiers_of(resource)), resource)


def is_current(resource: Resource, moment: int, configuration: Configuration) -> bool:
    """Tell whether a resource with `active` and `period` is in use at an instant."""
    period = resource.get("period", {})
    found = period_span(period, configuration.zone) if isinstance(period, dict) else None
    return resource.get("active", True) is True and found is not None and found.holds(moment)
