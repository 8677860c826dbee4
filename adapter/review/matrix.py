"""Who may see what: team members and other recipients against data classes, every cell decided by the engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

from adapter.audit.words import day
from adapter.consent import Consents, Decision, Reason, decide, packaged_configuration, read_consents
from adapter.review.files import ClientFile
from adapter.review.resources import actors, class_of, coded
from adapter.terminology import code_system
from adapter.types import CANONICAL_ROOT, Resource

Word = Literal["permit", "partial", "deny", "own"]
PURPOSES = f"{CANONICAL_ROOT}/CodeSystem/consent-purpose"
ACTIONS = ("disclose", "access", "use")
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
NEAREST = {reason: position for position, reason in enumerate(Reason)}


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who may come to see data.

    Attributes:
        key: opaque, the same for the same recipient; safe in a URL.
        name: of the person, or of the organisation itself.
        role: in the team, as text; empty for an organisation named in a consent.
        team: name of the team; empty for a recipient whom a consent names.
        requester: as in `adapter.consent.request`.
    """

    key: str
    name: str
    organisation: str
    role: str
    team: str
    period: tuple[str, str]
    requester: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine says of one resource for one purpose."""

    purpose: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the matrix.

    Attributes:
        word: `own` when the recipient is the controller of the data itself.
        purposes: codes of the purposes for which something may be seen.
        reason: why not, when nothing may be seen.
        example: nothing of the class is on file; an example of the class was decided about.
    """

    word: Word
    purposes: tuple[str, ...]
    reason: str
    example: bool


class Access:
    """The questions to the engine about one client's file at one instant.

    Args:
        file: the client's file as it was at that instant (`ClientFile.at`).
        moment: UTC seconds.
        withdrawn: opaque ids of consents that are to be taken as withdrawn.
        drafts: consents that nobody has given, to be taken as given.
    """

    def __init__(
        self, file: ClientFile, moment: float, *, withdrawn: Iterable[str] = (), drafts: Iterable[Resource] = ()
    ) -> None:
        self.file = file
        self.moment = moment
        gone = frozenset(withdrawn)
        self._shown = (*(consent for _, consent in file.consents), *drafts)
        self.documents = (
            *({**one, "status": "inactive"} if kept.id in gone else one for kept, one in file.all_consents),
            *drafts,
        )

    @cached_property
    def consents(self) -> Consents:
        """The consents, read once."""
        return read_consents(self.documents)

    @cached_property
    def recipients(self) -> tuple[Recipient, ...]:
        """Team members first, then everybody else whom a consent names; each once."""
        found: dict[str, Recipient] = {}
        for one in (*self._members(), *self._named()):
            found.setdefault(one.key, one)
        return tuple(found.values())

    @cached_property
    def purposes(self) -> tuple[str, ...]:
        """Codes of the purposes that some consent names; without one a permit cannot come about."""
        named = (coding for consent in self._shown for coding in consent.get("provision", {}).get("purpose", ()))
        found = dict.fromkeys(str(each["code"]) for each in named if each.get("system") == PURPOSES)
        return tuple(found) or ("service-coordination",)

    def answers(self, recipient: Recipient, data_class: str, purposes: Sequence[str], action: str) -> list[Answer]:
        """Ask about every resource of a class for every purpose."""
        return [
            Answer(purpose, self._decide(recipient, resource, custodian, purpose, action))
            for resource, custodian in self.data[data_class]
            for purpose in purposes
            if not self._is_own(recipient, custodian)
        ]

    def cell(self, recipient: Recipient, data_class: str, purposes: Sequence[str], action: str) -> Cell:
        """Sum up a class: may be seen, in part, or not."""
        answers = self.answers(recipient, data_class, purposes, action)
        example = data_class not in self._on_file
        if not answers:
            return Cell("own", (), "", example)
        by_purpose = {
            purpose: [each.decision.decision for each in answers if each.purpose == purpose] for purpose in purposes
        }
        open_for = tuple(purpose for purpose, words in by_purpose.items() if set(words) != {"deny"})
        if not open_for:
            reasons = {each.decision.reason for each in answers}
            refused = Reason.EXPLICIT_DENY in reasons
            reason = Reason.EXPLICIT_DENY if refused else max(reasons, key=NEAREST.__getitem__)
            return Cell("deny", (), str(reason), example)
        whole = any(set(words) == {"permit"} for words in by_purpose.values())
        return Cell("permit" if whole else "partial", open_for, "", example)

    @cached_property
    def data(self) -> dict[str, list[tuple[Resource, dict[str, Any]]]]:
        """Return resources and their controller by data class; an example where nothing is on file."""
        controller = next((one.controller for one in self.file.kept), {})
        return {
            code: self._on_file.get(code) or [(_example(code, self.file.address), controller)]
            for code in code_system("data-class").codes
        }

    @cached_property
    def _on_file(self) -> dict[str, list[tuple[Resource, dict[str, Any]]]]:
        found: dict[str, list[tuple[Resource, dict[str, Any]]]] = {}
        for kept in self.file.kept:
            custodian = kept.controller
            for entry in kept.bundle["entry"]:
                data_class = class_of(entry["resource"])
                if data_class:
                    found.setdefault(data_class, []).append((entry["resource"], custodian))
        return found

    def _decide(
        self, recipient: Recipient, resource: Resource, custodian: dict[str, Any], purpose: str, action: str
    ) -> Decision:
        request = {
            "time": datetime.fromtimestamp(self.moment, UTC).isoformat(),
            "requester": recipient.requester,
            "purpose": {"system": PURPOSES, "code": purpose},
            "action": action,
            "patient": {"reference": self.file.address},
            "custodian": custodian,
            "resource": resource,
            "interaction": "read",
        }
        return decide(self.consents, request, context=self.file.context)

    def _is_own(self, recipient: Recipient, custodian: dict[str, Any]) -> bool:
        around = self.file.context
        controller = around.look_up(around.reference(custodian))
        asking = around.look_up(around.reference(recipient.requester["organization"]))
        return controller is not None and asking is controller

    def _members(self) -> Iterator[Recipient]:
        around = self.file.context
        for kept in self.file.kept:
            for team in kept.of_type("CareTeam"):
                for participant in team.get("participant", ()):
                    member = around.look_up(around.reference(participant.get("member")))
                    if member is None or member["resourceType"] not in ("PractitionerRole", "Organization"):
                        continue
                    yield self._member(team, participant, member)

    def _member(self, team: Resource, participant: Resource, member: Resource) -> Recipient:
        requester: dict[str, Any] = {"organization": participant["member"]}
        if member["resourceType"] == "PractitionerRole":
            requester = {"organization": member.get("organization", {}), "practitionerRole": participant["member"]}
            if "practitioner" in member:
                requester["practitioner"] = member["practitioner"]
        organisation = self._name(requester["organization"])
        roles = (role["coding"][0].get("display", "") for role in participant.get("role", ()) if role.get("coding"))
        period = participant.get("period", {})
        return Recipient(
            _key(requester),
            self._name(member.get("practitioner")) or organisation,
            organisation,
            next((str(role) for role in roles if role), ""),
            str(team.get("name", "")),
            (str(period.get("start", "")), str(period.get("end", ""))),
            requester,
        )

    def _named(self) -> Iterator[Recipient]:
        for consent in self._shown:
            for reference in actors(consent.get("provision", {})):
                resource = self.file.context.look_up(self.file.context.reference(reference))
                kind = resource["resourceType"] if resource else reference.get("type", "")
                if kind == "Organization":
                    requester = {"organization": reference}
                    name = self._name(reference)
                    yield Recipient(_key(requester), name, name, "", "", ("", ""), requester)

    def _name(self, reference: Any) -> str:
        return name_of(self.file, reference)


