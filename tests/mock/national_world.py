"""What the tests of the national policy send: permissions, their Provenance, transactions."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import httpx

PERMISSION = "https://gen.kanta.fi/fhir/tahdonilmaisut/StructureDefinition/soteluovutuslupa"
PERMISSION_PROVENANCE = "https://gen.kanta.fi/fhir/tahdonilmaisut/StructureDefinition/TahdonilmaisuProvenance"
ROLE = "http://gen.kanta.fi/figen-cs-provenancerolecategory"
CODES = "http://terminology.hl7.org/CodeSystem"
NATIONAL = "urn:oid:1.2.246.537.5.40112.2006"
HETU = {"system": "urn:oid:1.2.246.21", "value": "010594Y9032"}
_numbers = itertools.count()

Change = Callable[[dict[str, Any]], object]


def numbered(request: httpx.Request) -> None:
    """Give a request an id of its own unless the test gives one."""
    request.headers.setdefault("x-request-id", f"request-{next(_numbers)}")


def reference(number: int) -> str:
    """The fullUrl of an entry."""
    return f"urn:uuid:00000000-0000-4000-8000-{number:012}"


def transaction(*resources: dict[str, Any]) -> dict[str, Any]:
    """A transaction of creates; the fullUrl of an entry is `reference(its number)`."""
    entries = [
        {
            "fullUrl": reference(number),
            "resource": one,
            "request": {"method": "POST", "url": one["resourceType"]},
        }
        for number, one in enumerate(resources)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def permission(category: str = "1") -> dict[str, Any]:
    """A disclosure permission (sote-luovutuslupa)."""
    kind = {"system": "urn:example:category", "code": category, "display": "Luovutuslupa"}
    return {
        "resourceType": "Consent",
        "meta": {"profile": [PERMISSION]},
        "status": "active",
        "scope": {"coding": [{"system": f"{CODES}/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [kind]}],
        "patient": {"identifier": HETU},
        "policyRule": {"coding": [{"system": "urn:oid:1.2.246.537.5.40193.2013", "code": "1"}]},
        "provision": {
            "period": {"start": "2026-01-01"},
            "provision": [{"type": "permit", "class": [{"system": "urn:x", "code": "a"}]}],
        },
    }


def agent(role: str, value: str = "1.2.3", system: str = ROLE) -> dict[str, Any]:
    """An agent in a role."""
    who = {"identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{value}"}}
    return {"role": [{"coding": [{"system": system, "code": role}]}], "who": who}


def permission_provenance(target: int = 0) -> dict[str, Any]:
    """The Provenance of a permission that a professional recorded."""
    agents = [agent("1", "1.2.246.10.2462460.19.1"), *(agent(role) for role in ("2", "3", "4", "7", "13"))]
    return {
        "resourceType": "Provenance",
        "meta": {"profile": [PERMISSION_PROVENANCE]},
        "target": [{"reference": reference(target)}],
        "recorded": "2026-03-14T08:00:00Z",
        "agent": agents,
    }


def issue_of(answer: httpx.Response) -> dict[str, Any]:
    """The first issue of a refusal."""
    found: dict[str, Any] = answer.json()["issue"][0]
    return found


def rules_of(answer: httpx.Response) -> set[str]:
    """The rules that a refusal names."""
    return {coding["code"] for one in answer.json()["issue"] for coding in one["details"]["coding"]}
