"""Formats: what a body is, what the caller wants back (`_format` beats `Accept`), JSON or XML."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from adapter.errors import SourceError
from adapter.mock.exchange import Request
from adapter.mock.outcomes import Refusal, refuse
from adapter.source import json as source_json
from adapter.source.limits import DEFAULT
from adapter.types import Issue, Resource
from adapter.validation import reading

JSON_TYPE = "application/fhir+json"
XML_TYPE = "application/fhir+xml"
JSON_PATCH = "application/json-patch+json"
FORM = "application/x-www-form-urlencoded"
_JSON = {"json", "application/json", JSON_TYPE, "text/json", "application/json+fhir"}
_XML = {"xml", "application/xml", XML_TYPE, "text/xml", "application/xml+fhir"}
_ANY = {"*/*", "application/*"}


@dataclass(frozen=True, slots=True)
class Format:
    """A format of the wire: `json` or `xml`."""

    name: str

    @property
    def content_type(self) -> str:
        """Value of Content-Type."""
        return f"{JSON_TYPE if self.name == 'json' else XML_TYPE}; charset=utf-8"


JSON = Format("json")
XML = Format("xml")


def answer_format(request: Request) -> Format:
    """Return the format that the caller wants.

    Raises:
        Refusal: 406, none of those wanted is offered, or another FHIR version is asked for.
    """
    allowed = request.world.policy.formats
    wanted = next((value for key, value in request.query if key == "_format"), "") or request.headers.get("accept", "")
    found = _offered(wanted, allowed)
    if found is None:
        raise refuse(406, "not-acceptable", allowed=_names(allowed))
    return found


@lru_cache(maxsize=256)
def _offered(wanted: str, allowed: tuple[str, ...]) -> Format | None:
    """Return the best of the wanted formats that is offered; callers say the same again and again."""
    if not wanted:
        return JSON if "json" in allowed else XML
    for _, name in sorted(_media(wanted), key=lambda one: -one[0]):
        if name in _JSON and "json" in allowed:
            return JSON
        if name in _XML and "xml" in allowed:
            return XML
        if name in _ANY:
            return JSON if "json" in allowed else XML
    return None


def _media(text: str) -> list[tuple[float, str]]:
    """Return (weight, name) of the media types; those of another FHIR version are left out."""
    found = []
    for part in text.split(","):
        name, *parameters = [one.strip() for one in part.split(";")]
        values = dict(one.partition("=")[::2] for one in parameters)
        if not _is_r4(part):
            continue
        try:
            weight = float(values.get("q", "1"))
        except ValueError:
            weight = 1.0
        found.append((weight, name.lower().replace(" ", "+")))
    return found


def _is_r4(media: str) -> bool:
    """False when a media type names another FHIR version in its parameter `fhirVersion`."""
    _, mark, version = media.partition("fhirVersion=")
    return not mark or version.split(";")[0].strip(' "') in ("4.0", "4.0.1")


def _names(allowed: tuple[str, ...]) -> str:
    return ", ".join({"json": JSON_TYPE, "xml": XML_TYPE}[one] for one in allowed)


def media_type(request: Request) -> str:
    """Return the media type of the body, without parameters; JSON when the caller says nothing."""
    return request.headers.get("content-type", JSON_TYPE).split(";")[0].strip().lower() or JSON_TYPE


def read_resource(request: Request) -> Resource:
    """Read the body as one resource.

    Raises:
        Refusal: 415 wrong content type, 413 too large, 400 unreadable.
    """
    policy, size = request.world.policy, len(request.body)
    if policy.body_bytes and size > policy.body_bytes:
        raise refuse(413, "too-large", size=str(size), limit=str(policy.body_bytes))
    name = media_type(request)
    if not _is_r4(request.headers.get("content-type", "")):
        raise refuse(415, "unsupported-media", allowed=f"{_names(policy.formats)}; fhirVersion=4.0")
    if name in _JSON and "json" in policy.formats:
        return read_json(request.body)
    if name in _XML and "xml" in policy.formats:
        return read_xml(request.body)
    raise refuse(415, "unsupported-media", allowed=_names(policy.formats))


def read_xml(body: bytes) -> Resource:
    """Read one resource from FHIR XML (R4 §2.6.1).

    Raises:
        Refusal: 400, not well-formed, a DOCTYPE, stray text or elements out of order.
    """
    try:
        found, problems = reading.read_xml(body, DEFAULT)
    except SourceError as error:
        raise Refusal(400, error.issues) from None
    if problems:
        raise Refusal(
            400, [Issue("error", f"validation.{one.key}", dict(one.values), expression=one.path) for one in problems]
        )
    if not isinstance(found, dict) or not isinstance(found.get("resourceType"), str):
        raise Refusal(400, Issue("fatal", "mock.not-a-resource"))
    return found


def read_json(body: bytes) -> Resource:
    """Read one resource from JSON.

    Raises:
        Refusal: 400, every problem with line and column.
    """
    try:
        found = source_json.read_json(body)
    except SourceError as error:
        raise Refusal(400, error.issues) from None
    if not isinstance(found, dict) or not isinstance(found.get("resourceType"), str):
        raise Refusal(400, Issue("fatal", "mock.not-a-resource"))
    return found
