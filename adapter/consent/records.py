"""One version of one Consent, read: does it count, for whom, since when, and with which rules (R4 – R9)."""

from __future__ import annotations

from datetime import tzinfo
from functools import cached_property
from math import inf
from typing import Any, NamedTuple

from adapter.consent.configuration import Configuration, ConsentType, Scopes
from adapter.consent.evidence import Evidence, read_evidence
from adapter.consent.instants import ALWAYS, Span, instant, local_day, period_span, span
from adapter.consent.model import DecidedBy, Reason
from adapter.consent.provisions import Frame, Provision, compile_provisions
from adapter.consent.references import Ref, Token, identifier_token, read_literal, read_reference, resource_key
from adapter.consent.structure import StructureCheck, flaw
from adapter.consent.vocabulary import read_coding
from adapter.types import Resource

_ID = "id on this server"
_WITHOUT_EFFECT = {
    "draft": Reason.CONSENT_NOT_AGREED,
    "proposed": Reason.CONSENT_NOT_AGREED,
    "rejected": Reason.CONSENT_REJECTED,
    "inactive": Reason.CONSENT_INACTIVE,
    "entered-in-error": Reason.CONSENT_ENTERED_IN_ERROR,
}


class Rules(NamedTuple):
    """What an active, readable privacy consent says.

    Attributes:
        in_force: from the start of the root period, or `dateTime` if later, to the end of the root period.
        root: its rules.
        evidence: whether its permits count.
    """

    in_force: Span
    root: Provision
    evidence: Evidence


class Version:
    """One version on file; what is costly to read is read when first needed.

    Attributes:
        document: the Consent as given.
        recorded: `meta.lastUpdated`; None when it is missing or unreadable.
        number: `meta.versionId` when it is a whole number.
        clients: key or identifier of whom it may concern; one, unless `patient` is broken. None for what claims to
            be a national disclosure permission (luovutuslupa): that is never read as a consent here.
        without_effect: why it neither permits nor refuses, by its status (R5); None when it is active, or may be.
        scope: known code of `scope`; empty when it is missing, unknown or contradicts itself (R4).
    """

    def __init__(self, document: Resource, configuration: Configuration, check: StructureCheck) -> None:
        self.document = document
        self.configuration = configuration
        self._check = check
        meta = document.get("meta")
        meta = meta if isinstance(meta, dict) else {}
        recorded, number = meta.get("lastUpdated"), meta.get("versionId")
        self.recorded = instant(recorded) if isinstance(recorded, str) else None
        self.version = number if isinstance(number, str) else ""
        countable = self.version.isascii() and self.version.isdigit() and len(self.version) < 20
        self.number = int(self.version) if countable else None
        national = _claims(meta, configuration.national_permissions)
        patients = [] if national else _patients(document.get("patient"), configuration.own_bases)
        self.clients = frozenset(name for ref in patients if (name := ref.key or ref.identifier))
        status = document.get("status")
        self.without_effect = _WITHOUT_EFFECT.get(status) if isinstance(status, str) else None
        self.scope = _scope(document.get("scope"), configuration.scopes)

    @cached_property
    def name(self) -> str:
        """`Consent/id`, else the business identifier."""
        tokens = [token for token in identities(self.document) if token[0] != _ID]
        return resource_key(self.document) or ("|".join(min(tokens)) if tokens else "Consent")

    def provision(self, path: str) -> DecidedBy:
        """Name one of its provisions."""
        return DecidedBy(self.name, self.version, path)

    def is_older(self, other: Version) -> bool:
        """Tell whether this version is surely older: by `lastUpdated`, then by `versionId` (R6)."""
        if self.recorded is not None and other.recorded is not None and self.recorded != other.recorded:
            return self.recorded < other.recorded
        if self.recorded == other.recorded and self.number is not None and other.number is not None:
            return self.number < other.number
        return False

    @cached_property
    def flaw(self) -> Reason | None:
        """Why an active consent cannot be relied on (R4, R8); None when it can be read."""
        found = flaw(self.document, self._check, self.configuration)
        return found or (None if self.scope else Reason.CONSENT_NOT_UNDERSTOOD)

    @cached_property
    def rules(self) -> Rules:
        """What it says; only for a version without flaw."""
        configuration, document = self.configuration, self.document
        zone = configuration.zone
        made = document.get("dateTime")
        signed = span(made, zone) if made else None
        period = document.get("provision", {}).get("period", {})
        runs = period_span(period, zone) or ALWAYS
        types = _types(document, configuration)
        days = signing_days(signed, zone) if signed else None
        frame = Frame(configuration, days[0].high if days else None, types)
        return Rules(
            in_force=Span(max(runs.low, signed.low if signed else -inf), runs.high),
            root=compile_provisions(document, frame),
            evidence=read_evidence(document, days, types, configuration),
        )


def _claims(meta: dict[str, Any], profiles: frozenset[str]) -> bool:
    """Tell whether a resource claims one of these profiles, whatever version of it."""
    claimed = meta.get("profile")
    return isinstance(claimed, list) and any(
        isinstance(one, str) and one.partition("|")[0] in profiles for one in claimed
    )


def _scope(value: Any, scopes: Scopes) -> str:
    """Return the one known scope code of a CodeableConcept, else an empty text."""
    codings = value.get("coding") if isinstance(value, dict) else None
    found = map(read_coding, codings if isinstance(codings, list) else ())
    codes = {coding.code for coding in found if coding and coding.system == scopes.system} & scopes.known
    return codes.pop() if len(codes) == 1 else ""


def signing_days(signed: Span, zone: tzinfo) -> tuple[Span, Span]:
    """Return the first and the last local day that `Consent.dateTime` may stand for."""
    first = local_day(signed.low, zone)
    return first, first if signed.high <= first.high else local_day(signed.high - 1, zone)


def identities(document: Resource) -> list[Token]:
    """Return what makes two entries versions of one record: business identifiers, and the id (R6)."""
    identifiers = document.get("identifier")
    found: list[Token] = []
    for value in identifiers if isinstance(identifiers, list) else ():
        text = value.get("value") if isinstance(value, dict) else None
        if isinstance(text, str) and text:
            system = value.get("system")
            found.append((system if isinstance(system, str) else "", text))
    name = document.get("id")
    if isinstance(name, str) and name:
        found.append((_ID, name))
    return found


def _patients(value: Any, own_bases: tuple[str, ...]) -> list[Ref]:
    """Read `patient` even when it is broken: a flawed consent must still find its client."""
    if isinstance(value, list):
        return [ref for part in value for ref in _patients(part, own_bases)]
    ref = read_literal(value, own_bases) if isinstance(value, str) else read_reference(value, own_bases)
    if ref.kind in ("foreign", "unreadable") and isinstance(value, dict):
        token = identifier_token(value.get("identifier"))
        return [Ref("identifier", "", "Patient", token)] if token else []
    return [ref]


def _types(document: Resource, configuration: Configuration) -> tuple[ConsentType, ...]:
    """Return the types of ours among the categories."""
    codings = (read_coding(coding) for concept in document.get("category", []) for coding in concept.get("coding", []))
    found = {coding.code for coding in codings if coding and coding.system == configuration.types.system}
    return tuple(configuration.types.of(code) for code in sorted(found))
