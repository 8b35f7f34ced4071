"""Charts of the landing: what arrived by day, and what became of it."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

_KEPT, _DUPLICATES, _QUARANTINED = "#4477AA", "#CCBB44", "#EE6677"


def records_by_day(ledger: pd.DataFrame) -> Figure:
    """Draw the ledger's records by received date; what was set aside has an axis of its own.

    Parameters
    ----------
    ledger
        ``received_at_utc_date, events, duplicates, quarantined``, one row a day.
    """
    days = pd.to_datetime(ledger["received_at_utc_date"])
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    above.bar(days, ledger["events"].astype(float), color=_KEPT, width=0.8)
    above.set_ylabel("events kept")
    below.bar(
        days, ledger["duplicates"].astype(float), color=_DUPLICATES, width=0.8, label="duplicates"
    )
    below.bar(
        days,
        ledger["quarantined"].astype(float),
        bottom=ledger["duplicates"].astype(float),
        color=_QUARANTINED,
        width=0.8,
        label="quarantined",
    )
    below.set_ylabel("set aside")
    below.set_xlabel("received date (UTC)")
    below.legend(frameon=False, ncols=2, loc="upper left")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.01)
    below.set_ylim(top=max(1.0, float((ledger["duplicates"] + ledger["quarantined"]).max())) * 1.4)
    figure.autofmt_xdate(rotation=0, ha="center")
    above.set_title("Records by the day they were received", loc="left")
    return figure
