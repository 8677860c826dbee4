"""A record on its way out: may it become visible to those whom its sender names? All or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from adapter.consent import Context, Decision, packaged_configuration
from adapter.consent.instants import period_span
from adapter.consent.model import Reason
from adapter.consent.withholding import contact_elements, is_protected
from adapter.errors import ConsentRefused
from adapter.release.gate import OF_NO_CLIENT, Asked, OnFile, Reader, Witness, pass_gate
from adapter.terminology import PACKAGED
from adapter.types import CANONICAL_ROOT, Issue, Record, Resource

ZONE = ZoneInfo("Europe/Helsinki")
OWN_REGISTER = "own-register"
TO_CLIENT = "to-client"
CONSENT = "client-consent"
STATUTORY = ("statutory-concern-notification", "other-statutory")
NOT_OF_PERSONS = OF_NO_CLIENT | {"Provenance"}
"""Types that are not asked about when a record is released; a Provenance says who wrote, not what."""

STATUTORY_RULE = f"{CANONICAL_ROOT}/CodeSystem/statutory-rule"


@dataclass(frozen=True, slots=True)
class Released:
    """On which ground a record goes to whom.

    Attributes:
        basis: code of cs:disclosure-basis.
        purpose: code of cs:consent-purpose; empty when none was stated.
        organisations: ids of every organisation that receives it, those of a team's present members too.
    """

    basis: str
    purpose: str = ""
    organisations: tuple[str, ...] = ()


def check_release(
    record: Record, bundle: Resource, on_file: Sequence[Resource], at: float, witness: Witness
) -> Released:
    """Decide whether a record may be released as its sender asks, all or nothing.

    The sender's `release` (domain model §2.0) says for whom a record is. Without it, or with basis `own-register`, the
    record stays in the controller's own register and nobody is asked.

    Args:
        record: the canonical record with its `release`.
        bundle: what it became.
        on_file: Bundles of the client's newest consents and teams.
        at: the present instant, UTC seconds.
        witness: see `pass_gate`.

    Raises:
        ConsentRefused: one issue for every recipient and every protected element; each has the FHIRPath of its element,
            or the field of the canonical record as `field` of its values, so that `placed` finds the sender's place.
    """
    release = record.get("release", {})
    basis: str = release.get("basis", OWN_REGISTER)
    if basis == OWN_REGISTER:
        return Released(basis)
    known = OnFile.of(on_file, bundle)
    issues = [*_protected(bundle, basis), *_refusals(record, release, basis, bundle, known, at, witness)]
    if issues:
        raise ConsentRefused(issues)
    recipients = release.get("recipients", ()) if basis != TO_CLIENT else ()
    named = {
        _organisation_id(requester["organization"], known.context)
        for recipient in recipients
        for requester in _requesters(recipient, record["source_system"], known.context, at)
    }
    return Released(basis, str(release.get("purpose", "")), tuple(sorted(named)))


def _protected(bundle: Resource, basis: str) -> Iterator[Issue]:
    """BR-150: contact data of a protected client leave only on a statutory basis."""
    if basis in STATUTORY or not is_protected(bundle):
        return
    for number, entry in enumerate(bundle["entry"]):
        resource = entry["resource"]
        for element in contact_elements(resource):
            yield Issue(
                "error",
                "release.protected-contact",
                {"element": f"{resource['resourceType']}.{element}", "basis": basis},
                expression=_first_part(f"Bundle.entry[{number}].resource.{element}", resource[element]),
                rule="BR-150",
            )


def _first_part(path: str, value: Any) -> str:
    """Return the path of the first thing that an element holds: an address is made of many of the sender's fields."""
    while isinstance(value, dict | list) and value:
        if isinstance(value, list):
            path, value = f"{path}[0]", value[0]
        else:
            name = next(iter(value))
            path, value = f"{path}.{name}", value[name]
    return path


