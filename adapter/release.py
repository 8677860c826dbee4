"""The one gate: nothing becomes visible to somebody else without a decision of the consent engine.

The sender's `release` (domain model §2.0) says for whom a record is. Without it, or with basis `own-register`, the
record stays in the controller's own register and nobody is asked. Everything else is decided here, all or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from adapter.consent import Context, decide
from adapter.consent.instants import period_span
from adapter.errors import ConsentRefused
from adapter.mapping.conversions import CONVERSIONS
from adapter.terminology import PACKAGED
from adapter.types import CANONICAL_ROOT, Issue, Record, Resource, SourcePlace

ZONE = ZoneInfo("Europe/Helsinki")
OWN_REGISTER = "own-register"
TO_CLIENT = "to-client"
CONSENT = "client-consent"
STATUTORY = ("statutory-concern-notification", "other-statutory")
NOT_OF_PERSONS = frozenset({"Organization", "Practitioner", "PractitionerRole", "Provenance"})
"""Types that hold no client's data; a Provenance says who wrote, not what."""

STATUTORY_RULE = f"{CANONICAL_ROOT}/CodeSystem/statutory-rule"
NON_DISCLOSURE = "TURVAKIELTO"
PROTECTED: Mapping[str, tuple[str, ...]] = {
    "Patient": ("address", "telecom", "managingOrganization", "extension"),
    "RelatedPerson": ("address", "telecom"),
}
"""Elements that a client with TURVAKIELTO keeps (BR-150); the only extension of Patient is the municipality."""


@dataclass(frozen=True, slots=True)
class OnFile:
    """What the adapter knows about a client: newest versions of consents and teams, as Bundles.

    Attributes:
        consents: Consent resources.
        context: Bundles with teams, organisations, roles and people that consents refer to.
    """

    consents: tuple[Resource, ...] = ()
    context: tuple[Resource, ...] = ()

    @classmethod
    def of(cls, bundles: Iterable[Resource]) -> OnFile:
        """Take the Bundles of records apart."""
        context = tuple(bundles)
        entries = (entry["resource"] for bundle in context for entry in bundle["entry"])
        return cls(tuple(each for each in entries if each["resourceType"] == "Consent"), context)


def check_release(record: Record, bundle: Resource, on_file: OnFile, at: float) -> str:
    """Decide whether a record may be released as its sender asks; returns the basis.

    Args:
        record: the canonical record with its `release`.
        bundle: what it became.
        at: the present instant, UTC seconds.

    Raises:
        ConsentRefused: one issue for every recipient and every protected element.
    """
    release = record.get("release", {})
    basis: str = release.get("basis", OWN_REGISTER)
    if basis == OWN_REGISTER:
        return basis
    issues = [*_protected(bundle, basis), *_refusals(record, release, basis, bundle, on_file, at)]
    if issues:
        raise ConsentRefused(issues)
    return basis


def _protected(bundle: Resource, basis: str) -> Iterator[Issue]:
    """BR-150: contact data of a protected client leave only on a statutory basis."""
    labels = [label.get("code") for label in bundle.get("meta", {}).get("security", ())]
    if basis in STATUTORY or NON_DISCLOSURE not in labels:
        return
    for number, entry in enumerate(bundle["entry"]):
        resource = entry["resource"]
        for element in PROTECTED.get(resource["resourceType"], ()):
            if element in resource:
                name = f"{resource['resourceType']}.{element}"
                yield Issue(
                    "error",
                    "release.protected-contact",
                    {"element": name, "basis": basis},
                    expression=f"Bundle.entry[{number}].resource.{element}",
                    rule="BR-150",
                )