def name_of(file: ClientFile, reference: Any) -> str:
    """Return the name of whom a reference names; empty when it is not known."""
    found = file.context.look_up(file.context.reference(reference)) if reference else None
    if found is None:
        return str((reference or {}).get("display", ""))
    if found["resourceType"] == "PractitionerRole":
        return name_of(file, found.get("practitioner")) or name_of(file, found.get("organization"))
    name = found.get("name", "")
    return str(name[0].get("text", "") if isinstance(name, list) and name else name or "")


def _example(data_class: str, patient: str) -> Resource:
    """Make a resource that says nothing but its class, for a class of which nothing is on file."""
    classes = packaged_configuration().data_classes
    profiles = classes.profiles[data_class]
    profile = next((each for each in profiles if "-observation-" in each), profiles[0])
    labels = [{"system": each.system, "code": each.code} for each, code in classes.labels.items() if code == data_class]
    return {
        "resourceType": "Condition" if profile.endswith("-condition") else "Observation",
        "meta": {
            "profile": [profile],
            "security": [{"system": CONFIDENTIALITY, "code": "R" if labels else "N"}, *labels],
        },
        "subject": {"reference": patient},
    }


def _key(requester: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(requester, sort_keys=True).encode(), digest_size=8).hexdigest()


def consent_title(consent: Resource, language: str) -> str:
    """Return what a consent is called for people: its type and the day when it was given."""
    codes = [coded(category, "consent-type") for category in consent.get("category", ())]
    code = next((each for each in codes if each), "")
    name = code_system("consent-type").display(code, language) if code else "Consent"
    return f"{name} {day(str(consent.get('dateTime', '')))}".strip()
