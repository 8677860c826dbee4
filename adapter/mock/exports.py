"""The journal for other tools: HAR 1.2 and curl. Both are masked as the journal is."""

from __future__ import annotations

import shlex
from typing import Any
from urllib.parse import urlsplit

from adapter.mock.clock import fhir_instant
from adapter.mock.journal import Entry
from adapter.mock.storage import to_json

Sent = tuple[str, str, dict[str, str], str]
"""Method, URL, headers and body of a request."""

Given = tuple[int, dict[str, str], str]
"""Status, headers and body of an answer."""


def har(entries: list[Entry]) -> bytes:
    """Return the entries as an HTTP Archive 1.2 (JSON)."""
    return har_log([_har_entry(one) for one in entries])


def har_log(entries: list[dict[str, Any]], base: str = "") -> bytes:
    """Return an HTTP Archive of entries.

    Args:
        base: URL that all requests have in common; custom fields of a HAR begin with `_`.
    """
    log: dict[str, Any] = {"version": "1.2", "creator": {"name": "kykysilta mock", "version": "1"}}
    if base:
        log["_base"] = base
    return to_json({"log": log | {"entries": entries}})


def har_entry(started: str, milliseconds: float, sent: Sent, given: Given, comment: str = "") -> dict[str, Any]:
    """Return one entry of an HTTP Archive.

    Args:
        started: instant, ISO 8601.
    """
    method, url, headers, body = sent
    status, answer_headers, answer = given
    request: dict[str, Any] = {
        "method": method,
        "url": url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(headers),
        "queryString": [
            {"name": name, "value": value}
            for name, _, value in (one.partition("=") for one in url.partition("?")[2].split("&"))
            if name
        ],
        "headersSize": -1,
        "bodySize": len(body.encode()),
    }
    if body:
        request["postData"] = {"mimeType": _content_type(headers), "text": body}
    return {
        "startedDateTime": started,
        "time": milliseconds,
        "request": request,
        "response": {
            "status": status,
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _headers(answer_headers),
            "content": {"size": len(answer.encode()), "mimeType": _content_type(answer_headers), "text": answer},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": len(answer.encode()),
        },
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        "comment": comment,
    }


def _har_entry(entry: Entry) -> dict[str, Any]:
    detail = entry.detail()
    return har_entry(
        fhir_instant(entry.at),
        detail["durationMs"],
        (detail["method"], detail["url"], detail["requestHeaders"], detail["requestBody"]),
        (0 if entry.broken else detail["status"], detail["responseHeaders"], detail["responseBody"]),
        f"fault {entry.fault}" if entry.fault else "",
    )


def _content_type(headers: dict[str, str]) -> str:
    return next((value for name, value in headers.items() if name.lower() == "content-type"), "")


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
