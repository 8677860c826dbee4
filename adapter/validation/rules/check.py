"""Judging a Bundle by all rules of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from adapter.types import Issue, Resource
from adapter.validation.fhirpath import Context
from adapter.validation.rules.load import catalogue
from adapter.validation.rules.model import Breach, Rule
from adapter.validation.rules.scope import Entry, Scope, Token, TooLarge, claims_our_profile, codings

ANY: Token = ("", "")
"""Stands for all codes, where rules are looked up by code."""


def check_rules(bundle: Resource, *, at: str | None = None, context: Iterable[Resource] = ()) -> list[Issue]:
    """Judge a Bundle (or a single resource) by the business rules BR-….

    Only resources that claim one of our profiles are judged. What a rule cannot know is not held against the
    record: without `at` rules about the present instant, and without the related record rules about it, are not judged.

    Args:
        bundle: the mapped Bundle; it is not changed.
        at: the present instant (FHIR instant) for rules such as «the next meeting is not in the past».
        context: related resources or Bundles: the team of a plan, earlier versions, consents, the client.

    Returns:
        One issue for each place that breaks a rule, in the order of the Bundle; `rule` holds the id (`BR-017`).

    Raises:
        FhirPathError: `at` is no instant with an offset.
    """
    scope = Scope(bundle, tuple(context), at)
    expressions = scope.expressions()
    issues: list[Issue] = []
    try:
        for entry in scope.entries:
            _judge_entry(scope, expressions, entry, issues)
    except TooLarge:
        issues.append(Issue("error", "rules.too-large"))
    return issues


def _judge_entry(scope: Scope, context: Context, entry: Entry, issues: list[Issue]) -> None:
    """Add what breaks the rules in one resource."""
    resource = entry.resource
    if not claims_our_profile(resource):
        return
    context.resource = context.root = resource
    conditions: dict[str, bool] = {}
    elements: dict[tuple[str, ...], list[tuple[str, Any]]] = {}
    for rule in _rules_of(resource):
        if rule.condition is not None:
            text = rule.condition.text
            if text not in conditions:
                conditions[text] = rule.condition.holds_in(resource, context)
            if not conditions[text]:
                continue
        if rule.judge is not None:
            breaches = rule.judge(scope, resource)
        else:
            if rule.each not in elements:
                elements[rule.each] = _elements(resource, rule.each)
            breaches = _unmet(context, rule, elements[rule.each])
        for breach in breaches:
            issues.append(_issue(rule, entry.path, breach))


def _unmet(context: Context, rule: Rule, elements: list[tuple[str, Any]]) -> Iterator[Breach]:
    """Yield the places of the elements that a rule in FHIRPath does not hold for."""
    assert rule.must is not None
    for path, element in elements:
        if rule.filter is not None and not rule.filter.holds_in(element, context):
            continue
        if not rule.must.holds_in(element, context):
            yield Breach(f"{path}.{rule.points}".strip(".") if rule.points else path)


def _elements(resource: Resource, path: tuple[str, ...]) -> list[tuple[str, Any]]:
    """Return the elements of a path with their places."""
    found: list[tuple[str, Any]] = [("", resource)]
    for name in path:
        found = [step for place, element in found for step in _step(place, element, name)]
    return found


def _step(place: str, element: dict[str, Any], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    value = element.get(name)
    before = f"{place}.{name}" if place else name
    if isinstance(value, dict):
        yield before, value
    elif isinstance(value, list):
        yield from ((f"{before}[{index}]", item) for index, item in enumerate(value) if isinstance(item, dict))


def _issue(rule: Rule, path: str, breach: Breach) -> Issue:
    severity, texts = rule.severity, rule.texts
    if breach.variant:
        variant = rule.variants[breach.variant]
        severity, texts = variant.severity, variant.texts
    if breach.values:
        texts = {language: text.format_map(breach.values) for language, text in texts.items()}
    return Issue(
        severity=severity,
        key="rules.broken",
        values={"rule": rule.id, "field": " ".join(rule.fields)},
        expression=f"{path}.{breach.element}" if breach.element else path,
        rule=rule.id,
        fixed=texts,
    )


def _rules_of(resource: Resource) -> Iterable[Rule]:
    """Return the rules of a resource's type, of those that concern some codes only the ones that concern its own."""
    by_code = _by_type().get(resource["resourceType"]) or _by_type()[""]
    if len(by_code) == 1:
        return by_code[ANY]
    found = {rule.id: rule for rule in by_code[ANY]}
    for system, code in codings(resource.get("code")):
        for token in ((system, code), (system, "*")):
            found |= {rule.id: rule for rule in by_code.get(token, ())}
    return [found[name] for name in sorted(found)]


@cache
def _by_type() -> dict[str, dict[Token, list[Rule]]]:
    """Return the rules of every type that has some, by code; those of every type stand under the empty name too."""
    rules = catalogue().rules
    types = {type_ for rule in rules for type_ in rule.resource_types}
    found: dict[str, dict[Token, list[Rule]]] = {type_: {ANY: []} for type_ in (*types, "")}
    for rule in rules:
        for type_ in rule.resource_types or found:
            for token in rule.codes or (ANY,):
                found[type_].setdefault(token, []).append(rule)
    return found
