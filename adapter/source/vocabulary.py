"""The part of JSON Schema 2020-12 that source schemas may use, and two words of ours beside it.

`x-codes: <list>` names the code list of a text; `x-no-identity-code: true` forbids an identity code inside one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Node = Mapping[str, Any]
"""One schema object."""

_JUDGING = """
    $defs $ref type enum const properties required additionalProperties minProperties maxProperties items minItems
    maxItems uniqueItems minLength maxLength pattern format minimum maximum exclusiveMinimum exclusiveMaximum
    oneOf anyOf allOf not if then else dependentRequired x-codes x-no-identity-code
"""
_DESCRIBING = "$schema $id $comment title description examples default contentEncoding"

JUDGING = frozenset(_JUDGING.split())
"""The keywords that judge a value."""

DESCRIBING = frozenset(_DESCRIBING.split())
"""Annotations; other `x-…` words may stand beside them."""

ONE_NODE = ("items", "additionalProperties", "not", "if", "then", "else")
NAMED_NODES = ("properties", "$defs")
SEVERAL_NODES = ("oneOf", "anyOf", "allOf")
"""Where a schema object holds others: one, by name, in a list."""
