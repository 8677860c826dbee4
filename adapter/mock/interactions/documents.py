"""`Communication/$get-persons-documents`: the operation of a Kanta-style repository that lists a client's documents.

Its parameters are published, its answer is not: here it is the searchset of the client's Communications, as the
caller may see them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from adapter.mock.exchange import Answer, Request
from adapter.mock.interactions.search import search_type
from adapter.mock.negotiation import FORM, read_resource
from adapter.mock.outcomes import refuse

MANDATORY = ("patient", "viewCode", "reasonCode")


def get_persons_documents(request: Request) -> Answer:
    """Answer the operation.

    Raises:
        Refusal: 400, a mandatory parameter is missing.
    """
    body = request.resource if request.resource is not None else read_resource(request)
    parts = body.get("parameter") if body["resourceType"] == "Parameters" else None
    given = {one.get("name"): one for one in parts if isinstance(one, dict)} if isinstance(parts, list) else {}
    for name in MANDATORY:
        if not any(key.startswith("value") for key in given.get(name, ())):
            raise refuse(400, "parameter-required", "Parameters.parameter", parameter=name, type="Communication")
    form = urlencode({"subject:identifier": _identifier(given["patient"])}).encode()
    headers = request.headers | {"content-type": FORM}
    return search_type(replace(request, path=("Communication", "_search"), headers=headers, body=form))


def _identifier(parameter: dict[str, Any]) -> str:
    """`system|value` of the client: an Identifier, a logical reference, or text."""
    reference = parameter.get("valueReference")
    found = parameter.get("valueIdentifier") or (reference.get("identifier") if isinstance(reference, dict) else None)
    if isinstance(found, dict):
        return f"{found.get('system', '')}|{found.get('value', '')}"
    return str(parameter.get("valueString", ""))
