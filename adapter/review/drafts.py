"""A consent that nobody has given yet, so that the engine can say what it would open. It is never stored or sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from starlette.datastructures import QueryParams

from adapter.consent import packaged_configuration
from adapter.review.matrix import ACTIONS, PURPOSES, Access
from adapter.terminology import code_system
from adapter.types import CANONICAL_ROOT, Resource

YEAR = timedelta(days=365)
RECIPIENT = {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}
SCOPE = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
POLICY = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}
DISCLOSURE = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IDSCL"}
TYPE = {"system": f"{CANONICAL_ROOT}/CodeSystem/consent-type", "code": "team-information-sharing"}
ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"


@dataclass(frozen=True, slots=True)
class Draft:
    """What the form asks: to whom, what, what for.

    Attributes:
        recipients: keys of recipients; classes, purposes: codes.
        refused: classes that it refuses to everybody in spite of everything.
    """

    recipients: tuple[str, ...]
    classes: tuple[str, ...]
    purposes: tuple[str, ...]
    refused: tuple[str, ...]

    @classmethod
    def of(cls, asked: QueryParams, access: Access) -> Draft | None:
        """Read the form; None before anything was chosen."""
        known = {one.key for one in access.recipients}
        recipients = tuple(each for each in asked.getlist("recipient") if each in known)
        classes = tuple(each for each in asked.getlist("class") if each in access.data)
        refused = tuple(each for each in asked.getlist("refused") if each in access.data)
        purposes = tuple(each for each in asked.getlist("purpose") if each in code_system("consent-purpose").codes)
        draft = cls(recipients, classes, purposes, refused)
        return draft if (recipients and classes and purposes) or refused else None


def draft_consent(draft: Draft, access: Access, start: date) -> Resource:
    """Return the draft as the Consent that our mapping would write, given by the client on `start` for a year."""
    client = {"type": "Patient", "reference": access.file.address}
    day = start.isoformat()
    return {
        "resourceType": "Consent",
        "id": "draft",
        "meta": {"versionId": "1", "lastUpdated": f"{day}T00:00:00Z"},
        "status": "active",
        "scope": {"coding": [SCOPE]},
        "category": [{"coding": [DISCLOSURE]}, {"coding": [TYPE]}],
        "patient": client,
        "dateTime": day,
        "performer": [client],
        "policyRule": {"coding": [POLICY]},
        "sourceAttachment": {"title": "draft"},
        "extension": [{"url": packaged_configuration().types.form_extension, "valueCode": "written"}],
        "provision": _provision(draft, access, {"start": day, "end": (start + YEAR).isoformat()}),
    }


def _provision(draft: Draft, access: Access, period: Mapping[str, str]) -> Resource:
    """Permit what was chosen and, inside it, refuse what was refused."""
    chosen = [one for one in access.recipients if one.key in draft.recipients]
    labels = {code: label for label, code in packaged_configuration().data_classes.labels.items()}
    opened = draft.classes if draft.purposes and chosen else ()
    root: Resource = {"type": "permit", "period": dict(period), "action": [_action(each) for each in ACTIONS]}
    named = {
        "actor": [{"role": {"coding": [RECIPIENT]}, "reference": _who(one.requester)} for one in chosen],
        "purpose": [{"system": PURPOSES, "code": each} for each in draft.purposes],
        "class": [coding for code in opened for coding in _profiles(code)],
        "provision": [_refusal(code, labels) for code in draft.refused],
    }
    return root | {name: value for name, value in named.items() if value}


def _refusal(code: str, labels: Mapping[str, Any]) -> Resource:
    label = labels.get(code)
    by_label = {"securityLabel": [{"system": label.system, "code": label.code}]} if label else {}
    return {"type": "deny"} | (by_label or {"class": _profiles(code)})


def _profiles(code: str) -> list[dict[str, str]]:
    profiles = packaged_configuration().data_classes.profiles[code]
    return [{"system": "urn:ietf:rfc:3986", "code": profile} for profile in profiles]


def _who(requester: Mapping[str, Any]) -> Any:
    return requester.get("practitionerRole") or requester["organization"]


def _action(code: str) -> Resource:
    return {"coding": [{"system": ACTION, "code": code}]}
