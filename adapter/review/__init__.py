"""The data-protection officer's pages: who may see what, on which ground, since when. They change no consent."""

from adapter.review.accounts import create_reviewer
from adapter.review.app import review_app

__all__ = ["create_reviewer", "review_app"]
