"""What health care records afterwards: the physician's check and the client's own assessment."""

from __future__ import annotations

from decimal import Decimal

from adapter.source.synthetic.case import Case, at
from adapter.types import Record


def health_check(case: Case) -> Record:
    """Return the check that the plan booked, by the physician of the team."""
    town, wanted = case.town, f"tarkastus-{case.key}"
    mental = case.condition.get("mental", "Ei viitteitä mielenterveyden häiriöstä.")
    return {
        **case.envelope("health_check", wanted, at(case.checked, 11, 30), town.physician),
        "check_id": wanted,
        "level": "physician",
        "parts": [
            "anamnesis",
            "mental-health-assessment",
            "substance-use-assessment",
            "measurement",
            "health-survey",
            "work-functional-evaluation",
            "remaining-work-ability",
            "rehabilitation-need",
        ],
        "client": case.own_reference,
        "date": at(case.checked, 10, 0),
        "performer": town.physician,
        "need_identified_by": "primary-care",
        "illness_history": [f"{case.condition['name']}, todettu {case.registered:%Y}."],
        "measurements": _measurements(case),
        "symptoms": [{"text": symptom} for symptom in case.condition["symptoms"]],
        "mental_health_assessment": {"done": {"result": {"text": mental}}},
        "substance_use_assessment": {"done": {"result": {"text": "Ei riskikäyttöä."}}},
        "rehabilitation_need": {"needed": True, "text": case.condition["goal"]},
        "health_survey": f"{case.condition['name']}; muuten perusterve.",
        "work_functional_evaluation": _evaluation(case),
        "remaining_work_ability": {"text": "Kevyt, rytmitetty työ on mahdollista sovituilla tauoilla."},
        "outcome_routes": ["disease-treatment"],
        "treatment_started": [f"{case.condition['name'].lower()}: hoito"],
        "feedback_to_client": {
            "sent_at": at(case.checked, 11, 0),
            "text": "Tulokset ja jatko käytiin läpi vastaanotolla.",
        },
    }


def _measurements(case: Case) -> list[Record]:
    mass = Decimal(case.chance.randint(195, 340)) / 10
    return [
        {
            "code": {"code": "39156-5", "system": "http://loinc.org"},
            "value": mass,
            "unit": "kg/m2",
            "date": case.checked.isoformat(),
        }
    ]


def _evaluation(case: Case) -> Record:
    return {
        "evaluator": case.town.physician,
        "reference_work": {
            "code": "last-job-before-unemployment",
            "text": f"{case.occupation['task']}, aiempi työ",
        },
        "state": "partially-able",
        "duration": "temporary",
        "job_demands": case.occupation["demands"],
        "job_impact_known": True,
        "full_time_possible": False,
        "independent_job_search": case.chance.random() < 0.5,
        "wish": case.condition["own_goal"],
    }


def functional_assessment(case: Case) -> Record:
    """Return a self-assessment with the Kykyviisari questionnaire."""
    wanted, score = f"kykyviisari-{case.key}", case.chance.randint(3, 7)
    filled = at(case.assessed, 9, 20)
    return {
        **case.envelope("functional_assessment", wanted, at(case.assessed, 9, 50), case.town.nurse),
        "assessment_id": wanted,
        "instrument": "kykyviisari",
        "instrument_version": "full",
        "client": case.own_reference,
        "mode": "self",
        "date": filled,
        "measurement_point": "start",
        "assessor": {"client": True},
        "result": {"total_score": score},
        "domain_scores": [
            {"domain": domain, "score": Decimal(case.chance.randint(100, 500)) / 100}
            for domain in ("participation", "mind", "everyday", "skills", "body")
        ],
        "items": {
            "authored": filled,
            "answers": [
                {
                    "link_id": "tyokyky",
                    "question": "Minkä pistemäärän antaisit nykyiselle työkyvyllesi?",
                    "answer": [{"integer": score}],
                }
            ],
        },
        "purpose": "individual",
    }
