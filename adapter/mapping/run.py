"""One record on its way to a Bundle: ids, meta, identifiers of parts, resources that several mentions share.

What the envelope says of every resource (FHIR `meta`, `language`, part identifier) is written here and nowhere
else; the compiled mapping and the interpreter both call it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

from adapter.fhir.ids import ids_under, search_token
from adapter.mapping.conversions import URI
from adapter.mapping.merge import Clash, merged
from adapter.mapping.model import Mapping, Rule, SourcePath, Step, profile_canonical
from adapter.terminology import PACKAGED
from adapter.types import CANONICAL_ROOT, Json, Record, Resource

RECORD_TYPE_SYSTEM = f"{CANONICAL_ROOT}/record-type"
PART_KEY_SYSTEM = f"{CANONICAL_ROOT}/part-key"
"""Tag of a resource that has no `identifier` (Provenance): the keyed id as code, the part's name as display."""

RECORD_VERSION_SYSTEM = f"{CANONICAL_ROOT}/record-version"

CONFIDENTIALITY = ("U", "L", "M", "N", "R", "V")
"""v3-Confidentiality from open to very restricted; exactly one stands on every resource, N when nothing says more."""

NON_DISCLOSURE = "TURVAKIELTO"
WITH_CONTACTS = ("Patient", "RelatedPerson")
"""Shared resources that carry the order: their contact data lead to the client."""

_SENSITIVITY_LABELS = {
    "mental-health": ("v3-ActCode", "PSY"),
    "substance-use": ("v3-ActCode", "SUD"),
    "social-welfare": ("security-label", "social-welfare"),
}


SENSITIVITIES = tuple(_SENSITIVITY_LABELS)
"""Data classes that are R and carry a label of their own (BR-079)."""

_CLASS_OF_LABEL = {code: name for name, (_, code) in _SENSITIVITY_LABELS.items()}


Note = int | str | list[Any] | None
"""What a compiled mapping notes; `adapter.mapping.replay` says what it stands for."""


class DescribedTwice(Exception):  # noqa: N818 - says what happened
    """Two mentions of one person or organisation contradict each other; the places are the sender's paths."""

    def __init__(self, element: str, first: str, second: str) -> None:
        super().__init__(element)
        self.element, self.first, self.second = element, first, second


class NoIdentity(Exception):  # noqa: N818
    """A mention that has none of the identifiers that its rule asks for."""


class Hop:
    """A vendor's record on its way to the canonical form."""

    source_system = ""

    def __init__(self, mapping: Mapping, record: Record) -> None:
        self.mapping = mapping
        self.record = record
        self.notes: list[Note] = []

    def special(self, name: str) -> str:
        """Return what `@mapping`, `@version` or `@digest` stands for."""
        return self.mapping.specials[name]


