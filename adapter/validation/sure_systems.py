"""Code systems whose codes are surely right, or ask nothing, for the generated yes (`sure_shapes`)."""

from __future__ import annotations

from typing import Any

from pydantic_core import SchemaValidator

from adapter.fhir.terminology import Terminology
from adapter.validation.datatype_rules import GROWING, OF_HL7
from adapter.validation.primitives import PRIMITIVES
from adapter.validation.sure_formats import CODE_SYSTEM

_MOST_SYSTEMS, _LONGEST_SYSTEM = 1024, 256
_is_absolute_uri = SchemaValidator(CODE_SYSTEM).isinstance_python


class KnownSystems:
    """What is known of code systems, learnt when a Coding first names them.

    Attributes:
        known: the codes, by system, that are right as they stand: of HL7's own code systems and of those added whole.
        opened: systems that ask nothing of their codes; so many are kept, and none that is very long.
        lenient: those, and of HL7's systems those that grow: they ask nothing where a code of our own is accepted.
    """

    def __init__(self, terminology: Terminology) -> None:
        self.terminology = terminology
        self.known: dict[str, frozenset[str]] = {}
        self.opened: set[str] = set()
        self.lenient: set[str] = set()

    def learn(self, system: Any) -> None:
        """Remember a system that is surely named as it should be."""
        if system.__class__ is not str or "/ValueSet/" in system or not _is_absolute_uri(system):
            return
        if system in self.terminology.added or system.startswith(OF_HL7):
            tree = self.terminology.code_system(system)
            if tree is not None:
                self.known[system] = frozenset(filter(PRIMITIVES["code"].fast, tree.codes))
                if system.startswith(GROWING) and system not in self.terminology.added:
                    self.lenient.add(system)
        elif len(self.opened) < _MOST_SYSTEMS and len(system) <= _LONGEST_SYSTEM:
            self.opened.add(system)
            self.lenient.add(system)
