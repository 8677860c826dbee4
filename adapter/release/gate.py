"""The one gate: nothing becomes visible to somebody else without a decision of the consent engine.

Whoever releases data — the adapter when it hands a record over or answers a fetch, the mock endpoint on every read,
the reviewer's pages when they open a file — asks `pass_gate`, and gives out only what it returns. The witness is told
before anything is given: no audit, no data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from adapter.consent import Consents, Context, Decision, Entry, decide, packaged_configuration, read_consents
from adapter.consent.model import DecidedBy
from adapter.consent.references import Token
from adapter.consent.withholding import redacted, without_contacts
from adapter.consent.written import Trace, write_decision
from adapter.types import Resource

OF_NO_CLIENT = frozenset({"Organization", "Practitioner", "PractitionerRole"})
"""Types that hold no client's data: they say who works where."""


@dataclass(frozen=True, slots=True)
class OnFile:
    """What is known of a client, read once: consents, and the teams, organisations, roles and people around them."""

    consents: Consents
    context: Context

    @classmethod
    def of(cls, bundles: Sequence[Resource], *beside: Resource) -> OnFile:
        """Take the Bundles of accepted records apart.

        Args:
            beside: Bundles in which things may be looked up; their own Consents do not count.
        """
        entries = (entry["resource"] for bundle in bundles for entry in bundle["entry"])
        consents = [each for each in entries if each["resourceType"] == "Consent"]
        return cls(read_consents(consents), Context((*bundles, *beside), packaged_configuration().own_bases))


