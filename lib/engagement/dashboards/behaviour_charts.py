"""Charts of behaviour: paths, hours of the week, channels beside each other, the life cycle.

Each takes a frame and gives a figure; :func:`engagement.dashboards.charts.chart_or_message` decides
whether there is enough to draw.
"""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from engagement.dashboards import style

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG_DAYS = (
    *("Mondays", "Tuesdays", "Wednesdays", "Thursdays"),
    *("Fridays", "Saturdays", "Sundays"),
)
_ENDS = ("(end)", "(start)")
_OTHER = "(other)"
_BAR = 0.09
_GAP = 0.025


def paths(frame: pd.DataFrame, *, steps: int = 4, top: int = 5) -> Figure:
    """Alluvial picture of the paths from or to one event: a bar per step, a band per link.

    Parameters
    ----------
    frame
        ``direction, anchor, step_number, from_step, to_step, sessions`` of one direction and one
        anchor, as of ``marts.event_paths`` or :func:`engagement.dashboards.explore.paths`; links of
        several months are added up.
    steps
        How many steps to show.
    top
        How many names each step tells apart; the others are ``(other)``.
    """
    steps = min(steps, 2) if style.is_narrow() else steps
    links = _links(frame, steps, top)
    anchor = str(frame["anchor"].iloc[0]) if len(frame) else ""
    is_back = bool(len(frame)) and frame["direction"].iloc[0] == "previous"
    whole = float(links.loc[links["step_number"] == 1, "sessions"].sum()) or 1.0
    nodes = _nodes(links, anchor, whole)
    with style.applied():
        figure, axes = style.chart(height=4.6)
        _draw_bands(axes, links, nodes, whole)
        for (step, name), (low, high) in nodes.items():
            axes.add_patch(
                Rectangle((step, low), _BAR, high - low, color=_color(name), linewidth=0)
            )
            if high - low > 0.025 or step == 0:
                text = textwrap.fill(style.label(name, 28), 13)
                axes.text(
                    step + _BAR + 0.02,
                    (low + high) / 2,
                    f"{text}\n{style.percent(high - low)}" if high - low > 0.08 else text,
                    va="center",
                    fontsize=8,
                    color=style.INK,
                )
        shown = int(links["step_number"].max()) if len(links) else 1
        axes.set_xlim(-0.02, shown + 0.75)
        axes.set_ylim(max((high for _, high in nodes.values()), default=1.0) + 0.01, -0.01)
        axes.set_xticks(
            [number + _BAR / 2 for number in range(shown + 1)],
            ["start" if n == 0 else f"{n} {'back' if is_back else 'on'}" for n in range(shown + 1)],
        )
        axes.set_yticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel(f"Steps of the session {'before' if is_back else 'after'} it")
        style.title(figure, _paths_title(links, anchor, whole, is_back=is_back))
    return figure


def hours(frame: pd.DataFrame, measure: str = "orders", *, name: str = "orders") -> Figure:
    """Heat map of a figure by weekday and hour, on average over the days that there were.

    Parameters
    ----------
    frame
        ``day, weekday, hour`` and the measure, as of ``marts.orders_hourly``: each day with all of
        its hours.
    """
    values = _numbers(frame[measure]).fillna(0)
    days = frame.groupby("weekday")["day"].nunique().reindex(range(1, 8), fill_value=0)
    sums = values.groupby([frame["weekday"], frame["hour"]]).sum()
    grid = sums.unstack("hour").reindex(index=range(1, 8), columns=range(24)).fillna(0.0)
    grid = grid.div(days.replace(0, np.nan), axis=0).fillna(0.0).to_numpy(dtype=float)
    top = float(grid.max()) or 1.0
    with style.applied():
        figure, axes = style.chart(height=3.4)
        mesh = axes.pcolormesh(
            grid, cmap="Blues", vmin=0, vmax=top, edgecolors="white", linewidth=1.0
        )
        step = 6 if style.is_narrow() else 3
        ticks = range(0, 24, step)
        axes.set_xticks([hour + 0.5 for hour in ticks], [f"{hour}:00" for hour in ticks])
        axes.set_yticks(np.arange(7) + 0.5, _DAYS)
        axes.invert_yaxis()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("Hour of the clock")
        bar = figure.colorbar(mesh, ax=axes, label=f"{name.capitalize()} per hour")
        bar.outline.set_visible(False)
        style.title(figure, _hours_title(grid, days, values, name))
    return figure


