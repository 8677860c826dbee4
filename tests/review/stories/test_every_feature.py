"""Every feature of the pages has a story in a real browser: `pytest -v tests/review/stories` is the table."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from tests.review.stories.features import FEATURES


def told() -> Iterator[tuple[str, str]]:
    """Feature and name of every story."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        module = import_module(f"tests.review.stories.{path.stem}")
        for name, test in vars(module).items():
            yield from ((feature, name) for feature in getattr(test, "features", ()) if name.startswith("test_"))


def test_every_feature_has_a_story() -> None:
    """A new feature needs a story, and a story names features that there are."""
    assert {feature for feature, _ in told()} == FEATURES.keys()
