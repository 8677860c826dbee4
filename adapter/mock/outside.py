"""Answers to requests that reach no FHIR base: OperationOutcomes too, and they say where the base is."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from adapter.mock.exchange import Wire, asked_language
from adapter.mock.negotiation import JSON
from adapter.mock.storage import to_json
from adapter.source.identity_code import is_inside
from adapter.types import Issue, operation_outcome


def outside(headers: Mapping[str, str], key: str, **values: str) -> Wire:
    """Return 404 with one message of the catalogue.

    Args:
        headers: of the request, by lower-case name; its `X-Request-Id` comes back.
    """
    language = asked_language(headers.get("accept-language", ""))
    body = to_json(operation_outcome((Issue("error", f"mock.{key}", values),), language))
    given = headers.get("x-request-id", "")
    told = {
        "X-Request-Id": given if given and not is_inside(given) else str(uuid.uuid4()),
        "Content-Type": JSON.content_type,
        "Content-Length": str(len(body)),
    }
    return Wire(404, told, body)
