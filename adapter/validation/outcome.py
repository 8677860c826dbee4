"""From findings to issues: contexts decided, doubles dropped, the sender's places filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from adapter.types import Issue, SourcePlace
from adapter.validation.causes import without_consequences
from adapter.validation.contexts import fits
from adapter.validation.findings import Finding, Findings
from adapter.validation.run import Run

Trace = Callable[[str], SourcePlace | None] | Mapping[str, SourcePlace]
"""Finds the sender's place of an element by its FHIRPath in the document."""

_ORDER = {"fatal": 0, "error": 1, "warning": 2, "information": 3}


def issues_of(found: Findings, run: Run, trace: Trace | None = None) -> tuple[Issue, ...]:
    """Return every problem once, errors first, in the order of the document."""
    if found is None and run.left_out is None and run.work_left >= 0:
        return ()
    kept: dict[tuple[object, ...], Issue] = {}
    found = [finding for finding in found or () if not (finding.contexts and fits(finding.contexts, finding.path, run))]
    for finding in sorted(without_consequences(found), key=lambda one: _ORDER[one.severity]) if found else ():
        if finding.silent:
            continue
        values = tuple(sorted(finding.values.items())) if finding.values else ()
        mark = (finding.path, finding.key, finding.rule, values, finding.severity)
        if mark not in kept and len(kept) < run.settings.most_issues:
            kept[mark] = _issue(finding, trace)
        elif mark not in kept:
            run.leave_out(finding)
    issues = list(kept.values())
    if run.left_out is not None:
        issues.append(Issue(run.left_out, "validation.more-issues", {"count": str(run.settings.most_issues)}))
    if run.work_left < 0:
        issues.insert(0, Issue("error", "validation.too-much-work", {"max": str(run.settings.most_work)}))
    return tuple(issues)


def _issue(finding: Finding, trace: Trace | None) -> Issue:
    return Issue(
        finding.severity,
        f"validation.{finding.key}",
        finding.values,
        expression=finding.path,
        source=place_of(finding.path, trace),
        rule=finding.rule,
        profile=finding.profile,
        fixed=finding.fixed,
    )


def place_of(path: str, trace: Trace | None) -> SourcePlace | None:
    """Return the sender's place of an element, or of the nearest one around it that has one."""
    if trace is None:
        return None
    find = trace if callable(trace) else trace.get
    while path:
        place = find(path)
        if place is not None:
            return place
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return None
