"""The criteria of the second evaluator (`tests.consent.naive`): what a rule says of a request."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.consent.world import BASE, V3, Json

HELSINKI = ZoneInfo("Europe/Helsinki")
FIRST, LAST = datetime.min.replace(tzinfo=ZoneInfo("UTC")), datetime.max.replace(tzinfo=ZoneInfo("UTC"))
NO, UNKNOWN, YES = 0, 1, 2

REASON_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ACT_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ABOVE = {"COC": "TREAT", "ETREAT": "TREAT", "BTG": "ETREAT", "ERTREAT": "ETREAT", "CLINTRCH": "HRESCH"}
PURPOSES = {*ABOVE, "TREAT", "HRESCH", "HPAYMT"}
OVERRIDES = {"ETREAT", "BTG", "ERTREAT", "DISASTER", "THREAT"}
TOPIC_ABOVE = {"PSY": "SPI", "PSYTHPN": "SPI", "SUD": "SPI", "ETHUD": "SUD", "OPIOIDUD": "SUD"}
TOPICS = {*TOPIC_ABOVE, "SPI", "ETH", "SDV"}
LEVELS = ["U", "L", "M", "N", "R", "V"]
ORDER = ["period", "actor", "purpose", "action", "class", "code", "label", "dataPeriod", "data"]
REASONS = {
    "purpose": "PURPOSE_NOT_COVERED",
    "action": "ACTION_NOT_COVERED",
    "class": "CLASS_NOT_COVERED",
    "code": "CODE_NOT_COVERED",
    "label": "LABEL_NOT_COVERED",
    "dataPeriod": "DATA_PERIOD_NOT_COVERED",
    "data": "DATA_NOT_COVERED",
}
ACTOR_MISSES = ["ACTOR_NOT_COVERED", "TEAM_NOT_ACTIVE", "TEAM_MEMBERSHIP_NOT_CURRENT", "MEMBER_ADDED_AFTER_CONSENT"]
RECIPIENTS = [
    *((f"{V3}/v3-ParticipationType", code) for code in ("IRCP", "PRCP")),
    *((f"{V3}/v3-RoleCode", code) for code in ("GRANTEE", "DELEGATEE")),
]
NOBODY, ELSEWHERE = {"nobody known"}, {"on another server"}


def bounds(text: str) -> tuple[datetime, datetime]:
    """First instant, and the one after the last, of a FHIR date or dateTime."""
    if "T" in text:
        moment = datetime.fromisoformat(text)
        fraction = re.search(r"\.(\d+)", text)
        return moment, moment + timedelta(seconds=1 / 10 ** len(fraction[1]) if fraction else 1)
    numbers = [int(part) for part in text.split("-")]
    start = date(*[*numbers, 1, 1][:3])
    if len(numbers) == 3:
        end = start + timedelta(days=1)
    elif len(numbers) == 2:
        end = (start + timedelta(days=32)).replace(day=1)
    else:
        end = start.replace(year=start.year + 1)
    return tuple(datetime(d.year, d.month, d.day, tzinfo=HELSINKI) for d in (start, end))  # type: ignore[return-value]


def period_bounds(period: Json | None) -> tuple[datetime, datetime]:
    """Bounds of a Period; open ends are the ends of time."""
    period = period or {}
    low = bounds(period["start"])[0] if "start" in period else FIRST
    high = bounds(period["end"])[1] if "end" in period else LAST
    return low, high


def codes(concepts: list[Json]) -> list[Json]:
    """All codings of some CodeableConcepts."""
    return [coding for concept in concepts for coding in concept.get("coding", [])]


def pair(coding: Json) -> tuple[str, str] | None:
    """System and code, when both are there."""
    return (coding["system"], coding["code"]) if "system" in coding and "code" in coding else None


class Criteria:
    """One request, and what is known around it."""

    def __init__(self, request: Json, context: list[Json]) -> None:
        self.request = request
        self.now = datetime.fromisoformat(request["time"])
        self.known = {f"{item['resourceType']}/{item['id']}": item for item in context}
        self.resource = request["resource"]
        self.mine = set(request["requester"].values())

    def criterion(self, name: str, rule: Json, kind: str, consent: Json, element: Json | None) -> tuple[int, str]:
        """One criterion: its value, and the reason when it fails."""
        key = {"label": "securityLabel"}.get(name, name)
        if key not in rule and not (name == "label" and kind == "permit"):
            return YES, ""
        value, reason = YES, REASONS.get(name, "")
        if name == "period":
            low, high = period_bounds(rule["period"])
            value = YES if low <= self.now < high else NO
            reason = "RULE_EXPIRED" if self.now >= high else "RULE_NOT_YET_VALID"
        elif name == "actor":
            value, reason = self.actor(rule["actor"], kind, consent)
        elif name == "purpose":
            value = max(self.purpose(purpose, kind) for purpose in rule["purpose"])
        elif name == "action":
            value = max(self.action(action, kind) for action in rule["action"])
        elif name == "class":
            value = max(self.data_class(each) for each in rule["class"])
        elif name == "code":
            value = max(self.code(each, kind, element) for each in rule["code"])
        elif name == "label":
            value = self.label(rule.get("securityLabel", []), kind)
        elif name == "dataPeriod":
            value = self.data_period(rule["dataPeriod"], kind)
        elif name == "data":
            value = max(self.data(each) for each in rule["data"])
        return value, "CRITERION_NOT_UNDERSTOOD" if value == UNKNOWN else reason

    def actor(self, actors: list[Json], kind: str, consent: Json) -> tuple[int, str]:
        """R17 – R20."""
        results = [self.one_actor(actor, kind, consent) for actor in actors]
        best = max(value for value, _ in results)
        nearest = max((reason for value, reason in results if value == NO), key=reason_rank, default="")
        return best, nearest

    def one_actor(self, actor: Json, kind: str, consent: Json) -> tuple[int, str]:
        if not any(pair(coding) in RECIPIENTS for coding in codes([actor["role"]])):
            return UNKNOWN, ""
        named = self.named(actor["reference"])
        if named is None or (named == NOBODY and kind == "deny"):
            return UNKNOWN, ""
        (key,) = named
        if key in self.mine or (kind == "deny" and key in self.units_above()):
            return YES, ""
        if key.startswith("CareTeam/"):
            return self.team(key, kind, consent)
        if key.startswith("Group/"):
            return self.group(key)
        return NO, "ACTOR_NOT_COVERED"

    def named(self, reference: Json) -> set[str] | None:
        """R17: whom a reference names; None when nobody can read it, NOBODY when nothing known is so identified."""
        if "reference" in reference:
            literal = reference["reference"].removeprefix(f"{BASE}/")
            return ELSEWHERE if ":" in literal else {"/".join(literal.split("/")[:2])}
        wanted = reference.get("identifier", {})
        if "system" not in wanted or "value" not in wanted:
            return None
        return {key for key, known in self.known.items() if wanted in known.get("identifier", [])} or NOBODY

    def group(self, key: str) -> tuple[int, str]:
        """R21."""
        if key not in self.known:
            return UNKNOWN, ""
        group = self.known[key]
        if group["active"] and group["actual"]:
            for member in group["member"]:
                low, high = period_bounds(member.get("period"))
                current = low <= self.now < high and not member.get("inactive", False)
                if current and member["entity"]["reference"] in self.mine:
                    return YES, ""
        return NO, "ACTOR_NOT_COVERED"

    def units_above(self) -> set[str]:
        found, unit = set(), self.request["requester"]["organization"]
        while unit:
            found.add(unit)
            unit = self.known[unit].get("partOf", {}).get("reference")
        return found

    def team(self, key: str, kind: str, consent: Json) -> tuple[int, str]:
        """R20."""
        if key not in self.known:
            return UNKNOWN, ""
        team = self.known[key]
        low, high = period_bounds(team.get("period"))
        if team["status"] != "active" or not low <= self.now < high:
            return NO, "TEAM_NOT_ACTIVE"
        reason = "ACTOR_NOT_COVERED"
        for member in team["participant"]:
            behalf = member.get("onBehalfOf", {}).get("reference", self.request["requester"]["organization"])
            if member["member"]["reference"] not in self.mine or behalf != self.request["requester"]["organization"]:
                continue
            low, high = period_bounds(member.get("period"))
            if not low <= self.now < high:
                reason = max(reason, "TEAM_MEMBERSHIP_NOT_CURRENT", key=reason_rank)
            elif kind == "deny" or (
                "dateTime" in consent
                and low.astimezone(HELSINKI).date() <= (bounds(consent["dateTime"])[0].astimezone(HELSINKI).date())
            ):
                return YES, ""
            else:
                reason = "MEMBER_ADDED_AFTER_CONSENT"
        return NO, reason

    def purpose(self, listed: Json, kind: str) -> int:
        """R22."""
        requested = pair(self.request["purpose"][0])
        if pair(listed) == requested:
            return YES
        known = [p and p[0] == REASON_SYSTEM and p[1] in PURPOSES for p in (pair(listed), requested)]
        if not all(known) or requested is None:
            return UNKNOWN
        code: str | None = requested[1]
        if kind == "permit" and code in OVERRIDES:
            return NO
        while code:
            if code == listed["code"]:
                return YES
            code = ABOVE.get(code)
        return NO

    def action(self, listed: Json, kind: str) -> int:
        """R23."""
        found = [coding["code"] for coding in listed.get("coding", [])]
        requested = self.request["action"]
        if not set(found) & {"collect", "access", "use", "disclose", "correct"}:
            return UNKNOWN
        also = {"permit": ("access", "correct"), "deny": ("correct", "access")}[kind]
        return YES if requested in found or (requested == also[0] and also[1] in found) else NO

    def data_class(self, listed: Json) -> int:
        """R24."""
        if listed["system"] == "http://hl7.org/fhir/resource-types":
            return YES if listed["code"] == self.resource["resourceType"] else NO
        if listed["system"] == "urn:ietf:rfc:3986":
            return YES if listed["code"] in self.resource.get("meta", {}).get("profile", []) else NO
        return UNKNOWN

    def elements(self) -> list[Json]:
        return list(
            self.resource.get({"Observation": "component", "CarePlan": "activity"}[self.resource["resourceType"]], [])
        )

    def code(self, listed: Json, kind: str, element: Json | None) -> int:
        """R25, R28."""
        wanted = {pair(coding) for coding in listed.get("coding", [])} - {None}
        if not wanted:
            return UNKNOWN
        primary = [self.resource[name] for name in ("code", "category", "type") if name in self.resource]
        found = {pair(coding) for coding in codes([c for p in primary for c in (p if isinstance(p, list) else [p])])}
        if kind == "deny":
            rest = {k: v for k, v in self.resource.items() if k not in ("meta", "component", "activity")}
            found = {pair(coding) for coding in every_coding(rest)}
            if element is not None:
                found |= {pair(coding) for coding in every_coding(element)}
                own = element.get("detail", element).get("code", {"coding": ["none"]})
                if not wanted & found and not own.get("coding", []):
                    return UNKNOWN
        return YES if wanted & found else NO

    def label(self, listed: list[Json], kind: str) -> int:
        """R27."""
        on_data = self.resource.get("meta", {}).get("security", [])
        levels = [coding["code"] for coding in on_data if coding["system"] == CONFIDENTIALITY]
        level = max((LEVELS.index(code) if code in LEVELS else 5 for code in levels), default=5 if listed else 0)
        topics = {coding["code"] for coding in on_data if coding["system"] == ACT_SYSTEM}
        strange = any(coding["system"] not in (CONFIDENTIALITY, ACT_SYSTEM) for coding in on_data)
        marks = [LEVELS.index(coding["code"]) for coding in listed if coding["system"] == CONFIDENTIALITY]
        wanted = {coding["code"] for coding in listed if coding["system"] == ACT_SYSTEM}
        unread = any(coding["system"] not in (CONFIDENTIALITY, ACT_SYSTEM) for coding in listed)
        covered = {topic for topic in topics if with_above(topic) & wanted}
        if kind == "deny":
            if (marks and level >= min(marks)) or covered:
                return YES
            return UNKNOWN if unread or (wanted and strange) else NO
        by_level = YES if level <= max(marks, default=4) else NO
        by_topic = UNKNOWN if unread else YES
        if wanted and not unread:
            by_topic = NO if topics - covered else UNKNOWN if strange else YES
        return min(by_level, by_topic)

    def data_period(self, period: Json, kind: str) -> int:
        """R29."""
        low, high = period_bounds(period)
        if "effectiveDateTime" in self.resource:
            start, end = bounds(self.resource["effectiveDateTime"])
        elif "period" in self.resource:
            start, end = period_bounds(self.resource["period"])
        else:
            return NO if kind == "permit" else YES
        if kind == "permit":
            return YES if low <= start and end <= high else NO
        return YES if start < high and low < end else NO

    def data(self, listed: Json) -> int:
        """R30."""
        key, meaning = listed["reference"]["reference"], listed["meaning"]
        own = f"{self.resource['resourceType']}/{self.resource['id']}"
        if meaning == "authoredby":
            author = self.resource.get("author")
            authors = [one["reference"] for one in self.resource.get("performer", []) + ([author] if author else [])]
            return YES if key in authors else (NO if authors else UNKNOWN)
        if key == own:
            return YES
        if meaning == "related":
            return UNKNOWN if key not in self.known else (YES if own in every_reference(self.known[key]) else NO)
        return YES if meaning == "dependents" and key in every_reference(self.resource) else NO


def reason_rank(reason: str) -> int:
    """How near a miss is within its stage."""
    ranks = [*ACTOR_MISSES, "RULE_EXPIRED", "CRITERION_NOT_UNDERSTOOD"]
    return ranks.index(reason) if reason in ranks else 0


def with_above(topic: str) -> set[str]:
    """A sensitivity and those above it."""
    found = {topic}
    while topic in TOPIC_ABOVE:
        topic = TOPIC_ABOVE[topic]
        found.add(topic)
    return found


def every_coding(value: Any) -> list[Json]:
    """All codings anywhere inside."""
    if isinstance(value, list):
        return [coding for item in value for coding in every_coding(item)]
    if not isinstance(value, dict):
        return []
    own = [value] if "system" in value and "code" in value else []
    return own + [coding for item in value.values() for coding in every_coding(item)]


def every_reference(value: Any) -> set[str]:
    """All literal references anywhere inside."""
    if isinstance(value, list):
        return {ref for item in value for ref in every_reference(item)}
    if not isinstance(value, dict):
        return set()
    own = {value["reference"]} if isinstance(value.get("reference"), str) else set()
    return own | {ref for item in value.values() for ref in every_reference(item)}
