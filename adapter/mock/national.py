"""What a Kanta-style repository asks beside FHIR: signature, a Provenance for each resource, limits of its searches.

What is asked stands in the policy file (`signed`, `provenance-for`, `rules`, `search`); here is how it is checked.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from adapter.errors import SigningError
from adapter.mock.exchange import Query, Request
from adapter.mock.outcomes import Refusal, refuse
from adapter.mock.policy_rules import broken_rules
from adapter.security.keys import KeyProblem
from adapter.security.signatures import verify
from adapter.types import Issue, Resource


def check_bundle(request: Request, bundle: Resource) -> None:
    """Refuse a transaction that lacks what the policy asks for.

    Raises:
        Refusal: 400 signature, 422 Provenance or another rule of the policy.
    """
    policy = request.world.policy
    kinds = {entry.get("resource", {}).get("resourceType") for entry in bundle.get("entry", [])}
    if policy.signed and (kinds & set(policy.signed) or "signature" in bundle):
        _check_signature(request, bundle)
    for number, entry in enumerate(bundle.get("entry", [])):
        kind = entry.get("resource", {}).get("resourceType")
        method = entry.get("request", {}).get("method")
        if kind in policy.provenance_for and method in ("POST", "PUT") and not _has_provenance(bundle, entry):
            raise refuse(422, "provenance-missing", f"Bundle.entry[{number}].resource", type=kind)
    if broken := broken_rules(policy.rules, bundle):
        raise Refusal(422, broken)


def check_alone(request: Request, kind: str) -> None:
    """Refuse to write a resource by itself when its Provenance has to come in the same transaction.

    Raises:
        Refusal: 422.
    """
    if kind in request.world.policy.provenance_for and not request.in_bundle:
        raise refuse(422, "provenance-missing", kind, type=kind)


def check_search(request: Request, kind: str, query: Query) -> None:
    """Refuse a search that uses a parameter which the policy leaves out, or lacks one which it demands.

    Raises:
        Refusal: 400.
    """
    rules = request.world.policy.types[kind]
    used = [key for key, _ in query]
    for key in used:
        if rules.search and not key.startswith("_") and key.partition(":")[0] not in rules.search:
            raise refuse(400, "unknown-parameter", parameter=key, type=kind)
    for needed in rules.search_needs:
        if needed not in used:
            raise refuse(400, "parameter-required", parameter=needed, type=kind)


def _has_provenance(bundle: Resource, entry: dict[str, Any]) -> bool:
    resource = entry["resource"]
    names = {entry.get("fullUrl"), f"{resource['resourceType']}/{resource.get('id')}"}
    return any(
        str(target.get("reference", "")).partition("/_history")[0] in names
        for other in bundle["entry"]
        if other.get("resource", {}).get("resourceType") == "Provenance"
        for target in _list(other["resource"].get("target"))
    )


def _list(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; the sender may have written anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _check_signature(request: Request, bundle: Resource) -> None:
    try:
        verify(bundle, lambda header: _key(request, header))
    except (SigningError, KeyProblem):
        raise Refusal(400, Issue("error", "mock.signature", expression="Bundle.signature")) from None


def _key(request: Request, header: dict[str, Any]) -> Any:
    """The key to trust: of a certificate that a trusted authority issued, else of the client's registered set."""
    chain, algorithms = header.get("x5c"), request.world.policy.signature_algorithms
    if algorithms and header.get("alg") not in algorithms:
        raise SigningError(Issue("error", "signing.broken-signature"))
    if chain:
        return _certified(request, chain)
    guard, access = request.world.guard, request.access
    if guard is None or access is None:
        raise SigningError(Issue("error", "signing.broken-signature"))
    key_id = header.get("kid")
    return guard.directory.keys_of(access.client, key_id).choose(key_id, header["alg"]).key


def _certified(request: Request, chain: Any) -> Any:
    broken = SigningError(Issue("error", "signing.broken-signature"))
    try:
        leaf = x509.load_der_x509_certificate(base64.b64decode(chain[0], validate=True))
        for authority in trusted(request.world.settings.trusted):
            leaf.verify_directly_issued_by(authority)
            now = request.world.clock.now()
            if leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
                return leaf.public_key()
    except (ValueError, TypeError, IndexError, binascii.Error, InvalidSignature):
        raise broken from None
    raise broken


def trusted(path: str) -> list[x509.Certificate]:
    """Return the authorities of a PEM file whose signing certificates are trusted; none without a file."""
    return x509.load_pem_x509_certificates(Path(path).read_bytes()) if path else []
