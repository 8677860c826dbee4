"""Lists on the screen: one line a row, with as many columns as fit; and the options by which they are narrowed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from adapter.i18n import text

STYLES = {"delivered": "green", "rejected": "red", "dead": "red", "unknown": "yellow", "waiting": "yellow"}
WHEN = "%Y-%m-%d %H:%M:%S"
DAY = "%m-%d %H:%M"
WIDTH_OF_A_PIPE = 240
"""Columns: whole lines for whoever filters them."""

ID_LENGTH = 32
Type = Annotated[str | None, typer.Option("--type", help="Only this record type.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]


def coloured(state: str) -> str:
    """Return a state in its colour, as rich writes it."""
    return f"[{STYLES.get(state, 'cyan')}]{state}[/]"


def show_fitting(rows: Sequence[Mapping[str, str]], layouts: Sequence[Sequence[str]], language: str) -> None:
    """Print a table in the first of the layouts that fits.

    Args:
        rows: cells by the name of their column, in rich's markup.
        layouts: names of columns, for ever narrower screens; each, but for `-day`, ends the message key of its
            title, `cli.…`.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    screen, endless = Console(), Console(width=sys.maxsize)
    if not screen.is_terminal:
        screen.width = max(screen.width, WIDTH_OF_A_PIPE)
    for columns in layouts:
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for column in columns:
            title = text(f"cli.{column.removesuffix('-day')}", language)
            table.add_column(title, no_wrap=True, min_width=ID_LENGTH if column == "submission" else None)
        for row in rows:
            table.add_row(*(row[column] for column in columns))
        if endless.measure(table).maximum <= screen.width:
            break
    screen.print(table)
