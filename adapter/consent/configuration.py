"""What the rules leave to the installation: codes, types, classes, statutes. Data in `mappings/consent/`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from adapter.consent.instants import ALWAYS, Span, period_span
from adapter.consent.model import Coding, Reason
from adapter.consent.references import Ref, read_literal
from adapter.consent.vocabulary import Labels, Purposes, read_code_tree, read_coding
from adapter.data import data_root, read_yaml
from adapter.types import Resource

RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
CANONICALS = "urn:ietf:rfc:3986"


@dataclass(frozen=True)
class Scopes:
    """Consent.scope (R4): the privacy code, all known ones, and those that count for some purposes only."""

    system: str
    privacy: str
    known: frozenset[str]
    limited: Mapping[str, frozenset[Coding]]


@dataclass(frozen=True)
class BasePolicies:
    """Codes of Consent.policyRule that say what the base is (R12)."""

    system: str
    permit: frozenset[str]
    deny: frozenset[str]


@dataclass(frozen=True)
class Actions:
    """Actions (R23): known codes and what each includes."""

    system: str
    codes: frozenset[str]
    includes: Mapping[str, frozenset[str]]

    def permitting(self, requested: str) -> frozenset[str]:
        """Return the permitted actions that cover the requested one."""
        return frozenset({requested, *(wide for wide, parts in self.includes.items() if requested in parts)})

    def refusing(self, requested: str) -> frozenset[str]:
        """Return the refused actions that stop the requested one."""
        return frozenset({requested, *self.includes.get(requested, ())})


@dataclass(frozen=True)
class ConsentType:
    """What a type of our consents asks of its permits (BR-055, BR-060, BR-072)."""

    code: str
    written: bool
    purposes: frozenset[Coding]


@dataclass(frozen=True)
class ConsentTypes:
    """The types of our own consents, by code; an unknown code gets the strictest reading."""

    system: str
    form_extension: str
    types: Mapping[str, ConsentType]

    def of(self, code: str) -> ConsentType:
        """Return a type; an unknown one opens nothing."""
        return self.types.get(code) or ConsentType(code, written=True, purposes=frozenset())


@dataclass(frozen=True)
class DataClasses:
    """Data classes and the canonicals of the profiles that stand for each; labels of the extra ones."""

    profiles: Mapping[str, tuple[str, ...]]
    classes: Mapping[str, str]
    labels: Mapping[Coding, str]

    def of(self, resource: Resource) -> str:
        """Return the class of a resource: by its label, else by its profile; empty when it has none."""
        meta = resource.get("meta", {})
        if "security" in meta:
            marks = {(each.get("system"), each.get("code")) for each in meta["security"]}
            for coding, code in self.labels.items():
                if coding in marks:
                    return code
        return next((self.classes[one] for one in meta.get("profile", ()) if one in self.classes), "")


@dataclass(frozen=True)
class StatutoryRule:
    """A right to data by statute (R31)."""

    id: str
    claims: frozenset[Coding]
    statute: str
    valid: Span
    recipients: frozenset[Ref]
    recipient_types: frozenset[Coding]
    actions: frozenset[str]
    purposes: frozenset[Coding]
    classes: frozenset[str]


@dataclass(frozen=True)
class ClientPaths:
    """Where one resource type names its client (R3); see `clients.yaml`."""

    at: tuple[str, ...] = ()
    among: tuple[str, ...] = ()
    through: tuple[str, ...] = ()


@dataclass(frozen=True)
class OutwardReasons:
    """What requesters may be told (R33): reasons with their HTTP status, and what all others become."""

    named: Mapping[Reason, int]
    named_for_members: Mapping[Reason, int]
    otherwise: str
    status: int
    member_status: int


@dataclass(frozen=True, eq=False)
class Configuration:
    """Everything that a decision needs beside consents, context and request; compared by identity."""

    zone: tzinfo
    own_bases: tuple[str, ...]
    deepest: int
    scopes: Scopes
    national_permissions: frozenset[str]
    policies: BasePolicies
    actions: Actions
    purposes: Purposes
    labels: Labels
    recipient_roles: frozenset[Coding]
    signing_relationships: frozenset[Coding]
    types: ConsentTypes
    data_classes: DataClasses
    statutory_rules: tuple[StatutoryRule, ...]
    clients: Mapping[str, ClientPaths]
    outward: OutwardReasons

    def on_server(self, *bases: str) -> Configuration:
        """Return the same configuration with these base URLs as our own; the same object for the same bases."""
        return _on_server(self, tuple(base.rstrip("/") for base in bases))


@lru_cache(maxsize=64)
def _on_server(configuration: Configuration, own_bases: tuple[str, ...]) -> Configuration:
    return replace(configuration, own_bases=own_bases)


@cache
def packaged_configuration() -> Configuration:
    """Return the configuration of `mappings/consent/`."""
    files = {path.stem: read_yaml(path) for path in (data_root() / "mappings" / "consent").glob("*.yaml")}
    reading, purposes, labels = files["reading"], files["purposes"], files["labels"]
    zone = ZoneInfo(reading["timezone"])
    own_bases = tuple(base.rstrip("/") for base in reading["serverBases"])
    statutes = files["statutory-rules"]
    return Configuration(
        zone=zone,
        own_bases=own_bases,
        deepest=int(reading["maxNestedLevels"]),
        scopes=_scopes(reading["scope"]),
        national_permissions=frozenset(reading["nationalPermissions"]),
        policies=BasePolicies(
            reading["policyRule"]["system"],
            frozenset(reading["policyRule"]["permit"]),
            frozenset(reading["policyRule"]["deny"]),
        ),
        actions=read_actions(reading["actions"]),
        purposes=Purposes(read_code_tree(purposes["systems"]), read_codings(purposes["neverImplied"])),
        labels=_labels(labels),
        recipient_roles=read_codings(reading["recipientRoles"]),
        signing_relationships=read_codings(reading["signingRelationships"]),
        types=_types(files["consent-types"]),
        data_classes=_data_classes(files["data-classes"]),
        statutory_rules=tuple(
            read_statutory_rule(rule, zone, own_bases, "", statutes["idSystem"]) for rule in statutes["rules"]
        ),
        clients={
            kind: ClientPaths(**{name: tuple(paths) for name, paths in entry.items()})
            for kind, entry in files["clients"]["types"].items()
        },
        outward=_outward(files["outward"]),
    )


def read_codings(values: Iterable[Mapping[str, str]]) -> frozenset[Coding]:
    """Read a list of `{system, code}`."""
    return frozenset(Coding(value["system"], value["code"]) for value in values)


def read_actions(part: Mapping[str, Any]) -> Actions:
    """Read `{system, codes, includes}`; correcting includes accessing unless told otherwise (R23)."""
    includes = part.get("includes", {"correct": ["access"]})
    return Actions(
        part["system"],
        frozenset(part["codes"]),
        {wide: frozenset(parts) for wide, parts in includes.items()},
    )


def read_statutory_rule(
    rule: Mapping[str, Any], zone: tzinfo, own_bases: tuple[str, ...], purpose_system: str, id_system: str = ""
) -> StatutoryRule:
    """Read one rule; a purpose without a system is of `purpose_system`, a class is a type or a canonical.

    Raises:
        ValueError: a date of validity is no date, or the claim has no system or code.
    """
    claim = read_coding(rule["legalBasis"])
    bounds = {"start": rule.get("validFrom"), "end": rule.get("validTo")}
    valid = period_span({name: value for name, value in bounds.items() if value}, zone)
    if claim is None or valid is None:
        raise ValueError(f"statutory rule {rule['id']}: legalBasis or validity cannot be read")
    return StatutoryRule(
        id=rule["id"],
        claims=frozenset({claim, Coding(id_system, rule["id"])} if id_system else {claim}),
        statute=rule.get("statute", rule.get("note", "")),
        valid=valid if any(bounds.values()) else ALWAYS,
        recipients=frozenset(read_literal(text, own_bases) for text in rule.get("recipients", ())),
        recipient_types=read_codings(rule.get("recipientTypes", ())),
        actions=frozenset(rule["actions"]),
        purposes=frozenset(
            Coding(purpose_system, purpose) if isinstance(purpose, str) else Coding(**purpose)
            for purpose in rule["purposes"]
        ),
        classes=frozenset(rule["classes"]),
    )


def _scopes(part: Mapping[str, Any]) -> Scopes:
    limited = {code: read_codings(purposes) for code, purposes in part["limited"].items()}
    return Scopes(part["system"], part["privacy"], frozenset(part["known"]), limited)


def _labels(part: Mapping[str, Any]) -> Labels:
    return Labels(
        confidentiality_system=part["confidentiality"]["system"],
        confidentiality_order=tuple(part["confidentiality"]["lowToHigh"]),
        sensitivities=read_code_tree(part["sensitivities"]),
        neutral=frozenset(part["neutralSystems"]),
        handling=read_codings(part["handling"]),
        purpose_system=part["purpose"]["system"],
        no_purpose=read_codings(part["purpose"]["unlimited"]),
    )


def _types(part: Mapping[str, Any]) -> ConsentTypes:
    system = part["purposeSystem"]
    types = {
        code: ConsentType(
            code, entry["form"] == "written", frozenset(Coding(system, purpose) for purpose in entry["purposes"])
        )
        for code, entry in part["types"].items()
    }
    return ConsentTypes(part["system"], part["formExtension"], types)


def _outward(part: Mapping[str, Any]) -> OutwardReasons:
    members, otherwise = part["namedOnlyForCurrentTeamMembers"], part["otherwise"]
    return OutwardReasons(
        named={Reason(name): int(status) for name, status in part["named"].items()},
        named_for_members={Reason(name): int(status) for name, status in members.items()},
        otherwise=otherwise["reason"],
        status=int(otherwise["status"]),
        member_status=int(otherwise["statusForCurrentTeamMembers"]),
    )


def _data_classes(part: Mapping[str, Any]) -> DataClasses:
    root = part["canonicalRoot"]
    profiles = {code: tuple(root + name for name in entry["profiles"]) for code, entry in part["classes"].items()}
    labels = {Coding(**entry["label"]): code for code, entry in part["classes"].items() if "label" in entry}
    classes: dict[str, str] = {}
    for code, canonicals in profiles.items():
        for canonical in canonicals:
            if canonical in classes:
                raise ValueError(f"profile {canonical} stands for two data classes")
            classes[canonical] = code
    return DataClasses(profiles, classes, labels)
