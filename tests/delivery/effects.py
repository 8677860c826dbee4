"""Reads the repository's journal: what was sent again although an earlier try may have had its effect."""

from __future__ import annotations

import re

from adapter.delivery.states import MAYBE_DONE
from adapter.mock.client import MockClient

RECORD = re.compile(r'"code":"(\d+)","system":"[^"]*/record-version"')
"""The version tag in a transaction."""

IDENTIFIER = re.compile(r'"use":"secondary","value":"([^"/]+)"')


def resent_blindly(mock: MockClient) -> list[int]:
    """Return the numbers of transactions that came after a doubtful try of the same record without a search."""
    doubtful: set[str] = set()
    found = []
    for row in mock.journal():
        kind = row["url"].rpartition("/")[2]
        if row["method"] != "POST" or kind not in ("fhir", "", "_search"):
            continue
        body = mock.entry(row["number"])["requestBody"]
        if kind == "_search":
            doubtful = {name for name in doubtful if name not in body}
            continue
        name = IDENTIFIER.search(body)
        assert name is not None, "every transaction names its record"
        if name[1] in doubtful:
            found.append(row["number"])
        if row["broken"] or row["status"] in MAYBE_DONE:
            doubtful.add(name[1])
        else:
            doubtful.discard(name[1])
    return found
