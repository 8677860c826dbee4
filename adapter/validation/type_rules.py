"""Which types a profile allows, the profiles they must meet, and where references may point."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from adapter.fhir.definitions import CORE, ElementDefinition, is_resource_type, is_subtype
from adapter.validation.findings import Finding, Findings, has_errors, joined
from adapter.validation.items import Item
from adapter.validation.overlay import Overlay, TypeRule
from adapter.validation.references import resolve, target_type
from adapter.validation.run import Run

if TYPE_CHECKING:
    from adapter.validation.compile import Compiler
    from adapter.validation.profile import ItemCheck

SPECIAL = ("BackboneElement", "Element", "")


def type_check(overlay: Overlay, compiler: Compiler) -> ItemCheck:
    """Return the check of a value against the types that the overlay allows."""
    rules = overlay.types or ()
    allowed = ", ".join(dict.fromkeys(rule.code for rule in rules))
    checks = [(rule, _rule_check(rule, overlay, compiler)) for rule in rules]

    def check(item: Item, run: Run) -> Findings:
        fitting = [part for rule, part in checks if allows(rule, item.code)]
        if not fitting:
            return run.found(Finding("profile-type", {"type": item.code, "allowed": allowed}))
        first: Findings = None
        for part in fitting:
            found = part(item, run)
            if found is None:
                return None
            first = first or found
        return first

    return check


def adds_nothing(rules: tuple[TypeRule, ...], definition: ElementDefinition) -> bool:
    """True when the types that a profile states are those of the element anyway."""
    if definition.is_choice or len(definition.types) != 1 or len(rules) != 1:
        return False
    rule, base = rules[0], definition.types[0]
    if rule.code != base.code or rule.aggregation or rule.code == "Resource":
        return False
    targets = {target.removeprefix(CORE) for target in rule.targets}
    profiles = {profile.removeprefix(CORE) for profile in rule.profiles}
    return targets in (set(), set(base.targets)) and profiles in (set(), set(base.profiles))


def allows(rule: TypeRule, code: str) -> bool:
    """Tell whether a value of type `code` may stand where the rule asks for its type."""
    return rule.code == code or code in SPECIAL or rule.code in SPECIAL or is_subtype(code, rule.code)


def _rule_check(rule: TypeRule, overlay: Overlay, compiler: Compiler) -> ItemCheck:
    targets = _target_check(rule, overlay, compiler) if rule.code == "Reference" else None
    profiles = tuple(profile for profile in rule.profiles if not compiler.registry.is_base(profile))
    types = {profile.removeprefix(CORE) for profile in rule.profiles if compiler.registry.is_base(profile)}
    for profile in profiles:
        if not compiler.registry.knows(profile):
            compiler.problem(overlay, f"profile {profile}")

    def check(item: Item, run: Run) -> Findings:
        if types and any(is_subtype(item.code, name) for name in types):
            found = None
        elif types and not profiles:
            allowed = ", ".join(sorted(types))
            return run.found(Finding("profile-type", {"type": item.code, "allowed": allowed}))
        else:
            found = _one_profile(item, profiles, run) if profiles else None
        if targets is not None and isinstance(item.value, dict):
            found = joined(found, targets(item, run))
        return found

    return check


def _one_profile(item: Item, profiles: tuple[str, ...], run: Run) -> Findings:
    """Return what is wrong under the profile that fits best: the only one, or none of several.

    An extension of that very url was judged by this profile where it stands (`adapter.validation.extensions`).
    """
    if item.code == "Extension" and isinstance(item.value, dict) and item.value.get("url") in profiles:
        return None
    found: Findings = None
    for profile in profiles:
        found = run.trial(partial(run.registry.value_findings, item.value, profile, run))
        if not has_errors(found):
            return found
    if len(profiles) > 1:
        return run.found(Finding("profile-none-fits", {"profiles": ", ".join(profiles)}))
    return run.counted(found)


def _target_check(rule: TypeRule, overlay: Overlay, compiler: Compiler) -> ItemCheck | None:
    types = {target.removeprefix(CORE) for target in rule.targets if compiler.registry.is_base(target)}
    profiles = tuple(target for target in rule.targets if not compiler.registry.is_base(target))
    known = tuple(target for target in profiles if compiler.registry.knows(target))
    for target in profiles:
        if target not in known:
            compiler.problem(overlay, f"target profile {target}")
    names = types | {compiler.registry.type_of(target) for target in known}
    anything = "Resource" in types or len(known) < len(profiles) or not rule.targets
    if anything and not rule.aggregation:
        return None

    def check(item: Item, run: Run) -> Findings:
        reference = item.value.get("reference")
        target = resolve(reference, run) if isinstance(reference, str) else None
        found = _aggregation(rule, reference, target, run)
        if anything:
            return found
        type_name = target_type(reference, run) or _stated(item.value)
        if type_name and type_name not in names:
            values = {"type": type_name, "names": ", ".join(sorted(names))}
            return joined(found, run.found(Finding("profile-target-type", values)))
        if target is None or type_name in types or not known:
            return found
        own = tuple(profile for profile in known if run.registry.type_of(profile) == type_name)
        if target is not run.related.get(reference.partition("/_history/")[0]) and run.registry.claims(target, own):
            return found
        return joined(found, _target_profile(target, type_name, own, run))

    return check


def sure_target(rule: TypeRule, overlay: Overlay, compiler: Compiler) -> Callable[[dict[str, Any], Run], bool] | None:
    """Return the test that a reference surely leads to what the rule allows; None when it allows anything."""
    exact = _target_check(rule, overlay, compiler)
    if exact is None:
        return None
    registry = compiler.registry
    types = {target.removeprefix(CORE) for target in rule.targets if registry.is_base(target)}
    profiles: dict[str, set[str]] = {}
    for target in rule.targets:
        profiles.setdefault(registry.type_of(target), set()).add(target)

    def leads_to_its_kind(reference: str, run: Run) -> bool:
        inside = run.bundles[-1].by_full_url.get(reference, ()) if run.bundles else ()
        if len(inside) != 1 or reference[:9] != "urn:uuid:" or "/" in reference or reference in run.related:
            return False
        name = inside[0]["resourceType"]
        claimed = inside[0].get("meta", {}).get("profile", ())
        return name in types or not profiles.get(name, types).isdisjoint(claimed)

    def test(value: dict[str, Any], run: Run) -> bool:
        if not rule.aggregation and leads_to_its_kind(value.get("reference", ""), run):
            return True
        return exact(Item("", value, None, "Reference"), run) is None

    return test


def _target_profile(target: dict[str, Any], type_name: str, own: tuple[str, ...], run: Run) -> Findings:
    """Check a target that claims none of the profiles; what claims one is judged where it stands."""
    for profile in own:
        if not has_errors(run.trial(partial(_in_place, target, profile, run))):
            return None
    values = {"type": type_name, "profiles": ", ".join(own)}
    return run.found(Finding("profile-target-profile", values))


def _in_place(target: dict[str, Any], canonical: str, run: Run) -> Findings:
    """Check a resource that a reference led to, seen from where it stands."""
    return run.at_resource(target, lambda: run.registry.value_findings(target, canonical, run))


def _stated(value: dict[str, Any]) -> str:
    stated = value.get("type")
    name = stated.removeprefix(CORE) if isinstance(stated, str) else ""
    return name if is_resource_type(name) else ""


def _aggregation(rule: TypeRule, reference: Any, target: Any, run: Run) -> Findings:
    """Check how the target is reached: contained, in the same Bundle, or elsewhere."""
    if not rule.aggregation or not isinstance(reference, str):
        return None
    if reference.startswith("#"):
        how = "contained"
    elif target is not None:
        how = "bundled"
    else:
        how = "referenced"
    if how in rule.aggregation or (how == "bundled" and "referenced" in rule.aggregation):
        return None
    return run.found(Finding("profile-aggregation", {"allowed": ", ".join(rule.aggregation)}))
