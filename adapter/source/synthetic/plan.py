"""The plan that the first meeting of the team makes."""

from __future__ import annotations

from datetime import timedelta

from adapter.source.synthetic.case import Case, at, working_day
from adapter.source.synthetic.towns import content
from adapter.types import Record


def plan(case: Case) -> Record:
    """Return the work-ability plan; it refers to the team and books the health check."""
    town, wanted = case.town, f"suunnitelma-{case.key}"
    return {
        **case.envelope("work_ability_plan", wanted, at(case.met, 14, 20), town.specialist),
        "plan_id": wanted,
        "plan_type": "typ-plan",
        "status": "active",
        "intent": "plan",
        "title": "TYP-suunnitelma",
        "client": case.reference,
        "created": at(case.met, 14, 0),
        "period": {"start": case.met.isoformat(), "end": (case.met + timedelta(days=729)).isoformat()},
        "author": {"practitioner": town.specialist},
        "contributors": [each for each in town.professionals if each is not town.specialist],
        "planning_mode": "group",
        "client_present": True,
        "team": case.team_reference,
        "responsible_worker": town.specialist,
        "companion": town.specialist,
        "situation": f"{case.condition['name']} haittaa työtä; aiempi työ {case.occupation['task']}.",
        "needs": [{"text": need} for need in case.condition["needs"]],
        "overall_goal": {
            "goal_id": case.goal,
            "description": case.condition["goal"],
            "area": "work-ability",
            "lifecycle": "active",
            "expressed_by": {"practitioner": town.specialist},
            "start": case.met.isoformat(),
            "target_date": (case.met + timedelta(days=365)).isoformat(),
            "achievement": "in-progress",
        },
        "client_own_goal": [
            {
                "goal_id": f"tavoite-{case.key}-2",
                "description": case.condition["own_goal"],
                "area": "participation",
                "lifecycle": "active",
                "expressed_by": {"client": True},
                "start": case.met.isoformat(),
            }
        ],
        "client_view": case.condition["own_goal"],
        "services": _services(case),
        "benefits": [
            {
                "benefit_code": "unemployment-security",
                "benefit_payer": "kela",
                "benefit_beneficiary": "client",
                "benefit_status": "in-payment",
            }
        ],
        **_follow_up(case),
    }


def _services(case: Case) -> list[Record]:
    town, goal = case.town, [{"id": case.goal}]
    return [
        {
            "service_code": "typ-service",
            "organiser": town.typ,
            "responsible": [town.specialist],
            "status": "ongoing",
            "period": {"start": case.met.isoformat()},
            "goal_links": goal,
        },
        {
            "service_code": case.condition["service"],
            "organiser": content()["county"],
            "provider": town.health_centre,
            "responsible": [town.physician],
            "status": "planned",
            "goal_links": goal,
        },
        {
            "service_code": "physician-check",
            "organiser": content()["county"],
            "provider": town.health_centre,
            "responsible": [town.physician],
            "status": "booked",
            "booked_time": {
                "start": at(case.checked, 10, 0),
                "end": at(case.checked, 11, 0),
                "place": town.health_centre["name"],
                "mode": "physical",
            },
            "goal_links": goal,
        },
    ]


def _follow_up(case: Case) -> Record:
    again = working_day(case.met + timedelta(days=91))
    return {
        "follow_up": [
            {"follow_up_kind": "follow-up-meeting", "follow_up_due": {"date": again.isoformat()}},
            {
                "follow_up_kind": "regular-contact",
                "follow_up_due": {"timing": {"every": case.chance.randint(1, 4), "unit": "wk"}},
            },
        ],
        "evaluation": {"text": "Kykyviisari ja asiakkaan oma kokemus.", "instruments": ["kykyviisari"]},
        "next_meeting": {
            "start": at(again, 10, 0),
            "end": at(again, 11, 0),
            "place": case.town.typ["name"],
            "mode": "physical",
        },
        "reconciliation": [{"linked_plan_type": "care-and-rehabilitation-plan", "linked_plan_status": "reconciled"}],
        "typ_screening": {"result": "yes", "reason": "Työttömyys on pitkittynyt ja tarvitaan monialaista tukea."},
    }
