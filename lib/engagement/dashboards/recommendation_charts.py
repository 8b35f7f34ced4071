"""Charts of how good recommendations are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from engagement.dashboards import style


def methods(frame: pd.DataFrame, metric: str, *, name: str) -> Figure:
    """A metric of each method, the best on top, with its 95 % interval.

    Parameters
    ----------
    frame
        ``method``, ``metric``, ``value``, ``lower``, ``upper`` and ``users``; a method without an
        interval, such as a service's own figure, is a hollow point.
    name
        What the metric is called.
    """
    rows = frame[frame["metric"] == metric].dropna(subset=["value"])
    rows = rows.sort_values(["value", "method"], ascending=[False, True], kind="stable")
    values = rows["value"].to_numpy(np.float64)
    lower = rows["lower"].astype("float64").fillna(rows["value"]).to_numpy(np.float64)
    upper = rows["upper"].astype("float64").fillna(rows["value"]).to_numpy(np.float64)
    known = rows["lower"].notna().to_numpy(bool)
    labels = [style.label(text.replace("_", " ")) for text in rows["method"]]
    with style.applied():
        figure, axes = style.chart(height=1.2 + 0.34 * max(len(labels), 2))
        places = np.arange(len(labels))
        axes.hlines(places, lower, upper, color=style.BLUE, linewidth=2)
        axes.scatter(
            values,
            places,
            s=42,
            zorder=3,
            edgecolor=style.BLUE,
            facecolor=[style.BLUE if one else "white" for one in known],
        )
        for place, value, end in zip(places, values, upper, strict=True):
            axes.annotate(
                f"{value:.3f}",
                (end, place),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                color=style.INK,
            )
        axes.set_yticks(places, labels)
        axes.invert_yaxis()
        axes.set_xlim(0, max(*upper, 1e-9, 0) * 1.15)
        axes.set_xlabel(f"{name}, with its 95 % interval over people")
        axes.grid(visible=True, axis="x")
        axes.tick_params(axis="y", length=0)
        style.title(figure, _title(rows, labels, name))
    return figure


def _title(rows: pd.DataFrame, labels: list[str], name: str) -> str:
    popular = rows[rows["method"] == "popular"]["value"]
    best = float(rows["value"].iloc[0])
    if popular.empty or not float(popular.iloc[0]) or rows["method"].iloc[0] == "popular":
        return f"{labels[0]} is best: {name} {best:.3f}"
    return (
        f"{labels[0]} is best: {best / float(popular.iloc[0]):.1f} times the {name} of popularity"
    )
