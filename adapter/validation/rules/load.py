"""Reading `profiles/rules/*.yaml`: strict, with file and line in every complaint, everything compiled at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from adapter import terminology
from adapter.data import DataFileError, Place, YamlPath, data_root, read_yaml_with_places
from adapter.fhir import definitions
from adapter.validation.fhirpath import Expression, FhirPathError, compile_expression
from adapter.validation.rules import (  # noqa: F401 - they register
    client,
    consent,
    health,
    planning,
    responsibility,
    team,
    team_phase,
)
from adapter.validation.rules.model import Catalogue, ElsewhereRule, Rule, RuleSeverity, Texts, Variant, WaitingRule
from adapter.validation.rules.named import JUDGEMENTS

_CONSTANT = re.compile(r"%(cs|extension|system)-([a-z0-9-]+)")
_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
_RULE_KEYS = frozenset(
    {
        "id",
        "severity",
        "on",
        "code",
        "if",
        "each",
        "when",
        "must",
        "named",
        "points",
        "field",
        "needs",
        "variants",
        "seed",
    }
)
_LANGUAGES = ("fi", "en", "sv")
_DECIDERS = frozenset({"mapping", "consent", "reviewer", "report", "release"})
_ID = re.compile(r"BR-[0-9]{3}")


@cache
def catalogue() -> Catalogue:
    """Return all packaged rules, compiled; read once.

    Raises:
        DataFileError: a file is broken; the text names file and line.
    """
    return load(data_root() / "profiles" / "rules")


def load(folder: Path) -> Catalogue:
    """Read and compile all rule files of a folder.

    Raises:
        DataFileError: not YAML, unknown or missing keys, a broken FHIRPath, an unknown function, code list or
            element, a rule that is listed twice.
    """
    rules: list[Rule] = []
    waiting: list[WaitingRule] = []
    elsewhere: list[ElsewhereRule] = []
    seen: set[str] = set()
    for path in sorted(folder.glob("*.yaml")):
        file = _RuleFile(path)
        for key, row, at in file.rows("rules"):
            rules.append(file.rule(key, row, at, seen))
        for key, row, at in file.rows("waiting"):
            waiting.append(file.waiting(key, row, at, seen))
        for key, row, at in file.rows("elsewhere"):
            elsewhere.append(file.elsewhere(key, row, at, seen))
    return Catalogue(*(tuple(sorted(found, key=lambda rule: rule.id)) for found in (rules, waiting, elsewhere)))  # type: ignore[arg-type]


class _RuleFile:
    """One file of rules."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content, self.places = read_yaml_with_places(path)
        if not isinstance(self.content, dict) or self.content.keys() - {"rules", "waiting", "elsewhere"}:
            self.refuse((), "a rule file has the parts 'rules', 'waiting' and 'elsewhere'")

    def refuse(self, at: YamlPath, problem: str) -> NoReturn:
        """Raise the error for a place of the file."""
        place: Place = next(
            (self.places[at[:end]] for end in range(len(at), -1, -1) if at[:end] in self.places), (1, 1)
        )
        raise DataFileError(self.path, place[0], problem)

    def rows(self, part: str) -> Iterator[tuple[str, dict[str, Any], YamlPath]]:
        """Yield key, row and place of every rule of a part."""
        rows = self.content.get(part, {})
        if not isinstance(rows, dict):
            self.refuse((part,), f"'{part}' maps keys of rules to their rows")
        for key, row in rows.items():
            if not isinstance(row, dict):
                self.refuse((part, key), "a rule is a table")
            yield key, row, (part, key)

    def rule(self, key: str, row: dict[str, Any], at: YamlPath, seen: set[str]) -> Rule:
        """Compile one rule."""
        if unknown := row.keys() - _RULE_KEYS - set(_LANGUAGES):
            self.refuse(at, f"unknown key '{sorted(unknown)[0]}'")
        if ("must" in row) == ("named" in row):
            self.refuse(at, "a rule has either 'must' or 'named'")
        resource_types = self.resource_types(row, at)
        resource_type = resource_types[0] if len(resource_types) == 1 else ""
        each = tuple(row["each"].split(".")) if "each" in row else ()
        element_type = self.type_path(resource_type, each, at)
        variants = self.variants(row, at)
        texts = self.texts(row, at)
        return Rule(
            id=self.identity(row, at, seen),
            key=key,
            fields=tuple(row.get("field", "").split()),
            severity=self.severity(row, at),
            resource_types=resource_types,
            codes=tuple(self.codes(row, at)),
            texts=texts,
            variants=variants,
            seed=self.text(row, "seed", at),
            family=self.path.stem,
            needs=self.words(row, "needs", at),
            condition=self.expression(row, "if", resource_type, at),
            each=each,
            filter=self.expression(row, "when", element_type, at),
            must=self.expression(row, "must", element_type, at),
            judge=self.judge(row, at),
            points=row.get("points", ""),
        )

    def waiting(self, key: str, row: dict[str, Any], at: YamlPath, seen: set[str]) -> WaitingRule:
        """Read a rule that waits for record types."""
        identity = self.identity(row, at, seen)
        needs = self.words(row, "needs", at) or self.refuse(at, "'needs' names the record types that it waits for")
        return WaitingRule(identity, key, self.severity(row, at), needs, self.text(row, "seed", at), self.path.stem)

    def elsewhere(self, key: str, row: dict[str, Any], at: YamlPath, seen: set[str]) -> ElsewhereRule:
        """Read a rule that something else decides."""
        deciders = self.words(row, "decided-by", at)
        if not deciders or not set(deciders) <= _DECIDERS:
            self.refuse(at, f"'decided-by' names some of: {', '.join(sorted(_DECIDERS))}")
        return ElsewhereRule(self.identity(row, at, seen), key, deciders)

    def identity(self, row: dict[str, Any], at: YamlPath, seen: set[str]) -> str:
        """Return the id of a rule, met for the first time."""
        identity = self.text(row, "id", at)
        if not _ID.fullmatch(identity) or identity in seen:
            self.refuse((*at, "id"), "an id is BR- and three digits, and stands once")
        seen.add(identity)
        return identity

    def text(self, row: dict[str, Any], name: str, at: YamlPath) -> str:
        """Return a required text of a row."""
        value = row.get(name)
        if not isinstance(value, str) or not value:
            self.refuse(at, f"'{name}' is missing")
        return value

    def words(self, row: dict[str, Any], name: str, at: YamlPath) -> tuple[str, ...]:
        """Return an optional list of words."""
        value = row.get(name, [])
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            self.refuse((*at, name), f"'{name}' is a list")
        return tuple(value)

    def severity(self, row: dict[str, Any], at: YamlPath) -> RuleSeverity:
        """Return `error` or `warning`."""
        value = self.text(row, "severity", at)
        if value not in ("error", "warning"):
            self.refuse((*at, "severity"), "severity is 'error' or 'warning'")
        return "error" if value == "error" else "warning"

    def resource_types(self, row: dict[str, Any], at: YamlPath) -> tuple[str, ...]:
        """Return the types of `on`; `*` is every type. Only a named function can look at several."""
        names = tuple(self.text(row, "on", at).split())
        for name in names:
            if name != "*" and not definitions.is_resource_type(name):
                self.refuse((*at, "on"), f"R4 has no resource type '{name}'")
        if (len(names) > 1 or names == ("*",)) and ("named" not in row or row.keys() & {"if", "each"}):
            self.refuse((*at, "on"), "a rule of several types has 'named' alone")
        return () if names == ("*",) else names

    def texts(self, row: dict[str, Any], at: YamlPath) -> Texts:
        """Return the sentences of a row; Finnish and English are required and have the same placeholders."""
        texts = {
            language: self.text(row, language, at) for language in _LANGUAGES if language in row or language != "sv"
        }
        placeholders = {language: sorted(_PLACEHOLDER.findall(text)) for language, text in texts.items()}
        if any(found != placeholders["en"] for found in placeholders.values()):
            self.refuse(at, "the texts have different placeholders")
        return texts

    def variants(self, row: dict[str, Any], at: YamlPath) -> dict[str, Variant]:
        """Return the further cases of a rule."""
        rows = row.get("variants", {})
        if not isinstance(rows, dict) or (rows and "named" not in row):
            self.refuse((*at, "variants"), "'variants' is a table, beside 'named'")
        return {
            name: Variant(self.severity(inner, (*at, "variants", name)), self.texts(inner, (*at, "variants", name)))
            for name, inner in rows.items()
        }

    def judge(self, row: dict[str, Any], at: YamlPath) -> Any:
        """Return the named function of a rule."""
        name = row.get("named")
        if name is not None and name not in JUDGEMENTS:
            self.refuse((*at, "named"), f"there is no function '{name}'")
        return None if name is None else JUDGEMENTS[name]

    def codes(self, row: dict[str, Any], at: YamlPath) -> Iterator[tuple[str, str]]:
        """Yield system and code of `list#code`, or system and `*` of a whole list."""
        for written in row.get("code", "").split():
            name, _, code = written.partition("#")
            try:
                found = terminology.code_system(name)
            except LookupError:
                self.refuse((*at, "code"), f"there is no code list '{name}'")
            if code and code not in found:
                self.refuse((*at, "code"), f"the list '{name}' has no code '{code}'")
            yield found.url, code or "*"

    def type_path(self, resource_type: str, each: tuple[str, ...], at: YamlPath) -> str:
        """Return the type of the elements that are judged: `CarePlan.activity.detail`, `Identifier`."""
        if not each:
            return resource_type
        found = definitions.element(resource_type, ".".join(each))
        if found is None:
            self.refuse((*at, "each"), f"{resource_type} has no element '{'.'.join(each)}'")
        code = found.types[0].code
        return found.path if code in ("BackboneElement", "Element") else code

    def expression(self, row: dict[str, Any], name: str, element_type: str, at: YamlPath) -> Expression | None:
        """Compile a FHIRPath of a row; `%cs-…`, `%extension-…` and `%system-…` stand for canonicals."""
        text = row.get(name)
        if text is None:
            return None
        try:
            constants = {match[0][1:]: _canonical(match[1], match[2]) for match in _CONSTANT.finditer(text)}
            return compile_expression(text, constants=constants, context_type=element_type, strict=True)
        except LookupError as error:
            self.refuse((*at, name), str(error))
        except FhirPathError as error:
            self.refuse((*at, name), f"FHIRPath: {error}")


def _canonical(kind: str, name: str) -> str:
    if kind == "cs":
        return terminology.system(f"cs:{name}")
    return terminology.extension(name) if kind == "extension" else terminology.system(name)
