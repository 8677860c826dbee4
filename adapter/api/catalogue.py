"""`/v1/mappings` and `/v1/schemas`: what the adapter understands, for machines and people to read."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from adapter.api.answers import json_answer
from adapter.api.refusals import NotFound
from adapter.mapping import mappings
from adapter.source import bundled_schema, record_types
from adapter.types import Issue

router = APIRouter(prefix="/v1", tags=["catalogue"])


@router.get("/mappings", summary="Which mappings are loaded")
async def list_mappings() -> Response:
    """Return id, version and digest of every mapping, and the vendor format that each reads."""
    return json_answer({"mappings": [mapping.describe() for mapping in mappings()]})


@router.get("/schemas/{record}", summary="JSON Schema of a canonical record")
async def read_schema(record: str) -> Response:
    """Return the JSON Schema (2020-12) of one record type, self-contained."""
    if record not in record_types():
        raise NotFound(Issue("error", "api.unknown-schema", {"known": ", ".join(record_types())}))
    return json_answer(bundled_schema(record))
