"""One data-protection officer, in the December after the records of Kaino's team were taken in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.review.conftest import Clock, served
from tests.review.windows import window

TODAY = "2023-12-02T12:00:00+02:00"


@pytest.fixture(scope="module")
def pages(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The pages over HTTP; what a story leaves behind must not matter to another."""
    clock = Clock()
    clock.set(TODAY)
    with served(prepared, tmp_path_factory.mktemp("stories"), clock) as url:
        yield url


@pytest.fixture
def officer(chromium: Any, pages: str) -> Iterator[Any]:
    """Her window, signed in, in Finnish; she sees the clients of all controllers."""
    page = window(chromium, pages, name="kaikki", java_script_enabled=True)
    yield page
    page.context.close()
