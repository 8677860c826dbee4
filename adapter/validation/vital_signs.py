"""Observations that R4 makes vital signs by their LOINC code, and the core profile each must meet (R4 §10.1.3)."""

from __future__ import annotations

from typing import Any

LOINC = "http://loinc.org"
CORE = "http://hl7.org/fhir/StructureDefinition/"

PROFILE_OF = {
    "85353-1": "vitalspanel",
    "9279-1": "resprate",
    "8867-4": "heartrate",
    "2708-6": "oxygensat",
    "8310-5": "bodytemp",
    "8302-2": "bodyheight",
    "9843-4": "headcircum",
    "29463-7": "bodyweight",
    "39156-5": "bmi",
    "85354-9": "bp",
}
"""LOINC code to the name of the core profile."""


def implied_profile(observation: dict[str, Any]) -> str:
    """Return the canonical of the vital-signs profile that the code asks for, or empty."""
    code = observation.get("code")
    codings = code.get("coding") if isinstance(code, dict) else None
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, dict) and coding.get("system") == LOINC and coding.get("code") in PROFILE_OF:
            return CORE + PROFILE_OF[coding["code"]]
    return ""
