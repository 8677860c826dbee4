"""Discriminators: how a value shows which slice it belongs to (R4 profiling §5.1.0.7).

Each discriminator of a slicing becomes, for each slice, a test of one value. A test is None when the slice says
nothing at the discriminator's path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from adapter.fhir.definitions import CORE, is_primitive, is_type
from adapter.validation.bindings import binding_findings
from adapter.validation.findings import has_errors
from adapter.validation.items import Item, as_object
from adapter.validation.matching import equals, fits
from adapter.validation.overlay import Overlay
from adapter.validation.references import resolve, target_type
from adapter.validation.run import Run
from adapter.validation.type_rules import allows

if TYPE_CHECKING:
    from adapter.validation.compile import Compiler

Test = Callable[[Item, Run], bool]

_STEP = re.compile(r"(\$this)|(\w+)\(\s*(?:'([^']*)'|([\w.]*))\s*\)|([A-Za-z_]\w*(?:\[x\])?)")


def steps_of(path: str) -> list[tuple[str, str]]:
    """Split a discriminator path: names, `resolve()`, `extension('…')`, `ofType(…)`; `$this` is no step."""
    steps = []
    for match in _STEP.finditer(path):
        this, function, text, word, name = match.groups()
        if function:
            steps.append((f"{function}()", text or word or ""))
        elif not this:
            steps.append((name.removesuffix("[x]"), ""))
    return steps


def test_of(kind: str, path: str, slice_: Overlay, compiler: Compiler) -> Test | None:
    """Return the test that a value is in a slice by one discriminator, or None when the slice does not say."""
    steps = steps_of(path)
    overlays = list(_seek([slice_], steps, compiler))
    if any(overlay.max == 0 for overlay in overlays):
        return lambda item, run: not _walk(item, steps, run)
    if kind in ("value", "pattern"):
        return _value_test(overlays, steps, slice_)
    if kind == "exists":
        return (lambda item, run: bool(_walk(item, steps, run))) if any(o.min for o in overlays) else None
    if kind == "type":
        return _type_test(overlays, steps, slice_)
    if kind == "profile":
        return _profile_test(overlays, steps, compiler)
    compiler.problem(slice_, f"discriminator type {kind}")
    return None


def expected_of(kind: str, path: str, slice_: Overlay, compiler: Compiler) -> Any:
    """Return the one text or pattern that values of the slice have at the discriminator's path; None: not so simple."""
    if kind not in ("value", "pattern"):
        return None
    overlays = list(_seek([slice_], steps_of(path), compiler))
    telling = [overlay for overlay in overlays if _holds(overlay) is not None]
    if any(overlay.max == 0 for overlay in overlays) or len(telling) != 1:
        return None
    fixed, pattern = telling[0].fixed, telling[0].pattern
    if fixed is not None:
        return fixed if type(fixed) is str else None
    return pattern if type(pattern) in (str, dict) else None


def urls_of(kind: str, path: str, slice_: Overlay, compiler: Compiler) -> frozenset[str] | None:
    """Return the URLs that extensions of the slice have; None when it is told in another way."""
    if kind not in ("value", "pattern") or path != "url" or not slice_.types:
        return None
    overlays = list(_seek([slice_], steps_of(path), compiler))
    if any(overlay.max == 0 or _holds(overlay) is not None for overlay in overlays):
        return None
    return frozenset(profile.split("|")[0] for rule in slice_.types for profile in rule.profiles)


