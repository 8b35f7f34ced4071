"""The first screen: alerts and key figures; and how the figures went by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd

from engagement.alerts import Alert, anomalies, written
from engagement.alerts.anomalies import Judgement, Measure
from engagement.as_of import AsOf
from engagement.dashboards import charts
from engagement.dashboards.report import periods, pieces
from engagement.dashboards.report.periods import Days
from engagement.models.concepts import EventMapping


@dataclass(frozen=True)
class Figure:
    """A key figure: its name, its column, how it is written, and how it is judged.

    Attributes
    ----------
    judged
        The measure of ``marts.daily_overview`` whose sum, or ratio of sums, the figure of seven
        days is; ``None`` where days cannot be added up, as with people.
    """

    name: str
    column: str
    kind: str
    judged: Measure | None = None


FIGURES = (
    Figure("Revenue", "revenue", "money", Measure("", "revenue", "money")),
    Figure("Net revenue", "net_revenue", "money", Measure("", "net_revenue", "money")),
    Figure("Orders", "orders", "count", Measure("", "orders", "count")),
    Figure(
        "Conversion rate",
        "conversion_rate",
        "share",
        Measure("", "converting_sessions", "rate", "sessions"),
    ),
    Figure("Users", "users", "count"),
    Figure("New users", "new_users", "count", Measure("", "new_users", "count")),
    Figure("Sessions", "sessions", "count", Measure("", "sessions", "count")),
    Figure(
        "Average order value",
        "average_order_value",
        "money",
        Measure("", "revenue", "money", "valued_orders"),
    ),
    Figure(
        "Engagement rate",
        "engagement_rate",
        "share",
        Measure("", "engaged_sessions", "rate", "sessions"),
    ),
    Figure(
        "Bounce rate", "bounce_rate", "share", Measure("", "bounced_sessions", "rate", "sessions")
    ),
    Figure("Refunds", "refunds", "money", Measure("", "refunds", "money")),
    Figure("Items per order", "items_per_order", "count", Measure("", "units", "money", "orders")),
)

_VERDICTS = {
    "high": ("unusual", "▲ unusually high"),
    "low": ("unusual", "▼ unusually low"),
    "usual": ("usual", "usual"),
    "unknown": ("usual", "too few weeks to judge"),
}
_NOT_OVER = ("usual", "not over yet, so not judged")


def alerts_box(found: Sequence[Alert]) -> str:
    """The alerts, or that there are none."""
    if not found:
        return '<div class="alerts calm"><p>No alerts.</p></div>\n'
    items = "".join(
        f'<li class="{pieces.escape(one.kind)}">{pieces.escape(one.text)}</li>\n' for one in found
    )
    many = "1 alert" if len(found) == 1 else f"{len(found)} alerts"
    return f'<div class="alerts" role="alert"><p>{many}:</p>\n<ul>\n{items}</ul></div>\n'


def key_figures(
    frames: Mapping[str, pd.DataFrame],
    currency: str,
    settling_days: int,
    as_of: AsOf,
    mapped: EventMapping,
    found: Sequence[Alert],
    *,
    weeks: int,
    threshold: float,
) -> str:
    """The first screen."""
    title, anchor = "Key figures", "key-figures"
    periods = frames["periods"]
    box = alerts_box(found)
    complete = periods[periods["is_complete"].fillna(False)]
    if complete.empty:
        text = "There are fewer than seven whole days of data: too few for a summary."
        return pieces.section(title, box + pieces.words(text), anchor=anchor)
    week = complete.iloc[0]
    days = int(week["window_days"])
    judgements = judged(frames["overview"], week["to_day"], days, weeks=weeks, threshold=threshold)
    rolling = frames.get("rolling")
    if rolling is not None and days == _WEEK:
        judgements["Users"] = people(rolling, week["to_day"], weeks=weeks, threshold=threshold)
    verdicts = {name: _VERDICTS[one.verdict] for name, one in judgements.items()}
    if not _is_over(frames["overview"], week["to_day"]):
        verdicts = dict.fromkeys(verdicts, _NOT_OVER)
    tiles = "".join(_tile(week, figure, currency, verdicts) for figure in FIGURES)
    since, until = _day(week["from_day"]), _day(week["to_day"])
    note = f"The {days} days from {since} to {until}, compared with the {days} days before."
    if as_of.is_latest:
        note += " The last day is not over."
    unsettled = _unsettled(week)
    if unsettled:
        note += (
            f" {unsettled} in the first {settling_days} days of the data, when some people only "
            "seem new."
        )
    note = " ".join([note, *mapped.missing("order_completed")])
    header = ["", *(f"{int(days)} days" for days in complete["window_days"])]
    rows = [
        [
            figure.name,
            *(
                pieces.write(row[figure.column], figure.kind, currency) + _compared(row, figure)
                for _, row in complete.iterrows()
            ),
        ]
        for figure in FIGURES
    ]
    numbers = pieces.table(pd.DataFrame(rows, columns=header))
    body = f'{box}{pieces.note(note)}<div class="tiles">{tiles}</div>{pieces.details(numbers)}'
    return pieces.section(title, body, anchor=anchor)


def _is_over(overview: pd.DataFrame, day: date) -> bool:
    return bool(overview.loc[overview["day"] == day, "is_complete"].astype(bool).all())


def judged(
    overview: pd.DataFrame, last_day: date, days: int, *, weeks: int, threshold: float
) -> dict[str, Judgement]:
    """Whether the figures of the days that end on ``last_day`` are usual, by name.

    Parameters
    ----------
    weeks
        How many earlier periods they are compared with; a week is the period of the first screen.
    """
    return {
        figure.name: anomalies.period(
            overview, figure.judged, last_day, days=days, periods=weeks, threshold=threshold
        )
        for figure in FIGURES
        if figure.judged is not None
        and {figure.judged.column, figure.judged.over or "day"} <= set(overview.columns)
    }


_WEEK = 7


def people(rolling: pd.DataFrame, last_day: date, *, weeks: int, threshold: float) -> Judgement:
    """Whether the number of people in the seven days to a day is usual, by the weeks before.

    Parameters
    ----------
    rolling
        ``day, wau, is_wau_complete, is_settled`` of ``marts.rolling_users``. Seven days are settled
        if their first one is.
    """
    rows = {row.day: row for row in rolling.itertuples(index=False)}
    ends = [last_day - timedelta(days=_WEEK * back) for back in range(weeks + 1)]
    now = rows.get(ends[0])
    if now is None:
        return Judgement("unknown", float("nan"))
    alike = []
    for day in ends[1:]:
        first = rows.get(day - timedelta(days=_WEEK - 1))
        if day in rows and rows[day].is_wau_complete and first is not None and first.is_settled:
            alike.append(float(rows[day].wau))
    return anomalies.among(float(now.wau), alike, kind="count", threshold=threshold)


def _tile(
    week: pd.Series, figure: Figure, currency: str, verdicts: Mapping[str, tuple[str, str]]
) -> str:
    value = pieces.write(week[figure.column], figure.kind, currency)
    verdict = ""
    if figure.name in verdicts:
        kind, text = verdicts[figure.name]
        verdict = f'<span class="{kind}">{text}</span>'
    return (
        f'<div class="tile"><span>{pieces.escape(figure.name)}</span>'
        f"<b>{pieces.escape(value)}</b>"
        f"<span>{pieces.escape(_change(week, figure))}</span>{verdict}</div>"
    )


def _unsettled(week: pd.Series) -> str | None:
    """Which days, the period's own or those before, begin before the landing has settled."""
    if not week["is_settled"]:
        return "They begin"
    before = week["previous_is_settled"]
    return "The days before begin" if pd.notna(before) and not before else None


