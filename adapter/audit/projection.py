"""Entries of the log as FHIR AuditEvent: IHE BALP's patterns and what the Finnish log duties ask for, in one event.

An act about a client claims our restatement of its BALP pattern and our profile of a log entry
(`profiles/fsh/audit.fsh`); acts without a client are plain R4. A disclosure becomes one event for each recipient, and
one for the decision that allowed it. Persons stay pseudonyms: the key table is not opened here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from adapter.audit import pieces
from adapter.audit.acts import Act, act_of
from adapter.audit.pieces import DCM, PARTICIPATION, SNOMED, Json, Site, agent, by_identifier, coding, concept
from adapter.audit.rows import Row
from adapter.types import CANONICAL_ROOT, Resource

REST = coding("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest")
LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
RESTFUL = "http://hl7.org/fhir/restful-interaction"
OWN_REGISTER = "own-register"
CLIENT_CONSENT = "client-consent"
SUCCESS, MINOR_FAILURE, REFUSED = "0", "4", "8"

Pattern = Callable[[Row, Act, Site], list[Resource]]


def audit_events(row: Row, site: Site) -> list[Resource]:
    """Return an entry as AuditEvents: one, or several for a disclosure.

    Args:
        site: the installation whose log it is.
    """
    act = act_of(row)
    pattern = PATTERNS[act.pattern]
    if not row.fact("client"):
        pattern = WITHOUT_CLIENT.get(act.pattern, _system)
    events = pattern(row, act, site)
    for number, event in enumerate(events, start=1):
        event["id"] = f"log-{row.seq}" if len(events) == 1 else f"log-{row.seq}-{number}"
    return events


def _read(row: Row, act: Act, site: Site) -> list[Resource]:
    subtype = "vread" if act.code == "vread" else "read"
    event = _restful(row, act, site, "read", subtype, "R", sends=False)
    event["entity"] += pieces.data_entities(row)[:1]
    return [event]


def _query(row: Row, act: Act, site: Site) -> list[Resource]:
    """The query that is kept names what was searched for, never the values."""
    query = base64.b64encode((row.fact("query") or row.fact("type") or act.code).encode()).decode()
    event = _restful(row, act, site, "query", "search", "E", sends=True)
    kind, role = coding(pieces.ENTITY_TYPE, "2"), coding(pieces.OBJECT_ROLE, "24")
    event["entity"].append({"type": kind, "role": role, "query": query})
    return [event]


def _create(row: Row, act: Act, site: Site) -> list[Resource]:
    event = _restful(row, act, site, "create", "create", "C", sends=True)
    event["entity"] += pieces.data_entities(row)[:1]
    return [event]


def _update(row: Row, act: Act, site: Site) -> list[Resource]:
    event = _restful(row, act, site, "update", "patch" if act.code == "patch" else "update", "U", sends=True)
    event["entity"] += pieces.data_entities(row)[:1]
    return [event]


def _disclosed(row: Row, act: Act, site: Site) -> list[Resource]:
    """The decision, then one event for each organisation that received the data."""
    decided = _decision(row, act, site) if row.fact("basis") == CLIENT_CONSENT else []
    return [*decided, *(_disclosure(row, act, site, recipient) for recipient in row.parts("recipients") or ("",))]


def _disclosure(row: Row, act: Act, site: Site, recipient: str) -> Resource:
    who = pieces.organisation(recipient) if recipient else pieces.client(row)
    event = _event(row, act, site, "disclosure-source", coding(DCM, "110106"), "R")
    event["agent"] += [
        agent(concept(DCM, "110153"), site.device, network={"address": site.address, "type": pieces.URI}),
        agent(concept(DCM, "110152"), who, network=pieces.NOT_LOGGED),
        _asker(row, site, concept(DCM, "110150")),
        pieces.controller(row, site),
    ]
    if row.fact("basis") == CLIENT_CONSENT:
        event["agent"].append(agent(concept(SNOMED, "429577009"), pieces.client(row)))
    event["entity"] += pieces.data_entities(row)
    return event


def _decision(row: Row, act: Act, site: Site) -> list[Resource]:
    """What the consent engine decided; BALP's pattern leaves no room for the request id."""
    denied = row.kind == "refusal" or row.fact("decision") == "deny"
    event = _event(row, act, site, "decision", coding(DCM, "110113"), "E")
    event["meta"]["profile"] = event["meta"]["profile"][:1]
    event["subtype"] = [coding(f"{pieces.BALP}/CodeSystem/AuthZsubType", "AuthZ-Consent")]
    system = pieces.system_of(row, site)
    organisations = row.organisations or (site.organisation,)
    event["agent"] += [
        agent(concept(DCM, "110150"), system, network=pieces.NOT_LOGGED),
        agent(concept(PARTICIPATION, "IRCP"), pieces.person_of(row) or system, requestor=True),
        agent(
            concept("http://terminology.hl7.org/CodeSystem/v3-RoleClass", "PROV"), pieces.organisation(organisations[0])
        ),
        agent(concept("http://terminology.hl7.org/CodeSystem/extra-security-role-type", "authserver"), site.device),
    ]
    event["entity"] = event["entity"][:1]
    kind = coding("http://hl7.org/fhir/resource-types", "Consent")
    event["entity"] += [
        {"what": by_identifier("Consent", pieces.SUBMISSION, one), "type": kind} for one in row.parts("consents")
    ]
    event["outcome"] = REFUSED if denied else SUCCESS
    if denied:
        event["outcomeDesc"] = _reason(row)
    return [event]