def _value_test(overlays: list[Overlay], steps: list[tuple[str, str]], slice_: Overlay) -> Test | None:
    tests = [test for test in map(_holds, overlays) if test is not None]
    expected = (overlay.pattern if overlay.fixed is None else overlay.fixed for overlay in overlays)
    texts = {text for text in expected if type(text) is str}
    if len(steps) == 1 and len(texts) == len(tests) == 1:
        name, text = steps[0][0], texts.pop()
        slow = tests[0]

        def is_text(item: Item, run: Run) -> bool:
            found = as_object(item).get(name)
            return found == text if type(found) is str else any(slow(one, run) for one in _walk(item, steps, run))

        return is_text
    if tests:
        return lambda item, run: any(any(test(found, run) for test in tests) for found in _walk(item, steps, run))
    if steps == [("url", "")] and slice_.types:
        urls = {profile.split("|")[0] for rule in slice_.types for profile in rule.profiles}
        return lambda item, _run: as_object(item).get("url") in urls if urls else False
    if steps and any(overlay.min for overlay in overlays):
        return lambda item, run: bool(_walk(item, steps, run))
    return None


def _holds(overlay: Overlay) -> Test | None:
    """Return the test that fixed value, pattern, required binding, or those of its children, ask for."""
    if overlay.fixed is not None:
        return lambda item, _run: equals(item.value, overlay.fixed)
    if overlay.pattern is not None:
        return lambda item, _run: fits(item.value, overlay.pattern)
    if overlay.binding is not None and overlay.binding[0] == "required":
        strength, value_set = overlay.binding
        return lambda item, run: (
            not has_errors(run.trial(lambda: binding_findings(item.value, strength, value_set, run)))
        )
    below = {name: test for name, child in overlay.children.items() if (test := _holds(child)) is not None}
    for child in overlay.slices.values() if not below else ():
        test = _holds(child)
        if test is not None and child.min:
            below[""] = test
    if not below:
        return None
    return lambda item, run: all(
        any(test(found, run) for found in (_walk(item, [(name.removesuffix("[x]"), "")], run) if name else [item]))
        for name, test in below.items()
    )


def _type_test(overlays: list[Overlay], steps: list[tuple[str, str]], slice_: Overlay) -> Test | None:
    if steps and steps[-1][0] == "resolve()":
        names = {target.removeprefix(CORE) for o in overlays for rule in o.types or () for target in rule.targets}
        if not names:
            names = {rule.code for overlay in overlays for rule in overlay.types or ()} - {"Reference"}
        if not names:
            return None

        def leads_to(item: Item, run: Run) -> bool:
            found = _walk(item, steps[:-1], run)
            return any(_target(one.value, run) in names for one in found)

        return leads_to
    rules = [rule for overlay in overlays for rule in overlay.types or ()]
    codes = {rule.code for rule in rules}
    for overlay in overlays if not codes else ():
        codes |= {code for name in overlay.slices if (code := type_in_name(name))}
    if not codes and not steps:
        codes = {code} if (code := type_in_name(slice_.path.rpartition(":")[2])) else set()
    if not codes:
        return None
    if rules:
        return lambda item, run: any(
            any(allows(rule, found.code) for rule in rules) for found in _walk(item, steps, run)
        )
    return lambda item, run: any(found.code in codes for found in _walk(item, steps, run))


def type_in_name(name: str) -> str:
    """Return the type that a slice name such as `valueQuantity` ends with, or empty."""
    for start in range(1, len(name)):
        if name[start].isupper():
            rest = name[start:]
            lowered = rest[0].lower() + rest[1:]
            if is_primitive(lowered):
                return lowered
            if is_type(rest):
                return rest
    return ""


def _target(value: Any, run: Run) -> str:
    return target_type(value.get("reference"), run) if isinstance(value, dict) else ""


def _profile_test(overlays: list[Overlay], steps: list[tuple[str, str]], compiler: Compiler) -> Test | None:
    resolving = bool(steps) and steps[-1][0] == "resolve()"
    profiles = {
        profile
        for overlay in overlays
        for rule in overlay.types or ()
        for profile in (rule.targets if resolving and rule.targets else rule.profiles)
    }
    types = {profile.removeprefix(CORE) for profile in profiles if compiler.registry.is_base(profile)}
    profiles = {profile for profile in profiles if compiler.registry.knows(profile)} - {CORE + t for t in types}
    if not profiles and not types:
        return None

    def test(item: Item, run: Run) -> bool:
        return any(_conforms(found, types, profiles, run) for found in _walk(item, steps, run))

    return test