@dataclass(frozen=True, slots=True)
class Reader:
    """Who wants to see data, and what for.

    Attributes:
        requester: organisation, person and role as in the decision format.
        names: identifiers of the reading organisation; it reads its own register without being asked.
        purpose: one Coding.
        legal_basis: Coding of a statutory right that is claimed, or None.
    """

    requester: Mapping[str, Any]
    names: frozenset[Token]
    purpose: Mapping[str, str]
    legal_basis: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to see: data of one client in one controller's register.

    Attributes:
        patient: reference of the client.
        custodian: FHIR Reference of the controller; empty when it is not known.
        custodian_names: every identifier of the controller.
        resources: resources, or Bundle entries with `fullUrl`.
        action: `access` or `disclose`.
        interaction: `read` (one resource), `search` (leave out what is withheld), `submit` (all or nothing).
        protected: the client has TURVAKIELTO.
    """

    patient: str
    custodian: Mapping[str, Any]
    custodian_names: frozenset[Token]
    resources: Sequence[Resource]
    action: Literal["access", "disclose"] = "access"
    interaction: Literal["read", "search", "submit"] = "read"
    protected: bool = False


class Word(NamedTuple):
    """What the log keeps of a decision about one resource: where it stands, `permit`, `partial` or `deny`, and why.

    Attributes:
        consents: `Consent/id` of those that decided, with the version where they have one.
        rule: id of the statutory rule that permits; empty when consents decide.
        made: the whole decision that it is part of; None when nobody had to be asked.
    """

    address: str
    decision: str
    reason: str
    consents: tuple[str, ...] = ()
    rule: str = ""
    made: Decision | None = None


Witness = Callable[[Word], None]


def grounds(words: Iterable[Word]) -> dict[str, str]:
    """Return what the log keeps of the grounds of several decisions: versions of consents, ids of statutory rules."""
    told = list(words)
    consents = {one.removeprefix("Consent/") for word in told for one in word.consents}
    return {"consents": ", ".join(sorted(consents)), "rule": ", ".join(sorted({word.rule for word in told} - {""}))}


def traces_of(words: Iterable[Word]) -> tuple[Trace, ...]:
    """Return the trace of every decision that the words are part of, each once; worked out when it is asked for."""
    made = {id(word.made): word.made for word in words if word.made is not None}
    return tuple(write_decision(one) for one in made.values())


@dataclass(frozen=True, slots=True)
class Passed:
    """What came through the gate.

    Attributes:
        shown: for each resource asked for what may be given out, None for what is withheld.
        decision: the engine's word; None when nobody had to be asked.
    """

    shown: tuple[Resource | None, ...]
    decision: Decision | None = None


def pass_gate(reader: Reader, asked: Asked, on_file: OnFile, at: float, witness: Witness) -> Passed:
    """Return what of the resources asked for the reader may be given.

    Args:
        at: the present instant, UTC seconds.
        witness: told about every resource before anything is returned; what it raises stops the release.
    """
    resources = [_resource(one) for one in asked.resources]
    addresses = [_address(one) for one in asked.resources]
    if keeps_register(reader.names, asked.custodian_names):
        return _told(Passed(tuple(resources)), addresses, witness, "OWN_REGISTER")
    of_client = [number for number, one in enumerate(resources) if one["resourceType"] not in OF_NO_CLIENT]
    if not of_client:
        return _told(Passed(tuple(resources)), addresses, witness, "NO_CLIENT_DATA")
    request = _request(reader, asked, [asked.resources[number] for number in of_client], at)
    decision = decide(on_file.consents, request, context=on_file.context)
    shown: list[Resource | None] = list(resources)
    words = _words(decision, [addresses[number] for number in of_client])
    for number, (word, paths) in zip(of_client, words, strict=True):
        witness(word)
        keeps_contacts = asked.protected and word.reason != "STATUTORY_BASIS"
        shown[number] = None if word.decision == "deny" else _cut(resources[number], paths, keeps_contacts)
    return Passed(tuple(shown), decision)


def keeps_register(reader: Set[object], custodian: Set[object]) -> bool:
    """Say whether a reader keeps the register that data stand in; one's own data one sees without being asked.

    Args:
        reader, custodian: names of the reading organisation (of a reviewer: every controller that the account is
            bound to) and of the controller.
    """
    return not reader.isdisjoint(custodian)


def _told(passed: Passed, addresses: Iterable[str], witness: Witness, reason: str) -> Passed:
    for address in addresses:
        witness(Word(address, "permit", reason))
    return passed


def _resource(one: Resource) -> Resource:
    resource: Resource = one if "resourceType" in one else one["resource"]
    return resource


def _address(one: Resource) -> str:
    resource = _resource(one)
    return str(one.get("fullUrl") or f"{resource['resourceType']}/{resource.get('id', '')}")


def _request(reader: Reader, asked: Asked, resources: Sequence[Resource], at: float) -> dict[str, Any]:
    request: dict[str, Any] = {
        "time": datetime.fromtimestamp(at, UTC).isoformat(),
        "mode": "live",
        "requester": reader.requester,
        "purpose": dict(reader.purpose),
        "action": asked.action,
        "patient": {"reference": asked.patient},
        "interaction": asked.interaction,
    }
    request |= {"resource": resources[0]} if asked.interaction == "read" else {"resources": list(resources)}
    if asked.custodian:
        request["custodian"] = asked.custodian
    if reader.legal_basis:
        request["legalBasis"] = dict(reader.legal_basis)
    return request


def _words(decision: Decision, addresses: Sequence[str]) -> Iterator[tuple[Word, tuple[str, ...]]]:
    """Yield the word about each resource and its elements to cut, in the order asked."""
    ordered = sorted(decision.entries.values(), key=lambda entry: entry.index)
    entries: Sequence[Entry | Decision] = ordered or [decision] * len(addresses)
    # A submission is all or nothing: what it refuses as a whole refuses every entry.
    nothing = decision.decision == "deny"
    for address, one in zip(addresses, entries, strict=True):
        paths = tuple(path for obligation in one.obligations for path in obligation.paths)
        consents = tuple(sorted({_version(by) for by in one.decided_by}))
        said = "deny" if nothing else one.decision
        yield Word(address, said, str(one.reason), consents, one.statutory_rule, decision), paths


def _version(by: DecidedBy) -> str:
    """Name the version of a consent that decided; a stored record of the adapter has an id of its own for each."""
    return f"{by.consent}/_history/{by.version}" if by.version else by.consent


def _cut(resource: Resource, paths: Iterable[str], keeps_contacts: bool) -> Resource:
    return redacted(without_contacts(resource) if keeps_contacts else resource, paths)