def trends(overview: pd.DataFrame, currency: str, *, weeks: int, threshold: float) -> str:
    """How the figures went by day, and which days were unusual."""
    title, anchor = "Trends", "trends"
    few = "There are fewer than seven days of data: too few for a trend."
    recent = overview.sort_values("day").tail(periods.RECENT_DAYS)
    day = [_marked_day(row) for _, row in recent.iterrows()]
    money = {name: f"{name} ({currency})" for name in ("revenue", "refunds", "net revenue")}
    lines: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
        (
            "revenue",
            {"measure": "revenue", "name": "Revenue", "unit": currency},
            {
                "orders": recent["orders"],
                money["revenue"]: recent["revenue"],
                money["refunds"]: recent["refunds"],
                money["net revenue"]: recent["net_revenue"],
            },
        ),
        (
            "sessions",
            {"measure": "sessions", "name": "Sessions"},
            {
                "users": recent["users"],
                "new users": recent["new_users"],
                "sessions": recent["sessions"],
            },
        ),
        (
            "conversion",
            {
                "measure": "converting_sessions",
                "over": "sessions",
                "name": "Conversion rate",
                "unit": "% of sessions",
            },
            {
                "sessions with an order": recent["converting_sessions"],
                "sessions": recent["sessions"],
                "conversion rate": pieces.shares(
                    recent["converting_sessions"] / recent["sessions"].where(recent["sessions"] > 0)
                ),
            },
        ),
    )
    figures = ""
    for name, options, columns in lines:
        drawn = pieces.drawn(overview, charts.trend, 7, few, days=periods.RECENT_DAYS, **options)
        if isinstance(drawn, str):
            return pieces.section(title, pieces.words(few), anchor=anchor)
        numbers = pieces.table(pd.DataFrame({"day": day, **columns}), numbers=("conversion rate",))
        figures += pieces.shown(drawn, numbers, live=name)
    note = pieces.note(
        f"{periods.last(periods.RECENT_DAYS, Days.of(overview))} The thin line shows each "
        "day, the thick line the average of the seven days up to it."
    )
    unusual = _unusual_days(overview, currency, weeks=weeks, threshold=threshold)
    return pieces.section(title, note + figures + unusual, anchor=anchor)


