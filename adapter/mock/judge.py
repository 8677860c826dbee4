"""What a resource must be to come in: allowed by the policy, and valid as far as the strictness asks.

lenient: JSON structure and formats of base R4; national: everything that the repository would refuse, profiles
included; strict: warnings refuse too.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from adapter.data import data_root
from adapter.mock.access import authorise
from adapter.mock.exchange import Request
from adapter.mock.outcomes import Refusal, refuse
from adapter.mock.policy import Policy
from adapter.mock.policy_rules import broken_rules
from adapter.mock.profiles import own_profile, profile_id
from adapter.mock.settings import Strictness
from adapter.mock.world import World
from adapter.types import Issue, Outcome, Resource
from adapter.validation import ValidationSettings, Validator

STRUCTURE = frozenset(("structure", "value"))
"""Issue types that the lenient endpoint refuses too."""

UNSAFE = frozenset(("validation.narrative-element", "validation.narrative-attribute"))
"""Narrative that could do something in a browser comes in nowhere."""

NATIONAL_PROFILES = ("https://hl7.fi/fhir/", "http://phr.kanta.fi/", "https://gen.kanta.fi/", "https://shark.kanta.fi/")
"""Canonical roots of national profiles that are known but not checked here."""


@cache
def _structure() -> Validator:
    """The validator of the lenient endpoint: it reads no profiles, so it is there at once."""
    return Validator(settings=ValidationSettings(structure_only=True))


@cache
def validator(definitions: tuple[str, ...]) -> Validator:
    """Return the validator of a policy's definitions and our own; made once, in some tenths of a second."""
    packaged = data_root() / "profiles" / "package"
    own = [packaged] if packaged.is_dir() else []
    settings = ValidationSettings(known_unchecked=NATIONAL_PROFILES)
    return Validator([*own, *(Path(one) for one in definitions)], settings=settings)


def judge(
    world: World, resource: Resource, profiles: tuple[str, ...] = (), *, strictness: Strictness | None = None
) -> Outcome:
    """Return what is wrong with a resource under a strictness (the namespace's own when not given)."""
    if (strictness or world.strictness) == "lenient":
        found = _structure().judge(resource)
        return Outcome(tuple(one for one in found.issues if one.issue_type in STRUCTURE or one.key in UNSAFE))
    return validator(world.policy.definitions).judge(resource, profiles)


def check_interaction(request: Request, resource_type: str, interaction: str) -> None:
    """Refuse an interaction that the policy does not allow on the type (405), or the token's scopes do not (403)."""
    policy = request.world.policy
    if not policy.allows(resource_type, interaction):
        raise forbidden(policy, interaction, resource_type)
    if _is_conditional(request, interaction) and interaction in policy.without_conditions:
        raise forbidden(policy, f"conditional {interaction}", resource_type)
    authorise(request, resource_type, interaction)


def _is_conditional(request: Request, interaction: str) -> bool:
    """True when a condition says which resource is meant: `If-None-Exist`, or a change without an id."""
    if interaction == "create":
        return "if-none-exist" in request.headers
    return len(request.path) == 1


def forbidden(policy: Policy, interaction: str, resource_type: str) -> Refusal:
    """Return the refusal of what the policy does not allow."""
    return refuse(405, "policy-forbids", policy=policy.name, interaction=interaction, type=resource_type)


def check_resource(request: Request, resource: Resource) -> None:
    """Refuse a resource that the policy's profiles exclude or that is not valid (422)."""
    outcome = judge(request.world, resource)
    refusing = ("fatal", "error", "warning") if request.world.strictness == "strict" else ("fatal", "error")
    if any(one.severity in refusing for one in outcome.issues):
        raise Refusal(422, outcome.issues)
    check_policy(request, resource)


def check_policy(request: Request, resource: Resource) -> None:
    """Refuse a resource without a profile that the policy demands, or that breaks a rule of it (422)."""
    _check_profiles(request, resource)
    if broken := broken_rules(request.world.policy.rules, resource):
        raise Refusal(422, broken)


def _fits(claimed: str, profile: str) -> bool:
    """True when a claimed canonical is the profile, version aside; a trailing `*` means "begins with".

    What begins as our own profiles do has to be one of them, in the version that is known here.
    """
    url, _, version = claimed.partition("|")
    if not profile.endswith("*"):
        return url == profile
    identity = profile_id(url)
    own = own_profile(identity)
    return url.startswith(profile[:-1]) and (not identity or (own is not None and version in ("", own.version)))


def _check_profiles(request: Request, resource: Resource) -> None:
    policy = request.world.policy
    profiles = policy.types[resource["resourceType"]].profiles
    if not policy.profile_required or not profiles:
        return
    claimed = resource.get("meta", {}).get("profile", [])
    expression = f"{resource['resourceType']}.meta.profile"
    allowed = ", ".join(profiles)
    if not claimed:
        raise Refusal(422, Issue("error", "mock.profile-required", {"allowed": allowed}, expression=expression))
    if not any(_fits(one, profile) for one in claimed for profile in profiles):
        raise Refusal(422, Issue("error", "mock.profile-unknown", {"allowed": allowed}, expression=expression))
