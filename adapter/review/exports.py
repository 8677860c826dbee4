"""Files to keep: a sheet as JSON, CSV or PDF in a ZIP with hashes and signature beside it.

`SHA256SUMS` has the hash of every file (`sha256sum -c SHA256SUMS`), `SHA256SUMS.jws` the signature of that list.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime

from adapter.audit.sheets import Sheet, Table
from adapter.review.files import ZONE
from adapter.review.pdf import as_pdf
from adapter.review.signing import Signature

DANGEROUS = re.compile(
    r"[\t\r\n]|[\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]"
)
"""A cell that begins so is a formula to a spreadsheet, also behind what nobody sees and in full width; an apostrophe in
front makes it text."""

FORMATS = ("pdf", "csv", "json")
SUMS = "SHA256SUMS"


def package(
    sheet: Sheet,
    kind: str,
    name: str,
    *,
    language: str,
    made: float,
    sign: Callable[[bytes], Signature] | None,
) -> bytes:
    """Return the ZIP of a sheet.

    Args:
        kind: one of `FORMATS`; CSV is one file a table.
        name: of the files; tells nothing of anybody.
        made: UTC seconds.
        sign: signs the list of hashes; None leaves the signature out.
    """
    files = _files(sheet, kind, name, language, made)
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {each}\n" for each, content in files.items()).encode()
    files = {**files, SUMS: sums}
    if sign is not None:
        files[f"{SUMS}.jws"] = sign(sums).jws.encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in files.items():
            stamp = datetime.fromtimestamp(made, ZONE).timetuple()[:6]
            archive.writestr(zipfile.ZipInfo(each, stamp), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _files(sheet: Sheet, kind: str, name: str, language: str, made: float) -> Mapping[str, bytes]:
    if kind == "pdf":
        return {f"{name}.pdf": as_pdf(sheet, language=language, made=made)}
    if kind == "json":
        return {f"{name}.json": json.dumps(sheet.as_json(), ensure_ascii=False, indent=1).encode()}
    numbered = (
        [f"{name}.csv"] if len(sheet.tables) == 1 else [f"{name}-{n}.csv" for n in range(1, len(sheet.tables) + 1)]
    )
    return {each: as_csv(table) for each, table in zip(numbered, sheet.tables, strict=True)}


def as_csv(*tables: Table) -> bytes:
    """Return RFC 4180 lines with one byte order mark, every cell quoted and harmless; an empty line parts tables."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    for number, table in enumerate(tables):
        if number:
            writer.writerow([])
        for row in (table.columns, *table.rows):
            writer.writerow([harmless(cell) for cell in row])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def harmless(cell: str) -> str:
    """Return the text of a cell so that no spreadsheet takes it for a formula, whatever blanks stand before it."""
    return f"'{cell}" if DANGEROUS.match(cell) else cell
