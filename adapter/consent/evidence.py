"""Whether a Consent's permits count at all (R11): evidence, verification, who agreed, whose data."""

from __future__ import annotations

from typing import Any, NamedTuple

from adapter.consent.configuration import Configuration, ConsentType
from adapter.consent.context import Context, Party
from adapter.consent.instants import Span, period_span
from adapter.consent.model import YES, Reason
from adapter.consent.question import Question
from adapter.consent.references import Ref, read_reference
from adapter.consent.vocabulary import read_coding
from adapter.types import Resource


class Evidence(NamedTuple):
    """What one Consent says for itself.

    Attributes:
        verified: it has a source fit for its type and no failed verification.
        performers: who agreed.
        organizations: controllers whose data it frees; empty = not limited.
        signed: the days that `Consent.dateTime` may stand for, first and last; None when not known.
    """

    verified: bool
    performers: tuple[Ref, ...]
    organizations: tuple[Ref, ...]
    signed: tuple[Span, Span] | None

    def objection(self, question: Question) -> Reason | None:
        """Return why the permits do not count for this question; None when they do."""
        if not self.verified:
            return Reason.CONSENT_UNVERIFIED
        asking, client = question.asking, question.client
        for ref in self.performers:
            if client.matches(ref) is YES:
                break
            if self._may_represent(ref, client, asking.context, asking.configuration):
                break
        else:
            return Reason.PERFORMER_NOT_AUTHORISED
        custodian = asking.request.custodian
        for ref in self.organizations:
            if custodian is not None and custodian.matches(ref) is YES:
                return None
        return Reason.CUSTODIAN_NOT_COVERED if self.organizations else None

    def _may_represent(self, ref: Ref, client: Party, context: Context, configuration: Configuration) -> bool:
        """Tell whether this is a legal representative of the client on the day of signing."""
        person = context.look_up(ref)
        if person is None or person.get("resourceType") != "RelatedPerson" or self.signed is None:
            return False
        period = person.get("period", {})
        in_force = period_span(period, configuration.zone) if isinstance(period, dict) else None
        return (
            in_force is not None
            and all(in_force.touches(day) for day in self.signed)
            and person.get("active", True) is True
            and client.matches(context.reference(person.get("patient"))) is YES
            and not _relationships(person).isdisjoint(configuration.signing_relationships)
        )


def read_evidence(
    consent: Resource,
    signed: tuple[Span, Span] | None,
    types: tuple[ConsentType, ...],
    configuration: Configuration,
) -> Evidence:
    """Read the evidence of a structurally sound Consent; `signed` are the days it may have been signed on."""
    own = configuration.own_bases
    refused = any(entry["verified"] is False for entry in consent.get("verification", []))
    return Evidence(
        verified=not refused and _has_source(consent, types, configuration),
        performers=tuple(read_reference(value, own) for value in consent.get("performer", [])),
        organizations=tuple(read_reference(value, own) for value in consent.get("organization", [])),
        signed=signed,
    )


def _has_source(consent: Resource, types: tuple[ConsentType, ...], configuration: Configuration) -> bool:
    """Tell whether the source fits the form: an oral permission needs a document, and a type that allows it."""
    if _is_oral(consent, configuration.types.form_extension):
        return "sourceReference" in consent and not any(kind.written for kind in types)
    return "sourceReference" in consent or "sourceAttachment" in consent


def _is_oral(consent: Resource, form_extension: str) -> bool:
    """Tell whether `consent-form` says anything but written or electronically signed."""
    return any(
        extension["url"] == form_extension and extension.get("valueCode") not in ("written", "electronic-signed")
        for extension in consent.get("extension", [])
    )


def _relationships(person: Resource) -> set[Any]:
    concepts = person.get("relationship", [])
    codings: list[Any] = []
    for concept in concepts if isinstance(concepts, list) else []:
        found = concept.get("coding") if isinstance(concept, dict) else None
        codings += found if isinstance(found, list) else []
    return set(map(read_coding, codings))
