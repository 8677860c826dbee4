"""The least that stores and returns a resource: FastAPI and SQLite, no FHIR; yardstick of `benchmarks/mock.py`."""

from __future__ import annotations

import json
import sqlite3
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response

app = FastAPI()
store = sqlite3.connect(sys.argv[2], check_same_thread=False, isolation_level=None)
store.execute("PRAGMA journal_mode=WAL")
store.execute("PRAGMA synchronous=FULL")
store.execute("CREATE TABLE resource (type TEXT, id TEXT, body BLOB, PRIMARY KEY (type, id))")


@app.post("/fhir/{kind}")
async def create(kind: str, request: Request) -> Response:
    """Store a resource under a new id."""
    resource: dict[str, Any] = json.loads(await request.body())
    resource["id"] = str(uuid.uuid4())
    resource["meta"] = {"versionId": "1", "lastUpdated": datetime.now(UTC).isoformat()}
    body = json.dumps(resource).encode()
    store.execute("INSERT INTO resource VALUES (?, ?, ?)", (kind, resource["id"], body))
    return Response(body, 201, media_type="application/fhir+json")


@app.get("/fhir/{kind}/{identity}")
async def read(kind: str, identity: str) -> Response:
    """Return a resource."""
    row = store.execute("SELECT body FROM resource WHERE type = ? AND id = ?", (kind, identity)).fetchone()
    return Response(row[0], media_type="application/fhir+json") if row else Response(status_code=404)


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
