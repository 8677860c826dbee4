"""Every line that the adapter can log: number, level, fixed text and the only fields it may carry.

Operators search by number; reviewers read this file to see everything the product can say. Fields outside
the allow-list raise, so an identity code, a name or a token cannot slip into a log: texts are fixed, and the
allowed fields hold opaque ids, codes, counts and times only.
"""

from __future__ import annotations

import logging
import sys
from enum import Enum
from functools import cache
from typing import Any

import orjson
import structlog

from adapter import tracing


class Event(Enum):
    """The catalogue. Numbers are never reused; 1xxx line, 2xxx delivery, 3xxx service."""

    READ = (1001, logging.DEBUG, "record read", ("record_type", "vendor", "bytes"))
    MAPPED = (1002, logging.DEBUG, "record mapped", ("record_type", "mapping", "resources", "warnings"))
    CONSENT_DECIDED = (1003, logging.DEBUG, "consent decided", ("record_type", "basis", "decision", "reason"))
    VALIDATED = (1004, logging.DEBUG, "bundle validated", ("record_type", "issues"))
    SIGNED = (1005, logging.DEBUG, "bundle signed", ("submission", "key_id", "signed"))
    ACCEPTED = (1006, logging.INFO, "record accepted", ("submission", "record_type", "version"))
    REFUSED = (1007, logging.INFO, "record refused", ("stage", "rules", "http_status"))
    REPEATED = (1008, logging.INFO, "record accepted before", ("submission", "record_type", "version"))

    SENDING = (2001, logging.DEBUG, "sending", ("submission", "attempt"))
    DELIVERED = (2002, logging.INFO, "delivered", ("submission", "attempt", "resources"))
    REJECTED = (2003, logging.WARNING, "rejected by the repository", ("submission", "http_status"))
    WAITING = (
        2004,
        logging.INFO,
        "waiting for another try",
        ("submission", "http_status", "attempt", "seconds"),
    )
    UNKNOWN = (2005, logging.WARNING, "outcome unknown, will reconcile", ("submission", "attempt", "cause"))
    DEAD = (2006, logging.ERROR, "gave up", ("submission", "attempt", "http_status"))
    PAUSED = (
        2008,
        logging.ERROR,
        "destination paused: it refuses our credentials, or a certificate is not taken",
        ("http_status", "cause"),
    )
    ALL_FORBIDDEN = (2010, logging.ERROR, "the repository forbids every message: look at our rights", ("count",))
    LEASE_LOST = (2009, logging.WARNING, "another worker has the message", ("submission",))
    WORKER_FAILED = (2007, logging.ERROR, "worker met an error", ("error_type", "count"))

    STARTED = (3001, logging.INFO, "service started", ("host", "port", "part"))
    STOPPED = (3002, logging.INFO, "service stopped", ("part",))
    DEMO_KEY = (3003, logging.WARNING, "published demo keys in use", ())
    CERTIFICATE_EXPIRES = (3004, logging.WARNING, "a certificate expires soon", ("name", "days"))
    CHORE_FAILED = (3005, logging.ERROR, "a chore met an error", ("name", "error_type"))
    CHECKPOINT = (3006, logging.INFO, "audit checkpoint signed", ("size",))
    ANSWERED = (3007, logging.INFO, "request answered", ("method", "route", "http_status", "milliseconds"))
    API_FAILED = (3008, logging.ERROR, "the API met a fault", ("error_type", "place"))
    SERVER_SAID = (3009, logging.WARNING, "the HTTP server said something", ("text",))
    DATABASE_DAMAGED = (3010, logging.ERROR, "the database is damaged: restore a backup, nothing more is written", ())
    STORAGE_KEY_MISSING = (3011, logging.ERROR, "what is stored needs a key that storage_keys here lacks", ())

    SIGN_IN_FAILED = (4001, logging.WARNING, "the organisation's log-in failed", ("cause",))
    TOKEN_REFUSED = (4002, logging.WARNING, "a client was given no token", ("client", "cause"))

    def __init__(self, number: int, level: int, text: str, fields: tuple[str, ...]) -> None:
        """Keep the stable number, the level, the fixed text, and the only fields that the line may carry."""
        self.number = number
        self.level = level
        self.text = text
        self.allowed = frozenset(fields)


_logger = structlog.get_logger("kykysilta")


def log(event: Event, **fields: Any) -> None:
    """Write one line of the catalogue.

    Raises:
        ValueError: a field that the event does not allow (a bug).
    """
    if not event.allowed.issuperset(fields):
        raise ValueError(f"{event.name} does not allow {', '.join(sorted(fields.keys() - event.allowed))}")
    if _is_written(structlog.get_config()["wrapper_class"], event.level):
        _logger.log(event.level, event.text, event_number=event.number, **fields)
    tracing.note(event.name, fields)


@cache
def _is_written(loggers: Any, level: int) -> bool:
    """Tell whether loggers of a class write lines of a level: most are not written, and a logger is made for each."""
    return bool(loggers(None, [], {}).is_enabled_for(level))


def _json(line: dict[str, Any], **_: Any) -> str:
    return orjson.dumps(line).decode()


def configure_logging(level: int = logging.INFO) -> None:
    """Send catalogue lines as JSON, one a line, to standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
