"""The work-ability plan mapped by hand: what one would write without rows, and nothing more.

It makes the same Bundle as `mappings/records/work-ability-plan/mapping.yaml` (the benchmark checks that first), but
it has no trace, no reverse, no loss report, no documentation and no check that its element names exist.
"""

# ruff: noqa: D102 - methods are named after what they make
from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from adapter.fhir.ids import Ids, search_token
from adapter.mapping.merge import merged
from adapter.terminology import coding, concept_map, system
from adapter.types import CANONICAL_ROOT

ROOT = f"{CANONICAL_ROOT}/StructureDefinition/"
FINNISH = "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/fi-base-"
URI = "urn:ietf:rfc:3986"
PRIVATE = frozenset(
    "occupational-health pension-provider accident-and-traffic-insurer third-sector service-producer employer".split()  # noqa: SIM905
)

CODES: dict[str, dict[str, Any]] = {}


def coded(name: str, code: str) -> dict[str, Any]:
    """Return the Coding of a code, remembered by list."""
    known = CODES.setdefault(name, {})
    found = known.get(code)
    if found is None:
        found = known[code] = coding(name, code)
    return found.copy()


def concept(name: str, code: str) -> dict[str, Any]:
    """Return a CodeableConcept with one coding."""
    return {"coding": [coded(name, code)]}


def translations(name: str) -> dict[str, str]:
    """Return a concept map as a table."""
    found = concept_map(name)
    return {code: target[1] for code in found.codes if (target := found.translate(code))}


PLAN_STATUS = translations("plan-status")
GOAL_STATUS = translations("goal-status")
SERVICE_STATUS = translations("service-status")
ACHIEVEMENT = {code: concept_map("goal-achievement").coding(code) for code in concept_map("goal-achievement").codes}


def counterparts(name: str) -> dict[str, dict[str, Any]]:
    """Return the codings that a concept map knows, by code."""
    found = concept_map(name)
    return {code: known for code in found.codes if (known := found.coding(code))}


PLAN_TYPE_ELSEWHERE = counterparts("plan-type-snomed")
ROLE_ELSEWHERE = counterparts("professional-role-snomed")