_UNUSUAL_DAYS = 60


def _unusual_days(overview: pd.DataFrame, currency: str, *, weeks: int, threshold: float) -> str:
    """The figures that were unusual on one of the last days, the newest first."""
    known = [
        measure
        for measure in anomalies.MEASURES
        if {measure.column, measure.over or "day"} <= set(overview.columns)
    ]
    flags = anomalies.daily(
        overview, weeks=weeks, threshold=threshold, measures=known, most_days=_UNUSUAL_DAYS
    )
    odd = flags[flags["verdict"].isin(["high", "low"])]
    title, period = "Unusual days", _days_judged(flags)
    if odd.empty:
        able = (flags["verdict"] != "unknown").any()
        text = (
            f"No figure was unusual for its weekday. {period}"
            if able
            else "There are too few weeks of data to judge a day."
        )
        return pieces.block(title, pieces.words(text))
    note = (
        f"{period} Figures that are far from the median of the same weekday in the {weeks} weeks "
        "before, compared with how much the figure usually varies."
    )
    measures = {measure.name: measure for measure in known}
    rows = [
        (
            f"{written.weekday(row.day)[:3]} {row.day}",
            str(row.measure),
            written.figure(float(row.value), measures[str(row.measure)], currency),
            written.figure(float(row.expected), measures[str(row.measure)], currency),
            _VERDICTS[str(row.verdict)][1],
        )
        for row in odd.iloc[::-1].itertuples(index=False)
    ]
    columns = ["day", "figure", "value", "expected", "verdict"]
    numbers = pieces.table(pd.DataFrame(rows, columns=columns), numbers=("value", "expected"))
    return pieces.block(title, pieces.note(note) + numbers)


def _days_judged(flags: pd.DataFrame) -> str:
    if flags.empty:
        return ""
    days = Days(flags["day"].min(), flags["day"].max())
    return f"The last {(days.last - days.first).days + 1} whole days, {days.first} to {days.last}."


def _change(row: pd.Series, figure: Figure) -> str:
    now, before = row[figure.column], row[f"previous_{figure.column}"]
    if pd.isna(now) or pd.isna(before):
        return "nothing to compare with"
    if figure.kind == "share":
        return f"{(float(now) - float(before)) * 100:+.1f} points"
    if float(before) == 0:
        return "none before"
    if float(before) < 0:
        return "below zero before"
    return f"{(float(now) / float(before) - 1) * 100:+.0f} %"


def _compared(row: pd.Series, figure: Figure) -> str:
    change = _change(row, figure)
    return f" ({change})" if change[:1] in "+-" else ""


def _day(day: date) -> str:
    return day.isoformat()


def _marked_day(row: pd.Series) -> str:
    """A day of the overview, marked if it is not over or not settled."""
    marks = [] if row["is_complete"] else ["not over"]
    marks += [] if row["is_settled"] else ["not settled"]
    return _day(row["day"]) + (f" ({', '.join(marks)})" if marks else "")
