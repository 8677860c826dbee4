"""A small system under test for the certification run: `good` follows the rules, `bad` sends and hopes."""

from __future__ import annotations

import os
import ssl
import sys
import time
from collections.abc import Mapping
from typing import Any

import httpx

TRIES = 4


def plan(value: str, status: str = "active") -> dict[str, Any]:
    """A plan with a business identifier."""
    identifier = [{"system": "urn:vendor", "value": value}]
    return {"resourceType": "CarePlan", "status": status, "intent": "plan", "identifier": identifier}


def send(client: httpx.Client, method: str, url: str, body: dict[str, Any], headers: dict[str, str]) -> None:
    """Send, wait as asked, try again when trying may help."""
    for _ in range(TRIES):
        try:
            answer = client.request(method, url, json=body, headers=headers)
        except httpx.TransportError as error:
            if "alert" in str(error).lower():  # the certificate is refused: trying again does not help
                return
            continue
        if answer.status_code not in (429, 503):
            return
        time.sleep(float(answer.headers["retry-after"]))


def consent(status: str) -> dict[str, Any]:
    """A consent with a business identifier."""
    loinc = {"system": "http://loinc.org", "code": "59284-0"}
    scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
    return {
        "resourceType": "Consent",
        "identifier": [{"system": "urn:vendor", "value": "consent"}],
        "status": status,
        "scope": {"coding": [scope]},
        "category": [{"coding": [loinc]}],
        "patient": {"display": "Moona"},
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
    }


def withdraw(client: httpx.Client) -> None:
    """Give a consent, take it back, and send nothing that rests on it."""
    given = client.post("Consent", json=consent("active")).json()
    body = given | {"status": "inactive"}
    client.put(f"Consent/{given['id']}", json=body, headers={"if-match": f'W/"{given["meta"]["versionId"]}"'})


def good(client: httpx.Client, step: str) -> None:
    """Conditional create, If-Match on update, patience."""
    if step == "withdrawn-consent":
        withdraw(client)
        return
    value = "1" if step in ("create", "create-again", "update") else step
    if step == "update":
        found = client.get("CarePlan", params={"identifier": f"urn:vendor|{value}"}).json()["entry"][0]["resource"]
        match = {"if-match": f'W/"{found["meta"]["versionId"]}"'}
        send(client, "PUT", f"CarePlan/{found['id']}", found | {"status": "completed"}, match)
    else:
        send(client, "POST", "CarePlan", plan(value), {"if-none-exist": f"identifier=urn:vendor|{value}"})


def bad(client: httpx.Client, step: str) -> None:
    """Posts everything three times, never waits, ignores answers, sends on when a consent is gone."""
    if step == "withdrawn-consent":
        withdraw(client)
    for _ in range(3):
        try:
            client.post("CarePlan", json=plan("1" if step in ("create", "create-again", "update") else step))
        except httpx.TransportError:
            continue


def connected(place: Mapping[str, str]) -> httpx.Client:
    """A client of the place that the environment of a step describes."""
    if "CLIENT_CERTIFICATE" not in place:
        return httpx.Client(base_url=f"{place['FHIR_BASE']}/")
    context = ssl.create_default_context(cafile=place["CERTIFICATE_AUTHORITY"])
    context.load_cert_chain(place["CLIENT_CERTIFICATE"], place["CLIENT_KEY"])
    return httpx.Client(base_url=f"{place['FHIR_BASE']}/", verify=context)


if __name__ == "__main__":
    with connected(os.environ) as http:
        {"good": good, "bad": bad}[sys.argv[1]](http, os.environ["CERTIFICATION_STEP"])