def concept_and(name: str, code: str, elsewhere: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a CodeableConcept with our coding and, where there is one, that of SNOMED CT."""
    made = concept(name, code)
    if code in elsewhere:
        made["coding"].append(elsewhere[code].copy())
    return made


class Plan:
    """One plan on its way to a Bundle."""

    def __init__(self, record: dict[str, Any], key: bytes, mapping: tuple[str, str, str]) -> None:
        self.record = record
        self.mapping = mapping
        self.source = record["source_system"]
        self.record_id = record["record_id"]
        self.urn = Ids(key).urn
        self.token = f"identifier={search_token(self.source, self.record_id)}"
        self.owned: list[Any] = []
        self.shared: dict[str, Any] = {}
        self.seen: dict[Any, Any] = {}
        self.register = coded("register", record["register"])
        self.version = {"system": system("record-version"), "code": str(record["record_version"])}
        self.type = {"system": f"{CANONICAL_ROOT}/record-type", "code": "work_ability_plan"}
        given = record.get("security_labels", ())
        level = next((label for label in ("V", "R") if label in given), "N")
        self.labels = [coded("v3-Confidentiality", level)]
        if "TURVAKIELTO" in given:
            self.labels.append(coded("fi-base-security-label", "TURVAKIELTO"))
        self.normal = coded("v3-Confidentiality", "N")

    # What every resource carries

    def part(self, part: str) -> str:
        return self.urn(self.source, f"{self.record_id}/{part}" if part else self.record_id)

    def own(self, part: str, urn: str, profile: str, body: dict[str, Any], core: bool = False) -> None:
        tags = [self.register.copy(), self.version.copy(), self.type.copy()]
        type_ = body["resourceType"]
        body["meta"] = {
            "profile": [ROOT + profile, FINNISH + "observation"] if type_ == "Observation" else [ROOT + profile],
            "security": [label.copy() for label in self.labels],
            "source": self.source,
            "tag": tags,
        }
        body["language"] = self.record["language"]
        if type_ == "Provenance":
            key = f"{CANONICAL_ROOT}/part-key"
            tags.append({"system": key, "code": urn[9:], "display": part})
            criterion = f"_tag={search_token(key, urn[9:])}"
        else:
            value = f"{self.record_id}/{part}" if part else self.record_id
            identifier = {"use": "secondary", "system": self.source, "value": value}
            body.setdefault("identifier", []).append(identifier)
            criterion = f"{self.token}/{part}" if part else self.token
        request = {"method": "POST", "url": type_, "ifNoneExist": criterion}
        self.owned.append((core, {"fullUrl": urn, "request": request, "resource": body}))

    def share(self, urn: str, body: dict[str, Any], profile: str, national: str, identifier: Any = None) -> None:
        if identifier is None:
            identifier = {"system": URI, "value": urn}
            body["identifier"] = [identifier]
        type_ = body["resourceType"]
        security = [self.normal.copy()]
        if type_ == "Patient" and len(self.labels) > 1:
            security.append(self.labels[1].copy())
        body["meta"] = {"profile": [ROOT + profile, FINNISH + national], "security": security}
        known = self.shared.get(urn)
        if known is not None:
            known[2]["resource"] = merged(known[2]["resource"], body)
            return
        criterion = f"identifier={search_token(identifier['system'], identifier['value'])}"
        request = {"method": "POST", "url": type_, "ifNoneExist": criterion}
        self.shared[urn] = (type_, urn, {"fullUrl": urn, "request": request, "resource": body})

    # References

    def reference(self, ref: dict[str, Any], type_: str) -> dict[str, Any]:
        made = {"type": type_, "identifier": {"system": ref.get("system", self.source), "value": ref["id"]}}
        if "display" in ref:
            made["display"] = ref["display"]
        return made

    def client(self, ref: dict[str, Any]) -> dict[str, Any]:
        known = self.seen.get("client")
        if known is not None and known[0] == ref:
            return known[1].copy()  # type: ignore[no-any-return]
        identifiers = []
        if "personal_identity_code" in ref:
            nnfin = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "NNFIN"}]}
            value = ref["personal_identity_code"]
            identifiers.append({"use": "official", "type": nnfin, "system": "urn:oid:1.2.246.21", "value": value})
        if "temporary_id" in ref:
            identifiers.append({"use": "temp", "system": self.source, "value": ref["temporary_id"]})
        if "id" in ref:
            identifiers.append({"use": "usual", "system": ref.get("system", self.source), "value": ref["id"]})
        first = identifiers[0]
        urn = self.urn(f"{first['system']}#Patient", first["value"])
        body = {"resourceType": "Patient", "identifier": identifiers}
        self.share(urn, body, "kykysilta-client", "patient", first)
        made = {"type": "Patient", "reference": urn}
        if "display" in ref:
            made["display"] = ref["display"]
        self.seen["client"] = (ref, made)
        return made

    def organisation(self, ref: dict[str, Any]) -> dict[str, Any]:
        known = self.seen.get(("organisation", ref["id"]))
        if known is not None and known[0] == ref:
            return known[1].copy()  # type: ignore[no-any-return]
        value, uri = ref["id"], ref.get("system")
        if uri is None:
            if value.startswith("1.2.246."):
                uri, value = URI, f"urn:oid:{value}"
            elif len(value) == 9 and value[7] == "-":
                uri = "urn:oid:1.2.246.10"
            else:
                uri = self.source
        identifier = {"system": uri, "value": value}
        body = {"resourceType": "Organization", "identifier": [identifier], "name": ref["name"]}
        if "organisation_type" in ref:
            body["type"] = [concept("organisation-type", ref["organisation_type"])]
        urn = self.urn(f"{uri}#Organization", value)
        self.share(urn, body, "kykysilta-organization", "organization", identifier)
        made = {"reference": urn, "type": "Organization"}
        self.seen["organisation", ref["id"]] = (ref, made)
        return made

    def practitioner(self, ref: dict[str, Any]) -> dict[str, Any]:
        known = self.seen.get(("practitioner", ref["id"]))
        if known is not None and known[0] == ref:
            return known[1].copy()  # type: ignore[no-any-return]
        uri = ref.get("system", self.source)
        person = self.urn(f"{uri}#Practitioner", ref["id"])
        made = {"reference": person, "type": "Practitioner"}
        organisation = ref.get("organisation")
        role, phone, email = ref.get("role"), ref.get("phone"), ref.get("email")
        if organisation is not None or role is not None or phone is not None or email is not None:
            home = organisation or {}
            parts = (ref.get("system"), ref["id"], home.get("system"), home.get("id"), role)
            urn = self.urn(f"{self.source}#PractitionerRole", "\x1f".join([part or "" for part in parts]))
            body: dict[str, Any] = {"resourceType": "PractitionerRole", "practitioner": made}
            if organisation is not None:
                body["organization"] = self.organisation(organisation)
            if role is not None:
                body["code"] = [concept_and("professional-role", role, ROLE_ELSEWHERE)]
            telecom = []
            if phone is not None:
                telecom.append({"system": "phone", "value": phone})
            if email is not None:
                telecom.append({"system": "email", "value": email})
            if telecom:
                body["telecom"] = telecom
            self.share(urn, body, "kykysilta-practitioner-role", "practitioner-role")
            made = {"reference": urn, "type": "PractitionerRole"}
        identifier = {"system": uri, "value": ref["id"]}
        body = {"resourceType": "Practitioner", "identifier": [identifier], "name": [{"text": ref["name"]}]}
        self.share(person, body, "kykysilta-practitioner", "practitioner", identifier)
        self.seen["practitioner", ref["id"]] = (ref, made)
        return made

    # Resources

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
            body["valueCodeableConcept"] = _concept(need)
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
            detail["statusReason"] = _concept(service["status_reason"])
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


def _goals(record: dict[str, Any]) -> list[tuple[str, Any]]:
    found = [("overall_goal", record["overall_goal"])] if "overall_goal" in record else []
    found += [(f"client_own_goal.{i}", goal) for i, goal in enumerate(record.get("client_own_goal", ()))]
    return found + [(f"goals.{i}", goal) for i, goal in enumerate(record.get("goals", ()))]


def _has_result(follow_up: dict[str, Any]) -> bool:
    names = ("follow_up_effect", "follow_up_goals_checked", "follow_up_current_need")
    return any(name in follow_up for name in names)


def _component(code: str, name: str, value: str) -> dict[str, Any]:
    return {"code": concept("observation-component", code), "valueCodeableConcept": concept(name, value)}


def _concept(said: dict[str, Any]) -> dict[str, Any]:
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
