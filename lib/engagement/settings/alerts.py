"""When to raise an alert: unusual figures, missing events, records set aside."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engagement.settings.section import Section


class Alerts(Section):
    """When to raise an alert.

    A figure of one of the last ``days`` whole days raises one if it is unusual: more than
    ``threshold`` times its usual variation away from the median of the same weekday in the
    ``weeks`` weeks before. So does a gap of more than ``freshness_hours`` without an event (not
    checked if left out, because the samples are old), and a share of records set aside above
    ``quarantine_rate`` in the last ``quarantine_days`` received dates.
    """

    threshold: float = Field(default=3.5, gt=0, le=100)
    weeks: int = Field(default=8, ge=4, le=52)
    days: int = Field(default=1, ge=1, le=31)
    freshness_hours: float | None = Field(default=None, gt=0, le=24 * 365)
    quarantine_rate: Annotated[float, Field(ge=0, le=1)] = 0.02
    quarantine_days: int = Field(default=7, ge=1, le=365)
