"""What a sender was told when a record was taken, as it is kept: told again in the language of whoever asks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from adapter.types import Issue, SourcePlace


def written(told: Iterable[Issue]) -> str:
    """Return issues as JSON text; they hold keys and values of messages, never a value of a record."""
    return json.dumps(plain(told), ensure_ascii=False)


def read(text: str) -> tuple[Issue, ...]:
    """Return issues that were written, also in the form of `Issue.as_fhir` in Finnish, as they were once kept."""
    return issues(json.loads(text))


def plain(told: Iterable[Issue]) -> list[dict[str, Any]]:
    """Return issues as JSON objects."""
    return [asdict(issue) for issue in told]


def issues(rows: Iterable[dict[str, Any]]) -> tuple[Issue, ...]:
    """Return the issues of JSON objects, see `read`."""
    return tuple(_finnish(row) if "details" in row else _issue(row) for row in rows)


def _issue(row: dict[str, Any]) -> Issue:
    source = row["source"]
    return Issue(**row | {"source": SourcePlace(**source) if source else None})


def _finnish(row: dict[str, Any]) -> Issue:
    """Return an issue whose text is kept in Finnish alone, and told so to everybody."""
    details, place = row["details"], "".join(row.get("location", ()))
    return Issue(
        row["severity"],
        "common.all-ok",
        expression="".join(row.get("expression", ())),
        source=SourcePlace(place) if place else None,
        rule=details["coding"][0]["code"],
        profile=row.get("diagnostics", "").removeprefix("profile "),
        fixed={"fi": details["text"], "en": details["text"]},
        code=row["code"],
    )
