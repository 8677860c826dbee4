"""The journal for other tools: HAR 1.2 and curl. Both are masked as the journal is."""

from __future__ import annotations

import shlex
from typing import Any
from urllib.parse import urlsplit

from adapter.mock.clock import fhir_instant
from adapter.mock.journal import Entry
from adapter.mock.storage import to_json


def har(entries: list[Entry]) -> bytes:
    """Return the entries as an HTTP Archive 1.2 (JSON)."""
    return to_json(
        {
            "log": {
                "version": "1.2",
                "creator": {"name": "kykysilta mock", "version": "1"},
                "entries": [_har_entry(one) for one in entries],
            }
        }
    )


def _har_entry(entry: Entry) -> dict[str, Any]:
    detail = entry.detail()
    url, _, query = detail["url"].partition("?")
    request: dict[str, Any] = {
        "method": detail["method"],
        "url": detail["url"],
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(detail["requestHeaders"]),
        "queryString": [
            {"name": name, "value": value}
            for name, _, value in (one.partition("=") for one in query.split("&"))
            if name
        ],
        "headersSize": -1,
        "bodySize": len(entry.request.body),
    }
    if detail["requestBody"]:
        kind = entry.request.headers.get("content-type", "")
        request["postData"] = {"mimeType": kind, "text": detail["requestBody"]}
    milliseconds = detail["durationMs"]
    return {
        "startedDateTime": fhir_instant(entry.at),
        "time": milliseconds,
        "request": request,
        "response": {
            "status": 0 if entry.broken else detail["status"],
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _headers(detail["responseHeaders"]),
            "content": {
                "size": len(entry.wire.body),
                "mimeType": entry.wire.headers.get("Content-Type", ""),
                "text": detail["responseBody"],
            },
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": len(entry.wire.body),
        },
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        "comment": url if not entry.fault else f"fault {entry.fault}",
    }


def _headers(headers: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.items()]


def curl(entry: Entry) -> str:
    """Return a shell command that sends the request again; masked parts have to be filled in."""
    detail = entry.detail()
    base = urlsplit(entry.request.base)
    parts = ["curl", "-i", "-X", detail["method"], shlex.quote(f"{base.scheme}://{base.netloc}{detail['url']}")]
    for name, value in detail["requestHeaders"].items():
        if name not in ("host", "content-length", "connection", "accept-encoding"):
            parts += ["-H", shlex.quote(f"{name}: {value}")]
    if detail["requestBody"]:
        parts += ["--data-binary", shlex.quote(detail["requestBody"])]
    return " ".join(parts)
