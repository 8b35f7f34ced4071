"""Charts of customers: buyers by recency and frequency, and how spend is spread over them.

Each takes a frame and gives a figure; :func:`engagement.dashboards.charts.chart_or_message` decides
whether there is enough to draw.
"""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from engagement.dashboards import style

_SCORES = range(1, 6)
_ONE_LINE = 12


def recency_and_frequency(frame: pd.DataFrame) -> Figure:
    """Heat map of buyers by recency and frequency score, each cell with its segment.

    Parameters
    ----------
    frame
        ``recency_score, frequency_score, rfm_segment, customers``, a row per pair of scores:
        people with an order that they kept.
    """
    counts = np.zeros((5, 5))
    names = np.full((5, 5), "", dtype=object)
    for row in frame.itertuples(index=False):
        place = 5 - int(row.recency_score), int(row.frequency_score) - 1
        counts[place] += int(row.customers)
        names[place] = str(row.rfm_segment)
    top = max(counts.max(), 1.0)
    with style.applied():
        figure, axes = style.chart(height=4.4)
        mesh = axes.pcolormesh(
            np.ma.masked_equal(counts, 0),
            cmap="Blues",
            vmin=0,
            vmax=top,
            edgecolors="white",
            linewidth=1.5,
        )
        for place in zip(*np.nonzero(counts), strict=True):
            row, column = place
            segment = textwrap.fill(names[place], _ONE_LINE)
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{segment}\n{style.number(counts[place])}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if counts[place] > 0.6 * top else style.INK,
            )
        middle = np.arange(5) + 0.5
        axes.set_xticks(middle, [str(score) for score in _SCORES])
        axes.set_yticks(middle, [str(score) for score in reversed(_SCORES)])
        axes.set_xlim(0, 5)
        axes.set_ylim(5, 0)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("Frequency score (5: most orders)")
        axes.set_ylabel("Recency score (5: latest order)")
        whole = MaxNLocator(integer=True)
        figure.colorbar(mesh, ax=axes, format=style.thousands(), ticks=whole, label="Buyers")
        style.title(figure, _segments_title(frame))
    return figure


def _segments_title(frame: pd.DataFrame) -> str:
    sums = frame.groupby("rfm_segment")["customers"].sum().reset_index()
    sums = sums.sort_values(["customers", "rfm_segment"], ascending=[False, True])
    total = float(sums["customers"].sum())
    if total == 0:
        return "Nobody has bought anything and kept it yet"
    name, largest = str(sums["rfm_segment"].iloc[0]), float(sums["customers"].iloc[0])
    return (
        f"Of {style.counted(total, 'buyer')}, the largest segment is '{name}' with "
        f"{style.number(largest)} ({style.percent(largest / total)})"
    )


def spend_by_customers(frame: pd.DataFrame, *, unit: str) -> Figure:
    """How much of all spend the best customers bring, from the greatest spend down.

    Parameters
    ----------
    frame
        ``spend_total``, a row per customer. It is net revenue, so some may be negative: then the
        others' share passes 100 %, and the curve falls back to it.
    unit
        The currency.
    """
    spends = np.sort(frame["spend_total"].astype(float).to_numpy())[::-1]
    total = float(spends.sum())
    shares = np.concatenate([[0.0], np.cumsum(spends) / total if total else np.zeros(len(spends))])
    people = np.linspace(0, 1, len(shares))
    fifth = float(np.interp(0.2, people, shares))
    with style.applied():
        figure, axes = style.chart(height=3.8)
        axes.plot([0, 1], [0, 1], color=style.PALE, linewidth=1.2, linestyle="--")
        axes.plot(people, shares, color=style.BLUE, linewidth=2.4)
        axes.plot([0.2], [fifth], marker="o", color=style.ORANGE)
        axes.annotate(
            f"best 20 %: {style.percent(fifth)}",
            (0.2, fifth),
            xytext=(10, -12),
            textcoords="offset points",
            va="top",
        )
        axes.text(0.72, 0.66, "if all spent alike", color=style.GREY, va="top", fontsize=9)
        axes.set_xlim(0, 1)
        axes.set_ylim(min(0, float(shares.min())), 1.02 * max(1, float(shares.max())))
        axes.set_xlabel("Customers, the greatest spend first (share)")
        axes.set_ylabel("Their share of all spend")
        axes.xaxis.set_major_formatter(style.percents())
        axes.yaxis.set_major_formatter(style.percents())
        axes.grid(visible=True)
        style.title(
            figure,
            f"A fifth of {style.counted(float(len(spends)), 'customer')} brings "
            f"{style.percent(fifth)} of {style.number(round(total))} {unit}",
        )
    return figure
