"""Where an extension may stand: element, extension and FHIRPath contexts (R4 §2.4.5.2)."""

from __future__ import annotations

import re
from typing import Any

from adapter.fhir.definitions import is_type, json_children, type_definition
from adapter.validation.evaluation import FhirPathError, select
from adapter.validation.run import Run

_INDEX = re.compile(r"\[\d+\]")
_STEP = re.compile(r"([A-Za-z_]\w*)|\[(\d+)\]")


def fits(contexts: tuple[str, ...], path: str, run: Run) -> bool:
    """Tell whether the extension at `path` (`Patient.name[0].extension[1]`) stands where its definition allows.

    Args:
        contexts: `type expression` pairs, e.g. `element Patient.name`, `extension http://…`, `fhirpath …`.
    """
    holder, _, index = path.rpartition(".extension[")
    if "." not in index and f"element {_INDEX.sub('', holder)}" in contexts:
        return True
    walk = _Walk(run.document, path)
    for context in contexts:
        kind, _, expression = context.partition(" ")
        if kind == "element" and expression in walk.names:
            return True
        if kind == "extension" and walk.extension_urls and expression.partition("#")[0] in walk.extension_urls:
            return True
        if kind == "fhirpath" and _selected(expression, walk, run):
            return True
    return False


def _selected(expression: str, walk: _Walk, run: Run) -> bool:
    try:
        items = select(expression, walk.resource, walk.resource_type, run)
    except FhirPathError:
        return True
    return any(item is walk.holder or item == walk.holder for item in items)


class _Walk:
    """Follows a path through the document and gathers every name that its holder answers to.

    Attributes:
        names: `Patient.name`, `HumanName`, `Element`, … of the element that holds the extension.
        extension_urls: URL of the extension that holds it, if one does.
        resource, resource_type: the innermost resource on the way.
        holder: the element itself.
    """

    def __init__(self, document: dict[str, Any], path: str) -> None:
        steps = [(match.group(1), match.group(2)) for match in _STEP.finditer(path)][1:]
        while steps and steps[-1][0] not in ("extension", "modifierExtension"):
            steps.pop()
        steps = steps[:-1]
        self.extension_urls: set[str] = set()
        self.holder: Any = document
        self._enter_resource(document)
        for name, index in steps:
            if index is not None:
                self.holder = self.holder[int(index)] if isinstance(self.holder, list) else self.holder
                self._settle()
            elif name is not None:
                self._step(name)

    def _enter_resource(self, resource: dict[str, Any]) -> None:
        self.resource = resource
        self.resource_type = str(resource.get("resourceType"))
        self.names = _lineage(self.resource_type)
        self._owners: list[tuple[str, str]] = [(self.resource_type, "")]

    def _step(self, name: str) -> None:
        value = self.holder
        key = name
        names: set[str] = set()
        owners: list[tuple[str, str]] = []
        for owner, inside in self._owners:
            options = json_children(owner, inside)
            found = options.get(name)
            if found is None and isinstance(value, dict):
                present = (option.lstrip("_") for option in value)
                key = next((o for o in present if o in options and options[o].path.endswith(f".{name}[x]")), name)
                found = options.get(key)
            if found is None:
                continue
            below = f"{inside}.{key}" if inside else key
            names |= {f"{base}.{below}" for base in _lineage(owner)} | {found.path, found.path.removesuffix("[x]")}
            code = found.types[0].code if found.types else ""
            if found.content:
                names |= {found.content, "BackboneElement", "Element"}
                content_type, _, content_path = found.content.partition(".")
                owners.append((content_type, content_path))
            elif code in ("BackboneElement", "Element"):
                names |= {"BackboneElement", "Element"}
                owners.append((owner, below))
            elif is_type(code):
                names |= _lineage(code)
                owners += [(owner, below), (code, "")]
        self.names, self._owners = names or {"Element"}, owners or self._owners
        self.holder = value.get(key, value.get(f"_{key}")) if isinstance(value, dict) else None
        self._settle()

    def _settle(self) -> None:
        value = self.holder
        if not isinstance(value, dict):
            return
        if "resourceType" in value:
            self._enter_resource(value)
        self.extension_urls = {str(value["url"])} if "Extension" in self.names and "url" in value else set()


def _lineage(type_name: str) -> set[str]:
    """Return a type with all it specialises: Patient, DomainResource, Resource."""
    found = set()
    while type_name and is_type(type_name):
        found.add(type_name)
        type_name = type_definition(type_name).base
    return found
