"""The supporting resources of a work-ability plan, mapped by hand."""

# ruff: noqa: D102 - methods are named after what they make
from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from by_hand import ACHIEVEMENT, GOAL_STATUS, PRIVATE, ByHand, concept

from adapter.types import CANONICAL_ROOT


class PlanParts(ByHand):
    """Goals, Observations, Appointments and Provenance of a plan."""

    def goal(self, goal: dict[str, Any]) -> dict[str, Any]:
        by = goal["expressed_by"]
        client = self.record["client"]
        made: dict[str, Any] = {
            "resourceType": "Goal",
            "identifier": [{"use": "official", "system": self.source, "value": goal["goal_id"]}],
            "lifecycleStatus": GOAL_STATUS[goal["lifecycle"]],
            "description": {"text": goal["description"]},
            "subject": self.client(client),
            "expressedBy": self.practitioner(by["practitioner"]) if "practitioner" in by else self.client(client),
        }
        if "achievement" in goal:
            made["achievementStatus"] = {"coding": [ACHIEVEMENT[goal["achievement"]].copy()]}  # type: ignore[union-attr]
        if "area" in goal:
            made["category"] = [concept("goal-area", goal["area"])]
        if "start" in goal:
            made["startDate"] = goal["start"]
        if "target_date" in goal:
            made["target"] = [{"dueDate": goal["target_date"]}]
        if "checked_at" in goal:
            made["statusDate"] = goal["checked_at"]
        return made

    def observation(self, code: str) -> dict[str, Any]:
        return {
            "resourceType": "Observation",
            "status": "final",
            "category": [concept("observation-category", "social-history")],
            "code": concept("observation-code", code),
            "subject": self.client(self.record["client"]),
        }

    def benefit(self, said: dict[str, Any]) -> dict[str, Any]:
        made = self.observation("benefit")
        if "benefit_period" in said:
            made["effectivePeriod"] = said["benefit_period"].copy()
        else:
            made["effectiveDateTime"] = self.record["created"]
        made["valueCodeableConcept"] = concept("benefit", said["benefit_code"])
        component = [
            _component("benefit-payer", "organisation-type", said["benefit_payer"]),
            _component("benefit-beneficiary", "benefit-beneficiary", said["benefit_beneficiary"]),
            _component("benefit-status", "benefit-status", said["benefit_status"]),
        ]
        if "benefit_application_result" in said:
            component.append(_component("benefit-result", "benefit-result", said["benefit_application_result"]))
        made["component"] = component
        return made

    def follow_up_result(self, said: dict[str, Any]) -> dict[str, Any]:
        made = self.observation("follow-up")
        made["effectiveDateTime"] = self.record["recorded_at"]
        component: list[Any] = []
        if "follow_up_effect" in said:
            code = concept("observation-component", "follow-up-effect")
            component.append({"code": code, "valueString": said["follow_up_effect"]})
        if "follow_up_goals_checked" in said:
            code = concept("observation-component", "goals-checked")
            component.append({"code": code, "valueBoolean": said["follow_up_goals_checked"]})
        if "follow_up_current_need" in said:
            need = said["follow_up_current_need"]
            value: dict[str, Any] = concept("need-status", need["code"]) if "code" in need else {}
            if "text" in need:
                value["text"] = need["text"]
            component.append({"code": concept("observation-component", "current-need"), "valueCodeableConcept": value})
        made["component"] = component
        return made

    def appointment(self, booking: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
        start, end = booking["start"], booking.get("end")
        if end is None:
            end = (datetime.fromisoformat(start) + timedelta(minutes=60)).isoformat()
        participant: list[Any] = []
        if "place" in booking:
            participant.append({"actor": {"type": "Location", "display": booking["place"]}, "status": "accepted"})
        participant.append({"actor": self.client(self.record["client"]), "status": "needs-action"})
        made: dict[str, Any] = {
            "resourceType": "Appointment",
            "status": "booked",
            "start": start,
            "end": end,
            "supportingInformation": [plan.copy()],
            "participant": participant,
        }
        if "mode" in booking:
            made["serviceType"] = [concept("meeting-mode", booking["mode"])]
        return made

    def provenance(self, target: list[Any], recorded: str) -> dict[str, Any]:
        who = self.organisation(self.record["custodian"])
        return {
            "resourceType": "Provenance",
            "target": target,
            "recorded": recorded,
            "activity": concept("v3-DataOperation", "CREATE"),
            "agent": [{"type": concept("provenance-participant-type", "custodian"), "who": who}],
        }

    def custodian(self, targets: list[Any]) -> None:
        custodian = self.record["custodian"]
        private = custodian.get("organisation_type") in PRIVATE
        identifier = {
            "type": concept("v2-0203", "PRN"),
            "system": "urn:oid:1.2.246.537.6.202" if private else "urn:oid:1.2.246.537.6.40174",
            "value": custodian["id"],
        }
        agent = {
            "type": concept("v3-ParticipationType", "CST"),
            "role": [concept("controller-kind", "2" if private else "1")],
            "who": {"identifier": identifier, "display": custodian["name"]},
        }
        body = {
            "resourceType": "Provenance",
            "target": [{"reference": urn, "type": type_} for urn, type_ in targets],
            "recorded": self.record["recorded_at"],
            "agent": [agent],
        }
        self.own("custodian", self.part("custodian"), "kykysilta-custodian-provenance", body)

    def recording(self, targets: list[Any]) -> None:
        target = [{"reference": urn, "type": type_} for urn, type_ in targets]
        body = self.provenance(target, self.record["recorded_at"])
        who = self.practitioner(self.record["recorded_by"])
        body["agent"].insert(0, {"type": concept("provenance-participant-type", "author"), "who": who})
        name, version, digest = self.mapping
        identifier = {"system": f"{CANONICAL_ROOT}/mapping", "value": digest, "type": {"text": version}}
        body["entity"] = [{"role": "source", "what": {"identifier": identifier, "display": name}}]
        self.own("recording", self.part("recording"), "kykysilta-provenance", body)


def _component(code: str, name: str, value: str) -> dict[str, Any]:
    return {"code": concept("observation-component", code), "valueCodeableConcept": concept(name, value)}


def plain_concept(said: dict[str, Any]) -> dict[str, Any]:
    """Return a code of any system, words, or both as CodeableConcept."""
    made: dict[str, Any] = {}
    if "code" in said:
        one = {"system": said["system"], "code": said["code"]}
        made["coding"] = [one]
        if "display_fi" in said:
            one["display"] = said["display_fi"]
        if "display_en" in said:
            one = {"system": said["system"], "code": said["code"], "display": said["display_en"]}
            made["coding"].append({**one, "userSelected": False})
    if "text" in said:
        made["text"] = said["text"]
    return made
