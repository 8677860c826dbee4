"""What is kept of an OperationOutcome of whoever: its codes and places, never a value."""

from __future__ import annotations

import json
import re

from adapter.source.identity_code import is_inside
from adapter.types import Resource

MOST_ISSUES = 50
_WORD = re.compile(r"[a-z-]{1,40}")
_PATH = re.compile(r"[A-Z][A-Za-z]{1,60}(?:\.[A-Za-z][A-Za-z0-9]{0,60}(?:\([A-Za-z]{0,60}\))?|\[[0-9]{1,6}\]){0,40}")
_URI = re.compile(r"(?:https?://|urn:oid:)[A-Za-z0-9./_-]{1,200}")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def issue_codes(outcome: Resource) -> set[str]:
    """Return the issue codes."""
    issues = outcome.get("issue")
    found = [issue.get("code") for issue in (issues if isinstance(issues, list) else ()) if isinstance(issue, dict)]
    return {code for code in found if isinstance(code, str)}


def kept_issues(body: Resource) -> str:
    """Keep of an OperationOutcome what names no value: severity, code, details.coding and expression.

    Each must look like what it should be, because the repository may write anything anywhere.
    """
    issues = body.get("issue")
    kept = [_issue(issue) for issue in (issues if isinstance(issues, list) else ())[:MOST_ISSUES]]
    return json.dumps([issue for issue in kept if issue], ensure_ascii=False) if any(kept) else ""


def _issue(issue: object) -> Resource:
    if not isinstance(issue, dict):
        return {}
    kept = {key: issue[key] for key in ("severity", "code") if _looks(_WORD, issue.get(key))}
    for key in ("expression", "location"):
        paths = issue.get(key)
        found = [path for path in (paths if isinstance(paths, list) else ())[:MOST_ISSUES] if _looks(_PATH, path)]
        kept |= {key: found} if found else {}
    details = issue.get("details")
    codings = details.get("coding") if isinstance(details, dict) else None
    codes = [
        {"system": coding["system"], "code": coding["code"]}
        for coding in (codings if isinstance(codings, list) else ())[:MOST_ISSUES]
        if isinstance(coding, dict) and _looks(_URI, coding.get("system")) and _looks(_CODE, coding.get("code"))
    ]
    return kept | ({"details": {"coding": codes}} if codes else {})


def _looks(pattern: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None and not is_inside(text)
