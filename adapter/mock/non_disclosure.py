"""Turvakielto (non-disclosure for personal safety): where a client lives stays with the custodian.

The label travels, the contact data do not, and no search tells what they are (BR-150).
"""

from __future__ import annotations

import re
from typing import Any

from adapter.mock.exchange import Query
from adapter.mock.storage import Stored
from adapter.release import NON_DISCLOSURE, PROTECTED
from adapter.types import Resource

CONTACT_ELEMENTS = ("address", "telecom")
"""What is withheld of the persons named in `Patient.contact` too."""

_CONTACT_PARAMETER = re.compile(r"(?:^|[.:,-])(?:address(?:-[a-z]+)?|phone|email|telecom|organization)(?=$|[:,])")


def is_protected(patient: Stored | None) -> bool:
    """True when the client's newest version carries TURVAKIELTO in `meta.security`."""
    if patient is None or patient.body is None:
        return False
    return any(one.get("code") == NON_DISCLOSURE for one in patient.resource.get("meta", {}).get("security", ()))


def without_contacts(resource: Resource) -> Resource:
    """Return the resource without what TURVAKIELTO protects; the label itself stays."""
    withheld = PROTECTED.get(resource["resourceType"], ())
    kept: dict[str, Any] = {name: value for name, value in resource.items() if name.lstrip("_") not in withheld}
    if withheld:
        kept.pop("text", None)  # the narrative may say what the elements said
    if "contact" in kept:
        kept["contact"] = [
            {name: value for name, value in one.items() if name not in CONTACT_ELEMENTS} for one in kept["contact"]
        ]
    if "contained" in kept:
        kept["contained"] = [without_contacts(one) for one in kept["contained"]]
    return kept


def asks_for_contacts(query: Query) -> bool:
    """True when a search looks at contact data or sorts by them, also through a chain or `_has`."""
    return any(_CONTACT_PARAMETER.search(value if key == "_sort" else key) for key, value in query)
