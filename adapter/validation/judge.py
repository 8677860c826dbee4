"""Everything that is to be said about a resource: base R4, profiles (ours included) and business rules, once each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jiter import from_json

from adapter.data import data_root, read_yaml
from adapter.errors import SourceError
from adapter.types import Issue, Outcome, Resource
from adapter.validation.outcome import Trace, place_of
from adapter.validation.packages import CONFORMANCE
from adapter.validation.reading import read_resource
from adapter.validation.rules import check_rules
from adapter.validation.settings import ValidationSettings
from adapter.validation.validator import Validator

if TYPE_CHECKING:
    from adapter.mapping import Mapped

RESTATED = (
    "https://hl7.fi/fhir/",
    "https://gen.kanta.fi/",
    "https://shark.kanta.fi/",
    "http://phr.kanta.fi/",
    "https://profiles.ihe.net/ITI/BALP/",
)
"""Canonicals of national profiles and of IHE's: known, restated by ours, not checked themselves."""


def judge(
    resource: bytes | str | Resource,
    *,
    profiles: Iterable[str] = (),
    validator: Validator | None = None,
    context: Iterable[Resource] = (),
    at: str | None = None,
    trace: Trace | None = None,
    notes: bool = True,
) -> Outcome:
    """Return every problem of a resource.

    Args:
        resource: FHIR JSON or XML as bytes or text, or a dict with Decimals.
        profiles: canonicals that it must meet beside those that it claims.
        validator: with definitions of the caller's own; the packaged one by default.
        context: related resources or Bundles that rules may look at.
        at: the present instant for invariants and rules (FHIR instant).
        trace: finds the sender's place by FHIRPath.
        notes: also tell of claimed profiles that are known but not checked.
    """
    checker, related = validator or packaged_validator(), tuple(context)
    try:
        document, problems = read_resource(resource, checker.settings.limits)
    except SourceError as error:
        return Outcome(error.issues)
    found = checker.judge(document, profiles, at=at, context=related, trace=trace, problems=problems, notes=notes)
    if not found.ok:
        # Rules ask about meaning; on a resource that breaks R4 they would only add noise.
        return found
    broken = [placed(issue, trace) for issue in check_rules(document, at=at, context=related)]
    return Outcome((*found.issues, *broken)) if broken else found


def validate(
    resource: bytes | str | Resource | Mapped,
    *,
    profiles: Iterable[str] = (),
    definitions: Iterable[Resource | str | Path] = (),
    context: Iterable[Resource] = (),
    at: str | None = None,
    language: str = "en",
) -> Outcome:
    """Validate a FHIR R4 resource against base R4, our profiles and rules, and definitions of your own.

    Args:
        resource: JSON or XML as bytes or text, a dict with Decimals, or what `map_record` returned: then issues
            name the sender's field.
        profiles: canonicals that it must meet beside those that it claims.
        definitions: conformance resources as dicts, or paths of files, folders and packages (.tgz).
        context: related resources or Bundles that rules may look at: the team of a plan, earlier versions.
        at: the present instant for rules (ISO 8601 with offset); rules that need it rest without.
        language: of the texts in `Outcome.operation_outcome()`: fi, sv or en.

    Raises:
        TypeError: profiles, definitions or context hold something else; a resource of another type is an issue.
        FhirPathError: `at` is no instant with an offset.
    """
    profiles = _each(profiles, "profiles", str)
    context = _each(context, "context", dict)
    extra = _each(definitions, "definitions", (dict, str, Path))
    validator = validator_with(extra) if extra else packaged_validator()
    document: Any = getattr(resource, "bundle", resource)
    trace = getattr(resource, "locate", None)
    found = judge(document, profiles=profiles, validator=validator, context=context, at=at, trace=trace)
    return Outcome((*validator.load_issues, *found.issues), language)


def _each(values: Iterable[Any], name: str, kinds: type | tuple[type, ...]) -> tuple[Any, ...]:
    """Return an argument that takes several, checked: a text alone would be read letter by letter."""
    if isinstance(values, str | bytes | dict | Path):
        raise TypeError(f"{name} takes a list, not {type(values).__name__}")
    found = tuple(values)
    for value in found:
        if not isinstance(value, kinds):
            names = kinds.__name__ if isinstance(kinds, type) else " or ".join(kind.__name__ for kind in kinds)
            raise TypeError(f"{name} holds {type(value).__name__}, but takes {names}")
    return found


def validator_with(
    definitions: Iterable[Resource | str | Path], settings: ValidationSettings | None = None
) -> Validator:
    """Return a validator that knows our package, our codes and the given definitions (dicts, files, folders, .tgz)."""
    return Validator([*_packaged(), *definitions], settings=settings or packaged_settings())


def _packaged() -> list[Resource]:
    """Return our profiles, and the code systems and value sets that their bindings name."""
    files = (path for kind in CONFORMANCE for path in sorted(package_folder().glob(f"{kind}-*.json")))
    return [from_json(path.read_bytes(), cache_mode="keys", float_mode="decimal") for path in files]


@cache
def packaged_validator() -> Validator:
    """Return the validator that knows our package; one for the whole process."""
    return validator_with(())


def packaged_settings() -> ValidationSettings:
    """Return the settings that our own records are judged with."""
    return ValidationSettings(known_unchecked=RESTATED, accepted=_accepted_elements())


def package_folder() -> Path:
    """Return the folder of our built FHIR package."""
    return data_root() / "profiles" / "package"


@cache
def _accepted_elements() -> frozenset[str]:
    rows = read_yaml(data_root() / "profiles" / "local-bindings.yaml")["accepted"]
    return frozenset(row["element"] for row in rows)


def placed(issue: Issue, trace: Trace | None) -> Issue:
    """Return an issue with the sender's place: of its element, or of the field that a rule names for what is absent."""
    if trace is None:
        return issue
    place, find = place_of(issue.expression, trace), trace if callable(trace) else trace.get
    if place is None or "[" not in place.path:
        named = (find(field) for field in issue.values.get("field", "").split())
        place = next((found for found in named if found is not None), place)
    return replace(issue, source=place)
