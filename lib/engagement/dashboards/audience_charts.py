"""Charts of segments: how they grow, what has changed, whom they share, what sets them apart.

Each takes a frame and gives a figure; :func:`engagement.dashboards.charts.chart_or_message` decides
whether there is enough to draw.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from engagement.dashboards import style

_COLOURS = (style.BLUE, style.ORANGE, "#009E73", "#CC79A7", style.SKY, "#E69F00")
_MOST_LINES = len(_COLOURS)
_ROW = 0.34


def sizes(frame: pd.DataFrame) -> Figure:
    """How many people were in each segment, snapshot by snapshot; the largest segments only.

    Parameters
    ----------
    frame
        ``segment, as_of, members``, as of ``marts.segment_sizes``.
    """
    days = pd.to_datetime(frame["as_of"])
    table = frame.assign(day=days).pivot_table(index="day", columns="segment", values="members")
    last = table.ffill().iloc[-1].sort_values(ascending=False, kind="stable")
    chosen = [str(name) for name in last.index[:_MOST_LINES]]
    with style.applied():
        figure, axes = style.chart(height=3.8)
        for name, colour in zip(chosen, _COLOURS, strict=False):
            own = table[name].dropna().astype(float)
            axes.plot(own.index, own, color=colour, marker="o", markersize=4, label=name)
        axes.legend(
            frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), labelcolor=style.GREY
        )
        axes.set_ylim(0, None)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(style.thousands())
        axes.set_ylabel("People")
        axes.grid(visible=True, axis="y")
        style.dates(axes, pd.Series(table.index))
        rest = len(last) - len(chosen)
        more = f"; not shown: {style.counted(rest, 'smaller segment')}" if rest else ""
        style.title(
            figure,
            f"{chosen[0]} is the largest of {style.counted(len(last), 'segment')} with "
            f"{style.counted(float(last.iloc[0]), 'member')}{more}",
        )
    return figure


def joined_and_left(frame: pd.DataFrame) -> Figure:
    """Who joined each segment and who left it since the snapshot before.

    Parameters
    ----------
    frame
        ``segment, joined, left``, a row per segment.
    """
    table = frame.assign(total=frame["joined"] + frame["left"])
    table = table.sort_values(["total", "segment"], ascending=[True, False], kind="stable")
    places = np.arange(len(table))
    joined, left = table["joined"].astype(float), table["left"].astype(float)
    with style.applied():
        figure, axes = style.chart(height=1.3 + _ROW * len(table))
        axes.barh(places, joined, color=style.BLUE, label="joined")
        axes.barh(places, -left, color=style.ORANGE, label="left")
        for place, come, gone in zip(places.tolist(), joined, left, strict=True):
            axes.text(come, place, f" {style.number(come)}", va="center", fontsize=8)
            axes.text(-gone, place, f"{style.number(gone)} ", va="center", ha="right", fontsize=8)
        axes.set_yticks(places, [style.label(name) for name in table["segment"]])
        axes.tick_params(length=0)
        axes.axvline(0, color=style.PALE, linewidth=1)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.number(abs(value))))
        axes.set_xlabel("People who left (to the left) and joined (to the right)")
        axes.margins(x=0.14)
        axes.spines["left"].set_visible(False)
        style.title(
            figure,
            f"{style.counted(float(joined.sum()), 'membership')} began and "
            f"{style.number(float(left.sum()))} ended since the snapshots before",
        )
    return figure


def overlap(frame: pd.DataFrame) -> Figure:
    """Heat map of the share of each segment's people who are in another one too.

    Parameters
    ----------
    frame
        ``segment, other, people, share``, a row per pair of segments with people in common.
    """
    names = sorted(set(frame["segment"]) | set(frame["other"]))
    table = frame.pivot_table(index="segment", columns="other", values="share").reindex(
        index=names, columns=names
    )
    shares = table.fillna(0.0).to_numpy(dtype=float)
    middle = np.arange(len(names)) + 0.5
    with style.applied():
        figure, axes = style.chart(height=1.9 + _ROW * len(names))
        mesh = axes.pcolormesh(
            np.ma.masked_equal(shares, 0), cmap="Blues", vmin=0, vmax=1, edgecolors="white"
        )
        for row, column in zip(*np.nonzero(shares), strict=True):
            share = shares[row, column]
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{share * 100:.0f}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if share > 0.6 else style.INK,
            )
        labels = [style.label(name) for name in names]
        axes.set_yticks(middle, labels)
        axes.set_xticks(middle, labels, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_xlim(0, len(names))
        axes.set_ylim(len(names), 0)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        figure.colorbar(mesh, ax=axes, format=style.percents(), label="Share of the row's people")
        style.title(figure, _overlap_title(frame))
    return figure


def _overlap_title(frame: pd.DataFrame) -> str:
    pairs = frame[frame["segment"] != frame["other"]]
    if pairs.empty:
        return "No two segments share anybody"
    first = pairs.sort_values(
        ["share", "people", "segment", "other"], ascending=[False, False, True, True]
    ).iloc[0]
    return (
        f"{style.percent(float(first['share']))} of {first['segment']} are in {first['other']}: "
        f"{style.number(float(first['people']))} people"
    )


def lift(frame: pd.DataFrame, *, segment: str, rows: int = 12) -> Figure:
    """What sets a segment apart from everyone: lift per feature with its interval.

    Parameters
    ----------
    frame
        ``feature, value, lift, low, high, verdict``, as of
        :func:`engagement.audience.insight.profile`; rows without an interval are left out.
    segment
        The segment's name.
    rows
        The most features that are shown.
    """
    known = frame[frame["low"].notna()].head(rows).iloc[::-1]
    places = np.arange(len(known))
    middle = known["lift"].astype(float).to_numpy()
    low, high = (known[name].astype(float).to_numpy() for name in ("low", "high"))
    with style.applied():
        figure, axes = style.chart(height=1.3 + _ROW * len(known))
        axes.axvline(1, color=style.PALE, linewidth=1.2)
        for place, verdict in zip(places, known["verdict"], strict=True):
            colour = style.GREY if verdict == "about the same" else style.BLUE
            axes.plot([low[place], high[place]], [place, place], color=colour, linewidth=2)
            axes.plot([middle[place]], [place], marker="o", color=colour, markersize=5)
        names = [
            f"{feature}: {value}" if value else feature
            for feature, value in zip(known["feature"], known["value"], strict=True)
        ]
        axes.set_yticks(places, [style.label(name, 38) for name in names])
        axes.tick_params(length=0)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(LogLocator(base=2))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("Times as much, or as often, as among everyone (with its interval)")
        axes.grid(visible=True, axis="x")
        axes.spines["left"].set_visible(False)
        style.title(figure, _lift_title(known, segment))
    return figure


def _lift_title(known: pd.DataFrame, segment: str) -> str:
    told = known[known["verdict"].isin(("more", "less"))]
    if told.empty:
        return f"Nothing looked at sets {segment} apart from everyone"
    first = told.iloc[-1]
    name = f"{first['feature']}: {first['value']}" if first["value"] else str(first["feature"])
    return (
        f"What sets {segment} apart most: {style.label(name, 40)}, "
        f"{float(first['lift']):.1f} times that of everyone"
    )


def differences(frame: pd.DataFrame) -> Figure:
    """How conversion after exports differs between people exported and people held back.

    Parameters
    ----------
    frame
        ``segment, exported, difference, low, high, conversion``, as of
        :func:`engagement.audience.measuring.results`; exports without a difference are left out.
    """
    known = frame[frame["difference"].notna()].iloc[::-1]
    places = np.arange(len(known))
    with style.applied():
        figure, axes = style.chart(height=1.3 + _ROW * len(known))
        axes.axvline(0, color=style.PALE, linewidth=1.2)
        for place, row in zip(places, known.itertuples(index=False), strict=True):
            is_told = row.conversion in ("more", "less")
            colour = style.BLUE if is_told else style.GREY
            axes.plot([row.low, row.high], [place, place], color=colour, linewidth=2)
            axes.plot([row.difference], [place], marker="o", color=colour, markersize=5)
        names = [
            f"{name}, {day.isoformat()}"
            for name, day in zip(known["segment"], known["exported"], strict=True)
        ]
        axes.set_yticks(places, [style.label(name, 38) for name in names])
        axes.tick_params(length=0)
        axes.xaxis.set_major_formatter(style.percents())
        axes.set_xlabel("Conversion: people exported less people held back (points, interval)")
        axes.grid(visible=True, axis="x")
        axes.spines["left"].set_visible(False)
        told = int(known["conversion"].isin(("more", "less")).sum())
        style.title(
            figure,
            f"Of {style.counted(len(known), 'export')}, {told or 'none'} made a difference to "
            "conversion that can be told",
        )
    return figure