class Run:
    """The state of one record.

    Attributes:
        mapping, record: the mapping and the canonical record.
        source_system, record_id: as in the envelope.
        seen: by the name of an embedded type and the `id` of a value what it was made of, so that the same words need
            not be said again: the value, what it became, and where its notes begin (below zero).
        notes: what the compiled mapping did, read by `adapter.mapping.replay`.
    """

    def __init__(self, mapping: Mapping, record: Record, key: bytes) -> None:
        self.mapping = mapping
        self.record = record
        self.source_system: str = record["source_system"]
        self.record_id: str = record["record_id"]
        self.seen: dict[str, dict[Any, tuple[Json, Json, int]]] = defaultdict(dict)
        self.notes: list[Note] = []
        self._own_ids: dict[str, Collection[str]] = {}
        self._ids = ids_under(key)
        self._owned: list[tuple[bool, Json]] = []
        self._shared: dict[str, tuple[str, str, Json, str]] = {}
        self._language: str = record["language"]
        self._token = f"identifier={search_token(self.source_system, self.record_id)}"
        self._tags = (
            _labelled("register", record["register"]),
            {"system": RECORD_VERSION_SYSTEM, "code": str(record["record_version"])},
            {"system": RECORD_TYPE_SYSTEM, "code": record["record_type"]},
        )
        self._given = record.get("security_labels", ())
        self._labels: dict[tuple[str, bool], list[Json]] = {}
        self._plain = None if self._given else _labelled("v3-Confidentiality", "N")

    def special(self, name: str) -> str:
        """Return what `@mapping`, `@version` or `@digest` stands for."""
        return self.mapping.specials[name]

    def own_ids(self, type_: str) -> Collection[str]:
        """Return the identifiers of the resources of a type that this record makes, as the rows of `identifier` say."""
        if type_ not in self._own_ids:
            fields = self.mapping.own_identifiers.get(type_, ())
            self._own_ids[type_] = {id_ for steps, source in fields for id_ in _read(steps, source, (self.record,))}
        return self._own_ids[type_]

    def part_urn(self, part: str) -> str:
        """Return the `fullUrl` of a part of this record."""
        return self._ids.urn(self.source_system, f"{self.record_id}/{part}" if part else self.record_id)

    def identity_urn(self, type_: str, identifier: Json) -> str:
        """Return the `fullUrl` of something that has an identifier of its own."""
        return self._ids.of_identifier(type_, identifier["system"], identifier["value"])

    def key_urn(self, type_: str, fields: tuple[str | None, ...]) -> str:
        """Return the `fullUrl` of something that only a combination of fields identifies.

        Without a system of its own each field is one of the source system.
        """
        return self._ids.of_fields(type_, self.source_system, fields)

    def own(self, rule: Rule, part: str, urn: str, body: Resource, identifier: Json = None) -> None:
        """Add a resource of this record: part identifier, meta, language, request."""
        register, version, record_type = self._tags
        tags = [register.copy(), version.copy(), record_type.copy()]
        sensitivity, profiles = rule.sensitivity, [*rule.profiles]
        if "meta" in body:
            computed = body["meta"]
            profiles = [*map(profile_canonical, computed.get("profile", ())), *profiles]
            if "security" in computed:  # a row has computed the label of this very resource
                sensitivity = _CLASS_OF_LABEL[computed["security"][0]["code"]]
        body["meta"] = {
            "profile": profiles,
            "security": [self._plain.copy()] if self._plain and not sensitivity else self._security(sensitivity, True),
            "source": self.source_system,
            "tag": tags,
        }
        body["language"] = self._language
        criterion = f"{self._token}/{part}" if part else self._token
        if rule.identifier == "none":
            code = urn[9:]
            tags.append({"system": PART_KEY_SYSTEM, "code": code, "display": part or rule.name})
            criterion = f"_tag={search_token(PART_KEY_SYSTEM, code)}"
        else:
            value = f"{self.record_id}/{part}" if part else self.record_id
            part_identifier = {"use": "secondary", "system": self.source_system, "value": value}
            if rule.identifier == "single":
                body["identifier"] = part_identifier
            elif "identifier" in body:
                body["identifier"].append(part_identifier)
            else:
                body["identifier"] = [part_identifier]
        if identifier is not None:
            # Made before by a record that knew only one of several codes: any of them finds it.
            tokens = (search_token(each["system"], each["value"]) for each in body["identifier"])
            criterion = f"identifier={','.join(tokens)}"
        request = {"method": "POST", "url": rule.type, "ifNoneExist": criterion}
        self._owned.append((rule.core, {"fullUrl": urn, "request": request, "resource": body}))

    def share(self, rule: Rule, urn: str, body: Resource, identifier: Json, place: str = "") -> None:
        """Add a resource that is merely referred to, or join it with an earlier mention.

        Raises:
            DescribedTwice: the two mentions contradict each other.
        """
        if identifier is None:
            identifier = {"system": URI, "value": urn}
            body.setdefault("identifier", []).append(identifier)
        known = self._shared.get(urn)
        if known is None:
            sensitivity = rule.sensitivity
            security = [self._plain.copy()] if self._plain and not sensitivity else self._security(sensitivity, False)
            if rule.type in WITH_CONTACTS and NON_DISCLOSURE in self._given:
                security.append(_labelled("fi-base-security-label", NON_DISCLOSURE).copy())
            body["meta"] = {"profile": [*rule.profiles], "security": security}
            criterion = f"identifier={search_token(identifier['system'], identifier['value'])}"
            request = {"method": "POST", "url": rule.type, "ifNoneExist": criterion}
            self._shared[urn] = (rule.type, urn, {"fullUrl": urn, "request": request, "resource": body}, place)
            return
        _, _, entry, first = known
        body["meta"] = entry["resource"]["meta"]
        if body != entry["resource"]:
            try:
                entry["resource"] = merged(entry["resource"], body)
            except Clash as clash:
                raise DescribedTwice(f"{body['resourceType']}.{clash}", first, place) from None

    def _security(self, sensitivity: str, owned: bool) -> list[Json]:
        known = self._labels.get((sensitivity, owned))
        if known is None:
            known = self._labels[sensitivity, owned] = labels(sensitivity, self._given if owned else ())
        return [label.copy() for label in known]

    def bundle(self) -> Resource:
        """Return the transaction: core resources, the other owned ones, the shared ones by type and id."""
        core = [entry for is_core, entry in self._owned if is_core]
        others = [entry for is_core, entry in self._owned if not is_core]
        shared = [entry for _, _, entry, _ in sorted(self._shared.values())]
        entries = _beside_their_client([*core, *others, *shared])
        made: Resource = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        given = self.record.get("security_labels")
        if given:
            made["meta"] = {"security": [dict(_labelled(_list_of(label), label)) for label in given]}
        return made


