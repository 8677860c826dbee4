"""A sheet for people: titled tables of words, the same for pages, files and the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adapter.i18n import text


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a sheet; a row has as many cells as there are columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Tables under one title.

    Attributes:
        lead: sentences that stand before the tables.
    """

    title: str
    lead: tuple[str, ...]
    tables: tuple[Table, ...]

    def as_text(self) -> str:
        """Return the sheet as plain text with columns under each other."""
        parts = [self.title, *self.lead]
        for table in self.tables:
            parts.append(f"\n{table.title}")
            parts.extend(_aligned((table.columns, *table.rows)))
        return "\n".join(parts) + "\n"

    def as_json(self) -> dict[str, object]:
        """Return the sheet as a JSON value; each row is an object named by the columns."""
        tables = [
            {"title": table.title, "rows": [dict(zip(table.columns, row, strict=True)) for row in table.rows]}
            for table in self.tables
        ]
        return {"title": self.title, "lead": list(self.lead), "tables": tables}


def table(name: str, language: str, rows: Iterable[tuple[str, ...]]) -> Table:
    """Return a table whose title and columns stand in the messages `audit.table-…` and `audit.columns-…`."""
    columns = tuple(part.strip() for part in text(f"audit.columns-{name}", language).split("|"))
    return Table(text(f"audit.table-{name}", language), columns, tuple(rows))


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