def _exported(row: Row, act: Act, site: Site) -> list[Resource]:
    event = _event(row, act, site, "", coding(DCM, "110106"), "R")
    event["agent"] += [_asker(row, site, concept(DCM, "110150")), pieces.controller(row, site)]
    return [event]


def _refused_before_known(row: Row, act: Act, site: Site) -> list[Resource]:
    """A record that was refused before its client was known."""
    event = _plain(row, act, site, REST, [coding(RESTFUL, "create")], "C")
    event["outcome"] = REFUSED if row.fact("stage") == "consent" else MINOR_FAILURE
    event["outcomeDesc"] = _reason(row)
    return [event]


def _security(kind: str, subtype: str = "") -> Pattern:
    """Return a pattern of an act about the system itself, named by DICOM's codes."""

    def pattern(row: Row, act: Act, site: Site) -> list[Resource]:
        subtypes = [coding(DCM, subtype)] if subtype else [coding(LIFECYCLE, act.lifecycle)]
        return [_plain(row, act, site, coding(DCM, kind), subtypes, "E")]

    return pattern


def _system(row: Row, act: Act, site: Site) -> list[Resource]:
    return _security("110100")(row, act, site)


def _restful(row: Row, act: Act, site: Site, pattern: str, subtype: str, action: str, *, sends: bool) -> Resource:
    """An exchange of two systems; in a read the server is the source of data, else the client is."""
    event = _event(row, act, site, pattern, REST, action)
    event["subtype"].append(coding(RESTFUL, subtype))
    asking, serving = ("110153", "110152") if sends else ("110152", "110153")
    person = pieces.person_of(row)
    event["agent"] += [
        agent(concept(DCM, asking), pieces.system_of(row, site), requestor=person is None, network=pieces.NOT_LOGGED),
        agent(concept(DCM, serving), site.device, network={"address": site.address, "type": pieces.URI}),
    ]
    if person is not None:
        kind = "AUT" if action in "CU" else "IRCP"
        event["agent"].append(agent(concept(PARTICIPATION, kind), person, requestor=True, **_role(row)))
    event["agent"].append(pieces.controller(row, site))
    return event


def _event(row: Row, act: Act, site: Site, pattern: str, kind: Json, action: str) -> Resource:
    """An act about a client: what the Finnish log duties ask for, whatever the pattern."""
    profiles = [f"kykysilta-audit-{pattern}"] * bool(pattern) + ["kykysilta-log-entry"]
    event = _plain(row, act, site, kind, [coding(LIFECYCLE, act.lifecycle)], action)
    event["meta"] = {"profile": [f"{CANONICAL_ROOT}/StructureDefinition/{name}" for name in profiles]}
    basis = row.fact("basis") or ("to-client" if act.pattern == "export" else OWN_REGISTER)
    event["extension"] = [{"url": f"{CANONICAL_ROOT}/StructureDefinition/disclosure-basis", "valueCode": basis}]
    event["agent"] = []
    event["entity"] = [pieces.patient_entity(row, act.name("fi")), pieces.request_entity(row)]
    return event


def _plain(row: Row, act: Act, site: Site, kind: Json, subtypes: list[Json], action: str) -> Resource:
    """What every event has; alone it is plain R4."""
    return {
        "resourceType": "AuditEvent",
        "type": kind,
        "subtype": subtypes,
        "action": action,
        "recorded": pieces.moment(row.at),
        "outcome": SUCCESS,
        "purposeOfEvent": [pieces.purpose_of(row, act.purpose)],
        "agent": [_asker(row, site, concept(DCM, "110150"))],
        "source": {"observer": site.device},
        "entity": [pieces.request_entity(row) | {"description": act.name("fi")}],
    }


def _asker(row: Row, site: Site, kind: Json) -> Json:
    """The one who asked for the act: the person, else the system."""
    return agent(kind, pieces.person_of(row) or pieces.system_of(row, site), requestor=True, **_role(row))


def _role(row: Row) -> dict[str, Any]:
    role = row.fact("role")
    return {"role": [concept(f"{CANONICAL_ROOT}/CodeSystem/professional-role", role)]} if role else {}


def _reason(row: Row) -> str:
    return row.fact("reason") or row.fact("rules") or row.fact("stage") or "refused"


PATTERNS: Mapping[str, Pattern] = {
    "read": _read,
    "query": _query,
    "create": _create,
    "update": _update,
    "disclosure-source": _disclosed,
    "decision": _decision,
    "export": _exported,
    "sign-in": _security("110114", "110122"),
    "sign-out": _security("110114", "110123"),
    "log-used": _security("110101"),
    "system": _system,
}
"""Patterns by the name that `mappings/audit/acts.yaml` uses."""

WITHOUT_CLIENT: Mapping[str, Pattern] = {
    "decision": _refused_before_known,
    **{name: PATTERNS[name] for name in ("sign-in", "sign-out", "log-used")},
}
"""What becomes of an act that names no client; everything else is an act of the system."""
