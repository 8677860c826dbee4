"""The course of a client's consents and team memberships as a picture; the table beside it says the same in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from adapter.review.files import ZONE

WIDTH, LEFT, ROW = 720.0, 8.0, 44.0


@dataclass(frozen=True, slots=True)
class Span:
    """Something that runs from a day to a day; without an end it goes on.

    Attributes:
        kind: `consent`, `refusal`, `member` have a length; `version`, `disclosure`, `permission` are single days.
        note: what people call the kind, or the state it is in.
    """

    kind: str
    title: str
    start: date
    end: date | None
    note: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A span placed in the picture; all measures in the units of the view box."""

    span: Span
    x: float
    y: float
    width: float

    @property
    def anchor(self) -> str:
        """At which end the title is fastened, so that it stays inside the picture."""
        return "start" if self.x < WIDTH / 2 else "end"

    @property
    def text_x(self) -> float:
        """Where the title is fastened."""
        return self.x if self.anchor == "start" else self.x + self.width


@dataclass(frozen=True, slots=True)
class Picture:
    """Bars and marks of years.

    Attributes:
        years: position and year.
        today: position of the present day.
    """

    bars: tuple[Bar, ...]
    years: tuple[tuple[float, int], ...]
    today: float
    height: float
    width: float = WIDTH


def as_day(written: str) -> date | None:
    """Return the first day of a FHIR date of any precision; None when there is none."""
    parts = [int(part) for part in written[:10].split("-") if part.isdigit()]
    return date(*(*parts, 1, 1)[:3]) if parts else None


def moment_day(moment: float) -> date:
    """Return the day in Finland of an instant in UTC seconds."""
    return datetime.fromtimestamp(moment, ZONE).date()


def picture(spans: Sequence[Span], today: date) -> Picture | None:
    """Place spans on a common scale; None when there are none."""
    if not spans:
        return None
    first = min(span.start for span in spans).toordinal()
    last = max(today, *(span.end or today for span in spans)).toordinal()
    scale = (WIDTH - 2 * LEFT) / max(last - first, 1)

    def x(day: date) -> float:
        return round(LEFT + (day.toordinal() - first) * scale, 1)

    bars = tuple(
        Bar(span, x(span.start), 24 + number * ROW, round(max(x(span.end or today) - x(span.start), 3), 1))
        for number, span in enumerate(spans)
    )
    years = range(date.fromordinal(first).year + 1, date.fromordinal(last).year + 1)
    marks = tuple((x(date(year, 1, 1)), year) for year in years)
    return Picture(bars, marks, x(today), 24 + len(spans) * ROW)
