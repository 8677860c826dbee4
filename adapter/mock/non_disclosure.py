"""Turvakielto (non-disclosure for personal safety): no search tells where a client lives (BR-150)."""

from __future__ import annotations

import re

from adapter.mock.exchange import Query

_CONTACT_PARAMETER = re.compile(
    r"(?:^|[.:,-])(?:address(?:-[a-z]+)?|phone|email|telecom|organization|_content|_text)(?=$|[:,])"
)


def asks_for_contacts(query: Query) -> bool:
    """True when a search looks at contact data or sorts by them, also through a chain or `_has`."""
    return any(_CONTACT_PARAMETER.search(value if key == "_sort" else key) for key, value in query)
