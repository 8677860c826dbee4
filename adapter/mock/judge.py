"""What a resource must be to come in: allowed by the policy, and valid as far as the strictness asks."""

from __future__ import annotations

from adapter.mock.exchange import Request
from adapter.mock.outcomes import Refusal, refuse
from adapter.types import Issue, Resource


def check_interaction(request: Request, resource_type: str, interaction: str) -> None:
    """Refuse an interaction that the policy does not allow on the type (405)."""
    if not request.world.policy.allows(resource_type, interaction):
        raise refuse(
            405,
            "policy-forbids",
            policy=request.world.policy.name,
            interaction=interaction,
            type=resource_type,
        )


def check_resource(request: Request, resource: Resource) -> None:
    """Refuse a resource that the policy's profiles exclude (422)."""
    policy = request.world.policy
    profiles = policy.types[resource["resourceType"]].profiles
    if not policy.profile_required or not profiles:
        return
    claimed = resource.get("meta", {}).get("profile", [])
    expression = f"{resource['resourceType']}.meta.profile"
    allowed = ", ".join(profiles)
    if not claimed:
        raise Refusal(422, Issue("error", "mock.profile-required", {"allowed": allowed}, expression=expression))
    if not set(claimed) & set(profiles):
        raise Refusal(422, Issue("error", "mock.profile-unknown", {"allowed": allowed}, expression=expression))
