"""The work-ability plan mapped by hand: what one would write without rows, and nothing more.

It makes the same Bundle as `mappings/records/work-ability-plan/mapping.yaml` (the benchmark checks that first), but
it has no trace, no reverse, no loss report, no documentation and no check that its element names exist.
"""

# ruff: noqa: D102 - methods are named after what they make
from __future__ import annotations

from typing import Any

from by_hand import PLAN_STATUS, PLAN_TYPE_ELSEWHERE, ROOT, SERVICE_STATUS, coded, concept, concept_and
from plan_parts_by_hand import PlanParts, plain_concept


class Plan(PlanParts):
    """One plan on its way to a Bundle."""

    def bundle(self) -> dict[str, Any]:
        record = self.record
        plan = self.part("")
        goals = [(part, goal, self.part(part)) for part, goal in _goals(record)]
        needs = [(f"need.{i}", need, self.part(f"need.{i}")) for i, need in enumerate(record["needs"])]
        benefits = [(f"benefit.{i}", b, self.part(f"benefit.{i}")) for i, b in enumerate(record.get("benefits", ()))]
        screening = self.part("typ_screening") if "typ_screening" in record else None
        results = [
            self.part(f"follow_up_result.{i}") if _has_result(each) else None
            for i, each in enumerate(record.get("follow_up", ()))
        ]
        planning = self.part("planning_meeting")
        following = self.part("next_meeting") if "next_meeting" in record else None
        services, investigations = record.get("services", ()), record.get("investigations", ())
        booked = self.bookings("service_booking", services)
        looked = self.bookings("investigation_booking", investigations)
        client = record["client"]

        body: dict[str, Any] = {
            "resourceType": "CarePlan",
            "identifier": [{"use": "official", "system": self.source, "value": record["plan_id"]}],
            "status": PLAN_STATUS[record["status"]],
            "intent": record["intent"],
            "category": [concept_and("plan-type", record["plan_type"], PLAN_TYPE_ELSEWHERE)],
            "description": record["situation"],
            "subject": self.client(client),
            "created": record["created"],
            "careTeam": [self.reference(record["team"], "CareTeam")],
        }
        if "replaces" in record:
            body["replaces"] = [self.reference(record["replaces"], "CarePlan")]
        if "title" in record:
            body["title"] = record["title"]
        if "period" in record:
            body["period"] = record["period"].copy()
        author = record["author"]
        if "practitioner" in author:
            body["author"] = self.practitioner(author["practitioner"])
        else:
            body["author"] = self.reference(author["team"], "CareTeam")
        people = [record[name] for name in ("responsible_worker", "companion") if name in record]
        contributors = [self.practitioner(each) for each in (*people, *record.get("contributors", ()))]
        if contributors:
            body["contributor"] = contributors
        body["extension"] = self.extensions()
        body["goal"] = [{"reference": urn, "type": "Goal"} for _, _, urn in goals]
        if not goals:
            del body["goal"]
        body["supportingInfo"] = self.information(needs, benefits, screening)
        activities = self.activities(services, investigations, booked, looked, results, following)
        if activities:
            body["activity"] = activities
        if "note" in record:
            body["note"] = [{"text": note} for note in record["note"]]
        self.own("", plan, "kykysilta-work-ability-plan", body, core=True)

        for part, goal, urn in goals:
            self.own(part, urn, "kykysilta-goal", self.goal(goal))
        for part, need, urn in needs:
            body = self.observation("support-need")
            body["effectiveDateTime"] = record["created"]
            body["valueCodeableConcept"] = plain_concept(need)
            self.own(part, urn, "kykysilta-observation-work-ability-plan", body)
        for part, benefit, urn in benefits:
            self.own(part, urn, "kykysilta-observation-income-and-debt", self.benefit(benefit))
        if screening is not None:
            said = record["typ_screening"]
            body = self.observation("typ-screening")
            body["effectiveDateTime"] = record["created"]
            body["valueCodeableConcept"] = concept("typ-screening", said["result"])
            if "reason" in said:
                body["note"] = [{"text": said["reason"]}]
            self.own("typ_screening", screening, "kykysilta-observation-employment-service", body)
        for i, urn in enumerate(results):
            if urn is not None:
                body = self.follow_up_result(record["follow_up"][i])
                self.own(f"follow_up_result.{i}", urn, "kykysilta-observation-work-ability-plan", body)

        to_plan = {"reference": plan, "type": "CarePlan"}
        status = "accepted" if record["client_present"] else "declined"
        body = {
            "resourceType": "Appointment",
            "status": "fulfilled",
            "description": "Suunnitelman laatiminen",
            "start": record["created"],
            "end": record["created"],
            "supportingInformation": [to_plan],
            "participant": [{"actor": self.client(client), "status": status}],
        }
        self.own("planning_meeting", planning, "kykysilta-appointment", body)
        if following is not None:
            body = self.appointment(record["next_meeting"], to_plan)
            if "responsible_worker" in record:
                actor = self.practitioner(record["responsible_worker"])
                body["participant"].append({"actor": actor, "status": "needs-action"})
            self.own("next_meeting", following, "kykysilta-appointment", body)
        for name, several, urns in (
            ("service_booking", services, booked),
            ("investigation_booking", investigations, looked),
        ):
            for i, urn in enumerate(urns):
                if urn is not None:
                    body = self.appointment(several[i]["booked_time"], to_plan)
                    self.own(f"{name}.{i}", urn, "kykysilta-appointment", body)

        targets = [(entry["fullUrl"], entry["resource"]["resourceType"]) for _, entry in self.owned]
        if "kanta_stored_at" in record:
            body = self.provenance([to_plan.copy()], record["kanta_stored_at"])
            self.own("storing", self.part("storing"), "kykysilta-provenance", body)
        self.custodian(targets)
        self.recording(targets)
        entries = [entry for core, entry in self.owned if core]
        entries += [entry for core, entry in self.owned if not core]
        entries += [entry for _, _, entry in sorted(self.shared.values())]
        made: dict[str, Any] = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        if "security_labels" in record:
            made["meta"] = {"security": [_label(label) for label in record["security_labels"]]}
        return made

    def bookings(self, name: str, services: Any) -> list[Any]:
        return [self.part(f"{name}.{i}") if "booked_time" in each else None for i, each in enumerate(services)]

    def extensions(self) -> list[Any]:
        record = self.record
        made = [{"url": f"{ROOT}planning-mode", "valueCode": record["planning_mode"]}]
        if "end_reason" in record:
            made.append({"url": f"{ROOT}plan-end-reason", "valueCode": record["end_reason"]})
        if "client_view" in record:
            made.append({"url": f"{ROOT}client-view", "valueString": record["client_view"]})
        for linked in record.get("reconciliation", ()):
            inner: list[Any] = []
            if "linked_plan_type" in linked:
                inner.append({"url": "plan-type", "valueCode": linked["linked_plan_type"]})
            if "linked_plan_ref" in linked:
                target = self.reference(linked["linked_plan_ref"], "DocumentReference")
                inner.append({"url": "reference", "valueReference": target})
            inner.append({"url": "status", "valueCode": linked["linked_plan_status"]})
            if "linked_plan_next_review" in linked:
                inner.append({"url": "date", "valueDate": linked["linked_plan_next_review"]})
            if "note" in linked:
                inner.append({"url": "note", "valueString": linked["note"]})
            made.append({"url": f"{ROOT}plan-reconciliation", "extension": inner})
        return made

    def information(self, needs: list[Any], benefits: list[Any], screening: str | None) -> list[Any]:
        record = self.record
        made = [
            self.reference(linked["linked_plan_ref"], "DocumentReference")
            for linked in record.get("reconciliation", ())
            if "linked_plan_ref" in linked
        ]
        if "work_ability_summary" in record:
            made.append(self.reference(record["work_ability_summary"], "QuestionnaireResponse"))
        made += [self.reference(each, "Observation") for each in record.get("assessments", ())]
        made += [{"reference": urn, "type": "Observation"} for _, _, urn in (*needs, *benefits)]
        if screening is not None:
            made.append({"reference": screening, "type": "Observation"})
        return made

    def activities(
        self, services: Any, investigations: Any, booked: Any, looked: Any, results: Any, following: Any
    ) -> list[Any]:
        record = self.record
        made: list[Any] = []
        for name, function in (("responsible_worker", "responsible-worker"), ("companion", "companion")):
            if name in record:
                codes = [coded("plan-activity", "coordination"), coded("team-function", function)]
                performer = [self.practitioner(record[name])]
                made.append({"detail": {"code": {"coding": codes}, "status": "in-progress", "performer": performer}})
        made += [self.service(each, False) for each in services]
        made += [self.service(each, True) for each in investigations]
        for urn in (*booked, *looked):
            if urn is not None:
                made.append({"reference": {"reference": urn, "type": "Appointment"}})
        made += [self.obligation(each) for each in record.get("job_search_obligation", ())]
        made += [self.follow_up(each, urn) for each, urn in zip(record.get("follow_up", ()), results, strict=True)]
        evaluation = record.get("evaluation")
        if evaluation is not None:
            codes = [coded("plan-activity", "evaluation")]
            codes += [coded("instrument", each) for each in evaluation.get("instruments", ())]
            detail = {"code": {"coding": codes}, "status": "scheduled", "description": evaluation["text"]}
            made.append({"detail": detail})
        if following is not None:
            made.append({"reference": {"reference": following, "type": "Appointment"}})
        return made

    def service(self, service: dict[str, Any], investigation: bool) -> dict[str, Any]:
        organiser, provider = service["organiser"], service.get("provider")
        codes = [coded("service", service["service_code"])]
        if investigation:
            codes.append(coded("plan-activity", "investigation"))
        performer = [self.organisation(organiser)]
        inner: list[Any] = []
        if "support_intensity" in service:
            inner.append({"url": "support-intensity", "valueCode": service["support_intensity"]})
        if "client_cost" in service:
            inner.append({"url": "client-cost", "valueMoney": service["client_cost"].copy()})
        if "statutory_basis" in service:
            inner.append({"url": "statutory-basis", "valueString": service["statutory_basis"]})
        if "decision_ref" in service:
            decision = self.reference(service["decision_ref"], "DocumentReference")
            inner.append({"url": "decision", "valueReference": decision})
        inner.append({"url": "organiser", "valueReference": self.organisation(organiser)})
        if provider is not None:
            performer.append(self.organisation(provider))
            inner.append({"url": "provider", "valueReference": self.organisation(provider)})
        performer += [self.practitioner(each) for each in service.get("responsible", ())]
        detail: dict[str, Any] = {
            "kind": "ServiceRequest",
            "code": {"coding": codes},
            "status": SERVICE_STATUS[service["status"]],
            "performer": performer,
            "extension": [{"url": f"{ROOT}planned-service", "extension": inner}],
        }
        if "reason" in service:
            detail["reasonCode"] = [{"text": service["reason"]}]
        if "goal_links" in service:
            detail["goal"] = [self.reference(each, "Goal") for each in service["goal_links"]]
        if "status_reason" in service:
            detail["statusReason"] = plain_concept(service["status_reason"])
        if "period" in service:
            detail["scheduledPeriod"] = service["period"].copy()
        made: dict[str, Any] = {"detail": detail}
        if "progress_note" in service:
            made["progress"] = [_annotation(note) for note in service["progress_note"]]
        if "outcome" in service:
            made["outcomeCodeableConcept"] = [concept("client-outcome", service["outcome"])]
        return made

    def obligation(self, said: dict[str, Any]) -> dict[str, Any]:
        bounds = {"start": said["obligation_from"]}
        detail: dict[str, Any] = {"code": concept("plan-activity", "job-search-obligation"), "status": "in-progress"}
        if "obligation_until" in said:
            bounds["end"] = said["obligation_until"]
            detail["status"] = "completed"
        repeat: dict[str, Any] = {"boundsPeriod": bounds}
        timing: dict[str, Any] = {"repeat": repeat}
        if said["applications_per_month"]:
            repeat.update(frequency=said["applications_per_month"], period=1, periodUnit="mo")
        else:
            timing["code"] = {"text": "ei hakemuksia"}
        detail["scheduledTiming"] = timing
        by = said["obligation_set_by"]
        if "organisation" in by:
            detail["performer"] = [self.organisation(by["organisation"])]
        elif "practitioner" in by:
            detail["performer"] = [self.practitioner(by["practitioner"])]
        else:
            detail["performer"] = [self.reference(by["team"], "CareTeam")]
        if "obligation_supported_by" in said:
            target = self.reference(said["obligation_supported_by"], "ServiceRequest")
            inner = [{"url": "supported-by", "valueReference": target}]
            detail["extension"] = [{"url": f"{ROOT}planned-service", "extension": inner}]
        return {"detail": detail}

    def follow_up(self, said: dict[str, Any], result: str | None) -> dict[str, Any]:
        due = said["follow_up_due"]
        status = "scheduled" if result is None else "completed"
        code = concept("plan-activity", said["follow_up_kind"])
        detail: dict[str, Any] = {"kind": "Task", "code": code, "status": status}
        if "period" in due:
            detail["scheduledPeriod"] = due["period"].copy()
        elif "date" in due:
            detail["scheduledPeriod"] = {"end": due["date"]}
        else:
            every = due["timing"]
            repeat = {"frequency": 1, "period": every["every"], "periodUnit": every["unit"]}
            detail["scheduledTiming"] = {"repeat": repeat}
        made: dict[str, Any] = {"detail": detail}
        if result is not None:
            made["outcomeReference"] = [{"reference": result, "type": "Observation"}]
        return made


def _goals(record: dict[str, Any]) -> list[tuple[str, Any]]:
    found = [("overall_goal", record["overall_goal"])] if "overall_goal" in record else []
    found += [(f"client_own_goal.{i}", goal) for i, goal in enumerate(record.get("client_own_goal", ()))]
    return found + [(f"goals.{i}", goal) for i, goal in enumerate(record.get("goals", ()))]


def _has_result(follow_up: dict[str, Any]) -> bool:
    names = ("follow_up_effect", "follow_up_goals_checked", "follow_up_current_need")
    return any(name in follow_up for name in names)


def _annotation(note: dict[str, Any]) -> dict[str, Any]:
    made = {"text": note["text"]}
    if "author" in note:
        made["authorString"] = note["author"]
    if "time" in note:
        made["time"] = note["time"]
    return made


def _label(label: str) -> dict[str, Any]:
    return coded("fi-base-security-label" if label == "TURVAKIELTO" else "v3-Confidentiality", label)


def plan_by_hand(record: dict[str, Any], key: bytes, mapping: tuple[str, str, str]) -> dict[str, Any]:
    """Return the Bundle of a work-ability plan; `mapping` is id, version and digest for its Provenance."""
    return Plan(record, key, mapping).bundle()
