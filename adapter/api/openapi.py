"""The OpenAPI description, with a worked example of every record type in it."""

from __future__ import annotations

import json
from html import escape
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


def page(document: dict[str, Any]) -> str:
    """Return the description as one plain HTML page: no scripts, nothing from elsewhere."""
    rows = [
        f"<tr><td><code>{escape(method.upper())}</code></td><td><code>{escape(path)}</code></td>"
        f"<td>{escape(act.get('summary', ''))}<br>{escape(act.get('description', ''))}</td></tr>"
        for path, acts in document["paths"].items()
        for method, act in acts.items()
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Kykysilta vendor API</title>'
        "<style>body{font:1rem/1.5 system-ui;margin:2rem;max-width:70rem}table{border-collapse:collapse}"
        "td,th{border:1px solid;padding:.4rem .6rem;text-align:left;vertical-align:top}</style></head><body>"
        "<h1>Kykysilta vendor API</h1><p>For tools, with a worked example of every record type: "
        '<a href="openapi.json">openapi.json</a> (OpenAPI). Schemas: '
        + ", ".join(f'<a href="schemas/{name}">{name}</a>' for name in record_types())
        + "</p><table><caption>What can be called</caption><tr><th scope='col'>Method</th><th scope='col'>Address</th>"
        "<th scope='col'>What it does</th></tr>" + "".join(rows) + "</table></body></html>"
    )


def _examples() -> dict[str, Any]:
    examples = {}
    for record_type in record_types():
        folder = data_root() / "mappings" / "records" / record_type.replace("_", "-") / "examples"
        value = json.loads((folder / "complete.source.json").read_text(encoding="utf-8"))
        examples[record_type] = {"summary": record_type, "value": value}
    return examples
