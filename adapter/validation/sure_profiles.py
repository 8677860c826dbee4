"""A generated yes beside the exact check of a profile: its overlay tree as one straight-line Python function.

True is certain for a value whose shape is right: `adapter.validation.compile` would find nothing. False only means
«ask the exact check». What has no straight lines here (choices, values of several types, re-slicing, …) is asked of the
exact check of that element, in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.fhir.definitions import ElementDefinition, choice_key, element, is_primitive, type_definition
from adapter.validation.bindings import fits_surely
from adapter.validation.compile import Compiler, type_path
from adapter.validation.discriminators import expected_of, test_of, urls_of
from adapter.validation.evaluation import FhirPathError, compiled, holds
from adapter.validation.facets import constraints_beyond, facet_checks
from adapter.validation.items import Item
from adapter.validation.matching import fits
from adapter.validation.overlay import Overlay, TypeRule
from adapter.validation.run import Run
from adapter.validation.slicing import plainly_divided
from adapter.validation.sure_shapes import REFUSALS, Sure, not_sure
from adapter.validation.type_rules import adds_nothing, sure_target, type_check

if TYPE_CHECKING:
    from adapter.validation.profile import ItemCheck, Profile

Lines = list[str]


def sure_profile(profile: Profile) -> Sure:
    """Return the test that a value of the right shape keeps a profile; it never raises.

    Definitions come from anybody: their texts stand in the lines as literals only, and what Python cannot compile (over
    20 loops in each other) is left to the exact check.
    """
    writer = _Writer(profile)
    definition = type_definition(profile.type_name).elements[profile.type_name]
    try:
        lines = writer.value(profile.tree, definition, (profile.type_name, ""), "s", " ")
        text = "\n".join(["def met(s, run):", *lines, " return True"])
        exec(compile(text, f"<profile {profile.canonical}>", "exec"), writer.names)  # noqa: S102 - as said above
    except (SyntaxError, RecursionError):
        return not_sure
    met: Sure = writer.names["met"]

    def test(value: Any, run: Run) -> bool:
        try:
            return met(value, run)
        except REFUSALS:
            return False

    return test


def _asks_for_types_alone(overlay: Overlay) -> bool:
    """Tell whether a profile says nothing else of an element than how often it is there, and of which types."""
    rules = overlay.types or ()
    plain = Overlay(overlay.path, overlay.min, overlay.max, overlay.types, is_modifier=overlay.is_modifier)
    return overlay == plain and not any(rule.profiles or rule.targets or rule.aggregation for rule in rules)


def _only_coding(pattern: Any) -> dict[str, str] | None:
    """Return the coding of a concept's pattern that says no more than this one coding, in texts."""
    codings = pattern.get("coding") if pattern.__class__ is dict and len(pattern) == 1 else None
    coding = codings[0] if codings.__class__ is list and len(codings) == 1 else None
    return coding if coding.__class__ is dict and all(text.__class__ is str for text in coding.values()) else None