def _refusals(
    record: Record, release: Record, basis: str, bundle: Resource, on_file: OnFile, at: float
) -> Iterator[Issue]:
    if basis == TO_CLIENT:
        return
    place = SourcePlace("release")
    if basis != CONSENT and basis not in STATUTORY:
        yield Issue("error", "release.not-for-persons", {"basis": basis}, source=place)
        return
    if basis == CONSENT and "purpose" not in release:
        yield Issue("error", "release.no-purpose", source=place)
    recipients = release.get("recipients", ())
    if not recipients:
        yield Issue("error", "release.no-recipient", source=place)
    context = [*on_file.context, bundle]
    for number, recipient in enumerate(recipients):
        at_path = SourcePlace(f"release.recipients[{number}]")
        requesters = list(_requesters(recipient, record["source_system"], context, at))
        if not requesters:
            yield Issue("error", "release.unknown-team", source=at_path)
        for requester in requesters:
            request = _request(record, basis, requester, bundle, at)
            decision = decide(on_file.consents, request, context=context)
            if decision.decision != "permit":
                refused = next((entry for entry in decision.entries.values() if entry.decision != "permit"), decision)
                values = {"recipient": str(number + 1), "reason": str(refused.reason)}
                yield Issue("error", "release.refused", values, source=at_path, rule=str(refused.reason))
                break


def _request(record: Record, basis: str, requester: Mapping[str, Any], bundle: Resource, at: float) -> dict[str, Any]:
    entries = [entry for entry in bundle["entry"] if entry["resource"]["resourceType"] not in NOT_OF_PERSONS]
    patients = (entry["fullUrl"] for entry in entries if entry["resource"]["resourceType"] == "Patient")
    release = record["release"]
    request: dict[str, Any] = {
        "time": datetime.fromtimestamp(at, UTC).isoformat(),
        "mode": "live",
        "requester": requester,
        "purpose": _coding("consent-purpose", release.get("purpose", "service-coordination")),
        "action": "disclose",
        "patient": {"reference": next(patients, "")},
        "custodian": _organisation(record["custodian"], record["source_system"]),
        "resources": entries,
        "interaction": "submit",
    }
    if basis in STATUTORY:
        named = release.get("legal_basis")
        rule = {"system": STATUTORY_RULE, "code": named} if named else None
        request["legalBasis"] = rule or _coding("disclosure-basis", basis)
    return request


def _requesters(
    recipient: Record, source_system: str, context: Iterable[Resource], at: float
) -> Iterator[dict[str, Any]]:
    """Yield whom the decision is about: an organisation, a professional, or every present professional of a team."""
    if "organisation" in recipient:
        yield {"organization": _organisation(recipient["organisation"], source_system)}
    elif "practitioner" in recipient:
        practitioner = recipient["practitioner"]
        person = {"system": practitioner.get("system", source_system), "value": practitioner["id"]}
        if "organisation" in practitioner:
            organisation = _organisation(practitioner["organisation"], source_system)
            yield {"organization": organisation, "practitioner": {"identifier": person}}
    else:
        team = recipient["team"]
        wanted = (team.get("system", source_system), team["id"])
        yield from _members(wanted, Context(context, ()), at)


def _members(team: tuple[str, str], context: Context, at: float) -> Iterator[dict[str, Any]]:
    for resource in context.of_type("CareTeam"):
        tokens = {(each.get("system"), each.get("value")) for each in resource.get("identifier", ())}
        if team not in tokens:
            continue
        for participant in resource.get("participant", ()):
            period = period_span(participant.get("period", {}), ZONE)
            if period is not None and not period.holds(at * 1_000_000):
                continue
            role = context.look_up(context.reference(participant.get("member")))
            if role is not None and role["resourceType"] == "PractitionerRole":
                yield {
                    "organization": role.get("organization", {}),
                    "practitioner": role.get("practitioner", {}),
                    "practitionerRole": participant["member"],
                }


@dataclass(frozen=True, slots=True)
class _Source:
    source_system: str


def _organisation(organisation: Record, source_system: str) -> dict[str, Any]:
    (conversion,) = CONVERSIONS["organisation-identifier"]
    return {"identifier": conversion.forward(organisation, _Source(source_system), "")}


def _coding(name: str, code: str) -> dict[str, str]:
    coding = PACKAGED.coding(name, code)
    return {"system": coding["system"], "code": coding["code"]}
