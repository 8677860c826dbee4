"""Business rules BR-…: data in `profiles/rules/`, judged on whole Bundles with their instant and related records."""

from adapter.validation.rules.check import check_rules
from adapter.validation.rules.load import catalogue, load
from adapter.validation.rules.model import Breach, Catalogue, ElsewhereRule, Rule, WaitingRule

__all__ = ["Breach", "Catalogue", "ElsewhereRule", "Rule", "WaitingRule", "catalogue", "check_rules", "load"]
