"""Who a synthetic client is and on which days things happened; what all records of the client share."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from adapter.source import identity_code
from adapter.source.synthetic.towns import Town, content
from adapter.types import Record

PATIENT_SYSTEM: Final = "https://potilastieto.esimerkkimaa.example"
CLIENT_SYSTEM: Final = "https://asiakastieto.esimerkkimaa.example"

_HELSINKI = ZoneInfo("Europe/Helsinki")
_FIRST_BIRTH, _BIRTH_DAYS = date(1962, 1, 1), 15_340  # the last of them is 2003-12-31
_FIRST_CONTACT, _CONTACT_DAYS = date(2023, 2, 1), 360

LARGEST: Final = _BIRTH_DAYS * identity_code.SYNTHETIC_CODES_A_DAY
"""How many clients have a code of their own in one run."""


class Case:
    """One client and what happened: registered, a team with consent and plan in one meeting, a check, an assessment.

    Attributes:
        key: part of every identifier of the client's records.
        chance: source of everything that is left to chance, the same for the same seed and number.
        town, condition, occupation: where, why, and from which work.
        goal: id of the plan's goal.
        born, registered, met, checked, assessed: the days on which it happened.
    """

    def __init__(self, seed: int, number: int, code: int) -> None:
        self.key = f"{seed}-{number + 1:05d}"
        self.chance = random.Random(f"{seed}/{number}")  # noqa: S311 - content, no secret
        lists, choice = content(), self.chance.choice
        self.town = Town(self.chance.randrange(len(lists["towns"])))
        self.condition, self.occupation = choice(lists["conditions"]), choice(lists["occupations"])
        self.family_name = choice(lists["family_names"])
        self.given_names = self.chance.sample(lists["given_names"], 2)
        self.born = _FIRST_BIRTH + timedelta(days=code % _BIRTH_DAYS)
        self.identity_code = identity_code.synthetic_of(self.born, code // _BIRTH_DAYS)
        self.registered = working_day(_FIRST_CONTACT + timedelta(days=self.chance.randrange(_CONTACT_DAYS)))
        self.met = working_day(self.registered + timedelta(days=self.chance.randint(10, 28)))
        self.checked = working_day(self.met + timedelta(days=self.chance.randint(14, 40)))
        self.assessed = working_day(self.checked + timedelta(days=self.chance.randint(3, 14)))
        self.goal = f"tavoite-{self.key}-1"

    @property
    def own_reference(self) -> Record:
        """ClientRef inside the system that gave the client's number."""
        return {
            "id": f"asiakas-{self.key}",
            "display": f"{self.given_names[0]} {self.family_name}",
            "personal_identity_code": self.identity_code,
        }

    @property
    def reference(self) -> Record:
        """ClientRef in the records of another system; the same client."""
        return {**self.own_reference, "system": PATIENT_SYSTEM}

    @property
    def team_reference(self) -> Record:
        """XRef to the team, from the records of its own system."""
        return {"id": f"tiimi-{self.key}", "display": self.team_name}

    @property
    def team_name(self) -> str:
        """Name of the team."""
        return f"Monialainen verkosto, {self.town.typ['name']}"

    def envelope(self, record_type: str, record_id: str, recorded_at: str, recorded_by: Record) -> Record:
        """Return the envelope; the recorder's organisation tells system and register."""
        health = recorded_by["organisation"] == self.town.health_centre
        return {
            "record_type": record_type,
            "record_id": record_id,
            "record_version": 1,
            "source_system": PATIENT_SYSTEM if health else CLIENT_SYSTEM,
            "custodian": content()["county"],
            "register": "patient-register" if health else "employment-register",
            "recorded_at": recorded_at,
            "recorded_by": recorded_by,
            "language": "fi",
        }


def working_day(day: date) -> date:
    """Return the day itself, or the Monday after a weekend."""
    return day + timedelta(days=7 - day.weekday() if day.weekday() > 4 else 0)


def at(day: date, hour: int, minute: int) -> str:
    """Return a Finnish time of a day with its offset."""
    return datetime.combine(day, time(hour, minute), _HELSINKI).isoformat()
