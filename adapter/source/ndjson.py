"""NDJSON in: one document a line, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from adapter.errors import SourceError
from adapter.source import paths
from adapter.source.limits import DEFAULT, Limits
from adapter.types import Issue, SourcePlace

_BOM = b"\xef\xbb\xbf"


def read_ndjson(stream: BinaryIO, *, limits: Limits = DEFAULT) -> Iterator[tuple[int, bytes]]:
    """Yield line number (from 1) and bytes of each line that is not blank, without its line end.

    Never more than one line is held. The lines are not parsed, so one bad record does not stop the others.

    Raises:
        SourceError: a line is larger than `limits.size`; reading stops, because the rest of it may be endless.
    """
    number = 0
    while line := stream.readline(limits.size + 2):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        line = line.strip(b" \t\r\n")
        if len(line) > limits.size:
            values = {"limit": str(limits.size), "size": f">{limits.size}"}
            raise SourceError(Issue("fatal", "source.too-large", values, source=SourcePlace(paths.ROOT, number, 1)))
        if line:
            yield number, line
