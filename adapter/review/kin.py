"""Look-ups among one's own: an entry whose professional has a family name of the client or of somebody close to them,
or lives at the client's address.

A hit is a reason to ask, never a proof: many people share a name. Names of professionals come from the client's
records; addresses, and names that no record has, only from the staff register that an organisation may provide.
Nothing of it is kept: the comparison is made anew for each search.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from adapter.audit import persons
from adapter.audit.persons import Identity
from adapter.audit.rows import Row
from adapter.review.files import ClientFile, lane_named, read_file
from adapter.store import Cipher
from adapter.types import Resource

KIN = ("own-family", "same-address")
COLUMNS = ("system", "id", "name", "street", "postal_code")
"""Of the staff register; `system` and `id` as records name the professional."""


@dataclass(frozen=True, slots=True)
class Person:
    """A professional, as far as is known.

    Attributes:
        address: street and postal code, made comparable; empty when unknown.
    """

    name: str
    address: str = ""


class StaffRegisterError(ValueError):
    """The staff register is no CSV file with the columns `COLUMNS`."""


def staff_register(path: Path | None) -> dict[Identity, Person]:
    """Read the staff register of an organisation: CSV, UTF-8, with a line of column names; none given knows nobody.

    Raises:
        StaffRegisterError: a column is missing, or it is no UTF-8.
    """
    if path is None:
        return {}
    try:
        rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
        return {
            Identity(row["system"], row["id"]): Person(row["name"], _place(row["street"], row["postal_code"]))
            for row in rows
        }
    except (KeyError, UnicodeDecodeError, AttributeError):
        raise StaffRegisterError(f"the staff register needs the columns {', '.join(COLUMNS)}") from None


class Kinship:
    """Asks of entries whether a professional looked up somebody of their own.

    Args:
        custodians: of the reviewer; entries about clients of others are never a hit.
        staff: the staff register, empty without one.
    """

    def __init__(
        self, connection: Connection, cipher: Cipher, custodians: frozenset[str], staff: Mapping[Identity, Person]
    ) -> None:
        self._staff = staff
        self._file_of = cache(lambda client: _file(connection, cipher, client, custodians))
        self._known = cache(lambda user: persons.identity(connection, cipher, user))

    def holds(self, kind: str, row: Row) -> bool:
        """Say whether an entry is of a kind of `KIN`."""
        who = self._professional(row)
        file = self._file_of(row.fact("client"))
        if who is None or file is None:
            return False
        if kind == "same-address":
            return who.address != "" and who.address in _addresses(file)
        return not _families(who.name).isdisjoint(_families_around(file))

    def name_of(self, row: Row) -> str:
        """Return the name of who acted; empty when it is not known."""
        who = self._professional(row)
        return who.name if who else ""

    def _professional(self, row: Row) -> Person | None:
        """Return who acted; None when that is not known any more, or nobody acted upon a client."""
        file = self._file_of(row.fact("client")) if row.fact("client") and row.fact("user") else None
        identity: Identity | None = self._known(row.fact("user")) if file else None
        if file is None or identity is None:
            return None
        return self._staff.get(identity) or Person(_name_in(file, identity))


def _file(connection: Connection, cipher: Cipher, client: str, custodians: frozenset[str]) -> ClientFile | None:
    lane = lane_named(connection, client)
    return read_file(connection, cipher, lane, custodians) if lane else None


def _name_in(file: ClientFile, identity: Identity) -> str:
    """Return the name that a professional has in a client's records; empty when they have none."""
    for one in file.kept:
        for practitioner in one.of_type("Practitioner"):
            named = {(each.get("system"), each.get("value")) for each in practitioner.get("identifier", ())}
            if tuple(identity) in named:
                return next((_written(name) for name in practitioner.get("name", ())), "")
    return ""


def _families_around(file: ClientFile) -> set[str]:
    """Return the family names of the client and of those close to them, made comparable."""
    people = _resources(file, "Patient", "RelatedPerson")
    return {part for person in people for name in person.get("name", ()) for part in _families(_written(name))}


def _families(name: str) -> set[str]:
    """Return the parts of a family name, the last word of a name: `Aura Perämaa-Lind` has two."""
    return {part for part in name.casefold().rpartition(" ")[2].split("-") if part}


def _written(name: Mapping[str, Any]) -> str:
    return str(name.get("family") or name.get("text") or "")


def _addresses(file: ClientFile) -> set[str]:
    patients = _resources(file, "Patient")
    addresses = (each for patient in patients for each in patient.get("address", ()))
    return {_place(" ".join(one.get("line", ())), str(one.get("postalCode", ""))) for one in addresses}


def _place(street: str, postal_code: str) -> str:
    """Return an address made comparable: letters and digits, in small letters; empty without street and code."""
    words = re.findall(r"\w+", street.casefold())
    return f"{''.join(words)} {postal_code.strip()}" if words and postal_code.strip() else ""


def _resources(file: ClientFile, *kinds: str) -> Iterable[Resource]:
    return (resource for one in file.kept for kind in kinds for resource in one.of_type(kind))
