"""Invented towns of an invented county: their units and the people who work there, the same in every record."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final

from adapter.data import data_root, read_yaml
from adapter.types import Record

STAFF_SYSTEM: Final = "https://henkilosto.esimerkkimaa.example"
OFFICE_SYSTEM: Final = "https://toimistot.te-palvelut.example"


@cache
def content() -> Any:
    """Return the lists of `mappings/synthetic.yaml`."""
    return read_yaml(data_root() / "mappings" / "synthetic.yaml")


@dataclass(frozen=True)
class Town:
    """A town with its units and the people who work there; the same in every record."""

    position: int

    @property
    def name(self) -> str:
        """Name of the town."""
        return self._said["name"]

    @property
    def _said(self) -> dict[str, str]:
        said: dict[str, str] = content()["towns"][self.position]
        return said

    @cached_property
    def health_centre(self) -> Record:
        """Its health centre."""
        return self._unit(11, "terveysasema", "health-and-social-centre")

    @cached_property
    def social_services(self) -> Record:
        """Its social services for people of working age."""
        return self._unit(21, "työikäisten sosiaalipalvelut", "social-welfare")

    @cached_property
    def typ(self) -> Record:
        """Its multi-agency service of employment (TYP)."""
        unit = {"id": f"typ-{self.position + 1}", "system": OFFICE_SYSTEM, "name": f"TYP {self.name}"}
        return {**unit, "organisation_type": "typ"}

    @cached_property
    def nurse(self) -> Record:
        """Public health nurse."""
        return self._person(0, "public-health-nurse", self.health_centre)

    @cached_property
    def physician(self) -> Record:
        """Physician of the health centre."""
        return self._person(1, "physician", self.health_centre)

    @cached_property
    def social_worker(self) -> Record:
        """Social worker; convenes the team."""
        return self._person(2, "social-worker", self.social_services)

    @cached_property
    def specialist(self) -> Record:
        """Employment specialist of the TYP; the responsible worker."""
        return self._person(3, "employment-specialist", self.typ)

    @property
    def kela_contact(self) -> Record:
        """Contact person at Kela; one for all towns."""
        person: Record = content()["kela_contact"]
        return person

    @property
    def professionals(self) -> tuple[Record, ...]:
        """The four who work together as a team (PractitionerRef)."""
        return (self.specialist, self.social_worker, self.nurse, self.physician)

    def _unit(self, number: int, name: str, kind: str) -> Record:
        oid = f"1.2.246.10.90000038.10.{100 * (self.position + 1) + number}"
        return {"id": oid, "name": f"{self._said['genitive']} {name}", "organisation_type": kind}

    def _person(self, place: int, role: str, organisation: Record) -> Record:
        number = 4 * self.position + place
        return {
            "id": f"ammattilainen-{number + 1}",
            "system": STAFF_SYSTEM,
            "name": content()["staff_names"][number],
            "role": role,
            "organisation": organisation,
            "phone": f"+358 40 555 {2000 + number}",
        }
