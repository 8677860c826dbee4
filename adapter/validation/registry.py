"""All definitions that one validator knows: the R4 core package and what the caller loaded.

Profiles are compiled when first needed and kept. What a loaded profile says that is not understood becomes an
issue that names it (`load_issues`), never a silent pass.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from adapter.data import data_root
from adapter.fhir.definitions import CORE, is_subtype, is_type
from adapter.fhir.terminology import Terminology
from adapter.types import Issue
from adapter.validation.accepted import Accepted
from adapter.validation.bindings import holds_code
from adapter.validation.fhirpath import FhirPathError
from adapter.validation.findings import Finding, Findings, has_errors, joined
from adapter.validation.profile import Profile
from adapter.validation.run import Run
from adapter.validation.structure import Check, check_of
from adapter.validation.sure_shapes import SureShapes

R4 = "4.0.1"

MOST_UNKNOWN, LONGEST_UNKNOWN = 4096, 256
"""How many canonicals, and of what length, are remembered as unknown: documents may name any number of them."""


@dataclass(frozen=True, slots=True)
class ExtensionDefinition:
    """An extension's profile, whether it modifies, and its contexts.

    Attributes:
        contexts: `element Patient.name`, …, and `places`: the same for people.
        anywhere: True when it may stand on any element.
    """

    profile: Profile
    is_modifier: bool
    contexts: tuple[str, ...]
    places: str
    anywhere: bool


class Registry:
    """Looks up profiles, extensions and value sets by canonical.

    Args:
        resources: conformance resources that the caller adds; they win over the core package's.
        accepted: elements where codes of our own are no news, see `ValidationSettings`.
    """

    def __init__(self, resources: Iterable[dict[str, Any]] = (), accepted: frozenset[str] = frozenset()) -> None:
        added = list(resources)
        self._structures: dict[str, list[dict[str, Any]]] = {}
        for resource in added:
            if resource.get("resourceType") == "StructureDefinition" and isinstance(resource.get("url"), str):
                self._structures.setdefault(resource["url"], []).append(resource)
        self.terminology = Terminology(added)
        self.accepted = Accepted(accepted)
        self._unknown: set[str] = set()
        self._profiles: dict[str, Profile] = {}
        self._extensions: dict[str, ExtensionDefinition] = {}
        self.sure_shapes = SureShapes(self)

    def structure(self, canonical: str) -> dict[str, Any] | None:
        """Return the StructureDefinition of a canonical, the latest loaded one when no version is asked for."""
        url, _, version = canonical.partition("|")
        found: dict[str, Any] | None = None
        for definition in self._structures.get(url, ()):
            own = str(definition.get("version", ""))
            if not version or own == version or own.startswith(f"{version}."):
                found = definition
        return found or (_core_structures().get(url) if version in ("", R4) else None)

    def is_base(self, canonical: str) -> bool:
        """True for a type of R4 itself."""
        url, _, version = canonical.partition("|")
        if ("/" in url or ":" in url) and not url.startswith(CORE):
            return False
        name = url.removeprefix(CORE)
        return is_type(name) and version in ("", R4) and url not in self._structures

    def knows(self, canonical: str) -> bool:
        """True when the profile can be checked."""
        return self.profile(canonical.partition("#")[0]) is not None

    def type_of(self, canonical: str) -> str:
        """Return the type that a profile constrains, or empty."""
        found = self.profile(canonical.partition("#")[0])
        return found.type_name if found else ""

    def claims(self, resource: dict[str, Any], profiles: tuple[str, ...]) -> bool:
        """True when a resource claims one of the profiles, or a profile that builds on one."""
        meta = resource.get("meta")
        claimed = meta.get("profile") if isinstance(meta, dict) else None
        wanted = {profile.partition("|")[0] for profile in profiles}
        for canonical in claimed if isinstance(claimed, list) else ():
            known = self.profile(canonical) if isinstance(canonical, str) else None
            if known is not None and not wanted.isdisjoint(known.lineage):
                return True
        return False

    def profile(self, canonical: str) -> Profile | None:
        """Return a profile, or None when it is not known or no profile."""
        found = self._profiles.get(canonical)
        if found is None and canonical not in self._unknown:
            # Written once it is whole: another thread must never see a known profile as unknown.
            definition = self.structure(canonical)
            if definition is not None and definition.get("derivation") == "constraint":
                found = Profile(definition, self) if is_type(str(definition.get("type"))) else None
            if found is not None:
                self._profiles[canonical] = found
            elif len(self._unknown) < MOST_UNKNOWN and len(canonical) <= LONGEST_UNKNOWN:
                self._unknown.add(canonical)
        return found

    def extension(self, url: str) -> ExtensionDefinition | None:
        """Return the definition of an extension, or None when it is not known."""
        found = self._extensions.get(url)
        profile = self.profile(url) if found is None else None
        if profile is not None and profile.type_name == "Extension":
            rows = profile.definition.get("context", ())
            contexts = tuple(f"{row['type']} {row['expression']}" for row in rows)
            places = ", ".join(context.partition(" ")[2] for context in contexts)
            anywhere = "element Element" in contexts
            found = ExtensionDefinition(profile, profile.tree.is_modifier, contexts, places, anywhere)
            self._extensions[url] = found
        return found

    def value_findings(self, value: Any, canonical: str, run: Run) -> Findings:
        """Return what breaks a profile (or one element of it, `url#id`) beyond base R4; unknown ones nothing."""
        url, _, identity = canonical.partition("#")
        profile = self.profile(url)
        if profile is None:
            return None
        if not identity:
            return profile.findings(value, run)
        found = profile.element_check(identity)
        if found is None:
            return None
        from adapter.validation.items import Item

        return found[1](Item("", value, None, ""), run)

    def profile_findings(self, resource: dict[str, Any], type_name: str, run: Run) -> Findings:
        """Check a resource against the profiles that it claims in `meta.profile`."""
        meta = resource.get("meta")
        claimed = meta.get("profile") if isinstance(meta, dict) else None
        found: Findings = None
        seen: set[str] = set()
        for index, canonical in enumerate(claimed if isinstance(claimed, list) else ()):
            if isinstance(canonical, str) and canonical not in seen:
                seen.add(canonical)
                profile = self.profile(canonical)
                if profile is not None and profile.type_name == type_name:
                    more = profile.findings(resource, run)
                else:
                    more = self.claim_findings(resource, canonical, f"meta.profile[{index}]", type_name, run)
                if more is not None:
                    found = joined(found, more)
        return found

    def claim_findings(self, resource: dict[str, Any], canonical: str, path: str, type_name: str, run: Run) -> Findings:
        """Check a resource against one profile by canonical.

        An unknown one that the resource claims is told as the settings say; one that the caller asked for (no path)
        refuses: nobody may take silence for a yes.
        """
        profile = self.profile(canonical)
        if profile is None and self.is_base(canonical):
            name = canonical.partition("|")[0].removeprefix(CORE)
            if is_subtype(type_name, name):
                return None
            return run.found(Finding("profile-of-other-type", {"type": name, "actual": type_name}, path))
        if profile is None:
            unchecked = canonical.startswith(run.settings.known_unchecked) if run.settings.known_unchecked else False
            if unchecked and path and not run.notes:
                return None
            severity = "information" if unchecked else run.settings.unknown_profile
            severity = severity if path else "error"
            key = "profile-unchecked" if unchecked and path else "profile-unknown"
            return (
                None
                if severity == "ignore"
                else run.found(Finding(key, severity=severity, path=path, profile=canonical))
            )
        if profile.type_name != type_name:
            values = {"type": profile.type_name, "actual": type_name}
            return run.found(Finding("profile-of-other-type", values, path, profile=canonical))
        return profile.findings(resource, run)

    def conforms_to(self, item: Any, canonical: str, run: Run) -> bool:
        """FHIRPath `conformsTo()`: base R4 and the profile.

        Raises:
            FhirPathError: the profile is not known.
        """
        value, type_name = getattr(item, "value", item), getattr(item, "type", "")
        if isinstance(value, dict) and isinstance(value.get("resourceType"), str):
            type_name = value["resourceType"]
        base = is_type(type_name) and isinstance(value, dict) and check_of(type_name)
        if base and has_errors(run.trial(lambda: self._base_again(base, value, run))):
            return False
        if self.is_base(canonical):
            return is_subtype(type_name, canonical.removeprefix(CORE))
        if not self.knows(canonical):
            raise FhirPathError("conformsTo() names a profile that is not known")
        return not has_errors(run.trial(lambda: self.value_findings(value, canonical, run)))

    @staticmethod
    def _base_again(base: Check, value: Any, run: Run) -> Findings:
        """Run a base check a second time, with ids of its own."""
        ids, run.element_ids = run.element_ids, set()
        found = base(value, run)
        run.element_ids = ids
        return found

    def member_of(self, item: Any, value_set: str) -> bool:
        """FHIRPath `memberOf()`; what cannot be known counts as a member, and is said at load (`facets`)."""
        codes = self.terminology.value_set(value_set)
        return codes is None or holds_code(getattr(item, "value", item), codes) is not False

    def load_issues(self) -> list[Issue]:
        """Compile every loaded profile and name what is not understood."""
        issues = []
        for versions in self._structures.values():
            for definition in versions:
                if definition.get("derivation") != "constraint":
                    continue
                version = definition.get("version", "")
                canonical = f"{definition['url']}|{version}" if version else definition["url"]
                profile = self.profile(canonical)
                if profile is not None:
                    profile.compile()
                for problem in profile.problems if profile else (f"type {definition.get('type')}",):
                    values = {"what": problem}
                    issues.append(Issue("warning", "validation.profile-not-understood", values, profile=canonical))
        return issues


@cache
def _core_structures() -> dict[str, dict[str, Any]]:
    folder = data_root() / "profiles" / "r4"
    names = ("extensions.json", "profiles.json")
    rows: list[dict[str, Any]] = [row for name in names for row in json.loads((folder / name).read_bytes())]
    return {row["url"]: row for row in rows}
