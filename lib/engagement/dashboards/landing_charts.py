"""Charts of the landing: what arrived by day, and what became of it."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from engagement.dashboards import style


def records_by_day(ledger: pd.DataFrame) -> Figure:
    """Draw the ledger's records by received date; what was not kept has an axis of its own.

    Parameters
    ----------
    ledger
        ``received_at_utc_date, events, duplicates, quarantined``, one row a day.
    """
    days = pd.to_datetime(ledger["received_at_utc_date"])
    kept, twice, bad = (
        ledger[name].astype(float) for name in ("events", "duplicates", "quarantined")
    )
    with style.applied():
        figure = style.empty(height=4.2)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
        above.bar(days, kept, color=style.BLUE, width=0.8)
        above.set_ylabel("Events kept")
        below.bar(days, twice, color=style.SKY, width=0.8, label="duplicates")
        below.bar(days, bad, bottom=twice, color=style.ORANGE, width=0.8, label="set aside")
        below.set_ylabel("Not kept")
        below.set_xlabel("Received date (UTC)")
        below.legend(frameon=False, ncols=2, loc="upper left")
        for axes in (above, below):
            axes.grid(axis="y")
            axes.yaxis.set_major_formatter(style.thousands())
        # Room for the legend.
        below.set_ylim(top=max(1.0, float((twice + bad).max())) * 1.4)
        style.dates(below, days)
        total = float((kept + twice + bad).sum())
        style.title(
            figure,
            f"Of {style.counted(total, 'record')}, {style.number(float(kept.sum()))} were kept as "
            f"events, {style.number(float(twice.sum()))} had come before and "
            f"{style.number(float(bad.sum()))} were set aside",
        )
    return figure
