"""The OpenAPI description, with a worked example of every record type in it.

Addresses, parameters and texts come from the routes; shapes of answers, security and refusals from
`mappings/api/openapi.json`.
"""

from __future__ import annotations

import json
from functools import cache
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from adapter.data import data_root
from adapter.source.schema import record_types

RECORD_BODIES = ("/v1/records", "/v1/records/preview")
SEARCHES: dict[str, dict[str, Any]] = {
    "all": {},
    "not delivered": {"state": "rejected"},
    "receipts": {"ids": ["0123456789abcdef0123456789abcdef"]},
    "older ones": {"before": "0123456789abcdef0123456789abcdef", "limit": 100},
}
NDJSON = "application/x-ndjson"


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document; made once."""
    if not app.openapi_schema:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        ours = _ours()
        document["info"] |= ours["info"]
        document["security"] = ours["security"]
        document["components"] = ours["components"]
        for path, acts in document["paths"].items():
            for method, act in acts.items():
                _answers(act, ours["answers"].get(f"{method} {path}"), ours["refusals"])
        _bodies(document["paths"])
        app.openapi_schema = document
    return app.openapi_schema


def _answers(act: dict[str, Any], answer: list[str] | None, refusals: dict[str, str]) -> None:
    """Describe what comes back: the answer of the route, and every refusal by its status."""
    act["responses"].pop("422", None)
    if answer is not None:
        status, shape = answer
        schema = {"$ref": f"#/components/schemas/{shape}"}
        act["responses"] = {
            status: {"description": act["summary"], "content": {"application/json": {"schema": schema}}}
        }
    act["responses"] |= {code: {"$ref": f"#/components/responses/{name}"} for code, name in refusals.items()}


def _bodies(paths: dict[str, Any]) -> None:
    examples = _examples()
    record = {"schema": {"type": "object"}, "examples": examples}
    for path in RECORD_BODIES:
        content = {"application/json": record, "application/xml": {"schema": {"type": "string"}}}
        paths[path]["post"]["requestBody"] = {"required": True, "content": content}
    batch = paths["/v1/records/batch"]["post"]
    lines = "\n".join(json.dumps(examples[name]["value"], ensure_ascii=False) for name in ("client", "team"))
    batch["requestBody"] = {"required": True, "content": {NDJSON: {"schema": {"type": "string"}, "example": lines}}}
    batch["responses"]["200"] = {
        "description": "One JSON line for each line of the body (Judged).",
        "content": {NDJSON: {"schema": {"type": "string"}}},
    }
    wanted = {"schema": {"$ref": "#/components/schemas/Wanted"}}
    searches = {name: {"value": value} for name, value in SEARCHES.items()}
    paths["/v1/records/_search"]["post"]["requestBody"] = {
        "content": {"application/json": {**wanted, "examples": searches}}
    }
    question = paths["/v1/clients/_fetch"]["post"]["requestBody"]["content"]["application/json"]
    question["schema"] = {"$ref": "#/components/schemas/Question"}
    form = {"schema": {"type": "object", "required": ["grant_type", "scope"]}}
    paths["/v1/token"]["post"]["requestBody"] = {
        "required": True,
        "content": {"application/x-www-form-urlencoded": form},
    }


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


@cache
def _ours() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        (data_root() / "mappings" / "api" / "openapi.json").read_text(encoding="utf-8")
    )
    return content


def _examples() -> dict[str, Any]:
    """Return an example of every record type, so that all of them can be handed over, in any order.

    They are for the own register, because `release` needs a consent on file, and of one client, who has no occupational
    health: with it the plan would be in its charge (BR-120).
    """
    examples = {}
    for record_type in record_types():
        folder = data_root() / "mappings" / "records" / record_type.replace("_", "-") / "examples"
        value = json.loads((folder / "complete.source.json").read_text(encoding="utf-8"))
        for name in ("release", "occupational_health"):
            value.pop(name, None)
        examples[record_type] = {"summary": record_type, "value": value}
    return examples
