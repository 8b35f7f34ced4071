"""When somebody should look at the data: unusual figures, no events, records set aside."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engagement.settings.section import Section


class Alerts(Section):
    """What is an alert.

    A figure of one of the last ``days`` whole days is unusual if it is further than ``threshold``
    times what it varies by from the median of the same weekday in the ``weeks`` weeks before. No
    event for more than ``freshness_hours`` is an alert (left out: not looked at, as samples are
    old). So is it if of the records of the last ``quarantine_days`` received dates a larger share
    than ``quarantine_rate`` was set aside.
    """

    threshold: float = Field(default=3.5, gt=0, le=100)
    weeks: int = Field(default=8, ge=4, le=52)
    days: int = Field(default=1, ge=1, le=31)
    freshness_hours: float | None = Field(default=None, gt=0, le=24 * 365)
    quarantine_rate: Annotated[float, Field(ge=0, le=1)] = 0.02
    quarantine_days: int = Field(default=7, ge=1, le=365)