def _conforms(item: Item, types: set[str], profiles: Iterable[str], run: Run) -> bool:
    if item.code in types:
        return True
    registry = run.registry
    return any(
        item.code in (registry.type_of(profile), "")
        and not has_errors(run.trial(partial(registry.value_findings, item.value, profile, run)))
        for profile in profiles
    )


def _walk(item: Item, steps: list[tuple[str, str]], run: Run) -> list[Item]:
    """Return what a value holds at a discriminator path."""
    found = [item]
    for name, argument in steps:
        found = [inner for one in found for inner in _one_step(one, name, argument, run)]
    return found


def _one_step(item: Item, name: str, argument: str, run: Run) -> list[Item]:
    if name == "resolve()":
        reference = item.value.get("reference") if isinstance(item.value, dict) else item.value
        target = resolve(reference, run) if isinstance(reference, str) else None
        return [] if target is None else [Item(item.label, target, None, str(target.get("resourceType")))]
    if name == "ofType()":
        return [item] if item.code == argument else []
    owner = as_object(item)
    if name == "extension()":
        held = owner.get("extension")
        extensions = held if isinstance(held, list) else []
        return [Item("", one, None, "Extension") for one in extensions if _url(one) == argument]
    if name in owner or f"_{name}" in owner:
        value, sibling = owner.get(name), owner.get(f"_{name}")
        values = value if isinstance(value, list) else [value]
        return [Item("", one, sibling if len(values) == 1 else None, _resource_type(one)) for one in values]
    keys = [key for key in owner if key.startswith(name) and key[len(name) : len(name) + 1].isupper()]
    return [Item("", owner[key], owner.get(f"_{key}"), type_in_name(f"x{key[len(name) :]}")) for key in keys]


def _url(extension: Any) -> Any:
    return extension.get("url") if isinstance(extension, dict) else None


def _resource_type(value: Any) -> str:
    name = value.get("resourceType") if isinstance(value, dict) else None
    return name if isinstance(name, str) else ""


def _seek(overlays: Iterable[Overlay], steps: list[tuple[str, str]], compiler: Compiler) -> Iterable[Overlay]:
    """Yield the overlays that speak of the discriminator path: the slice's own, then those of its type profiles."""
    present = list(overlays)
    for name, argument in steps:
        below: list[Overlay] = []
        for overlay in present:
            below += _below(overlay, name, argument)
            for tree in _profile_trees(overlay, name, compiler):
                below += _below(tree, name, argument) if name != "resolve()" else [tree]
        present = below
    for overlay in present:
        yield overlay
        if not steps or (overlay.fixed is None and overlay.pattern is None and not overlay.children):
            yield from _profile_trees(overlay, "", compiler)


def _below(overlay: Overlay, name: str, argument: str) -> list[Overlay]:
    if name == "resolve()":
        return [overlay]
    if name == "ofType()":
        suffix = argument[:1].upper() + argument[1:]
        return [found for key, found in overlay.slices.items() if key.endswith(suffix)] or [overlay]
    if name == "extension()":
        held = overlay.children.get("extension")
        slices = held.slices.values() if held else ()
        return [found for found in slices if any(argument in rule.profiles for rule in found.types or ())]
    child = overlay.children.get(name) or overlay.children.get(f"{name}[x]")
    if child is None:
        return []
    is_choice = f"{name}[x]" in overlay.children
    return [child, *(found for found in child.slices.values() if is_choice or found.min)]


def _profile_trees(overlay: Overlay, name: str, compiler: Compiler) -> Iterable[Overlay]:
    for rule in overlay.types or ():
        for profile in rule.targets if name == "resolve()" else rule.profiles:
            url, _, identity = profile.partition("#")
            found = compiler.registry.profile(url)
            if found is not None and identity:
                inside = found.overlay_of(identity)
                yield from () if inside is None else (inside[0],)
            elif found is not None and found is not compiler.profile:
                yield found.tree