class _Writer:
    """Writes the lines of one profile; each refuses with `return False`."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.compiler = Compiler(profile)
        self.names: dict[str, Any] = {"holds": holds, "fits": fits, "Item": Item}
        self._variables = 0

    def given(self, letter: str, thing: Any) -> str:
        """Return the name of an object that the generated text uses."""
        name = f"{letter}{len(self.names)}"
        self.names[name] = thing
        return name

    def variable(self) -> str:
        """Return a name that is not used yet."""
        self._variables += 1
        return f"v{self._variables}"

    def value(self, overlay: Overlay, definition: ElementDefinition, place: tuple[str, str], v: str, pad: str) -> Lines:
        """Return the lines that judge one value of an element, as `Compiler.item` does."""
        codes = [rule.code for rule in overlay.types or ()] or [type_.code for type_ in definition.types]
        code = codes[0] if len(codes) == 1 else ""
        at_root = not place[1]
        if not at_root and (not code or definition.is_choice or code == "Resource"):
            return self.exactly(self.compiler.item(overlay, definition, *place), code, v, pad)
        lines: Lines = []
        if overlay.types is not None and not adds_nothing(overlay.types, definition):
            lines += self.types(overlay, definition, v, pad)
        lines += self.facets(overlay, definition, self.profile.type_name if at_root else code, v, pad)
        if not overlay.children and not self.compiler.repeats(definition):
            return lines
        if is_primitive(code):
            return self.exactly(self.compiler.item(overlay, definition, *place), code, v, pad)
        return lines + self.inside(overlay, definition, place[0] if at_root else code, place, v, pad)

    def exactly(self, check: ItemCheck, code: str, v: str, pad: str) -> Lines:
        """Return the line that asks the exact check of a value."""
        return [f"{pad}if {self.given('E', check)}(Item('', {v}, None, {code!r}), run) is not None: return False"]

    def types(self, overlay: Overlay, definition: ElementDefinition, v: str, pad: str) -> Lines:
        """Return the lines for the types that the profile allows."""
        rules = overlay.types or ()
        base = definition.types[0].code if len(definition.types) == 1 else ""
        rule = rules[0] if len(rules) == 1 and rules[0].code == base else TypeRule("")
        if rule.code == "Reference" and not rule.profiles:
            target = sure_target(rule, overlay, self.compiler)
            return [] if target is None else [f"{pad}if not {self.given('T', target)}({v}, run): return False"]
        exact = self.exactly(type_check(overlay, self.compiler), base, v, pad)
        if rule.code == "Extension" and rule.profiles:
            # Judged where it stands by the profile of its URL.
            return [f"{pad}if {v}['url'] not in {self.given('U', frozenset(rule.profiles))}:", f" {exact[0]}"]
        return exact

    def facets(self, overlay: Overlay, definition: ElementDefinition, code: str, v: str, pad: str) -> Lines:
        """Return the lines for what the profile asks of the value itself."""
        limits = (overlay.fixed, overlay.min_length, overlay.max_length, overlay.min_value, overlay.max_value)
        if overlay.must_have_value or overlay.regex or any(limit is not None for limit in limits):
            checks = facet_checks(overlay, definition, self.compiler)
            return [line for check in checks for line in self.exactly(check, code, v, pad)]
        lines = []
        if overlay.pattern is not None:
            lines.append(f"{pad}if not {self.fitting(v, overlay.pattern)}: return False")
        if overlay.binding is not None and overlay.binding[0] in ("required", "extensible", "preferred"):
            strength, value_set = overlay.binding
            codes = self.profile.registry.terminology.value_set(value_set)
            if codes is not None:
                test = self.given("B", fits_surely(codes, value_set, strength))
                lines.append(f"{pad}if not {test}({v}): return False")
        for constraint in constraints_beyond(overlay, definition):
            try:
                expression = self.given("X", compiled(constraint.expression, type_path(code, definition)))
            except FhirPathError:
                continue
            lines.append(f"{pad}if not holds({expression}, {v}, run): return False")
        return lines

    def fitting(self, v: str, pattern: Any) -> str:
        """Return the expression that a value holds what a pattern says."""
        if pattern.__class__ is str:
            return f"{v} == {pattern!r}"
        if pattern.__class__ is list and len(pattern) == 1 and pattern[0].__class__ is dict:
            return f"any([{self.fitting('x', pattern[0])} for x in {v}])"
        if pattern.__class__ is dict and v != "x":
            return f"({' and '.join(self.fitting(f'{v}[{name!r}]', part) for name, part in pattern.items())})"
        if pattern.__class__ is dict and all(part.__class__ is str for part in pattern.values()):
            return f"({' and '.join(f'x.get({name!r}) == {part!r}' for name, part in pattern.items())})"
        return f"fits({v}, {self.given('F', pattern)})"

    def inside(
        self, overlay: Overlay, definition: ElementDefinition, code: str, place: tuple[str, str], s: str, pad: str
    ) -> Lines:
        """Return the lines for the elements inside an object."""
        lines: Lines = []
        for child, found, owner, below in self.compiler.elements(overlay, definition, code, *place):
            lines += self.element(child, found, (owner, below), s, pad)
        return lines

    def element(
        self, overlay: Overlay, definition: ElementDefinition, place: tuple[str, str], s: str, pad: str
    ) -> Lines:
        """Return the lines for all values of one element."""
        is_divided = bool(overlay.slices) and plainly_divided(overlay, definition) is None
        if definition.is_choice and _asks_for_types_alone(overlay):
            return self.choice(overlay, definition, s, pad)
        if definition.is_choice or not definition.types or is_divided:
            exact = self.compiler.field(overlay, definition, *place)
            return [f"{pad}if {self.given('E', exact)}({s}, run) is not None: return False"] if exact else []
        key, v = definition.key, self.variable()
        if definition.is_list:
            lines = self.values(overlay, definition, place, f"{s}.get({key!r}, ())", v, pad)
        elif overlay.max == 0:
            lines = [f"{pad}if {key!r} in {s}: return False"]
        elif overlay.min:
            judged = self.value(overlay, definition, place, v, pad)
            lines = [f"{pad}{v} = {s}[{key!r}]", *judged] if judged or not definition.min else []
        else:
            judged = self.value(overlay, definition, place, v, f"{pad} ")
            lines = [f"{pad}if {key!r} in {s}:", f"{pad} {v} = {s}[{key!r}]", *judged] if judged else []
        if lines and is_primitive(definition.types[0].code):
            lines.insert(0, f"{pad}if {f'_{key}'!r} in {s}: return False")
        return lines

    def choice(self, overlay: Overlay, definition: ElementDefinition, s: str, pad: str) -> Lines:
        """Return the lines for a choice of which the profile says how often it is there, and of which types."""
        name = definition.key.removesuffix("[x]")
        if not overlay.types and not overlay.min and overlay.max != 0:
            return []
        keys = {choice_key(name, type_.code) for type_ in definition.types}
        wanted = {choice_key(name, rule.code) for rule in overlay.types} if overlay.types else keys
        allowed = wanted & keys if overlay.max != 0 else set()
        beside = {f"_{key}" for key in keys}
        lines = [f"{pad}if not {self.given('K', frozenset(keys - allowed | beside))}.isdisjoint({s}): return False"]
        if overlay.min:
            lines.append(f"{pad}if {self.given('K', frozenset(allowed))}.isdisjoint({s}): return False")
        return lines

    def values(
        self, overlay: Overlay, definition: ElementDefinition, place: tuple[str, str], held: str, v: str, pad: str
    ) -> Lines:
        """Return the lines for the values of a list, and for its slices."""
        limits = []
        if (overlay.min or 0) > definition.min:
            limits.append(f"{pad}if len({v}) < {overlay.min}: return False")
        if overlay.max is not None and overlay.max != definition.max:
            limits.append(f"{pad}if len({v}) > {overlay.max}: return False")
        w = self.variable()
        each = self.value(overlay, definition, place, w, f"{pad} ")
        before: Lines = []
        after: Lines = []
        if overlay.slices:
            before, inside, after = self.slices(overlay, definition, place, w, pad)
            before.append(f"{pad}run.work_left -= {len(overlay.slices)} * len({v})")
            each += inside
        loop = [f"{pad}for {w} in {v}:", *each] if each else []
        lines = [*limits, *before, *loop, *after]
        return [f"{pad}{v} = {held}", *lines] if lines else []

    def slices(
        self, overlay: Overlay, definition: ElementDefinition, place: tuple[str, str], w: str, pad: str
    ) -> tuple[Lines, Lines, Lines]:
        """Return the lines before, inside and after the loop that puts values into their slices."""
        slicing = plainly_divided(overlay, definition)
        assert slicing is not None
        before: Lines = []
        each: Lines = []
        after: Lines = []
        for number, inner in enumerate(overlay.slices.values()):
            count = self.variable()
            before.append(f"{pad}{count} = 0")
            tests = [self.belongs(kind, path, inner, place, w) for kind, path in slicing.discriminators]
            test = " and ".join(filter(None, tests)) or "False"
            each += [f"{pad} {'el' if number else ''}if {test}:", f"{pad}  {count} += 1"]
            each += self.value(inner, definition, place, w, f"{pad}  ")
            if inner.min:
                after.append(f"{pad}if {count} < {inner.min}: return False")
            if inner.max is not None:
                after.append(f"{pad}if {count} > {inner.max}: return False")
        if slicing.rules == "closed":
            each.append(f"{pad} else: return False")
        return before, each, after

    def belongs(self, kind: str, path: str, slice_: Overlay, place: tuple[str, str], w: str) -> str:
        """Return the expression that a value is in a slice by one discriminator; empty when the slice does not say."""
        expected = expected_of(kind, path, slice_, self.compiler)
        held = "" if expected is None else self.held(path, place, w, expected)
        if held:
            return held
        urls = urls_of(kind, path, slice_, self.compiler)
        if urls is not None:
            return f"{w}['url'] in {self.given('U', urls)}"
        test = test_of(kind, path, slice_, self.compiler)
        definition = element(*place)
        code = definition.types[0].code if definition is not None and definition.types else ""
        return "" if test is None else f"{self.given('D', test)}(Item('', {w}, None, {code!r}), run)"

    def held(self, path: str, place: tuple[str, str], w: str, expected: Any) -> str:
        """Return the expression that a value has what is expected at a path; empty when the path is no plain names."""
        at, inside, loops = w, place[1], ""
        for name in path.split(".") if path != "$this" else ():
            inside = f"{inside}.{name}" if inside else name
            step = element(place[0], inside)
            if step is None or step.is_choice:
                return ""
            at = f"{at}.get({name!r}, {() if step.is_list else {}})"
            if step.is_list:
                variable = self.variable()
                loops += f" for {variable} in {at}"
                at = variable
        coding = _only_coding(expected)
        if coding:
            test = self.fitting("x", coding)
            loops += f" for x in {at}.get('coding', ())"
        elif expected.__class__ is str:
            test = f"{at} == {expected!r}"
        else:
            test = f"fits({at}, {self.given('F', expected)})"
        return f"any([{test}{loops}])" if loops else test
