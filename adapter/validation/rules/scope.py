"""What a rule sees: the Bundle, the related resources of the caller, the instant; indexed once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, NamedTuple, TypeGuard

from adapter.types import CANONICAL_ROOT, Json, Resource
from adapter.validation.fhirpath import Context, instant
from adapter.validation.fhirpath.values import Temporal, parse_temporal
from adapter.validation.rules.contained import opened

PROFILES = f"{CANONICAL_ROOT}/StructureDefinition/"
Token = tuple[str, str]
"""System and value of an identifier, or system and code of a coding."""


class Entry(NamedTuple):
    """One resource, where it stands (`Bundle.entry[3].resource`), and the addresses that references may name it by."""

    path: str
    resource: Resource
    urls: tuple[str, ...]
    is_contained: bool


LARGEST_WORK = 400_000
"""Resources and members that the rules of one check may look at; a record of ours needs a few thousand."""


class TooLarge(Exception):  # noqa: N818 - says what the document is
    """The document holds so many resources beside each other that it is no record of ours."""


class Scope:
    """One document with all that may be asked about it. Built for one check, never changed afterwards.

    Args:
        document: a Bundle or a single resource.
        context: related resources and Bundles: the team of a plan, earlier versions, consents.
        at: the present instant; None when the caller gave none.

    Attributes:
        remembered: what rules have worked out of a resource, by purpose and `id()` of the resource.
    """

    def __init__(self, document: Resource, context: Iterable[Resource] = (), at: str | None = None) -> None:
        self.now = instant(at)
        numbers = count()
        self.entries = list(_entries(document, numbers))
        related = [entry for resource in context for entry in _entries(resource, numbers)]
        self.related = [entry.resource for entry in related]
        self.has_context = bool(self.related)
        self._is_alone = document.get("resourceType") != "Bundle"
        self._own = {id(entry.resource) for entry in self.entries}
        self._contained = {id(entry.resource) for entry in self.entries if entry.is_contained}
        self._by_type: dict[str, list[Resource]] = {}
        self._by_url: dict[str, Resource] = {}
        self._by_identifier: dict[tuple[str, str, str], Resource] = {}
        for entry in (*self.entries, *related):
            for url in entry.urls:
                self._by_url.setdefault(url, entry.resource)
            self._by_type.setdefault(entry.resource["resourceType"], []).append(entry.resource)
        self._identifiers_indexed = False
        self._work_left = LARGEST_WORK
        self.remembered: dict[tuple[str, int], Any] = {}

    def expressions(self) -> Context:
        """Return what FHIRPath sees of it; not kept here, or both would stay until Python looks for circles."""
        return Context(resolve=self._of_url, now=self.now)

    def all_resources(self) -> Iterator[Resource]:
        """Yield the document's own resources, then the related ones."""
        yield from (entry.resource for entry in self.entries)
        yield from self.related

    def of_type(self, resource_type: str) -> list[Resource]:
        """Return all resources of a type, the document's own first."""
        found = self._by_type.get(resource_type, [])
        self.spend(len(found))
        return found

    def may_lack(self, resource_type: str) -> bool:
        """True when a resource was given without its record, and nothing of this type with it: nobody can know."""
        return self._is_alone and not self.of_type(resource_type)

    def spend(self, looks: int) -> None:
        """Count work that grows with the document.

        Raises:
            TooLarge: it is more than `LARGEST_WORK`.
        """
        self._work_left -= looks
        if self._work_left < 0:
            raise TooLarge

    def own(self, resource_type: str) -> list[Resource]:
        """Return the document's own resources of a type."""
        return [resource for resource in self.of_type(resource_type) if self.is_own(resource)]

    def is_own(self, resource: Resource) -> bool:
        """True when the resource is part of the document, not only related."""
        return id(resource) in self._own

    def is_contained(self, resource: Resource) -> bool:
        """True when the resource stands inside another one of the document."""
        return id(resource) in self._contained

    def resolve(self, reference: Json) -> Resource | None:
        """Return the resource that a Reference names: contained, by URL, or by identifier; None when unknown."""
        if not isinstance(reference, dict):
            return None
        literal = reference.get("reference")
        if isinstance(literal, str):
            found = self._of_url(literal)
            if found is not None:
                return found
        token = identifier_token(reference.get("identifier"))
        return None if token is None else self._of_identifier(str(reference.get("type", "")), token)

    def resolve_all(self, references: Json) -> list[Resource]:
        """Return the resources of a list of References, without those that are unknown."""
        found = (self.resolve(reference) for reference in listed(references))
        return [resource for resource in found if resource is not None]

    def same(self, one: Json, other: Json) -> bool:
        """True when two References name the same thing: one resource, one URL or one identifier."""
        left, right = self.resolve(one), self.resolve(other)
        if left is not None and right is not None:
            return left is right or bool(tokens(left) & tokens(right))
        literal = one.get("reference") if isinstance(one, dict) else None
        if literal is not None and isinstance(other, dict) and literal == other.get("reference"):
            return True
        first, second = self._tokens_of(one, left), self._tokens_of(other, right)
        return bool(first & second)

    def _tokens_of(self, reference: Json, resolved: Resource | None) -> set[Token]:
        if resolved is not None:
            return tokens(resolved)
        token = identifier_token(reference.get("identifier")) if isinstance(reference, dict) else None
        return set() if token is None else {token}

    def _of_url(self, url: str) -> Resource | None:
        found = self._by_url.get(url)
        if found is None and "/" in url and "://" not in url:
            type_, _, identity = url.partition("/")
            for resource in self.of_type(type_):
                if resource.get("id") == identity:
                    return resource
        return found

    def _of_identifier(self, resource_type: str, token: Token) -> Resource | None:
        if not self._identifiers_indexed:
            self._identifiers_indexed = True
            for resource in self.all_resources():
                for known in tokens(resource):
                    for type_ in (resource["resourceType"], ""):
                        self._by_identifier.setdefault((type_, *known), resource)
        return self._by_identifier.get((resource_type, *token))


