"""Who is who: persons and organisations behind references, members of a team, the codes that they carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from adapter.types import CANONICAL_ROOT, Json, Resource
from adapter.validation.rules.periods import Span, span
from adapter.validation.rules.scope import Scope, codes_of, objects, tokens

CODES = f"{CANONICAL_ROOT}/CodeSystem/"
TEAM_FUNCTION = CODES + "team-function"
MEMBERSHIP = CODES + "membership-type"
PROFESSIONAL_ROLE = CODES + "professional-role"
ORGANISATION_TYPE = CODES + "organisation-type"

Key = frozenset[str]
"""What identifies a person or an organisation: its identifiers and URLs. The same when two keys share something."""


def same(one: Key, other: Key) -> bool:
    """True when two keys are of the same person or organisation."""
    return not one.isdisjoint(other)


def count_different(keys: list[Key]) -> int:
    """Return how many different persons or organisations there are."""
    groups: list[Key] = []
    for key in keys:
        joined = [group for group in groups if same(group, key)]
        groups = [group for group in groups if group not in joined] + [key.union(*joined)]
    return len(groups)


def _key(reference: Json, resource: Resource | None) -> Key:
    found = {f"{system}|{value}" for system, value in tokens(resource)} if resource else set()
    if isinstance(reference, dict):
        identifier = reference.get("identifier")
        if isinstance(identifier, dict) and isinstance(identifier.get("value"), str):
            found.add(f"{identifier.get('system', '')}|{identifier['value']}")
        if isinstance(reference.get("reference"), str):
            found.add(reference["reference"])
    return frozenset(found)


def person(scope: Scope, reference: Json) -> Key:
    """Return the key of the person that a Reference names, through a PractitionerRole where there is one."""
    found = scope.resolve(reference)
    if found is not None and found["resourceType"] == "PractitionerRole" and "practitioner" in found:
        inner = found["practitioner"]
        return _key(inner, scope.resolve(inner))
    return _key(reference, found)


def is_professional(scope: Scope, reference: Json) -> bool:
    """True when a Reference names a professional: a Practitioner, or a PractitionerRole of a person."""
    found = scope.resolve(reference)
    if found is None:
        return isinstance(reference, dict) and reference.get("type") in ("Practitioner", "PractitionerRole")
    return found["resourceType"] == "Practitioner" or "practitioner" in found


def organisation(scope: Scope, reference: Json) -> Resource | None:
    """Return the Organization that a Reference names: itself, or that of a PractitionerRole."""
    found = scope.resolve(reference)
    if found is not None and found["resourceType"] == "PractitionerRole":
        return scope.resolve(found.get("organization"))
    return found if found is not None and found["resourceType"] == "Organization" else None


def organisation_types(scope: Scope, reference: Json) -> set[str]:
    """Return the cs:organisation-type codes of the organisation that a Reference names."""
    found = organisation(scope, reference)
    return set() if found is None else codes_of(found.get("type"), ORGANISATION_TYPE)


@dataclass(frozen=True, slots=True)
class Member:
    """A participant of a CareTeam.

    Attributes:
        index: position in `participant`.
        participant: the JSON object.
        kind: resource type behind `member`; empty when unknown.
        functions, membership, roles: codes of team-function, membership-type, professional-role.
        period: of the membership.
    """

    index: int
    participant: dict[str, Any]
    kind: str
    functions: set[str]
    membership: set[str]
    roles: set[str]
    period: Span

    @property
    def reference(self) -> Json:
        """The Reference of the member."""
        return self.participant.get("member")

    @property
    def place(self) -> str:
        """FHIRPath inside the team."""
        return f"participant[{self.index}]"

    @property
    def is_professional(self) -> bool:
        """True for a person who is there by profession."""
        return self.kind in ("Practitioner", "PractitionerRole")


def members(scope: Scope, team: Resource) -> list[Member]:
    """Return the members of a team."""
    known = scope.remembered.get(("members", id(team)))
    if known is None:
        scope.spend(len(objects(team.get("participant"))) ** 2)
        known = [_member(scope, *row) for row in enumerate(objects(team.get("participant")))]
        scope.remembered["members", id(team)] = known
    return known


def _member(scope: Scope, index: int, participant: dict[str, Any]) -> Member:
    reference, roles = participant.get("member"), participant.get("role")
    found = scope.resolve(reference) or {}
    written = reference.get("type", "") if isinstance(reference, dict) else ""
    return Member(
        index,
        participant,
        str(found.get("resourceType", written)),
        codes_of(roles, TEAM_FUNCTION),
        codes_of(roles, MEMBERSHIP),
        codes_of(roles, PROFESSIONAL_ROLE) | codes_of(found.get("code"), PROFESSIONAL_ROLE),
        span(participant.get("period")),
    )


def member_organisation(scope: Scope, member: Member) -> Resource | None:
    """Return the organisation of a member: the member itself, its role's, or the one it acts for."""
    found = organisation(scope, member.reference)
    return found if found is not None else scope.resolve(member.participant.get("onBehalfOf"))


def team_of(scope: Scope, plan: Resource) -> Resource | None:
    """Return the CareTeam of a plan where it is known."""
    mark = ("team", id(plan))
    if mark not in scope.remembered:
        teams = scope.resolve_all(plan.get("careTeam"))
        scope.remembered[mark] = next((team for team in teams if team["resourceType"] == "CareTeam"), None)
    return cast("Resource | None", scope.remembered[mark])


def pairs(scope: Scope, resource: Resource) -> list[tuple[Resource, Resource | None]]:
    """Return plan and team together: of a plan its team; of a team the related plans of the caller."""
    if resource["resourceType"] == "CarePlan":
        return [(resource, team_of(scope, resource))]
    plans = (plan for plan in scope.of_type("CarePlan") if not scope.is_own(plan))
    return [(plan, resource) for plan in plans if team_of(scope, plan) is resource]


def versions(scope: Scope, resource: Resource) -> list[Resource]:
    """Return the other known versions of a resource: those with an identifier in common, and what it replaces."""
    others = [other for other in scope.of_type(resource["resourceType"]) if other is not resource]
    if not others:
        return []
    mine = tokens(resource)
    replaced = scope.resolve_all(resource.get("replaces"))
    return [other for other in others if mine & tokens(other) or any(other is old for old in replaced)]
