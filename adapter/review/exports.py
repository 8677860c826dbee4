"""Exports as CSV and JSON that a spreadsheet cannot be made to run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence

DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A cell that begins so is a formula to a spreadsheet; an apostrophe in front makes it text."""

Row = Mapping[str, object]


def as_csv(rows: Iterable[Row], columns: Sequence[str]) -> bytes:
    """Return RFC 4180 lines with a byte order mark, every cell quoted and harmless."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([harmless(str(row.get(column, ""))) for column in columns])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def as_json(rows: Iterable[Row]) -> bytes:
    """Return the rows as a JSON list."""
    return json.dumps([dict(row) for row in rows], ensure_ascii=False, indent=1).encode()


def harmless(cell: str) -> str:
    """Return the text of a cell so that no spreadsheet takes it for a formula, whatever blanks stand before it."""
    return f"'{cell}" if cell.startswith(DANGEROUS) or cell.lstrip().startswith(DANGEROUS) else cell
