"""How fast a decision is, as ratios inside one run; `python benchmarks/consent.py` prints the table.

The yardstick is `orjson.loads` of the very consents that are on file. All consents are active, of one client, in
our own form (team as recipient, local purpose, classes by profile, exclusions by label), so that none can be put
aside unread. «Cold» is from dicts: checked, compiled, indexed and decided. Times are the best of several rounds,
taken in turns; exit code 1 when something asked for is missed.
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable
from typing import Any

import orjson

from adapter.consent import decide, read_consents

Json = dict[str, Any]

OURS = "https://kykysilta.example/fhir"
V3 = "http://terminology.hl7.org/CodeSystem"
ROUNDS = 40

LIMITS = {"read once, 20 on file": 3.0, "read once, 400 actors": 2.0, "cold, 20 on file": 25.0}


def concept(system: str, code: str) -> Json:
    """Return a CodeableConcept with one coding."""
    return {"coding": [{"system": system, "code": code}]}


def actor(key: str) -> Json:
    """Return a recipient."""
    return {"role": concept(f"{V3}/v3-ParticipationType", "IRCP"), "reference": {"reference": key}}


def consent(number: int, actors: list[Json]) -> Json:
    """Return a consent of the client in our own form."""
    profiles = ("work-ability-plan", "goal", "health-check", "condition", "team")
    labels = [{"system": f"{V3}/v3-ActCode", "code": code} for code in ("PSY", "SUD")]
    return {
        "resourceType": "Consent",
        "id": f"c{number}",
        "meta": {"versionId": "1", "lastUpdated": "2026-01-15T07:05:00Z"},
        "identifier": [{"system": "urn:example:consent", "value": f"S-{number}"}],
        "status": "active",
        "scope": concept(f"{V3}/consentscope", "patient-privacy"),
        "category": [concept(f"{OURS}/CodeSystem/consent-type", "team-information-sharing")],
        "patient": {"reference": "Patient/p1"},
        "dateTime": "2026-01-15T09:00:00+02:00",
        "performer": [{"reference": "Patient/p1"}],
        "organization": [{"reference": "Organization/county"}],
        "sourceReference": {"reference": "DocumentReference/form"},
        "policyRule": concept(f"{V3}/v3-ActCode", "OPTIN"),
        "verification": [{"verified": True, "verificationDate": "2026-01-15"}],
        "provision": {
            "type": "permit",
            "period": {"start": "2026-01-15", "end": "2026-12-31"},
            "actor": actors,
            "action": [concept(f"{V3}/consentaction", code) for code in ("access", "disclose", "use")],
            "purpose": [{"system": f"{OURS}/CodeSystem/consent-purpose", "code": "service-coordination"}],
            "class": [
                {"system": "urn:ietf:rfc:3986", "code": f"{OURS}/StructureDefinition/kykysilta-{name}"}
                for name in profiles
            ],
            "provision": [{"type": "deny", "securityLabel": labels}],
        },
    }


def world() -> list[Json]:
    """Return the context: client, organisations, people with roles, and a team of five."""
    found: list[Json] = [{"resourceType": "Patient", "id": "p1"}]
    members = []
    for name in ("county", "jobs", "kela", "health", "school"):
        person = f"Practitioner/{name}"
        found += [
            {"resourceType": "Organization", "id": name},
            {"resourceType": "Practitioner", "id": name},
            {
                "resourceType": "PractitionerRole",
                "id": name,
                "active": True,
                "practitioner": {"reference": person},
                "organization": {"reference": f"Organization/{name}"},
            },
        ]
        members.append({"member": {"reference": person}, "period": {"start": "2026-01-07"}})
    team = {"resourceType": "CareTeam", "id": "team", "status": "active", "subject": {"reference": "Patient/p1"}}
    return [*found, team | {"period": {"start": "2026-01-07"}, "participant": members}]


REQUEST: Json = {
    "time": "2026-03-10T12:00:00+02:00",
    "mode": "live",
    "requester": {
        "organization": "Organization/jobs",
        "practitioner": "Practitioner/jobs",
        "practitionerRole": "PractitionerRole/jobs",
    },
    "purpose": [{"system": f"{OURS}/CodeSystem/consent-purpose", "code": "service-coordination"}],
    "action": "access",
    "patient": "Patient/p1",
    "custodian": "Organization/county",
    "resource": {
        "resourceType": "CarePlan",
        "id": "plan",
        "meta": {
            "profile": [f"{OURS}/StructureDefinition/kykysilta-work-ability-plan"],
            "security": [{"system": f"{V3}/v3-Confidentiality", "code": "N"}],
        },
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "Patient/p1"},
    },
    "interaction": "read",
}


def measured(functions: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the best time of each function in microseconds, measured in turns."""
    timers = {name: timeit.Timer(function) for name, function in functions.items()}
    number = {name: max(1, int(0.01 / (timer.timeit(3) / 3))) for name, timer in timers.items()}
    best = dict.fromkeys(timers, float("inf"))
    for _ in range(ROUNDS):
        for name, timer in timers.items():
            best[name] = min(best[name], timer.timeit(number[name]) / number[name] * 1e6)
    return best


def main() -> int:
    """Measure and print; return 1 when a limit is missed."""
    context = world()
    crowd = [actor(f"Practitioner/x{number}") for number in range(399)]
    twenty = [consent(number, [actor("CareTeam/team")]) for number in range(20)]
    many = [consent(0, [*crowd, actor("Practitioner/jobs")])]
    twenty_bytes, many_bytes = orjson.dumps(twenty), orjson.dumps(many)
    twenty_read, many_read = read_consents(twenty), read_consents(many)
    for on_file in (twenty_read, many_read):
        reason = decide(on_file, REQUEST, context=context).reason
        if reason != "CONSENT_PERMIT":
            raise SystemExit(f"the benchmark's own case is decided as {reason}")
    times = measured(
        {
            "loads 20": lambda: orjson.loads(twenty_bytes),
            "loads 400": lambda: orjson.loads(many_bytes),
            "read once, 20 on file": lambda: decide(twenty_read, REQUEST, context=context),
            "read once, 400 actors": lambda: decide(many_read, REQUEST, context=context),
            "cold, 20 on file": lambda: decide(twenty, REQUEST, context=context),
        }
    )
    yardstick = {name: times["loads 400" if "400" in name else "loads 20"] for name in LIMITS}
    missed = 0
    print(f"{'decision':<24}{'µs':>9}{'× loads':>10}{'asked':>8}")
    for name, limit in LIMITS.items():
        ratio = times[name] / yardstick[name]
        missed += ratio > limit
        print(f"{name:<24}{times[name]:>9.0f}{ratio:>10.2f}{limit:>8.0f}{'' if ratio <= limit else '  missed'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
