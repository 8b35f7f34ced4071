"""Which days a figure is of: what every note of the page says first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

RECENT_DAYS = 90
"""Days that the charts of days and channels open on, and that their tables hold."""

LIST_DAYS = 30
"""Days that the lists are of: sources, pages, devices, countries, carts."""

MOST_DAYS = 400
"""Days that the page holds for its filters, and that hours are counted over."""


@dataclass(frozen=True)
class Days:
    """The days of the data: the first and the last, which may not be over."""

    first: date
    last: date

    @classmethod
    def of(cls, overview: pd.DataFrame) -> Days | None:
        """The days of ``marts.daily_overview``; ``None`` where there is none."""
        return None if overview.empty else cls(overview["day"].min(), overview["day"].max())


def every(days: Days | None) -> str:
    """Write which days all days are, such as ``All days, 2026-08-01 to 2026-10-31.``."""
    return f"All days, {days.first} to {days.last}." if days else "All days."


def last(number: int, days: Days | None) -> str:
    """Write which days the last ones are, such as ``The last 30 days, 2026-10-02 to 2026-10-31.``.

    If the data has no more days than that, they are all days.
    """
    if days is None:
        return f"The last {number} days."
    since = days.last - timedelta(days=number - 1)
    return (
        every(days) if since <= days.first else f"The last {number} days, {since} to {days.last}."
    )
