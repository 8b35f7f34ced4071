"""The report: one HTML file with the key figures, the charts and the numbers behind them.

It needs nothing but itself (charts, scripts and data are in it, a policy in its head forbids the
rest), holds no time of making, and is the same, byte for byte, for the same tables. Whatever comes
from the data is escaped. Without scripts every chart is a picture; with them those of days and
channels can be narrowed down, and tell their values.
"""

from engagement.dashboards.report.page import render, write, write_now
from engagement.dashboards.report.reading import (
    AGGREGATES,
    LANDING_QUERIES,
    QUERIES,
    collect,
    totals,
)

__all__ = [
    "AGGREGATES",
    "LANDING_QUERIES",
    "QUERIES",
    "collect",
    "render",
    "totals",
    "write",
    "write_now",
]
