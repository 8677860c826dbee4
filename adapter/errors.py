"""The errors of the straight line, one family a stage.

    AdapterError
    ├── SourceError        1000  the sender's document cannot be read, or is no record of ours
    ├── MappingError       2000  a field cannot be said in FHIR
    ├── ConsentRefused     3000  the client has not allowed it
    ├── ValidationFailed   4000  the result breaks a profile or a business rule
    ├── SigningError       5000  keys or certificates are missing or broken
    └── DeliveryError      6000  the repository did not take it

An error *is* an OperationOutcome and knows its HTTP status: no table elsewhere translates it. It carries all
problems found at once, each with the sender's path, the FHIR path and a message key; never a value.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from adapter.types import Issue, Resource, operation_outcome


class AdapterError(Exception):
    """Something the caller can act on. See the module's text for the tree."""

    number: ClassVar[int] = 0
    stage: ClassVar[str] = ""
    http_status: ClassVar[int] = 500

    def __init__(self, issues: Issue | Iterable[Issue], *, record_key: str = "") -> None:
        self.issues: tuple[Issue, ...] = (issues,) if isinstance(issues, Issue) else tuple(issues)
        self.record_key = record_key
        super().__init__(*(issue.rule_id for issue in self.issues))

    def __str__(self) -> str:
        """Return every sentence in English behind its rule; never a value."""
        return "; ".join(f"{issue.rule_id} {issue.text('en')}" for issue in self.issues)

    def operation_outcome(self, language: str = "en") -> Resource:
        """Return the error as a FHIR R4 OperationOutcome in fi, sv or en."""
        return operation_outcome(self.issues, language)

    def text(self, language: str = "en") -> str:
        """Return all sentences, one a line."""
        return "\n".join(issue.text(language) for issue in self.issues)


class SourceError(AdapterError):
    """The document cannot be read, or is not a record that we know."""

    number = 1000
    stage = "read"
    http_status = 400


class MappingError(AdapterError):
    """A field cannot be said in FHIR: unknown code, missing field, impossible combination."""

    number = 2000
    stage = "map"
    http_status = 422


class ConsentRefused(AdapterError):  # noqa: N818 - named after what happened, not after a fault
    """No consent and no statute covers the release.

    Attributes:
        traces: hash and canonical bytes of the trace of each decision that was made, for the log alone.
    """

    number = 3000
    stage = "consent"
    http_status = 403
    traces: tuple[tuple[str, bytes], ...] = ()


class ValidationFailed(AdapterError):  # noqa: N818
    """The mapped Bundle breaks base R4, a profile or a business rule."""

    number = 4000
    stage = "validate"
    http_status = 422


class SigningError(AdapterError):
    """The Bundle cannot be signed, or a signature does not hold."""

    number = 5000
    stage = "sign"
    http_status = 500


class DeliveryError(AdapterError):
    """The repository refused the Bundle, or could not be reached."""

    number = 6000
    stage = "deliver"
    http_status = 502


class OutdatedVersion(SourceError):  # noqa: N818
    """A higher version of the record was accepted before (domain model §2.0, record_version)."""

    http_status = 409


class ChangedContent(SourceError):  # noqa: N818
    """The same version of the record was accepted before with other content (domain model §2.0)."""

    http_status = 422


class KeyReused(SourceError):  # noqa: N818
    """An `Idempotency-Key` came again with another body."""

    http_status = 422


class NotYours(ConsentRefused):
    """The caller may not hand over records of this controller."""

    http_status = 403