def _refusals(
    record: Record, release: Record, basis: str, bundle: Resource, on_file: OnFile, at: float, witness: Witness
) -> Iterator[Issue]:
    if basis == TO_CLIENT:
        return
    if basis != CONSENT and basis not in STATUTORY:
        yield Issue("error", "release.not-for-persons", {"basis": basis, "field": "release.basis"})
        return
    if basis == CONSENT and "purpose" not in release:
        yield Issue("error", "release.no-purpose", {"field": "release.purpose"})
    recipients = release.get("recipients", ())
    if not recipients:
        yield Issue("error", "release.no-recipient", {"field": "release.recipients"})
    asked = _of_record(record, bundle)
    for number, recipient in enumerate(recipients):
        values = {"recipient": str(number + 1), "field": f"release.recipients[{number}]"}
        requesters = list(_requesters(recipient, record["source_system"], on_file.context, at))
        if not requesters:
            yield Issue("error", "release.unknown-team", values)
        for requester in requesters:
            passed = pass_gate(_reader(record, basis, requester), asked, on_file, at, witness)
            refused = _refused(passed.decision, asked.resources, basis, values)
            if refused is not None:
                yield refused
                break


def _refused(
    decision: Decision | None, entries: Sequence[Resource], basis: str, values: Mapping[str, str]
) -> Issue | None:
    """Return why a submission is refused, by the first entry that is; None when it is not."""
    if decision is None or decision.decision == "permit":
        return None
    refused = [entry for entry in decision.entries.values() if entry.decision != "permit"]
    reason = refused[0].reason if refused else decision.reason
    told = {**values, "reason": str(reason)}
    if basis in STATUTORY:
        rules = ", ".join(rule.id for rule in packaged_configuration().statutory_rules)
        return Issue("error", "release.statute-not-covered", told | {"rules": rules}, rule=str(reason))
    if reason is not Reason.CLASS_NOT_COVERED:
        why = str(reason).lower().replace("_", "-")
        return Issue("error", "release.refused", told | {"why": why}, rule=str(reason))
    indexes = [entry.index for entry in refused if entry.reason is reason] or range(len(entries))
    classes = sorted({_data_class(entries[index]["resource"]) for index in indexes})
    return Issue("error", "release.class-not-covered", told | {"classes": ", ".join(classes)}, rule=str(reason))


def _data_class(resource: Resource) -> str:
    """Return the code of cs:data-class of a resource, else its type."""
    return packaged_configuration().data_classes.of(resource) or str(resource["resourceType"])


def _of_record(record: Record, bundle: Resource) -> Asked:
    entries = [entry for entry in bundle["entry"] if entry["resource"]["resourceType"] not in NOT_OF_PERSONS]
    patients = (entry["fullUrl"] for entry in entries if entry["resource"]["resourceType"] == "Patient")
    return Asked(
        patient=next(patients, ""),
        custodian=_organisation(record["custodian"], record["source_system"]),
        custodian_names=frozenset(),
        resources=entries,
        action="disclose",
        interaction="submit",
    )


def _reader(record: Record, basis: str, requester: Mapping[str, Any]) -> Reader:
    release = record["release"]
    legal_basis = None
    if basis in STATUTORY:
        named = release.get("legal_basis")
        rule = {"system": STATUTORY_RULE, "code": named} if named else None
        legal_basis = rule or _coding("disclosure-basis", basis)
    purpose = _coding("consent-purpose", release.get("purpose", "service-coordination"))
    return Reader(requester, frozenset(), purpose, legal_basis)


def _requesters(recipient: Record, source_system: str, context: Context, at: float) -> Iterator[dict[str, Any]]:
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
        yield from _members(wanted, context, at)


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


def _organisation_id(reference: Mapping[str, Any], context: Context) -> str:
    """Return the business id of an organisation, an OID without `urn:oid:`; persons are not named in the log."""
    organisation = context.look_up(context.reference(reference)) or {}
    identifiers = [reference.get("identifier", {}), *organisation.get("identifier", ())]
    values = (str(each["value"]).removeprefix("urn:oid:") for each in identifiers if each.get("value"))
    return next(values, "organisation")


@dataclass(frozen=True, slots=True)
class _Source:
    source_system: str

    def own_ids(self, type_: str) -> tuple[str, ...]:  # noqa: ARG002 - no record is being made
        """No resources are made here."""
        return ()


def _organisation(organisation: Record, source_system: str) -> dict[str, Any]:
    from adapter.mapping.conversions import CONVERSIONS  # the mapping is large, and a reader of data needs none of it

    (conversion,) = CONVERSIONS["organisation-identifier"]
    return {"identifier": conversion.forward(organisation, _Source(source_system), "")}


def _coding(name: str, code: str) -> dict[str, str]:
    coding = PACKAGED.coding(name, code)
    return {"system": coding["system"], "code": coding["code"]}
