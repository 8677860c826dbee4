"""A sheet as PDF: A4, landscape, with page numbers and a typeface that has the letters of Finnish names."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import TableCellFillMode

from adapter.audit.sheets import Sheet, Table

_FONTS = Path(__file__).parent / "fonts"
FONT = "DejaVu"
SHADE = (232, 237, 242)


class _Document(FPDF):
    def footer(self) -> None:
        """Write title and page number under every page."""
        self.set_y(-12)
        self.set_font(FONT, size=8)
        self.cell(0, 6, f"{self.title} · {self.page_no()}/{{nb}}", align="R")


def as_pdf(sheet: Sheet, *, language: str, made: float) -> bytes:
    """Return the sheet as a PDF document.

    Args:
        made: the instant of its making, UTC seconds.
    """
    document = _Document(orientation="landscape", format="A4")
    document.add_font(FONT, fname=_FONTS / "DejaVuSans.ttf")
    document.add_font(FONT, style="B", fname=_FONTS / "DejaVuSans-Bold.ttf")
    document.set_title(sheet.title)
    document.set_lang(language)
    document.set_creator("Kykysilta")
    document.set_creation_date(datetime.fromtimestamp(made, UTC))
    document.add_page()
    document.set_font(FONT, style="B", size=16)
    document.multi_cell(0, 8, sheet.title, new_x="LMARGIN", new_y="NEXT")
    document.set_font(FONT, size=10)
    for sentence in sheet.lead:
        document.multi_cell(0, 6, sentence, new_x="LMARGIN", new_y="NEXT")
    for table in sheet.tables:
        _write(document, table)
    return bytes(document.output())


def _write(document: _Document, table: Table) -> None:
    document.ln(4)
    document.set_font(FONT, style="B", size=11)
    document.multi_cell(0, 7, f"{table.title} ({len(table.rows)})", new_x="LMARGIN", new_y="NEXT")
    document.set_font(FONT, size=8)
    if not table.rows:
        return
    fill = {"cell_fill_color": SHADE, "cell_fill_mode": TableCellFillMode.EVEN_ROWS}
    with document.table(line_height=4.5, text_align="LEFT", padding=1, **fill) as drawn:
        for row in (table.columns, *table.rows):
            cells = drawn.row()
            for cell in row:
                cells.cell(cell)
