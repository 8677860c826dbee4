"""Data classes of a consent ↔ canonicals of the profiles that stand for them (`mappings/consent/data-classes.yaml`)."""

from __future__ import annotations

from functools import cache
from typing import Any

from adapter.data import data_root, read_yaml
from adapter.types import Json

URI = "urn:ietf:rfc:3986"


@cache
def profiles() -> dict[str, tuple[str, ...]]:
    """Return the canonicals of each cs:data-class code, in the order of the file."""
    written = read_yaml(data_root() / "mappings" / "consent" / "data-classes.yaml")
    root = written["canonicalRoot"]
    return {code: tuple(root + name for name in part["profiles"]) for code, part in written["classes"].items()}


@cache
def classes() -> dict[str, str]:
    """Return the cs:data-class code of each canonical."""
    return {canonical: code for code, canonicals in profiles().items() for canonical in canonicals}


def class_codings(value: Any, _context: Any, _to: str) -> Json:
    """Return `Consent.provision.class` of one data class or of a list of them: a Coding for each profile."""
    codes = [value] if isinstance(value, str) else value
    return [{"system": URI, "code": canonical} for code in codes for canonical in profiles()[code]]


def class_list(element: Any, _context: Any, _to: str) -> Json:
    """Return the data classes that a list of codings stands for, each once, in the order of the list."""
    known = classes()
    return list(dict.fromkeys(known[coding["code"]] for coding in element if coding.get("code") in known))


def class_of(element: Any, context: Any, to: str) -> Json:
    """Return the data class that the first coding stands for, None when it is no class of ours."""
    found = class_list(element, context, to)
    return found[0] if found else None
