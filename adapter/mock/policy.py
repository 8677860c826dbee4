"""What a repository allows, as a file: types, interactions, profiles, formats, sizes, conditions.

Packaged policies stand in `mappings/mock-policies/*.yaml`; a tester writes another for another repository. The
CapabilityStatement is derived from the policy, so the two cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from adapter.data import DataFileError, data_root, parse_yaml_with_places, read_yaml
from adapter.mock.definitions import parameters, resource_types
from adapter.mock.policy_rules import PolicyRule, read_rules

TYPE_INTERACTIONS = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
SYSTEM_INTERACTIONS = ("transaction", "batch", "search-system", "history-system")
OPERATIONS = ("validate", "everything", "get-persons-documents")


@dataclass(frozen=True, slots=True)
class TypeRules:
    """What is allowed on one resource type.

    Attributes:
        profiles: one of these has to be claimed where the policy demands profiles; empty means any or none.
        search: parameters that a search may use, `_count` and the like aside; empty means every one.
        search_needs: parameters that every search must use, modifier included (`patient:identifier`).
    """

    interactions: frozenset[str] = frozenset(TYPE_INTERACTIONS)
    profiles: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    search_needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """One repository's rules.

    Attributes:
        name: shown in the CapabilityStatement and in refusals.
        types: rules by resource type.
        inside_bundles_only: resources arrive only in a transaction or batch, never by themselves.
        formats: `json`, `xml`.
        system: allowed system interactions.
        operations: allowed operations, without `$`.
        search_by: `get`, `post`.
        conditional_create, conditional_update: allowed or not.
        conditional_delete: `not-supported`, `single` or `multiple`.
        update_create: PUT to an unused id creates it.
        if_match: `optional` or `required` for update and patch.
        profile_required: `meta.profile` must name one of the type's profiles.
        definitions: files, folders or packages with more profiles.
        bundle_entries, body_bytes: limits; 0 means none.
        patient_parameter_required: a search must say whose data it wants.
        identifier_resolves: `patient:identifier` finds literal references too, not only logical ones as R4 has it.
        requests_per_minute: of one client; more are answered 429 with Retry-After; 0 means no limit.
        request_id: whether `X-Request-Id` is `optional`, `required`, or `unique`.
        provenance_for: types that need a Provenance in the same transaction, so they never come alone.
        signed: types whose transaction must be signed.
        signature_algorithms: JWS algorithms that count; empty means all that are known.
        rules: what FHIR and its profiles do not say, in FHIRPath.
        consent_enforced: reads by another organisation go through the consent engine.
        audited: every request is written to a hash-chained log before it is answered.
        correlation_ids: own `X-Request-Id`; the caller's comes back as `X-Correlation-Id`.
        empty_unauthorised, empty_unreadable: 401, and 400 for an unreadable body, have no body.
        statuses: status of FHIR to the one that this repository answers instead.
        outcome_system, outcome_codes: national codes of refusals by message key, rule or status of FHIR.
        outcome_issue: FHIR issue type of every refusal; empty means each its own.
        outcome_text: where the sentence stands, `details` or `diagnostics`.
        dialect: deviations of other servers, see `mappings/mock-policies/README.md`.
    """

    name: str
    types: dict[str, TypeRules]
    inside_bundles_only: bool = False
    formats: tuple[str, ...] = ("json", "xml")
    system: frozenset[str] = frozenset(SYSTEM_INTERACTIONS)
    operations: frozenset[str] = frozenset(("validate", "everything"))
    search_by: frozenset[str] = frozenset(("get", "post"))
    conditional_create: bool = True
    conditional_update: bool = True
    conditional_delete: str = "multiple"
    update_create: bool = True
    if_match: str = "optional"
    profile_required: bool = False
    definitions: tuple[str, ...] = ()
    bundle_entries: int = 0
    body_bytes: int = 10_000_000
    patient_parameter_required: bool = False
    identifier_resolves: bool = False
    requests_per_minute: int = 0
    request_id: str = "optional"
    provenance_for: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()
    signature_algorithms: tuple[str, ...] = ()
    rules: tuple[PolicyRule, ...] = ()
    consent_enforced: bool = False
    audited: bool = False
    correlation_ids: bool = False
    empty_unauthorised: bool = False
    empty_unreadable: bool = False
    statuses: dict[str, str] = field(default_factory=dict)
    outcome_issue: str = ""
    outcome_text: str = "details"
    outcome_system: str = ""
    outcome_codes: dict[str, str] = field(default_factory=dict)
    dialect: dict[str, str] = field(default_factory=dict)

    @property
    def without_conditions(self) -> frozenset[str]:
        """Interactions whose conditional form is not offered."""
        offered = {
            "create": self.conditional_create,
            "update": self.conditional_update,
            "patch": self.conditional_update,
            "delete": self.conditional_delete != "not-supported",
        }
        return frozenset(name for name, is_offered in offered.items() if not is_offered)

    def allows(self, resource_type: str, interaction: str) -> bool:
        """True when the interaction is allowed on the type."""
        rules = self.types.get(resource_type)
        return rules is not None and interaction in rules.interactions


TYPE_DEFAULTS = ("interactions", "profiles", "search", "search-needs")
_CHOICES = {
    "conditional_delete": ("not-supported", "single", "multiple"),
    "if_match": ("optional", "required"),
    "outcome_text": ("details", "diagnostics"),
    "request_id": ("optional", "required", "unique"),
}


def load_policy(name: str) -> Policy:
    """Return a packaged policy by name, or one from a file.

    Raises:
        DataFileError: the file does not exist or says something that is not known.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = data_root() / "mappings" / "mock-policies" / f"{name}.yaml"
    if not path.is_file():
        raise DataFileError(path, 1, "there is no such policy")
    return _policy(read_yaml(path), path)


