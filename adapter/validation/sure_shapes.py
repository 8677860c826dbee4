"""A generated yes beside the exact check: base R4 as straight-line Python, one function a node, made when needed often.

True is certain: `adapter.validation.structure` would find nothing at all. False only means «ask the exact check», which
alone decides and explains. Siblings (`_status`) and ids of elements are left to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from adapter.fhir.definitions import ElementDefinition, is_primitive, is_subtype, json_children, type_definition
from adapter.validation import references, resources
from adapter.validation.bindings import CODED, fits_surely, required_codes
from adapter.validation.extensions import is_surely_right
from adapter.validation.grammars import GRAMMARS
from adapter.validation.invariants import rules_of
from adapter.validation.primitives import PRIMITIVES
from adapter.validation.run import Run
from adapter.validation.sure_systems import KnownSystems

if TYPE_CHECKING:
    from adapter.validation.registry import Registry

Sure = Callable[[Any, Run], bool]

REFUSALS = (AttributeError, KeyError, TypeError, ValueError)
"""What generated lines raise on a value that is not plainly right."""

FIRST = 32
"""So many values of a type or profile are left to the exact check: until then writing costs more than it saves."""

_SHORT_CHOICE = 4
"""Types of a choice up to which each is asked for by its name."""

_TEXTS = ("string", "markdown")
_PLAIN_TEXT = "{v}.isprintable() and {v}.strip() and len({v}) < 9999"
_TRUTH = "({v} is True or {v} is False)"


def is_worth_writing(asked: int) -> bool:
    """Tell whether a test was asked for often enough to be written."""
    return asked > FIRST


class SureShapes:
    """The generated functions of one registry, by type and path; they look at its extensions, codes and value sets."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        systems = KnownSystems(registry.terminology)
        self.names: dict[str, Any] = {
            "is_reference": references.is_surely_right,
            "is_extension": is_surely_right,
            "contained": resources.check_contained,
            "known": systems.known,
            "opened": systems.opened,
            "lenient": systems.lenient,
            "learn": systems.learn,
        }
        self._resources: dict[str, Sure] = {}
        self._asked: Counter[str] = Counter()

    def resource(self, type_name: str) -> Sure:
        """Return the test of a resource; that of a Bundle leaves out the resources of its entries."""
        found = self._resources.get(type_name)
        if found is None:
            self._asked[type_name] += 1
            if not is_worth_writing(self._asked[type_name]):
                return not_sure
            found = self._resources[type_name] = _never_raising(self._written(type_name, "", type_name))
        return found

    def name(self, type_name: str, path: str = "", place: str = "") -> str:
        """Return the name of a node's function in the generated text; it is written at its first call.

        Args:
            place: where in a resource the node stands, when accepted elements lie in it: it has its own function there.
        """
        name = "_".join(part.replace(".", "_") for part in (type_name, path, place and f"at_{place}"))
        if name not in self.names:
            self.names[name] = lambda value, run: self._written(type_name, path, place)(value, run)
        return name

    def _written(self, type_name: str, path: str, place: str) -> Sure:
        name = self.name(type_name, path, place)
        text = "\n".join(_Node(self, type_name, path, place).lines(name))
        exec(compile(text, f"<{type_name} {path}>", "exec"), self.names)  # noqa: S102 - text from definitions
        function: Sure = self.names[name]
        return function

    def given(self, letter: str, thing: Any) -> str:
        """Return the name of an object that the generated text uses."""
        name = f"{letter}{len(self.names)}"
        self.names[name] = thing
        return name


def not_sure(_value: Any, _run: Run) -> bool:
    """Ask the exact check."""
    return False


def _never_raising(function: Sure) -> Sure:
    def test(value: Any, run: Run) -> bool:
        try:
            return function(value, run)
        except REFUSALS:
            return False

    return test