def small_multiples(
    frame: pd.DataFrame,
    measure: str,
    *,
    by: str = "channel",
    name: str,
    unit: str = "",
    top: int = 6,
    days: int = 90,
) -> Figure:
    """A small chart per channel with the same axes: the mean of seven days, all others in grey.

    Parameters
    ----------
    frame
        ``day``, what it is ``by`` and the measure, as of ``marts.acquisition_channels``; rows of
        one day are added up.
    top
        How many to show, those of the greatest sums.
    """
    sums = _numbers(frame[measure]).fillna(0).groupby([frame["day"], frame[by]]).sum()
    table = sums.unstack(by).fillna(0.0).sort_index().tail(days)
    smooth = table.rolling(7).mean()
    order = sorted(table.columns, key=lambda one: (-float(table[one].sum()), str(one)))[:top]
    columns = 2 if style.is_narrow() else 3
    lines = max(-(-len(order) // columns), 1)
    with style.applied():
        figure = style.empty(height=0.9 + 1.55 * lines)
        grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        when = pd.to_datetime(pd.Series(table.index))
        for place, axes in enumerate(grid.flat):
            if place >= len(order):
                axes.set_visible(False)
                continue
            for other in order:
                axes.plot(when, smooth[other], color=style.PALE, linewidth=0.8)
            axes.plot(when, smooth[order[place]], color=style.BLUE, linewidth=2.2)
            axes.set_title(style.label(order[place], 22), loc="left", fontsize=9)
            axes.grid(visible=True, axis="y")
            axes.yaxis.set_major_formatter(style.thousands())
            axes.set_ylim(bottom=min(0.0, float(smooth.min().min() or 0)))
            style.dates(axes, when)
            axes.tick_params(labelsize=8)
        style.title(figure, _multiples_title(table, order, name, unit))
    return figure


def life_cycle(frame: pd.DataFrame, *, weeks: int = 26) -> Figure:
    """People of each closed week, stacked by what they were, with those who left below the line.

    Parameters
    ----------
    frame
        ``marts.lifecycle_weekly``.
    """
    recent = frame.sort_values("week").tail(min(weeks, 10) if style.is_narrow() else weeks)
    places = np.arange(len(recent))
    parts = (
        ("retained_persons", "retained: there the week before", style.BLUE),
        ("returning_persons", "returning after a pause", style.SKY),
        ("new_persons", "new", style.AMBER),
    )
    with style.applied():
        figure, axes = style.chart(height=3.9)
        bottom = np.zeros(len(recent))
        for column, label, color in parts:
            values = _numbers(recent[column]).fillna(0).to_numpy()
            axes.bar(places, values, bottom=bottom, color=color, width=0.8, label=label)
            bottom = bottom + values
        churned = -_numbers(recent["churned_persons"]).fillna(0).to_numpy()
        axes.bar(
            places, churned, color=style.GREY, width=0.8, label="churned since the week before"
        )
        axes.axhline(0, color=style.INK, linewidth=0.8)
        every = max(1, -(-len(recent) // (4 if style.is_narrow() else 8)))
        axes.set_xticks(
            places[::every], [f"{w.day} {w:%b}" for w in pd.to_datetime(recent["week"])][::every]
        )
        axes.set_xlabel("Week, by its Monday")
        axes.set_ylabel("Persons")
        axes.yaxis.set_major_formatter(style.thousands())
        axes.grid(visible=True, axis="y")
        style.legend_above(axes)
        style.title(figure, _life_cycle_title(recent))
    return figure


# --- pieces -------------------------------------------------------------------------------------


def _numbers(column: pd.Series) -> pd.Series:
    return pd.to_numeric(column, errors="coerce").astype(float)


def _links(frame: pd.DataFrame, steps: int, top: int) -> pd.DataFrame:
    """Links of the first steps, each step with its commonest names and the rest as others."""
    links = frame[frame["step_number"] <= steps].copy()
    links["sessions"] = _numbers(links["sessions"])
    for number in range(1, steps + 1):
        own = links["step_number"] == number
        sums = (
            links[own].groupby("to_step")["sessions"].sum().drop([*_ENDS, _OTHER], errors="ignore")
        )
        kept = sums.rename("n").rename_axis("name").reset_index()
        kept = kept.sort_values(["n", "name"], ascending=[False, True])["name"].head(top)
        known = [*kept, *_ENDS]
        links.loc[own & ~links["to_step"].isin(known), "to_step"] = _OTHER
        onward = links["step_number"] == number + 1
        links.loc[onward & ~links["from_step"].isin(known), "from_step"] = _OTHER
    keys = ["step_number", "from_step", "to_step"]
    return links.groupby(keys, as_index=False)["sessions"].sum()


def _nodes(
    links: pd.DataFrame, anchor: str, whole: float
) -> dict[tuple[int, str], tuple[float, float]]:
    """Where each bar begins and ends, as shares of the sessions; the greatest is on top."""
    nodes = {(0, anchor): (0.0, 1.0)}
    for number, part in links.groupby("step_number"):
        sums = part.groupby("to_step")["sessions"].sum()
        # What ends or is told apart no more comes last.
        order = sorted(sums.index, key=lambda name: (_rank(str(name)), -sums[name], str(name)))
        low = 0.0
        for name in order:
            high = low + float(sums[name]) / whole
            nodes[int(str(number)), str(name)] = (low, high)
            low = high + _GAP
    return nodes


def _rank(name: str) -> int:
    return 2 if name in _ENDS else 1 if name == _OTHER else 0


def _draw_bands(
    axes: Axes,
    links: pd.DataFrame,
    nodes: dict[tuple[int, str], tuple[float, float]],
    whole: float,
) -> None:
    left = {node: low for node, (low, _) in nodes.items()}
    right = dict(left)
    ranked = links.assign(
        start=[nodes.get((int(n) - 1, str(f)), (0, 0))[0]
               for n, f in zip(links["step_number"], links["from_step"], strict=True)],
        end=[nodes[int(n), str(t)][0]
             for n, t in zip(links["step_number"], links["to_step"], strict=True)],
    ).sort_values(["step_number", "start", "end"])  # fmt: skip
    for row in ranked.itertuples(index=False):
        source = (int(row.step_number) - 1, str(row.from_step))
        target = (int(row.step_number), str(row.to_step))
        if source not in nodes:
            continue
        height = float(row.sessions) / whole
        x0, x1 = source[0] + _BAR, float(target[0])
        y0, y1 = left[source], right[target]
        left[source] += height
        right[target] += height
        half = (x0 + x1) / 2
        outline = [
            (Path.MOVETO, (x0, y0)),
            *((Path.CURVE4, point) for point in ((half, y0), (half, y1), (x1, y1))),
            (Path.LINETO, (x1, y1 + height)),
            *(
                (Path.CURVE4, point)
                for point in ((half, y1 + height), (half, y0 + height), (x0, y0 + height))
            ),
            (Path.CLOSEPOLY, (x0, y0)),
        ]
        codes, points = zip(*outline, strict=True)
        axes.add_patch(
            PathPatch(Path(points, codes), color=_color(target[1]), alpha=0.28, linewidth=0)
        )


def _color(name: str) -> str:
    return style.GREY if name in _ENDS else style.PALE if name == _OTHER else style.BLUE


def _paths_title(links: pd.DataFrame, anchor: str, whole: float, *, is_back: bool) -> str:
    name = style.label(anchor)
    first = links[links["step_number"] == 1]
    if first.empty:
        return f"No session has '{name}'"
    sums = first.groupby("to_step")["sessions"].sum()
    order = sorted(sums.index, key=lambda one: (-sums[one], str(one)))
    named = [one for one in order if one != _OTHER] or order
    share = style.percent(float(sums[named[0]]) / whole)
    if named[0] in _ENDS:
        return (
            f"{share} of the sessions start with '{name}'"
            if is_back
            else f"After '{name}', {share} of the sessions are at their end"
        )
    before = "Before" if is_back else "After"
    verb = "come from" if is_back else "go on to"
    return f"{before} '{name}', {share} of the sessions {verb} '{style.label(named[0])}'"


def _hours_title(grid: np.ndarray, days: pd.Series, values: pd.Series, name: str) -> str:
    if not float(values.sum()):
        return f"There are no {name} yet"
    row, column = (int(one) for one in np.unravel_index(int(grid.argmax()), grid.shape))
    by_day = (grid.sum(axis=1) * (days > 0).to_numpy()).argmax()
    busiest = f"Most {name} come on {_LONG_DAYS[int(by_day)]}"
    return f"{busiest}; the busiest hour is {_DAYS[row]} {column}:00 to {column + 1}:00"


def _multiples_title(table: pd.DataFrame, order: list[str], name: str, unit: str) -> str:
    if len(table) < 14 or not order:
        return f"{name} per day by channel"
    last, before = table.tail(7).sum(), table.iloc[-14:-7].sum()
    change = {one: float(last[one] - before[one]) for one in order}
    most = max(order, key=lambda one: (abs(change[one]), str(one)))
    if not change[most]:
        return f"{name} by channel: no change in the last 7 days"
    direction = "gained" if change[most] > 0 else "lost"
    amount = " ".join([style.number(abs(change[most])), unit]).strip()
    return f"{name}: {style.label(most)} {direction} most, {amount} in 7 days against the 7 before"


def _life_cycle_title(recent: pd.DataFrame) -> str:
    if recent.empty:
        return "No week is over yet"
    last = recent.iloc[-1]
    active = float(last["active_persons"])
    if not active:
        return "Nobody came in the last closed week"
    new = style.percent(float(last["new_persons"]) / active)
    text = f"Of {style.counted(active, 'person')} in the last closed week {new} were new"
    churn = last["churn_rate"]
    if pd.isna(churn):
        return text
    gone = f"; {style.percent(float(churn))} of the week before did not come again"
    return text + gone
