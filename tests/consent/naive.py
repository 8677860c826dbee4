"""A second evaluator: slow, plain, written from the rules alone, for one resource of one client.

It knows nothing of the engine: no indexes, no compilation, three values as the numbers 0 (no), 1 (unknown), 2 (yes).
It reads structurally sound consents with one version each; everything else has tests of its own.
"""

from __future__ import annotations

from tests.consent.naive_criteria import (
    NO,
    ORDER,
    YES,
    Criteria,
    bounds,
    codes,
    pair,
    period_bounds,
    reason_rank,
)
from tests.consent.world import V3, Json

EVIDENCE = ["CONSENT_UNVERIFIED", "PERFORMER_NOT_AUTHORISED", "CUSTODIAN_NOT_COVERED"]
WITHOUT_EFFECT = {
    "inactive": "CONSENT_INACTIVE",
    "rejected": "CONSENT_REJECTED",
    "draft": "CONSENT_NOT_AGREED",
    "proposed": "CONSENT_NOT_AGREED",
    "entered-in-error": "CONSENT_ENTERED_IN_ERROR",
}
LIFE = ["CONSENT_EXPIRED", "CONSENT_NOT_YET_VALID", *dict.fromkeys(WITHOUT_EFFECT.values())]


class Naive(Criteria):
    """One question, asked of any number of consents."""

    def decide(self, consents: list[Json]) -> tuple[str, str]:
        """Decision and reason by R10, R28 and R32."""
        refusals: list[int] = []
        permitted, cut = False, False
        misses: list[tuple[int, int, str]] = []
        life: list[str] = []
        for consent in consents:
            if self.named(consent["patient"]) != {self.request["patient"]}:
                continue
            scope = [pair(coding) for coding in codes([consent["scope"]])]
            if scope[0] in [(f"{V3}/consentscope", other) for other in ("adr", "research", "treatment")]:
                continue
            reason = self.not_counting(consent)
            if reason == "CONSENT_NOT_UNDERSTOOD":
                return "deny", reason
            if reason:
                life.append(reason)
                continue
            effect, sure = self.read(consent, misses, None)
            if effect == "deny":
                refusals.append(sure)
            permitted = permitted or effect == "permit"
            for element in self.elements():
                if effect != "deny" and self.read(consent, [], element)[0] == "deny":
                    cut = True
        if refusals:
            return "deny", "EXPLICIT_DENY" if max(refusals) == YES else "DENY_NOT_UNDERSTOOD"
        if permitted:
            return ("partial", "PARTIAL_REDACTED") if cut else ("permit", "CONSENT_PERMIT")
        if misses:
            return "deny", max(misses)[2]
        return "deny", next((reason for reason in LIFE if reason in life), "NO_CONSENT")

    def not_counting(self, consent: Json) -> str | None:
        """R5, R8, R9."""
        if consent["status"] != "active":
            return WITHOUT_EFFECT[consent["status"]]
        if "implicitRules" in consent or "modifierExtension" in consent:
            return "CONSENT_NOT_UNDERSTOOD"
        low, high = period_bounds(consent["provision"].get("period"))
        if self.now >= high:
            return "CONSENT_EXPIRED"
        if self.now < low or ("dateTime" in consent and self.now < bounds(consent["dateTime"])[0]):
            return "CONSENT_NOT_YET_VALID"
        return None

    def read(self, consent: Json, misses: list[tuple[int, int, str]], element: Json | None) -> tuple[str, int]:
        """R12 – R16: what one consent says: permit, deny or nothing, and how surely."""
        root = consent["provision"]
        policy = {coding["code"] for coding in codes([consent.get("policyRule", {})])}
        kind = root.get("type") or ("permit" if policy & {"OPTIN", "OPTINR"} else "deny")
        if policy & {"OPTOUT", "OPTOUTE", "EMRGONLY"}:
            kind = "deny"
        bare = not set(root) - {"type", "period", "provision"}
        permits_below = any(rule["type"] == "permit" for rule in root.get("provision", []))
        default = kind == "deny" and bare and permits_below and bool(policy & {"OPTIN", "OPTINR"})
        return self.rule(root, kind, [], consent, misses, element, default)

    def rule(
        self,
        rule: Json,
        kind: str,
        above: list[tuple[Json, str]],
        consent: Json,
        misses: list[tuple[int, int, str]],
        element: Json | None,
        default: bool = False,
    ) -> tuple[str, int]:
        """One rule with all that stand below it."""
        path = [*above, (rule, kind)]
        values = [
            (ORDER.index(name), *self.criterion(name, each, each_kind, consent, element))
            for each, each_kind in path
            for name in ORDER
            if not (name == "period" and each is consent["provision"])
        ]
        applies = min(value for _, value, _ in values)
        failing = sorted((stage, value, reason) for stage, value, reason in values if value != YES)
        counts = kind == "permit" and not failing
        if kind == "permit":
            if failing:
                stage = failing[0][0]
                worst = min(reason_rank(reason) for at, _, reason in failing if at == stage)
                reason = next(reason for at, _, reason in failing if at == stage and reason_rank(reason) == worst)
                misses.append((stage, worst, reason))
            elif problem := self.evidence(consent):
                misses.append((len(ORDER), EVIDENCE.index(problem), problem))
                counts = False
            elif not all(any(name in each for each, _ in path) for name in ("actor", "purpose")):
                misses.append((len(ORDER) + 1, 0, "PERMIT_NOT_SPECIFIC"))
                counts = False
        below = [
            (child["type"], self.rule(child, child["type"], path, consent, misses, element))
            for child in rule.get("provision", [])
            if kind == "deny" or applies != NO
        ]
        if applies == NO:
            return "nothing", NO
        spoken = [(child, said) for child, said in below if said[0] != "nothing"]
        denies = [said for _, said in spoken if said[0] == "deny"]
        turned = [said for child, said in spoken if {child, said[0]} != {kind}]
        own = ("permit", YES) if counts else ("nothing", NO)
        if kind == "deny":
            own = ("nothing", NO) if default else ("deny", applies)
            if not turned and not default:
                return own
        if denies:
            return max(denies, key=lambda said: said[1])
        return turned[0] if turned else own

    def evidence(self, consent: Json) -> str | None:
        """R11."""
        if "sourceReference" not in consent or any(not v["verified"] for v in consent.get("verification", [])):
            return "CONSENT_UNVERIFIED"
        if {self.request["patient"]} not in [self.named(one) for one in consent.get("performer", [])]:
            return "PERFORMER_NOT_AUTHORISED"
        custodians = [self.named(one) for one in consent.get("organization", [])]
        return "CUSTODIAN_NOT_COVERED" if custodians and {self.request["custodian"]} not in custodians else None