def _entries(document: Resource, numbers: Iterator[int]) -> Iterator[Entry]:
    """Yield the resources of a Bundle, or the single resource itself, each followed by what it contains."""
    if document.get("resourceType") != "Bundle":
        if isinstance(document.get("resourceType"), str):
            yield from _opened(document, document["resourceType"], next(numbers), None)
        return
    for index, entry in enumerate(listed(document.get("entry"))):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if _is_resource(resource):
            yield from _opened(resource, f"Bundle.entry[{index}].resource", next(numbers), entry.get("fullUrl"))


def _opened(resource: Resource, path: str, number: int, url: Json) -> Iterator[Entry]:
    if "contained" not in resource:
        yield Entry(path, resource, (url,) if url and isinstance(url, str) else (), False)
        return
    for address, place, found in opened(resource, path, number):
        outer = place == path
        urls = [address, url] if outer else [address]
        yield Entry(place, found, tuple(known for known in urls if isinstance(known, str) and known), not outer)


def _is_resource(value: Json) -> TypeGuard[Resource]:
    return isinstance(value, dict) and isinstance(value.get("resourceType"), str)


def listed(value: Json) -> list[Any]:
    """Return a list as it is, and an empty one for anything else."""
    return value if isinstance(value, list) else []


def objects(value: Json) -> list[dict[str, Any]]:
    """Return the JSON objects of a list."""
    return [item for item in value if type(item) is dict] if type(value) is list else []


def inner(value: Json, *names: str) -> dict[str, Any]:
    """Return the JSON object below a path of names; an empty one where the path leaves objects."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def identifier_token(identifier: Json) -> Token | None:
    """Return system and value of an Identifier, or None when it has no value."""
    if not isinstance(identifier, dict) or not isinstance(identifier.get("value"), str):
        return None
    return str(identifier.get("system", "")), identifier["value"]


def tokens(resource: Resource) -> set[Token]:
    """Return system and value of all identifiers of a resource."""
    identifiers = resource.get("identifier")
    found = (identifier_token(item) for item in (identifiers if isinstance(identifiers, list) else [identifiers]))
    return {token for token in found if token is not None}


def codings(concept: Json) -> Iterator[Token]:
    """Yield system and code of a CodeableConcept, of a list of them, or of a Coding."""
    for item in concept if isinstance(concept, list) else [concept]:
        if not isinstance(item, dict):
            continue
        for coding in objects(item.get("coding")) if "coding" in item else [item]:
            if isinstance(coding.get("code"), str):
                yield str(coding.get("system", "")), coding["code"]


def codes_of(concept: Json, system: str) -> set[str]:
    """Return the codes of one system in a CodeableConcept or a list of them."""
    if type(concept) is dict and type(concept.get("coding")) is list:
        return {
            coding["code"]
            for coding in concept["coding"]
            if type(coding) is dict and coding.get("system") == system and type(coding.get("code")) is str
        }
    return {code for found, code in codings(concept) if found == system}


def extension_values(element: Json, url: str) -> list[dict[str, Any]]:
    """Return the extensions of an element with a URL."""
    return (
        [item for item in objects(element.get("extension")) if item.get("url") == url]
        if isinstance(element, dict)
        else []
    )


def extension_value(element: Json, url: str) -> Any:
    """Return the value of the first extension with a URL, whatever its type; None when there is none."""
    for extension in extension_values(element, url):
        for name, value in extension.items():
            if name.startswith("value"):
                return value
    return None


def moment(text: Json) -> Temporal | None:
    """Return a FHIR date or time, or None when it is none."""
    return parse_temporal(text) if isinstance(text, str) else None


def claims_our_profile(resource: Resource) -> bool:
    """True when the resource names one of our profiles in `meta.profile`; only such resources are judged."""
    meta = resource.get("meta")
    profiles = meta.get("profile") if isinstance(meta, dict) else None
    for profile in listed(profiles):  # noqa: SIM110 - a generator costs more than the question
        if isinstance(profile, str) and profile.startswith(PROFILES):
            return True
    return False
