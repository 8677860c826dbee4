"""The validator: definitions loaded and compiled once, documents judged one by one.

A `Validator` is safe to share between threads: what it compiles is kept, what it learns of a document is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from adapter.errors import SourceError
from adapter.types import Issue, Outcome, Resource
from adapter.validation.bundle_index import BundleIndex
from adapter.validation.findings import Findings, joined, under
from adapter.validation.outcome import Trace, issues_of
from adapter.validation.packages import load_definitions
from adapter.validation.reading import read_resource
from adapter.validation.registry import Registry
from adapter.validation.resources import check_resource, resource_type
from adapter.validation.run import NOTHING, Run
from adapter.validation.settings import ValidationSettings


class Validator:
    """Judges resources against base R4, the profiles they claim, and those asked for.

    Args:
        definitions: conformance resources (dicts), or paths of files, folders and packages (.tgz).
        settings: limits and severities.
    """

    def __init__(
        self,
        definitions: Iterable[Resource | str | Path] = (),
        *,
        settings: ValidationSettings | None = None,
    ) -> None:
        self.settings = settings or ValidationSettings()
        resources, problems = load_definitions(definitions)
        accepted = self.settings.accepted if self.settings.extensible == "warning" else frozenset()
        self.registry = Registry(resources, accepted)
        self._unreadable = problems

    @cached_property
    def load_issues(self) -> tuple[Issue, ...]:
        """What of the definitions could not be read or understood, by name; compiles every loaded profile."""
        return (*self._unreadable, *self.registry.load_issues())

    def validate(
        self,
        resource: bytes | str | Resource,
        *,
        profiles: Iterable[str] = (),
        at: str | None = None,
        context: Iterable[Resource] = (),
        trace: Trace | None = None,
    ) -> Outcome:
        """Return every problem of one resource.

        Args:
            resource: FHIR JSON or XML as bytes or text, or a dict with Decimals.
            profiles: canonicals that it must meet beside those in `meta.profile`.
            context: related resources that references may lead to, e.g. the team of a plan; Bundles give their entries.
            at: the present instant for invariants that ask for it (FHIR instant).
            trace: finds the sender's place by FHIRPath.
        """
        try:
            document, problems = read_resource(resource, self.settings.limits)
        except SourceError as error:
            return Outcome(error.issues)
        return self.judge(document, profiles, at=at, context=context, trace=trace, problems=problems)

    def judge(
        self,
        document: Resource,
        profiles: Iterable[str] = (),
        *,
        at: str | None = None,
        context: Iterable[Resource] = (),
        trace: Trace | None = None,
        problems: Findings = None,
        notes: bool = True,
    ) -> Outcome:
        """Return every problem of a resource that was read within limits already; see `validate`.

        Args:
            problems: what reading has found.
            notes: also tell of claimed profiles that are known but not checked.
        """
        related = related_by_reference(context) if context else NOTHING
        run = Run(self.registry, self.settings, document, at, related, notes=notes)
        found = self.findings(document, tuple(profiles), run)
        run.context = None  # it knows the run: both, and the document, would stay until Python looks for circles
        return Outcome(issues_of(joined(problems or None, found), run, trace))

    def findings(self, document: Any, profiles: tuple[str, ...], run: Run) -> Findings:
        """Return the findings of a document that is read, paths from its type on."""
        found = check_resource(document, run)
        type_name = document.get("resourceType") if isinstance(document, dict) else None
        if profiles and resource_type(document, run)[0]:
            found = joined(found, run.at_resource(document, lambda: self._profiles(document, profiles, run)))
        return under(str(type_name), found) if found and resource_type(document, run)[0] else found

    def _profiles(self, document: Resource, profiles: tuple[str, ...], run: Run) -> Findings:
        found: Findings = None
        for canonical in profiles:
            more = self.registry.claim_findings(document, canonical, "", document["resourceType"], run)
            found = joined(found, more)
        return found


def related_by_reference(resources: Iterable[Resource]) -> dict[str, Resource]:
    """Return related resources by the references that may lead to them: `Type/id`, and full URL in a Bundle."""
    found: dict[str, Resource] = {}
    for resource in resources:
        if resource.get("resourceType") == "Bundle":
            for _, entry in BundleIndex(resource).each():
                inner = entry.get("resource")
                if isinstance(inner, dict):
                    found |= related_by_reference((inner,))
                    found[str(entry.get("fullUrl"))] = inner
        if "id" in resource:
            found[f"{resource.get('resourceType')}/{resource['id']}"] = resource
    return found
