"""How many attributes the tags of an XML text have, counted before a parser sees them, in linear time.

libxml2 compares each attribute of a tag with all others of it: a tag of 90,000 attributes costs a minute.
"""

from __future__ import annotations

import re

MOST_ATTRIBUTES = 64
"""Of one tag; the formats that we read need less than a tenth of it."""

_QUOTED = r""""[^"]*+"|'[^']*+'"""
_LONG_TAG = re.compile(rf"<[^<!?][^<]{{{4 * MOST_ATTRIBUTES},}}+")
_TO_ITS_END = re.compile(rf"""(?:[^>"']++|{_QUOTED})*""")
_VALUES = re.compile(_QUOTED)


def has_crowded_tags(text: str, most: int) -> bool:
    """Tell whether a tag has more than `MOST_ATTRIBUTES` attributes, or all long tags together more than `most`."""
    counts = [len(_VALUES.findall(tag[0])) for tag in map(_TO_ITS_END.match, _LONG_TAG.findall(text)) if tag]
    return sum(counts) > most or any(count > MOST_ATTRIBUTES for count in counts)