def _beside_their_client(entries: list[Json]) -> list[Json]:
    """Return the entries with each RelatedPerson looked for beside its own client.

    R4 has a RelatedPerson for each client (`patient` 1..1), but a guardian may stand for several under one number:
    that of another client must not be found.
    """
    clients = {
        each["fullUrl"]: each["request"]["ifNoneExist"] for each in entries if each["request"]["url"] == "Patient"
    }
    return [_beside(each, clients) if each["request"]["url"] == "RelatedPerson" else each for each in entries]


def _beside(entry: Json, clients: dict[str, str]) -> Json:
    client = clients[entry["resource"]["patient"]["reference"]]
    request = entry["request"]
    return {**entry, "request": {**request, "ifNoneExist": f"{request['ifNoneExist']}&patient.{client}"}}


def labels(sensitivity: str, given: Collection[str]) -> list[Json]:
    """Return exactly one confidentiality, beside R the sensitivity, and TURVAKIELTO where it is carried along.

    Args:
        sensitivity: sensitive data class of the resource, or empty.
        given: the envelope's own labels; the stricter confidentiality wins.
    """
    level = "R" if sensitivity else "N"
    for label in given:
        if label in CONFIDENTIALITY and CONFIDENTIALITY.index(label) > CONFIDENTIALITY.index(level):
            level = label
    found = [_labelled("v3-Confidentiality", level).copy()]
    if sensitivity:
        found.append(_labelled(*_SENSITIVITY_LABELS[sensitivity]).copy())
    if NON_DISCLOSURE in given:
        found.append(_labelled("fi-base-security-label", NON_DISCLOSURE).copy())
    return found


def _read(steps: tuple[Step, ...], source: SourcePath, scopes: tuple[Json, ...]) -> Iterator[Json]:
    """Yield what stands in a field in every turn of loops in loops."""
    if not steps:
        yield _field(scopes, source)
        return
    value = _field(scopes, steps[0].source)
    if value is not None:
        for item in value if steps[0].is_list else (value,):
            yield from _read(steps[1:], source, (*scopes, item))


def _field(scopes: tuple[Json, ...], source: SourcePath) -> Json:
    value = scopes[source.depth]
    for key in source.keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _list_of(label: str) -> str:
    return "fi-base-security-label" if label == NON_DISCLOSURE else "v3-Confidentiality"


@cache
def _labelled(name: str, code: str) -> dict[str, Any]:
    return PACKAGED.coding(name, code)
