"""Decision cases in a file, as `kykysilta decide` reads them: settings, shared resources, vectors.

A document holds `vectors` (id, consents, request, context) and may hold `fixtures.resources`, `timezone`,
`serverBase`, `maxNestedLevels`, `terminology`, `statutoryRules` and `outwardReasons`. What it does not set comes
from the packaged configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from adapter.consent.configuration import (
    Configuration,
    OutwardReasons,
    packaged_configuration,
    read_actions,
    read_codings,
    read_statutory_rule,
)
from adapter.consent.decision import decide
from adapter.consent.model import Reason
from adapter.consent.outward_answer import outward
from adapter.consent.vocabulary import Purposes, read_code_tree, read_coding
from adapter.errors import SourceError
from adapter.types import Issue


def decide_cases(document: Any) -> Iterator[dict[str, Any]]:
    """Yield one answer a case: `id`, `decision`, `reason`, and where there are any `entries`, `obligations`,
    `decidedBy`, `statutoryRule`, `outward`.

    Raises:
        SourceError: the document or a case has no shape that can be read; says which.
    """
    if not isinstance(document, dict) or not isinstance(document.get("vectors"), list):
        raise SourceError(Issue("error", "consent.cases-unreadable"))
    configuration = configuration_of(document)
    fixtures = document.get("fixtures", {})
    shared = fixtures.get("resources", {}) if isinstance(fixtures, dict) else {}
    resources = list(shared.values() if isinstance(shared, dict) else shared)
    for index, vector in enumerate(document["vectors"]):
        consents, request, name = _parts(vector, index)
        context = [*resources, *vector.get("context", [])]
        decision = decide(consents, request, context=context, config=configuration)
        answer: dict[str, Any] = {"id": name, **decision.as_json()}
        told = outward(decision, config=configuration)
        if not told.released:
            answer["outward"] = told.reason
        yield answer


def _parts(vector: Any, index: int) -> tuple[list[Any], Mapping[str, Any], str]:
    place = f"vectors[{index}]"
    if not isinstance(vector, dict) or not isinstance(vector.get("id"), str):
        raise SourceError(Issue("error", "consent.case-unreadable", {"path": place, "field": "id"}))
    for field, kind in (("consents", list), ("request", dict), ("context", list)):
        if not isinstance(vector.get(field, [] if field == "context" else None), kind):
            raise SourceError(Issue("error", "consent.case-unreadable", {"path": place, "field": field}))
    return vector["consents"], vector["request"], vector["id"]


def configuration_of(document: Mapping[str, Any]) -> Configuration:
    """Return the packaged configuration with what the document sets for itself.

    Raises:
        SourceError: a setting cannot be read.
    """
    configuration = packaged_configuration()
    try:
        if "timezone" in document:
            configuration = replace(configuration, zone=ZoneInfo(document["timezone"]))
        if "serverBase" in document:
            configuration = configuration.on_server(document["serverBase"])
        if "maxNestedLevels" in document:
            configuration = replace(configuration, deepest=int(document["maxNestedLevels"]))
        if "terminology" in document:
            configuration = _with_terminology(configuration, document["terminology"])
        if "statutoryRules" in document:
            purposes = configuration.labels.purpose_system
            rules = tuple(
                read_statutory_rule(rule, configuration.zone, configuration.own_bases, purposes)
                for rule in document["statutoryRules"]
            )
            configuration = replace(configuration, statutory_rules=rules)
        if "outwardReasons" in document:
            outward_reasons = _outward(document["outwardReasons"], configuration.outward)
            configuration = replace(configuration, outward=outward_reasons)
    except (KeyError, TypeError, ValueError, AttributeError, ZoneInfoNotFoundError) as error:
        raise SourceError(Issue("error", "consent.settings-unreadable")) from error
    return configuration


def _with_terminology(configuration: Configuration, part: Mapping[str, Any]) -> Configuration:
    """Replace the relations between codes: only those of the document may be used."""
    labels, purposes = configuration.labels, configuration.purposes
    if "purposeHierarchy" in part:
        hierarchy = part["purposeHierarchy"]
        never = [{"system": hierarchy["system"], "code": code} for code in hierarchy["neverImpliedInPermit"]]
        purposes = Purposes(read_code_tree([hierarchy]), read_codings(never))
        labels = replace(labels, purpose_system=hierarchy["system"])
    if "sensitivityHierarchy" in part:
        labels = replace(labels, sensitivities=read_code_tree([part["sensitivityHierarchy"]]))
    if "confidentialityOrder" in part:
        order = part["confidentialityOrder"]
        labels = replace(
            labels, confidentiality_system=order["system"], confidentiality_order=tuple(order["lowToHigh"])
        )
    if "testDataLabel" in part:
        test = read_coding(part["testDataLabel"])
        labels = replace(labels, no_purpose=frozenset({test} if test else ()))
    return replace(
        configuration,
        labels=labels,
        purposes=purposes,
        scopes=replace(configuration.scopes, limited={}),
        actions=read_actions(part["actions"]) if "actions" in part else configuration.actions,
        recipient_roles=_codings(part, "recipientRoles", configuration.recipient_roles),
        signing_relationships=_codings(part, "signingRelationships", configuration.signing_relationships),
    )


def _codings(part: Mapping[str, Any], name: str, otherwise: frozenset[Any]) -> frozenset[Any]:
    return read_codings(part[name]) if name in part else otherwise


def _outward(part: Mapping[str, Any], packaged: OutwardReasons) -> OutwardReasons:
    """Read lists of reasons; their HTTP statuses stay as packaged, 403 where there was none."""
    known = {**packaged.named, **packaged.named_for_members}
    named, members = part["named"], part["namedOnlyForCurrentTeamMembers"]
    return replace(
        packaged,
        named={Reason(name): known.get(Reason(name), 403) for name in named},
        named_for_members={Reason(name): known.get(Reason(name), 403) for name in members},
        otherwise=part["otherwise"],
    )
