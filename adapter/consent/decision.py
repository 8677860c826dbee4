"""The decision: gates in order (R2, R3, R26, R31), then the consents, then several resources as one (R28)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from adapter.consent.configuration import Configuration, packaged_configuration
from adapter.consent.context import Context
from adapter.consent.evaluation import Ruling, rule_on
from adapter.consent.item import Item
from adapter.consent.model import Decision, Entry, Obligation, Reason, Verdict
from adapter.consent.question import Asking, Question
from adapter.consent.reading import Consents, Shelf, read_consents
from adapter.consent.request import read_request
from adapter.consent.statutory import claimed_rules, covers
from adapter.consent.subject import clients_of
from adapter.consent.trace import RefusedRequest, RequestGrounds
from adapter.types import Resource


def decide(
    consents: Consents | Iterable[Resource],
    request: Mapping[str, Any],
    *,
    context: Context | Iterable[Resource] = (),
    config: Configuration | None = None,
) -> Decision:
    """Decide whether a request may have what it asks for. Pure: no clock, no network; never raises on data.

    Args:
        consents: the consents on file, read once (`read_consents`) or as dicts: all clients, all versions.
        request: see `adapter.consent.request`.
        context: the only resources that may be looked up: teams, organisations, roles, people, the client.
        config: see `adapter.consent.configuration`; the packaged one when not given.
    """
    configuration = config or packaged_configuration()
    around = context if isinstance(context, Context) else Context(context, configuration.own_bases)
    asked = read_request(request, around, configuration)
    if isinstance(asked, Reason):
        return Decision("deny", asked, grounds=RefusedRequest(asked))
    asking = Asking(asked, around, configuration)
    if asked.several and isinstance(unknown := claimed_rules(asked, configuration), Reason):
        return Decision("deny", unknown, grounds=RefusedRequest(unknown))
    on_file = consents if isinstance(consents, Consents) else read_consents(consents, config=configuration)
    shelf = on_file.shelf(configuration)
    items = tuple(Item(resource, address, around, configuration) for address, resource in asked.resources)
    entries = tuple(_entry(index, items, asking, shelf) for index in range(len(items)))
    grounds = RequestGrounds(asking, items, entries, shelf)
    if not asked.several:
        return _single(entries[0], grounds)
    return _submission(entries, grounds) if asked.interaction == "submit" else _search(entries, grounds)


def _entry(index: int, items: tuple[Item, ...], asking: Asking, shelf: Shelf) -> Entry:
    """Decide about one resource of the request."""
    item, key = items[index], _key(index, items)
    clients = clients_of(item, asking.request.client, items)
    if clients is None:
        return Entry(key, index, "deny", Reason.SUBJECT_MISMATCH)
    if item.purpose_labels and item.purpose_labels.isdisjoint(asking.permitting_purposes):
        return Entry(key, index, "deny", Reason.PURPOSE_CONFLICTS_WITH_LABEL)
    statutes = claimed_rules(asking.request, asking.configuration)
    if isinstance(statutes, Reason):
        return Entry(key, index, "deny", statutes)
    for statute in statutes:
        if covers(statute, item, asking):
            return Entry(key, index, "permit", Reason.STATUTORY_BASIS, statutory_rule=statute.id)
    return _settled([rule_on(Question(asking, item, client), shelf) for client in clients], key, index, asking)


def _key(index: int, items: tuple[Item, ...]) -> str:
    """Name a resource of the request: `Type/id` if no other before it has the same name."""
    item = items[index]
    if item.key and all(item.key != other.key for other in items[:index]):
        return item.key
    return f"{item.key or item.type}#{index}"


def _settled(rulings: list[Ruling], key: str, index: int, asking: Asking) -> Entry:
    """Combine the words of all clients that a resource names: each must permit (R3), each may cut (R28)."""
    for ruling in rulings:
        if ruling.effect == "deny":
            return Entry(key, index, "deny", ruling.reason, ruling.decided_by)
    by = tuple(sorted({one for ruling in rulings for one in ruling.decided_by}))
    cuts = tuple(dict.fromkeys(path for ruling in rulings for path in ruling.cuts))
    if not cuts:
        return Entry(key, index, "permit", Reason.CONSENT_PERMIT, by)
    if asking.request.interaction == "submit" and not asking.request.several:
        return Entry(key, index, "deny", Reason.SUBMIT_NOT_FULLY_PERMITTED, by)
    obligations = (Obligation("REDACT", key, cuts),)
    return Entry(key, index, "partial", Reason.PARTIAL_REDACTED, by, obligations)


def _single(entry: Entry, grounds: RequestGrounds) -> Decision:
    return Decision(
        entry.decision,
        entry.reason,
        obligations=entry.obligations,
        decided_by=entry.decided_by,
        statutory_rule=entry.statutory_rule,
        grounds=grounds,
    )


def _search(entries: tuple[Entry, ...], grounds: RequestGrounds) -> Decision:
    """Leave out what is withheld, cut what must be cut; nothing left is a deny."""
    released = [entry for entry in entries if entry.decision != "deny"]
    if not released:
        return _of_several("deny", Reason.ALL_WITHHELD, entries, grounds)
    if len(released) < len(entries):
        return _of_several("partial", Reason.PARTIAL_WITHHELD, entries, grounds)
    if any(entry.decision == "partial" for entry in entries):
        return _of_several("partial", Reason.PARTIAL_REDACTED, entries, grounds)
    return _of_several("permit", _permitting_reason(entries), entries, grounds)


def _submission(entries: tuple[Entry, ...], grounds: RequestGrounds) -> Decision:
    """All or nothing."""
    if not entries or any(entry.decision != "permit" for entry in entries):
        return _of_several("deny", Reason.SUBMIT_NOT_FULLY_PERMITTED, entries, grounds)
    return _of_several("permit", _permitting_reason(entries), entries, grounds)


def _permitting_reason(entries: tuple[Entry, ...]) -> Reason:
    """Name the statute when all entries stand on it; else consent is what carried the rest."""
    statutory = all(entry.statutory_rule for entry in entries)
    return Reason.STATUTORY_BASIS if statutory else Reason.CONSENT_PERMIT


def _of_several(verdict: Verdict, reason: Reason, entries: tuple[Entry, ...], grounds: RequestGrounds) -> Decision:
    released = [entry for entry in entries if verdict != "deny" and entry.decision != "deny"]
    rules = sorted({entry.statutory_rule for entry in released} - {""})
    return Decision(
        verdict,
        reason,
        obligations=tuple(obligation for entry in released for obligation in entry.obligations),
        entries={entry.key: entry for entry in entries},
        decided_by=tuple(sorted({by for entry in released for by in entry.decided_by})),
        statutory_rule=", ".join(rules),
        grounds=grounds,
    )