class _Node:
    """Writes the function of one node: `n` counts the keys that were judged, the rest are refused."""

    def __init__(self, shapes: SureShapes, type_name: str, path: str, place: str) -> None:
        self.shapes = shapes
        self.accepted = shapes.registry.accepted
        self.type_name = type_name
        self.path = path
        self.place = place
        self.is_resource = not path and is_subtype(type_name, "Resource")

    def lines(self, name: str) -> list[str]:
        """Return the text of the function."""
        options = json_children(self.type_name, self.path)
        single = {key: found for key, found in options.items() if "[x]" not in found.path}
        if self.type_name == "Coding":
            return self._coding(name, single)
        needed = {key: found for key, found in single.items() if found.min > 0}
        judged = [line for key, found in needed.items() for line in [f" v = s[{key!r}]", *self._value(found, key, " ")]]
        left = {key: found for key, found in single.items() if key not in needed}
        if not self.is_resource:
            left.pop("id", None)
        judged += self._optional(left, " ")
        count = len(needed) + self.is_resource
        return [
            f"def {name}(s, run):",
            " if s.__class__ is not dict: return False",
            f" n = {count}",
            *judged,
            *self._choices({key: found for key, found in options.items() if "[x]" in found.path}),
            f" if len(s) != n{'' if count else ' or not n'}: return False",
            *self._rules(),
            " return True",
        ]

    def _coding(self, name: str, options: dict[str, ElementDefinition]) -> list[str]:
        """Return the text for a Coding: a system that is known and a code that it has need no further look."""
        pair = {key: options[key] for key in ("system", "code")}
        others = {key: found for key, found in options.items() if key not in pair and key != "id"}
        is_code = self.shapes.given("P", PRIMITIVES["code"].fast)
        asking_nothing = "lenient" if self.place and self.accepted.holds(f"{self.place}.code") else "opened"
        return [
            f"def {name}(s, run):",
            " if s.__class__ is not dict: return False",
            " system, code = s.get('system'), s.get('code')",
            f" told = code in known.get(system, ()) or (system in {asking_nothing} and {is_code}(code))",
            " if told and len(s) == 2: return True",
            " n = 2 if told else 0",
            " if not told:",
            "  learn(system)",
            *self._optional(pair, "  "),
            *self._optional(others, " "),
            " if len(s) != n or not n: return False",
            " if told: return True",
            *self._rules(),
            " return True",
        ]

    def _optional(self, options: dict[str, ElementDefinition], pad: str) -> list[str]:
        """Return the lines that judge and count the elements that are there."""
        lines = []
        for key, found in options.items():
            lines += [f"{pad}if {key!r} in s:", f"{pad} v = s[{key!r}]", f"{pad} n += 1"]
            lines += self._value(found, key, f"{pad} ")
        return lines

    def _value(self, definition: ElementDefinition, key: str, pad: str) -> list[str]:
        """Return the lines that judge the value `v` of an element, a list item by item."""
        if not definition.is_list:
            return [f"{pad}if not {self._holds(definition, key, 'v')}: return False"]
        return [
            f"{pad}if v.__class__ is not list or not v: return False",
            f"{pad}for w in v:",
            f"{pad} if not {self._holds(definition, key, 'w')}: return False",
        ]

    def _choices(self, options: dict[str, ElementDefinition]) -> list[str]:
        """Return the lines that judge choices, of each at most one type."""
        lines: list[str] = []
        for path in dict.fromkeys(found.path for found in options.values()):
            keys = {key: found for key, found in options.items() if found.path == path}
            tests = {key: self._holds(found, key, "v") for key, found in keys.items()}
            if len(keys) <= _SHORT_CHOICE:
                lines.append(" c = 0")
                for key, test in tests.items():
                    lines += [f" if {key!r} in s:", f"  v = s[{key!r}]", f"  if not {test}: return False", "  c += 1"]
            else:
                table = ", ".join(f"{key!r}: lambda v, run: {test}" for key, test in tests.items())
                name = self.shapes.given("T", {})
                exec(f"{name}.update({{{table}}})", self.shapes.names)  # noqa: S102 - text from definitions
                lines += [" c = 0", " if len(s) != n:", "  for k, v in s.items():", f"   t = {name}.get(k)"]
                lines += ["   if t is not None:", "    if not t(v, run): return False", "    c += 1"]
            needed = next(iter(keys.values())).min > 0
            lines += [f" if c {'!= 1' if needed else '> 1'}: return False", " n += c"]
        return lines

    def _holds(self, definition: ElementDefinition, key: str, variable: str) -> str:
        """Return the expression that one value is right."""
        code = definition.types[0].code if definition.types else ""
        element = f"{self.place}.{key}" if self.place else ""
        place = self.accepted.around(element)
        if is_primitive(code):
            return self._primitive(definition, code, variable)
        if definition.content:
            owner, _, path = definition.content.partition(".")
            return f"{self.shapes.name(owner, path, place)}({variable}, run)"
        if code in ("BackboneElement", "Element"):
            below = f"{self.path}.{key}" if self.path else key
            return f"{self.shapes.name(self.type_name, below, place)}({variable}, run)"
        if code == "Resource":
            # What a Bundle's entries hold is judged one by one (`resources`): a finding there does not undo the rest.
            in_entry = (self.type_name, self.path, key) == ("Bundle", "entry", "resource")
            return f"contained({variable}, run) is None" if key == "contained" else str(in_entry)
        if code == "Extension":
            shape = self.shapes.name("Extension")
            names = self.shapes.given("N", self._names())
            kind = f"{key == 'modifierExtension'}, {self.type_name == 'Extension'}"
            return f"({shape}({variable}, run) and is_extension({variable}, run, {kind}, {names}))"
        type_ = definition.types[0]
        shape = self.shapes.name(type_.profiles[0] if type_.profiles else code, "", place)
        if code == "Reference":
            allowed = self.shapes.given("A", references.allowed_types(type_.targets))
            return f"is_reference({variable}, {allowed}, run, {shape})"
        binding = definition.binding
        if binding is None or code not in CODED or binding.strength not in ("required", "extensible"):
            return f"{shape}({variable}, run)"
        codes = self.shapes.registry.terminology.value_set(binding.value_set)
        if codes is None or (binding.strength == "extensible" and self.accepted.holds(element)):
            return f"{shape}({variable}, run)"
        bound = self.shapes.given("B", fits_surely(codes, binding.value_set, binding.strength))
        return f"({shape}({variable}, run) and (run.structure_only or {bound}({variable})))"

    def _primitive(self, definition: ElementDefinition, code: str, variable: str) -> str:
        binding = definition.binding
        if code == "code" and binding is not None and binding.strength == "required":
            codes, grammar = required_codes(binding.value_set), GRAMMARS.get(binding.value_set)
            if codes is not None:
                return f"{variable} in {self.shapes.given('C', codes)}"
            if grammar is not None:
                return f"{self.shapes.given('G', grammar.fast(PRIMITIVES[code].fast))}({variable})"
        if code == "boolean":
            return _TRUTH.format(v=variable)
        bound = binding is not None and binding.strength == "required"
        test = f"{self.shapes.given('P', PRIMITIVES[code].fast)}({variable})"
        if not bound:
            test = f"({test} or {self.shapes.given('P', PRIMITIVES[code].exact)}({variable}) is None)"
        return f"({_PLAIN_TEXT.format(v=variable)} or {test})" if code in _TEXTS else test

    def _names(self) -> frozenset[str]:
        """Return the names that an extension's context may call this node by, wherever it stands."""
        if not self.path:
            return frozenset(f"element {name}" for name in _lineage(self.type_name))
        names = {f"{name}.{self.path}" for name in _lineage(self.type_name)} | {"BackboneElement", "Element"}
        return frozenset(f"element {name}" for name in names)

    def _rules(self) -> list[str]:
        rules = rules_of(self.type_name, self.path)
        native = [self.shapes.given("H", holds) for holds, _ in rules.native]
        others = [self.shapes.given("R", rule) for rule in rules.others]
        tests = [
            *(f" if not {name}(s, run): return False" for name in native),
            *(f" if {name}(s, run) is not None: return False" for name in others),
        ]
        return [" if run.structure_only: return True", *tests] if tests else []


def _lineage(type_name: str) -> list[str]:
    """Return a type with all it specialises."""
    found = [type_name]
    while base := type_definition(found[-1]).base:
        found.append(base)
    return found
