"""What can be said of syntax and of compiled code without evaluating anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from adapter.validation.fhirpath import model, paths
from adapter.validation.fhirpath.code import Code
from adapter.validation.fhirpath.errors import FhirPathError
from adapter.validation.fhirpath.syntax import Call, Member, Syntax


def is_complex(code: Code) -> bool:
    """True when all items are known to be complex elements."""
    return bool(code.types) and not any(model.is_primitive(type_path) for type_path in code.types)


def common_types(codes: Iterable[Code]) -> tuple[str, ...]:
    """Return the types of all codes together; nothing is known when one is unknown."""
    found: dict[str, None] = {}
    for code in codes:
        if not code.types:
            return ()
        found.update(dict.fromkeys(type_path for type_path in code.types if type_path not in paths.UNKNOWN))
    return tuple(found) or paths.UNKNOWN


def arithmetic_types(left: Code, right: Code) -> tuple[str, ...]:
    """Return a System type for the result, so that it is not taken for a FHIR date text."""
    types = common_types([left, right])
    return ("System.Any",) if types else ()


def type_argument(syntax: Call) -> str:
    """Return the type that `ofType(FHIR.Quantity)` names."""
    argument = syntax.arguments[0]
    names: list[str] = []
    while type(argument) is Member:
        names.append(argument.name)
        if argument.source is None:
            return ".".join(reversed(names))
        argument = argument.source
    raise FhirPathError(f"{syntax.name}() takes the name of a type", syntax.position)


def parts(syntax: Syntax) -> Iterator[Syntax]:
    """Walk over all syntax, without recursion."""
    waiting = [syntax]
    while waiting:
        part = waiting.pop()
        yield part
        for name in part.__slots__:
            inner = getattr(part, name)
            for value in inner if isinstance(inner, tuple) else (inner,):
                if isinstance(value, Syntax):
                    waiting.append(value)
