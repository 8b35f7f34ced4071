"""Charts: each takes a frame and returns a matplotlib figure.

A frame with nothing in it makes no chart. :func:`chart_or_message` is the one place that decides:
it draws, or says that there is too little. Titles state what the chart shows, from the frame.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import Markdown
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from engagement.dashboards import style

_WEEK = 7

_PEOPLE = {"everyone": "persons", "identified": "identified persons", "guests": "guests"}

_NARROW_WEEKS = 8

_HATCHED: dict[str, Any] = {
    "facecolor": "none",
    "edgecolor": style.GREY,
    "hatch": "///",
    "linewidth": 0.0,
    "alpha": 0.35,
}
"""How the first days of a landing look, when some people only seem new."""


def chart_or_message(
    frame: pd.DataFrame,
    chart: Callable[..., Figure],
    minimum_rows: int,
    words: str,
    *,
    counting: str | None = None,
    **options: Any,
) -> Figure | Markdown:
    """Draw the chart, or say in ``words`` why there is none.

    Parameters
    ----------
    minimum_rows
        Fewest rows that the chart makes sense with.
    counting
        A column: only rows in which it is neither missing nor zero (nor false) count. The chart
        still gets the whole frame.
    options
        What else the chart takes, such as ``unit``.
    """
    rows = len(frame)
    if counting is not None:
        rows = int(_numbers(frame[counting]).fillna(0).ne(0).sum())
    if rows < minimum_rows:
        return Markdown(words)  # type: ignore[no-untyped-call]
    return chart(frame, **options)


def trend(
    frame: pd.DataFrame,
    measure: str,
    *,
    over: str | None = None,
    name: str,
    unit: str = "",
    days: int = 90,
) -> Figure:
    """A daily figure of the last ``days`` days, with its figure over seven days.

    Days that the landing had not settled on are hatched. A last day that is not over is a hollow
    point, and neither the line nor the title takes it in.

    Parameters
    ----------
    frame
        ``day``, the measure, and what it is divided by, as of ``marts.daily_overview``. Where it
        has no ``is_settled`` or ``is_complete``, all of its days are.
    measure, over
        The column to show; with ``over``, their ratio. Seven days of a ratio are the ratio of
        their sums, not the mean of seven ratios.
    name, unit
        What the measure is called, and what it is counted in, where the name does not say.
    """
    recent = frame.sort_values("day").tail(days)
    day = pd.to_datetime(recent["day"])
    over_by_then = _flags(recent, "is_complete")
    daily = _ratio(recent, measure, over)
    weekly = _weekly(recent, measure, over).where(over_by_then)
    with style.applied():
        figure, axes = style.chart()
        whole_days = daily.where(over_by_then)
        axes.plot(day, whole_days, color=style.PALE, linewidth=1.2, marker=".", label="each day")
        axes.plot(day, weekly, color=style.BLUE, linewidth=2.4, label=_seven(over))
        if not over_by_then.all():
            hollow: dict[str, Any] = {
                "color": style.GREY,
                "markerfacecolor": "white",
                "linestyle": "none",
            }
            today, so_far = day[~over_by_then], daily[~over_by_then]
            axes.plot(today, so_far, marker="o", label="not over yet", **hollow)
        _hatch_unsettled(axes, day[~_flags(recent, "is_settled")])
        whole = "whole days" if not over_by_then.all() else "days"
        seen = weekly[over_by_then]
        style.title(figure, _trend_title(seen, name, unit, is_ratio=over is not None, days=whole))
        axes.set_ylabel(_with_unit(name if over else f"{name} per day", unit))
        axes.yaxis.set_major_formatter(style.percents() if over else style.thousands())
        lowest = float(daily.min()) if daily.lt(0).any() else 0.0
        axes.set_ylim(lowest * 1.08, None if daily.gt(0).any() else 1)
        axes.grid(visible=True, axis="y")
        style.dates(axes, day)
        style.legend_above(axes)
    return figure


def funnel(frame: pd.DataFrame) -> Figure:
    """Persons per step of ``marts.funnel_steps``, with what share came on and how fast."""
    steps = frame.sort_values("step_number")
    persons = _numbers(steps["persons"]).fillna(0).to_numpy(dtype=float)
    first = persons[0] if len(persons) else 0.0
    places = np.arange(len(steps))
    with style.applied():
        figure, axes = style.chart(height=0.9 + 0.75 * max(len(steps), 1))
        axes.barh(places, persons, color=style.BLUE, height=0.62)
        for place, (_, step) in zip(places, steps.iterrows(), strict=True):
            axes.annotate(
                _funnel_text(step, persons[place]),
                (persons[place], place),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                color=style.INK,
            )
        axes.set_yticks(places, [style.label(step).capitalize() for step in steps["step"]])
        axes.invert_yaxis()
        axes.set_xlim(0, max(first, 1) * 1.55)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_xticks([tick for tick in axes.get_xticks() if tick <= max(first, 1)])
        axes.set_xlabel("Persons", loc="left")
        axes.xaxis.set_major_formatter(style.thousands())
        axes.tick_params(axis="y", length=0)
        last = persons[-1] if len(persons) else 0.0
        share = style.percent(last / first) if first else "none"
        style.title(
            figure,
            f"Of {style.counted(first, 'person')} who viewed a product, "
            f"{style.number(last)} ordered within the window ({share})",
        )
    return figure


def retention(
    frame: pd.DataFrame, *, people: str = "everyone", cohorts: int = 12, weeks: int = 12
) -> Figure:
    """Heat map of ``marts.retention_weekly``: cohorts down, weeks across, immature cells blank.

    Week 0, which is always the whole cohort, is left out; so are cohorts of nobody. The newest
    ``cohorts`` and the first ``weeks`` are shown. Cohorts of the days that the landing had not
    settled on are hatched, and the title leaves them out where there are others.

    Parameters
    ----------
    people
        ``everyone``, ``identified`` or ``guests``.
    """
    if style.is_narrow():
        weeks = min(weeks, _NARROW_WEEKS)
    table = retention_cells(frame, people)
    table = table[table["week_number"].between(1, weeks) & (table["cohort_persons"] > 0)]
    rates = (
        table.pivot_table(
            index="cohort_week", columns="week_number", values="rate", dropna=False, observed=True
        )
        .sort_index()
        .tail(cohorts)
    )
    cohort = table.groupby("cohort_week")[["cohort_persons", "is_settled"]].first()
    values = rates.to_numpy(dtype=float)
    known = values[~np.isnan(values)]
    top = max(float(known.max()) if known.size else 0.0, 0.01)
    with style.applied():
        figure, axes = style.chart(height=1.5 + 0.36 * max(len(rates), 4))
        mesh = axes.pcolormesh(
            np.ma.masked_invalid(values),
            cmap="Blues",
            vmin=0,
            vmax=top,
            edgecolors="white",
            linewidth=1.5,
        )
        for row, column in zip(*np.nonzero(~np.isnan(values)), strict=True):
            value = values[row, column]
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{value * 100:.0f}" if style.is_narrow() else f"{value * 100:.0f} %",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if value > 0.6 * top else style.INK,
            )
            if not cohort.loc[rates.index[row], "is_settled"]:
                stripes = "white" if value > 0.3 * top else style.GREY
                cell = {**_HATCHED, "edgecolor": stripes, "alpha": 0.6}
                axes.add_patch(Rectangle((column, row), 1, 1, **cell))
        axes.set_xticks(np.arange(len(rates.columns)) + 0.5, [str(week) for week in rates.columns])
        axes.set_yticks(
            np.arange(len(rates)) + 0.5,
            [
                f"{_short(week)}  ({style.number(float(cohort.loc[week, 'cohort_persons']))})"
                for week in rates.index
            ],
        )
        axes.invert_yaxis()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        note = f"Weeks since the first event (blank: not over yet{_hatch_note(cohort)})"
        axes.set_xlabel(textwrap.fill(note, 34) if style.is_narrow() else note)
        axes.set_ylabel(f"Week of the first event ({_PEOPLE[people]})")
        if not style.is_narrow():
            label = "Share of the cohort active"
            figure.colorbar(mesh, ax=axes, format=style.percents(), label=label)
        style.title(figure, _retention_title(table, people))
    return figure


def retention_cells(frame: pd.DataFrame, people: str = "everyone") -> pd.DataFrame:
    """Cohorts by week of ``marts.retention_weekly``, of everyone or of some people, with ``rate``.

    ``everyone`` adds identified people and guests up, and divides their sums.
    """
    if people != "everyone":
        frame = frame[frame["is_identified"].astype(bool) == (people == "identified")]
    table = frame.assign(retained_persons=_numbers(frame["retained_persons"]))
    table = table.groupby(["cohort_week", "week_number"], as_index=False).agg(
        is_settled=("is_settled", "first"),
        cohort_persons=("cohort_persons", "sum"),
        retained_persons=("retained_persons", lambda column: column.sum(min_count=len(column))),
    )
    persons = _numbers(table["cohort_persons"]).replace(0, np.nan)
    return table.assign(rate=table["retained_persons"] / persons)


def bars(
    frame: pd.DataFrame,
    category: str,
    value: str,
    *,
    name: str,
    unit: str,
    title: str | None = None,
    top: int = 10,
) -> Figure:
    """The greatest values of a category as bars, with their shares of the whole.

    Rows of one category are added up. What is not among the ``top`` ones is named below.
    """
    sums = _sums(frame, category, [value])
    names = [style.label(text) for text in sums[category].head(top)]
    values = sums[value].head(top).to_list()
    rest = sums[value].iloc[top:]
    total = float(sums[value].sum())
    with style.applied():
        figure, axes = style.chart(height=1.2 + 0.34 * max(len(names), 2))
        places = np.arange(len(names))
        axes.barh(places, values, color=style.BLUE, height=0.7)
        for place, amount in zip(places, values, strict=True):
            share = f" ({style.percent(amount / total)})" if total else ""
            axes.annotate(
                f"{style.number(amount)}{share}",
                (max(amount, 0), place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                color=style.INK,
            )
        axes.set_yticks(places, names)
        axes.invert_yaxis()
        axes.set_xlim(min(0, *values, 0), max(*values, 0, 1e-9) * 1.28)
        axes.set_xlabel(f"{name} ({unit}){_left_out(rest)}")
        axes.xaxis.set_major_formatter(style.thousands())
        axes.grid(visible=True, axis="x")
        axes.tick_params(axis="y", length=0)
        leader = f"{names[0]} leads with {style.percent(values[0] / total)} of" if total else "No"
        style.title(figure, title or f"{leader} {style.number(total)} {unit}")
    return figure


def attribution(frame: pd.DataFrame, *, unit: str, top: int = 10) -> Figure:
    """Revenue per channel: credited to the last touch, and by the session of the order.

    Parameters
    ----------
    frame
        ``channel``, ``revenue`` (of ``marts.attribution_last_touch``) and, for comparison,
        ``session_revenue`` (of ``marts.channel_performance``); rows of one channel are added up.
    unit
        The currency.
    """
    sums = _sums(frame, "channel", ["revenue", "session_revenue"])
    shown, rest = sums.head(top), sums["revenue"].iloc[top:]
    credited, by_session = shown["revenue"].to_numpy(), shown["session_revenue"].to_numpy()
    places = np.arange(len(shown))
    with style.applied():
        figure, axes = style.chart(height=1.5 + 0.46 * max(len(shown), 2))
        axes.barh(
            places - 0.2,
            credited,
            height=0.38,
            color=style.BLUE,
            label="last touch that was not direct",
        )
        axes.barh(
            places + 0.2, by_session, height=0.38, color=style.PALE, label="session of the order"
        )
        for place, amount in zip(places, credited, strict=True):
            axes.annotate(
                style.number(float(amount)),
                (max(float(amount), 0), place - 0.2),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        axes.set_yticks(places, [style.label(text) for text in shown["channel"]])
        axes.invert_yaxis()
        axes.set_xlim(0, max(credited.max(initial=0), by_session.max(initial=0), 1e-9) * 1.18)
        axes.set_xlabel(f"Revenue ({unit}){_left_out(rest)}")
        axes.xaxis.set_major_formatter(style.thousands())
        axes.grid(visible=True, axis="x")
        axes.tick_params(axis="y", length=0)
        style.legend_above(axes)
        style.title(figure, _attribution_title(sums))
    return figure


# --- pieces -------------------------------------------------------------------------------------


def _numbers(column: pd.Series) -> pd.Series:
    return pd.to_numeric(column, errors="coerce").astype(float)


def _ratio(frame: pd.DataFrame, measure: str, over: str | None) -> pd.Series:
    values = _numbers(frame[measure])
    return values if over is None else values / _numbers(frame[over]).replace(0, np.nan)


def _weekly(frame: pd.DataFrame, measure: str, over: str | None) -> pd.Series:
    values = _numbers(frame[measure]).rolling(_WEEK).sum()
    if over is None:
        return values / _WEEK
    return values / _numbers(frame[over]).rolling(_WEEK).sum().replace(0, np.nan)


def _seven(over: str | None) -> str:
    return "seven days to each day" if over else "mean of seven days"


def _flags(frame: pd.DataFrame, name: str) -> pd.Series:
    """A column of flags; all true where the frame has no such column."""
    return frame[name].astype(bool) if name in frame else pd.Series(data=True, index=frame.index)


def _hatch_unsettled(axes: Axes, days: pd.Series) -> None:
    """Hatch the days that the landing had not settled on: they are the first ones."""
    if len(days):
        half = pd.Timedelta(hours=12)
        span = (days.min() - half, days.max() + half)
        axes.axvspan(*span, label="not settled: the data has only begun", **_HATCHED)


def _hatch_note(cohort: pd.DataFrame) -> str:
    settled = cohort["is_settled"].astype(bool)
    return "" if settled.all() else "; hatched: not settled, the data had only begun"


def _trend_title(
    weekly: pd.Series, name: str, unit: str, *, is_ratio: bool, days: str = "days"
) -> str:
    last = float(weekly.iloc[-1]) if len(weekly) else np.nan
    before = float(weekly.iloc[-1 - _WEEK]) if len(weekly) > _WEEK else np.nan
    if np.isnan(last):
        return name
    if is_ratio:
        seen = f"{name}: {style.percent(last)} in the last 7 {days}"
        if np.isnan(before):
            return seen
        points = round(abs(last - before) * 100, 1)
        direction = "up" if last >= before else "down"
        return f"{seen}, {direction} {points:.1f} points on the 7 before"
    seen = " ".join(
        [f"{name}:", style.number(last * _WEEK), *unit.split(), f"in the last 7 {days}"]
    )
    if np.isnan(before) or before <= 0:
        return seen
    change = last / before - 1
    direction = "more" if change >= 0 else "less"
    return f"{seen}, {abs(change) * 100:.0f} % {direction} than in the 7 before"


def _funnel_text(step: pd.Series, persons: float) -> str:
    text = style.number(persons)
    if pd.isna(step["step_rate"]):
        return text
    share = style.percent(float(step["step_rate"]))
    if style.is_narrow():
        return f"{text} ({share})"
    text += f"   {share} of the step before"
    median = step["median_seconds_from_previous"]
    return text if pd.isna(median) else f"{text}, median {style.duration(float(median))}"


def _short(week: date) -> str:
    return f"{week.day} {week:%b %Y}"


def _retention_title(table: pd.DataFrame, people: str) -> str:
    mature = table[(table["week_number"] == 1) & table["rate"].notna()]
    settled = mature[mature["is_settled"].astype(bool)]
    if not settled.empty:
        mature = settled
    persons = _numbers(mature["cohort_persons"]).sum()
    of = "" if people == "everyone" else f" of new {_PEOPLE[people]}"
    if not persons:
        return f"Retention{of}: no week after a cohort's own is over yet"
    back = _numbers(mature["retained_persons"]).sum() / persons
    return f"{style.percent(float(back))}{of} come back in the week after their first"


def _sums(frame: pd.DataFrame, category: str, values: list[str]) -> pd.DataFrame:
    numbers = pd.DataFrame({value: _numbers(frame[value]).fillna(0) for value in values})
    numbers[category] = frame[category].astype(str)
    sums = numbers.groupby(category, as_index=False)[values].sum()
    return sums.sort_values([values[0], category], ascending=[False, True], ignore_index=True)


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _left_out(rest: pd.Series) -> str:
    if rest.empty:
        return ""
    return f"; not shown: {len(rest)} more with {style.number(float(rest.sum()))}"


def _attribution_title(sums: pd.DataFrame) -> str:
    direct = sums[sums["channel"] == "Direct"]
    total = float(sums["revenue"].sum())
    if direct.empty or not total:
        leader = style.label(sums["channel"].iloc[0]) if len(sums) else "Nothing"
        return f"{leader} is credited with the most revenue"
    share = style.percent(float(direct["revenue"].iloc[0]) / total)
    session_total = float(sums["session_revenue"].sum())
    session = style.percent(float(direct["session_revenue"].iloc[0]) / session_total)
    if share == session:
        return f"Direct keeps {share} of revenue, whether earlier touches count or not"
    return f"Direct keeps {share} of revenue once earlier touches count, not {session}"
