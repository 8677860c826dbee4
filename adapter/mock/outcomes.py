"""A request that the endpoint refuses: an HTTP status and issues that say why and what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar

from adapter.errors import AdapterError
from adapter.mock.policy import Policy
from adapter.types import Issue, Resource, operation_outcome


class Refusal(AdapterError):  # noqa: N818 - the endpoint works as it should; the request does not
    """The endpoint refuses a request.

    Attributes:
        status: HTTP status of the answer.
        headers: extra headers of the answer (`Allow`, `Retry-After`, …).
    """

    number: ClassVar[int] = 7000
    stage: ClassVar[str] = "repository"

    def __init__(self, status: int, issues: Issue | Iterable[Issue], headers: dict[str, str] | None = None) -> None:
        super().__init__(issues)
        self.status = status
        self.headers = headers or {}

    def below(self, place: str) -> Refusal:
        """Return the same refusal with every place below `place`, e.g. `Bundle.entry[2].resource`."""
        return Refusal(self.status, [replace(one, expression=_below(place, one)) for one in self.issues])


def _below(place: str, issue: Issue) -> str:
    if issue.expression.startswith("Bundle.entry["):
        return issue.expression
    _, _, rest = issue.expression.partition(".")
    return f"{place}.{rest}" if rest else place


def refuse(status: int, key: str, expression: str = "", **values: str) -> Refusal:
    """Return a refusal with one issue from the catalogue `mock.<key>`."""
    return Refusal(status, Issue("error", f"mock.{key}", values, expression=expression))


def refusal_outcome(policy: Policy, refusal: Refusal, language: str) -> Resource:
    """Return an OperationOutcome as the policy's repository writes it, its national codes first."""
    outcome, codes = operation_outcome(refusal.issues, language), policy.outcome_codes
    for issue, shown in zip(refusal.issues, outcome["issue"], strict=True):
        if code := codes.get(issue.key) or codes.get(issue.rule) or codes.get(str(refusal.status)):
            shown["details"]["coding"].insert(0, {"system": policy.outcome_system, "code": code})
        if policy.outcome_issue:
            shown["code"] = policy.outcome_issue
        if policy.outcome_text == "diagnostics":
            _move_text(shown)
    return outcome


def _move_text(issue: dict[str, Any]) -> None:
    """Put the text where a Kanta-style repository has it: in `diagnostics`, `details.text` unused."""
    parts = (issue["details"].pop("text"), issue.get("diagnostics", ""))
    issue["diagnostics"] = " ".join(one for one in parts if one)
