"""The OpenAPI description, with a worked example of every record type in it."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from adapter.data import data_root
from adapter.source.schema import record_types

RECORD_BODIES = ("/v1/records", "/v1/records/preview")


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document; made once."""
    if not app.openapi_schema:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        body = {"required": True, "content": {"application/json": {"examples": _examples()}, "application/xml": {}}}
        for path in RECORD_BODIES:
            document["paths"][path]["post"]["requestBody"] = body
        lines = {"required": True, "content": {"application/x-ndjson": {}}}
        document["paths"]["/v1/records/batch"]["post"]["requestBody"] = lines
        app.openapi_schema = document
    return app.openapi_schema


def _examples() -> dict[str, Any]:
    examples = {}
    for record_type in record_types():
        folder = data_root() / "mappings" / "records" / record_type.replace("_", "-") / "examples"
        value = json.loads((folder / "complete.source.json").read_text(encoding="utf-8"))
        examples[record_type] = {"summary": record_type, "value": value}
    return examples
