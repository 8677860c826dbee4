"""Meetings about a client: which kind, of which team, and whether one is still to come."""

from __future__ import annotations

from adapter.types import Resource
from adapter.validation.rules.actors import CODES
from adapter.validation.rules.periods import order
from adapter.validation.rules.scope import Scope, codes_of, moment

MEETING_TYPE = CODES + "meeting-type"
_TO_COME = frozenset(("proposed", "pending", "booked"))
_OF_RESPONSIBLE_WORKER = frozenset(("follow-up-meeting",))


def meeting_kinds(meeting: Resource) -> set[str]:
    """Return the cs:meeting-type codes of an Appointment; empty for a booked time."""
    return codes_of(meeting.get("appointmentType"), MEETING_TYPE)


def team_of_meeting(scope: Scope, meeting: Resource) -> Resource | None:
    """Return the CareTeam that a meeting belongs to."""
    found = scope.resolve_all(meeting.get("supportingInformation"))
    return next((about for about in found if about["resourceType"] == "CareTeam"), None)


def meets_again(scope: Scope, team: Resource) -> bool:
    """True when a meeting of the team is booked; not the follow-up meetings of its responsible worker.

    With the present instant a booked meeting that has begun no longer counts.
    """
    for meeting in scope.of_type("Appointment"):
        kinds = meeting_kinds(meeting) - _OF_RESPONSIBLE_WORKER
        if not kinds or meeting.get("status") not in _TO_COME or team_of_meeting(scope, meeting) is not team:
            continue
        start = moment(meeting.get("start"))
        if scope.now is None or start is None or order(scope.now, start) <= 0:
            return True
    return False
