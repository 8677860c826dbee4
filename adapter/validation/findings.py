"""What a check hands upwards while it unwinds: a finding with the path seen so far.

A check answers None when all is well, else a list of findings whose path is relative to the value it looked
at. Each level on the way up puts its own name before it, so nothing is spent on paths while all is well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from adapter.types import Severity

Values = dict[str, str]


@dataclass(slots=True)
class Finding:
    """One problem, its FHIRPath still growing.

    Attributes:
        key: message key without the area `validation`.
        values: placeholders: names, allowed codes, types, counts; never a value of the record.
        path: FHIRPath relative to the value being checked; empty is the value itself.
        rule: `cpl-3`, `dom-3`, …; empty means the number of the message.
        profile: canonical `url|version` of the profile that asks for it.
        fixed: texts by language that replace the catalogue's.
        contexts: contexts that an extension may stand in; decided when the path is whole.
        silent: accepted by the settings, so that it is not told (`adapter.validation.accepted`).
    """

    key: str
    values: Values = field(default_factory=dict)
    path: str = ""
    severity: Severity = "error"
    rule: str = ""
    profile: str = ""
    fixed: Values = field(default_factory=dict)
    contexts: tuple[str, ...] = ()
    silent: bool = False


Findings = list[Finding] | None
"""None when all is well."""


def under(name: str, findings: list[Finding]) -> list[Finding]:
    """Put an element name or an index (`[2]`) before the path of every finding."""
    for finding in findings:
        path = finding.path
        finding.path = name + path if not path or path[0] == "[" else f"{name}.{path}"
    return findings


def joined(left: Findings, right: Findings) -> Findings:
    """Return both together; either may be None."""
    if left is None:
        return right
    if right is not None:
        left.extend(right)
    return left


def has_errors(found: Findings) -> bool:
    """True when something refuses."""
    return any(finding.severity in ("error", "fatal") and not finding.contexts for finding in found or ())


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def safe_name(name: object) -> str:
    """Return a JSON key that may be shown: a plain word; anything else could be a value in disguise."""
    return name if isinstance(name, str) and _NAME.fullmatch(name) else "?"
