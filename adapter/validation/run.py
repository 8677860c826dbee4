"""The state of one validation: the document, where we are in it, and what may be looked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from adapter.types import Severity
from adapter.validation.bundle_index import BundleIndex
from adapter.validation.findings import Finding, Findings

if TYPE_CHECKING:
    from adapter.validation.fhirpath import Context
    from adapter.validation.registry import Registry
    from adapter.validation.settings import ValidationSettings

Resource = dict[str, Any]
Room = tuple[int, int, Severity | None, int]

NOTHING: Mapping[str, Resource] = MappingProxyType({})


class Run:
    """Everything a check may ask while one document is validated. Never shared between documents.

    Attributes:
        registry: definitions: profiles, extensions, value sets.
        settings: severities and limits.
        document: the outermost resource.
        resource: the resource that is being checked, and `root`: the one that contains it (itself if none).
        contained: the root's contained resources by id.
        element_ids: ids of the elements of the present resource.
        local_references: every `#id` seen in the present resource so far.
        links: those of the contained resources, by id.
        notes: tell of profiles that are known but not checked.
        at: the instant that `now()` and `today()` stand for, when the caller gave one.
        context: what FHIRPath may see, made when first needed.
        sound: the resource whose profiles are checked, when its shape has no error.
        structure_only: rules, bindings of concepts and profiles are left out (`ValidationSettings`).
        related: resources outside the document that the caller gave, by `Type/id` and full URL.
        bundles: the Bundles around us, innermost last; `full_url` is that of the present entry.
        errors_left, others_left: room in the report; however much is worth knowing, it takes no room of an error.
        left_out: the severity of what found no room, the worst of it; None while everything did.
    """

    __slots__ = (
        "at",
        "bundles",
        "contained",
        "context",
        "document",
        "element_ids",
        "errors_left",
        "full_url",
        "left_out",
        "links",
        "local_references",
        "notes",
        "others_left",
        "registry",
        "related",
        "resource",
        "root",
        "settings",
        "sound",
        "structure_only",
        "under_check",
        "work_left",
    )

    def __init__(
        self,
        registry: Registry,
        settings: ValidationSettings,
        document: Resource,
        at: str | None = None,
        related: Mapping[str, Resource] = NOTHING,
        *,
        notes: bool = True,
    ) -> None:
        self.at = at
        self.notes = notes
        self.related = related
        self.registry = registry
        self.settings = settings
        self.structure_only = settings.structure_only
        self.document = document
        self.resource = document
        self.root = document
        self.contained: dict[str, Resource] = {}
        self.local_references: set[str] = set()
        self.element_ids: set[str] = set()
        self.links: dict[str, set[str]] = {}
        self.bundles: list[BundleIndex] = []
        self.full_url = ""
        self.errors_left = self.others_left = settings.most_issues
        self.left_out: Severity | None = None
        self.work_left = settings.most_work
        self.sound: Resource | None = None
        self.context: Context | None = None
        self.under_check: set[tuple[int, str]] = set()

    def found(self, finding: Finding) -> Findings:
        """Return the finding as a list, or None when the report is full."""
        error = finding.severity == "error"
        if (self.errors_left if error else self.others_left) <= 0:
            self.leave_out(finding)
            return None
        self.errors_left -= error
        self.others_left -= not error
        return [finding]

    def leave_out(self, finding: Finding) -> None:
        """Note that a finding found no room in the report."""
        self.left_out = "error" if finding.severity == "error" else self.left_out or "information"

    @property
    def count(self) -> int:
        """How many findings there are so far."""
        return 2 * self.settings.most_issues - self.errors_left - self.others_left

    def spend(self, work: int) -> bool:
        """Count work; False when there was too much of it already and no more is done."""
        self.work_left -= work
        return self.work_left >= 0

    def room(self) -> Room:
        """Return what is left of issues and work, for `give_back` after a test that was not sure."""
        return self.errors_left, self.others_left, self.left_out, self.work_left

    def give_back(self, room: Room) -> None:
        """Forget what a test has taken: the exact check counts again."""
        self.errors_left, self.others_left, self.left_out, self.work_left = room

    def counted(self, findings: Findings) -> Findings:
        """Let findings of a trial into the report, as far as there is room."""
        kept: list[Finding] = []
        for finding in findings or ():
            kept += self.found(finding) or ()
        return kept or None

    def trial(self, act: Callable[[], Findings]) -> Findings:
        """Return what a check finds without counting it: to tell whether something would fit."""
        errors, others, left_out, _ = self.room()
        self.errors_left = self.others_left = self.settings.most_issues
        found = act()
        self.errors_left, self.others_left, self.left_out = errors, others, left_out
        return found

    def at_resource(self, target: Resource, act: Callable[[], Findings]) -> Findings:
        """Run a check as seen from another resource of the document."""
        outer = (self.resource, self.root, self.contained, self.full_url)
        self.resource = target
        if not any(target is resource for resource in self.contained.values()):
            self.root = target
            inside = target.get("contained")
            self.contained = {
                resource["id"]: resource
                for resource in (inside if isinstance(inside, list) else ())
                if isinstance(resource, dict) and isinstance(resource.get("id"), str)
            }
            for bundle in self.bundles:
                self.full_url = bundle.full_url_of.get(id(target), self.full_url)
        is_bundle = target.get("resourceType") == "Bundle"
        if is_bundle:
            self.bundles.append(BundleIndex(target))
        found = act()
        if is_bundle:
            self.bundles.pop()
        self.resource, self.root, self.contained, self.full_url = outer
        return found