def parse_policy(text: str, path: Path | str) -> Policy:
    """Return the policy that the text of a policy file describes; `path` only names it in errors.

    Raises:
        DataFileError: it says something that is not known.
    """
    data, _ = parse_yaml_with_places(text, path)
    if not isinstance(data, dict):
        raise DataFileError(path, 1, "a policy is a mapping")
    return _policy(data, Path(path))


def _policy(data: dict[str, Any], path: Path) -> Policy:
    known = {one.name: one for one in fields(Policy)}
    values: dict[str, Any] = {"name": path.stem}
    for key, value in data.items():
        if key in (*TYPE_DEFAULTS, "constants"):
            continue
        name = key.replace("-", "_")
        if name not in known:
            raise DataFileError(path, 1, f"unknown key '{key}', known are {', '.join(sorted(known))}")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise DataFileError(path, 1, f"'{key}' must be one of {', '.join(_CHOICES[name])}")
        values[name] = _value(str(known[name].type), key, value, path)
    values["types"] = _types(data, path)
    values["rules"] = read_rules(values["name"], data.get("rules", {}), data.get("constants", {}), path)
    codes = {one.id: one.code for one in values["rules"] if one.code}
    values["outcome_codes"] = codes | values.get("outcome_codes", {})
    _among(values.get("search_by", ()), ("get", "post"), "search-by", path)
    _among(values.get("system", ()), SYSTEM_INTERACTIONS, "system", path)
    _among(values.get("operations", ()), OPERATIONS, "operations", path)
    _among(values.get("formats", ()), ("json", "xml"), "formats", path)
    return Policy(**values)


def _value(kind: str, key: str, value: Any, path: Path) -> Any:
    if kind == "bool":
        if value not in ("yes", "no"):
            raise DataFileError(path, 1, f"'{key}' must be yes or no")
        return value == "yes"
    if kind == "int":
        if not (isinstance(value, str) and value.isdigit()):
            raise DataFileError(path, 1, f"'{key}' must be a number")
        return int(value)
    if kind.startswith("frozenset"):
        return frozenset(value)
    return tuple(value) if kind.startswith("tuple") else value


def _types(data: dict[str, Any], path: Path) -> dict[str, TypeRules]:
    """The rules of each type; what a type does not say is said once for all at the top."""
    defaults = {name: data[name] for name in TYPE_DEFAULTS if name in data}
    named = data.get("types", "all")
    rules = {}
    for name, entry in (dict.fromkeys(sorted(resource_types())) if named == "all" else named).items():
        if name not in resource_types():
            raise DataFileError(path, 1, f"'{name}' is no R4 resource type")
        given = defaults | (entry or {})
        if unknown := sorted(set(given) - set(TYPE_DEFAULTS)):
            raise DataFileError(path, 1, f"unknown key '{unknown[0]}' of {name}")
        interactions = given.get("interactions", TYPE_INTERACTIONS)
        _among(interactions, TYPE_INTERACTIONS, f"types.{name}.interactions", path)
        wanted = {one.replace("-", "_"): tuple(given.get(one, ())) for one in TYPE_DEFAULTS[1:]}
        for one in (*wanted["search"], *wanted["search_needs"]):
            _among([one.partition(":")[0]], tuple(parameters(name)), f"types.{name}.search", path)
        rules[name] = TypeRules(frozenset(interactions), **wanted)
    return rules


def _among(values: Any, allowed: tuple[str, ...], key: str, path: Path) -> None:
    for value in values:
        if value not in allowed:
            raise DataFileError(path, 1, f"'{key}': '{value}' is not one of {', '.join(allowed)}")
