"""Observations that R4 makes vital signs by their code, and the core profile each must meet (R4 §10.1.3)."""

from __future__ import annotations

from typing import Any

LOINC = "http://loinc.org"
CORE = "http://hl7.org/fhir/StructureDefinition/"

SNOMED = "http://snomed.info/sct"

PROFILE_OF = {
    (LOINC, "85353-1"): "vitalspanel",
    (LOINC, "9279-1"): "resprate",
    (SNOMED, "86290005"): "resprate",
    (LOINC, "8867-4"): "heartrate",
    (SNOMED, "364075005"): "heartrate",
    (LOINC, "2708-6"): "oxygensat",
    (SNOMED, "431314004"): "oxygensat",
    (LOINC, "8310-5"): "bodytemp",
    (SNOMED, "386725007"): "bodytemp",
    (SNOMED, "276885007"): "bodytemp",
    (LOINC, "8302-2"): "bodyheight",
    (SNOMED, "50373000"): "bodyheight",
    (LOINC, "9843-4"): "headcircum",
    (SNOMED, "363812007"): "headcircum",
    (LOINC, "29463-7"): "bodyweight",
    (SNOMED, "27113001"): "bodyweight",
    (LOINC, "39156-5"): "bmi",
    (SNOMED, "60621009"): "bmi",
    (LOINC, "85354-9"): "bp",
    (LOINC, "76534-7"): "bp",
    (SNOMED, "75367002"): "bp",
}
"""System and code to the name of the core profile; the SNOMED CT codes as the official validator has them."""


def implied_profile(observation: dict[str, Any]) -> str:
    """Return the canonical of the vital-signs profile that the code asks for, or empty; a withdrawn one needs none."""
    if observation.get("status") == "entered-in-error":
        return ""
    code = observation.get("code")
    codings = code.get("coding") if isinstance(code, dict) else None
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, dict):
            name = PROFILE_OF.get((str(coding.get("system")), str(coding.get("code"))))
            if name:
                return CORE + name
    return ""
