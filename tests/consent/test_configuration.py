"""The packaged configuration: our own consents, types, purposes and data classes (BR-054 … BR-079)."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.consent import Reason, packaged_configuration
from adapter.consent.trace import RULES
from adapter.i18n import LANGUAGES, catalogue
from adapter.terminology import code_system
from tests.consent.world import (
    ACT,
    CONFIDENTIALITY,
    OURS,
    REASON,
    V3,
    Json,
    coding,
    concept,
    consent,
    observation,
    permit,
    plan,
    profile_class,
    said,
)

TYPES, PURPOSE_LIST = f"{OURS}/CodeSystem/consent-type", f"{OURS}/CodeSystem/consent-purpose"
COORDINATION = [coding(PURPOSE_LIST, "service-coordination")]
PSY = [coding(CONFIDENTIALITY, "R"), coding(ACT, "PSY")]


def ours(kind: str = "team-information-sharing", scope: str = "patient-privacy", **provision: Any) -> Json:
    """Return a consent as our own mapping writes it."""
    rule = {"purpose": COORDINATION, "class": [profile_class("kykysilta-work-ability-plan")], **provision}
    return consent(
        category=[concept(TYPES, kind)], scope=concept(f"{V3}/consentscope", scope), provision=permit(**rule)
    )


def claiming(resource: Json, profile: str, *labels: Json) -> Json:
    """Return a resource that claims one of our profiles."""
    marks = list(labels) or [coding(CONFIDENTIALITY, "N")]
    return resource | {"meta": {"profile": [f"{OURS}/StructureDefinition/{profile}"], "security": marks}}


PLAN = claiming(plan(), "kykysilta-work-ability-plan")


def test_the_lists_are_those_of_the_domain() -> None:
    """Purposes, consent types and data classes are the code lists in mappings/codes."""
    configuration = packaged_configuration()
    local = {code.code for code in configuration.purposes.tree.codes if code.system == PURPOSE_LIST}
    assert local == set(code_system("consent-purpose").codes)
    assert set(configuration.types.types) == set(code_system("consent-type").codes)
    assert set(configuration.data_classes.profiles) == set(code_system("data-class").codes)


def test_a_profile_stands_for_one_data_class() -> None:
    """The classes of a consent can be read back from its canonicals."""
    classes = packaged_configuration().data_classes
    assert all(profiles for profiles in classes.profiles.values())
    assert len(classes.classes) == sum(map(len, classes.profiles.values()))
    assert {classes.classes[profile] for profile in classes.profiles["diagnosis"]} == {"diagnosis"}


@pytest.mark.parametrize(
    ("purpose", "reason"),
    [
        (COORDINATION, "CONSENT_PERMIT"),
        ([coding(PURPOSE_LIST, "feedback")], "PURPOSE_NOT_COVERED"),
        ([coding(REASON, "CAREMGT")], "PURPOSE_NOT_COVERED"),
        ([coding(PURPOSE_LIST, "research")], "PURPOSE_NOT_COVERED"),
    ],
)
def test_a_team_consent_is_asked_with_the_local_purpose(purpose: list[Json], reason: str) -> None:
    """BR-060: the v3 counterpart opens nothing."""
    assert said(ours(), resource=PLAN, purpose=purpose) == reason


def test_research_has_a_consent_of_its_own() -> None:
    """BR-072: a team consent never opens research, a research consent nothing else, and refusing it stops no care."""
    research = [coding(PURPOSE_LIST, "research")]
    asked = {"resource": PLAN, "purpose": research}
    assert said(ours(purpose=[*COORDINATION, *research]), **asked) == "PURPOSE_NOT_COVERED"
    study = ours("research-use", "research", purpose=research)
    assert said(study, **asked) == "CONSENT_PERMIT"
    wide = ours("research-use", "research", purpose=[*research, *COORDINATION])
    assert said(wide, resource=PLAN, purpose=COORDINATION) == "NO_CONSENT"
    refused = study | {"id": "no", "identifier": [], "policyRule": concept(ACT, "OPTOUT")}
    del refused["identifier"]
    assert said(ours(), refused, resource=PLAN, purpose=COORDINATION) == "CONSENT_PERMIT"
    assert said(study, refused, **asked) == "EXPLICIT_DENY"


MENTAL_HEALTH = claiming(observation(), "kykysilta-observation-mental-health", *PSY)
LABELLED_CHECK = claiming(observation(), "kykysilta-health-check", *PSY)


@pytest.mark.parametrize(
    ("classes", "resource", "reason"),
    [
        (
            ["kykysilta-observation-mental-health"],
            MENTAL_HEALTH,
            "CONSENT_PERMIT",
        ),
        (
            ["kykysilta-health-check"],
            MENTAL_HEALTH,
            "CLASS_NOT_COVERED",
        ),
        (["kykysilta-health-check"], LABELLED_CHECK, "CLASS_NOT_COVERED"),
        (["kykysilta-health-check"], claiming(observation(), "kykysilta-health-check"), "CONSENT_PERMIT"),
        (
            ["kykysilta-health-check", "kykysilta-observation-mental-health"],
            LABELLED_CHECK,
            "CONSENT_PERMIT",
        ),
    ],
)
def test_extra_sensitive_data_need_their_own_class(classes: list[str], resource: Json, reason: str) -> None:
    """BR-059, BR-079: mental-health data are open only to a consent that names the class, whatever their profile."""
    listed = [profile_class(name) for name in classes]
    assert said(ours(**{"class": listed}), resource=resource, purpose=COORDINATION) == reason


def test_extra_sensitive_data_are_not_open_by_resource_type() -> None:
    """BR-079: neither a resource type nor a missing class stands for the extra classes in a consent of ours."""
    resource = MENTAL_HEALTH
    by_type = [coding("http://hl7.org/fhir/resource-types", "Observation")]
    assert said(ours(**{"class": by_type}), resource=resource, purpose=COORDINATION) == "CLASS_NOT_COVERED"
    assert said(ours(**{"class": None}), resource=resource, purpose=COORDINATION) == "CLASS_NOT_COVERED"
    assert said(consent(), resource=resource) == "CONSENT_PERMIT"


@pytest.mark.parametrize(
    ("label", "topic"),
    [
        (coding(ACT, "PSY"), "mental-health"),
        (coding(ACT, "SUD"), "substance-use"),
        (coding(f"{OURS}/CodeSystem/security-label", "social-welfare"), "social-welfare"),
    ],
)
def test_exclusions_stand_as_labels(label: Json, topic: str) -> None:
    """BR-063: a nested refusal by securityLabel stops the class that the consent otherwise opens."""
    profile = f"kykysilta-observation-{topic}"
    resource = claiming(observation(), profile, coding(CONFIDENTIALITY, "R"), label)
    opened: dict[str, Any] = {"class": [profile_class(profile)]}
    assert said(ours(**opened), resource=resource, purpose=COORDINATION) == "CONSENT_PERMIT"
    excluded = ours(**opened, provision=[{"type": "deny", "securityLabel": [label]}])
    assert said(excluded, resource=resource, purpose=COORDINATION) == "EXPLICIT_DENY"
    assert said(excluded, resource=claiming(observation(), profile), purpose=COORDINATION) == "CONSENT_PERMIT"


def test_the_national_mark_is_no_topic() -> None:
    """BR-079: TURVAKIELTO is carried along and does not make a label unknown."""
    mark = coding("https://hl7.fi/fhir/finnish-base-profiles/CodeSystem/fi-base-security-label-cs", "TURVAKIELTO")
    resource = claiming(plan(), "kykysilta-work-ability-plan", coding(CONFIDENTIALITY, "N"), mark)
    topics = [coding(CONFIDENTIALITY, "N"), coding(ACT, "PSY")]
    assert said(ours(securityLabel=topics), resource=resource, purpose=COORDINATION) == "CONSENT_PERMIT"


def test_every_reason_has_a_rule_and_a_text() -> None:
    """The closed list, the rules it comes from and the catalogue agree, in all languages."""
    texts = catalogue("consent")
    assert set(RULES) == set(Reason)
    keys = {f"reason-{reason.lower().replace('_', '-')}" for reason in Reason}
    assert keys == {key for key in texts if key.startswith("reason-")}
    assert all(set(texts[key].texts) == set(LANGUAGES) for key in keys)
    assert all(3000 <= message.number < 3500 for message in texts.values())
    assert len({message.number for message in texts.values()}) == len(texts)
