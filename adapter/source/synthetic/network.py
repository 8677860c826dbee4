"""The records of a client and of the network around the client: client, team, consent."""

from __future__ import annotations

from datetime import timedelta

from adapter.source.synthetic.case import Case, at
from adapter.source.synthetic.towns import content
from adapter.types import Record


def client(case: Case) -> Record:
    """Return the client record, as the health centre registers it."""
    chance, last_year = case.chance, case.registered.year - 2
    return {
        **case.envelope("client", f"asiakas-{case.key}", at(case.registered, 9, 30), case.town.nurse),
        "personal_identity_code": case.identity_code,
        "family_name": case.family_name,
        "given_names": case.given_names,
        "phone": [f"+358 40 555 {chance.randint(5000, 9999)}"],
        "street_address": f"{chance.choice(content()['streets'])} {chance.randint(1, 60)}",
        "postal_code": f"009{case.town.position + 10}",
        "city": case.town.name,
        "birth_date": case.born.isoformat(),
        "preferred_language": "fi",
        "digital_ability": chance.random() < 0.7,
        "client_group": "unemployed",
        "employment_situation": "unemployed-job-seeker",
        "unemployment_started": {"date": f"{last_year}-{chance.randint(1, 12):02d}"},
        "occupation": case.occupation["task"],
        "education": [{"text": chance.choice(content()["education"]), "status": "complete"}],
        "work_history": [
            {
                "task": case.occupation["task"],
                "period": {"start": str(last_year - chance.randint(2, 5)), "end": str(last_year)},
            }
        ],
        "diagnoses": [
            {
                "diagnosis": {
                    "code": case.condition["code"],
                    "system": "urn:oid:1.2.246.537.6.1",
                    "display_fi": case.condition["name"],
                },
                "source": {"practitioner": case.town.physician},
                "date_recorded": case.registered.isoformat(),
                "status": "active",
            }
        ],
        "partial_ability_cause": [case.condition["cause"]],
        "home_county": content()["county"],
    }


def team(case: Case) -> Record:
    """Return the team record with its first meeting."""
    town, since = case.town, {"start": case.met.isoformat()}
    functions = {town.specialist["id"]: "responsible-worker", town.social_worker["id"]: "convener"}
    members: list[Record] = []
    for person in (*town.professionals, town.kela_contact):
        member: Record = {"member": {"practitioner": _as_member(person)}, "membership_type": "core"}
        if person["id"] in functions:
            member["team_function"] = [functions[person["id"]]]
        members.append({**member, "member_period": since})
    members.append({"member": {"client": True}, "membership_type": "client", "member_period": since})
    present: list[Record] = [{"client": True}, *({"practitioner": each} for each in town.professionals)]
    return {
        **case.envelope("team", f"tiimi-{case.key}", at(case.met, 14, 5), town.social_worker),
        "team_id": f"tiimi-{case.key}",
        "name": case.team_name,
        "status": "active",
        "client": case.reference,
        "period": since,
        "managing_organisation": town.typ,
        "reason": ["needs-two-actors"],
        "members": members,
        "tasks": ["see-whole-situation", "make-plan", "name-companion"],
        "typ_consulted": True,
        "meetings": [
            {
                "meeting_id": f"kokous-{case.key}-1",
                "meeting_type": "multi-agency-meeting",
                "meeting_mode": "physical",
                "meeting_time": {"start": at(case.met, 12, 30), "end": at(case.met, 14, 0)},
                "convener": town.social_worker,
                "participants": [{"participant": each, "participant_status": "accepted"} for each in present],
                "agenda_sent": True,
                "meeting_result": "Sovittiin yhteisestä suunnitelmasta ja nimettiin vastuuhenkilö.",
            }
        ],
    }


def _as_member(person: Record) -> Record:
    return {
        "id": person["id"],
        "system": person["system"],
        "name": person["name"],
        "member_role": person["role"],
        "member_organisation": person["organisation"],
        "member_contact": {"phone": [person["phone"]]},
    }


def consent(case: Case) -> Record:
    """Return the consent that covers the team, signed before its first meeting."""
    town, wanted = case.town, f"suostumus-{case.key}"
    return {
        **case.envelope("consent", wanted, at(case.met, 14, 10), town.social_worker),
        "consent_id": wanted,
        "consent_type": "team-information-sharing",
        "scope": "patient-privacy",
        "status": "active",
        "form": "written",
        "evidence": {"document": {"id": f"asiakirja-{case.key}", "display": "Allekirjoitettu suostumus"}},
        "client": case.reference,
        "given_by": {"client": True},
        "given_at": at(case.met, 12, 20),
        "requested_by": town.social_worker,
        "informed": {"informed": True, "date": case.met.isoformat()},
        "policy": "OPTIN",
        "effect": "permit",
        "period": {"start": case.met.isoformat(), "end": (case.met + timedelta(days=364)).isoformat()},
        "recipients": [{"team": case.team_reference}],
        "recipient_role": "IRCP",
        "senders": [town.health_centre, town.social_services, town.typ],
        "data_classes": [
            "identity-and-contact",
            "work-ability-plan",
            "team-membership",
            "health-check",
            "work-ability-evaluation",
            "functional-assessment",
        ],
        "purposes": ["team-assessment", "service-coordination"],
        "actions": ["disclose", "access", "use"],
        "text": "Suostun siihen, että verkoston jäsenet jakavat keskenään tietojani suunnitelmaa varten.",
    }
