"""The report: one HTML file with the key figures, the charts and the numbers behind them.

It is self-contained (charts, scripts and data are inside, and a policy in its head forbids loading
anything), holds no time stamp, and is the same, byte for byte, for the same tables. Everything that
comes from the data is escaped. Without scripts every chart is a picture; with scripts the charts of
days and channels can be filtered, and charts show their values.
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
