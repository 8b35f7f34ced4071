"""The report: one HTML file with the key figures, the charts and the numbers behind them.

It needs nothing but itself (charts are embedded, a policy in its head forbids the rest), holds no
time of making, and is the same, byte for byte, for the same tables. Whatever comes from the data is
escaped.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from engagement import private
from engagement.dashboards import charts, style
from engagement.privacy import shown
from engagement.settings import Settings
from engagement.warehouse.base import Warehouse

QUERIES = {
    "overview": "select * from marts.daily_overview order by day",
    "periods": "select * from marts.overview_periods order by window_days",
    "funnel": "select * from marts.funnel_steps order by step_number",
    "retention": "select * from marts.retention_weekly order by cohort_week, week_number",
    "channels": """
        with credited as (
            select channel, sum(credits) as credits, sum(revenue) as revenue
            from marts.attribution_last_touch
            group by channel
        ),
        visits as (
            select
                channel,
                sum(sessions) as sessions,
                sum(engaged_sessions) as engaged_sessions,
                sum(converting_sessions) as converting_sessions,
                sum(orders) as orders,
                sum(revenue) as revenue
            from marts.channel_performance
            group by channel
        )
        select
            coalesce(c.channel, v.channel) as channel,
            cast(coalesce(v.sessions, 0) as bigint) as sessions,
            cast(coalesce(v.engaged_sessions, 0) as bigint) as engaged_sessions,
            round(cast(v.engaged_sessions as double) / nullif(v.sessions, 0), 4) as engagement_rate,
            cast(coalesce(v.converting_sessions, 0) as bigint) as converting_sessions,
            round(cast(v.converting_sessions as double) / nullif(v.sessions, 0), 4)
                as conversion_rate,
            cast(coalesce(v.orders, 0) as bigint) as session_orders,
            cast(coalesce(v.revenue, 0) as decimal(18, 2)) as session_revenue,
            coalesce(c.credits, 0) as credits,
            cast(coalesce(c.revenue, 0) as decimal(18, 2)) as revenue
        from credited as c
        full join visits as v on c.channel = v.channel
        order by 10 desc, 2 desc, 1
    """,
    "products": """
        select product_id, name, viewers, adders, orders, units, revenue
        from marts.product_performance
        order by revenue desc, viewers desc, product_id
        limit 10
    """,
    "searches": """
        select term, searches, searchers, searches_without_results, no_result_rate
        from marts.search_terms
        where searches_without_results > 0
        order by searches_without_results desc, searches desc, term
        limit 10
    """,
}
"""What the report reads, by the name of the frame."""

_TYPED: dict[str, Any] = {"searches": {"typed": ["term"], "people": "searchers"}}
"""Frames of texts that people typed: what few of them did is withheld."""

_TOTALS = """
    select
        'orders' as counted_in,
        cast(count(*) as bigint) as orders,
        cast(coalesce(sum(revenue), 0) as decimal(18, 2)) as revenue
    from marts.orders
    where not (:exclude_bots and coalesce(is_bot, false))
    union all
    select
        'daily_overview' as counted_in,
        cast(coalesce(sum(orders), 0) as bigint) as orders,
        cast(coalesce(sum(revenue), 0) as decimal(18, 2)) as revenue
    from marts.daily_overview
    union all
    select
        'channel_performance' as counted_in,
        cast(coalesce(sum(orders), 0) as bigint) as orders,
        cast(coalesce(sum(revenue), 0) as decimal(18, 2)) as revenue
    from marts.channel_performance
    union all
    select
        'attribution_last_touch' as counted_in,
        cast(coalesce(sum(orders), 0) as bigint) as orders,
        cast(coalesce(sum(revenue), 0) as decimal(18, 2)) as revenue
    from marts.attribution_last_touch
    order by 1
"""


@dataclass(frozen=True)
class _Measure:
    """A key figure: what it is called, its column, and how it is written."""

    name: str
    column: str
    kind: str


_MEASURES = (
    _Measure("Users", "users", "count"),
    _Measure("New users", "new_users", "count"),
    _Measure("Sessions", "sessions", "count"),
    _Measure("Engagement rate", "engagement_rate", "share"),
    _Measure("Bounce rate", "bounce_rate", "share"),
    _Measure("Conversion rate", "conversion_rate", "share"),
    _Measure("Orders", "orders", "count"),
    _Measure("Revenue", "revenue", "money"),
    _Measure("Average order value", "average_order_value", "money"),
    _Measure("Items per order", "items_per_order", "count"),
)


def collect(warehouse: Warehouse) -> dict[str, pd.DataFrame]:
    """Read what the report needs from the dashboards' tables, as it may be shown."""
    with warehouse.session() as session:
        found = {name: session.query(sql, label=name) for name, sql in QUERIES.items()}
    frames = {name: shown(frame, **_TYPED.get(name, {})) for name, frame in found.items()}
    return frames | {"searches": frames["searches"].drop(columns="searchers")}


def totals(warehouse: Warehouse, settings: Settings) -> pd.DataFrame:
    """Orders and revenue as each table adds them up: they must be the same in all."""
    return warehouse.query(_TOTALS, {"exclude_bots": settings.metrics.exclude_bots})


def write(warehouse: Warehouse, settings: Settings, as_of: date, path: Path) -> Path:
    """Write the report of an as-of date to a file.

    Returns
    -------
    Path
        The file.
    """
    page = render(
        collect(warehouse),
        as_of=as_of,
        timezone=settings.timezone,
        currency=settings.currency.reporting,
        window_days=settings.funnel.window_days,
        lookback_days=settings.attribution.lookback_days,
        exclude_bots=settings.metrics.exclude_bots,
    )
    private.write(path, page)
    return path


def render(
    frames: Mapping[str, pd.DataFrame],
    *,
    as_of: date,
    timezone: str,
    currency: str,
    window_days: int,
    lookback_days: int,
    exclude_bots: bool,
) -> str:
    """Make the page from the frames of :func:`collect`."""
    body = "\n".join(
        [
            _key_figures(frames["periods"], currency),
            _trends(frames["overview"], currency),
            _funnel(frames["funnel"], window_days),
            _retention(frames["retention"]),
            _attribution(frames["channels"], currency, lookback_days),
            _products(frames["products"], currency),
            _searches(frames["searches"]),
        ]
    )
    template = (resources.files("engagement.dashboards") / "report.html").read_text("utf-8")
    return Template(template).substitute(
        title=_escape("Customer engagement"),
        subtitle=_escape(
            f"As of {_day(as_of)}; days in {timezone}, money in {currency}, "
            f"crawlers {'left out' if exclude_bots else 'counted'}."
        ),
        body=body,
        footer=_escape(
            "Every figure is defined beside the table it comes from: marts.overview_periods, "
            "daily_overview, funnel_steps, retention_weekly, attribution_last_touch, "
            "channel_performance, product_performance and search_terms."
        ),
    )


# --- sections -----------------------------------------------------------------------------------


def _key_figures(periods: pd.DataFrame, currency: str) -> str:
    complete = periods[periods["is_complete"].fillna(False)]
    if complete.empty:
        words = "There are not seven whole days of data yet, so there is no period to sum up."
        return _section("Key figures", _words(words))
    week = complete.iloc[0]
    tiles = "".join(
        f'<div class="tile"><span>{_escape(measure.name)}</span>'
        f"<b>{_escape(_write(week[measure.column], measure.kind, currency))}</b>"
        f"<span>{_escape(_change(week, measure))}</span></div>"
        for measure in _MEASURES
    )
    days = int(week["window_days"])
    since, until = _day(week["from_day"]), _day(week["to_day"])
    note = f"The {days} days from {since} to {until}, and how they compare with the {days} before."
    header = ["", *(f"{int(days)} days" for days in complete["window_days"])]
    rows = [
        [
            measure.name,
            *(
                _write(row[measure.column], measure.kind, currency) + _compared(row, measure)
                for _, row in complete.iterrows()
            ),
        ]
        for measure in _MEASURES
    ]
    numbers = _table(pd.DataFrame(rows, columns=header))
    return _section(
        "Key figures", f'{_note(note)}<div class="tiles">{tiles}</div>{_details(numbers)}'
    )


def _trends(overview: pd.DataFrame, currency: str) -> str:
    words = "There are fewer than seven days of data: too few for a trend."
    drawn = [
        charts.or_words(overview, charts.trend, 7, words, **options)
        for options in (
            {"measure": "revenue", "name": "Revenue", "unit": currency},
            {"measure": "sessions", "name": "Sessions"},
            {
                "measure": "converting_sessions",
                "over": "sessions",
                "name": "Conversion rate",
                "unit": "% of sessions",
            },
        )
    ]
    if not isinstance(drawn[0], Figure):
        return _section("Trends", _words(words))
    numbers = _table(
        pd.DataFrame(
            {
                "day": [_day(day) for day in overview["day"]],
                "users": overview["users"],
                "sessions": overview["sessions"],
                "orders": overview["orders"],
                f"revenue ({currency})": overview["revenue"],
            }
        ).tail(14)
    )
    return _section("Trends", "".join(_shown(item) for item in drawn) + _details(numbers))


def _funnel(funnel: pd.DataFrame, window_days: int) -> str:
    drawn = charts.or_words(
        funnel, charts.funnel, 1, "Nobody has viewed a product yet.", counting="persons"
    )
    note = (
        f"Persons who took each step strictly after the one before it, all within {window_days} "
        "days of the view. Who is counted at a step is counted at every step before it."
    )
    numbers = _table(
        pd.DataFrame(
            {
                "step": funnel["step"],
                "persons": funnel["persons"],
                "of the step before": _shares(funnel["step_rate"]),
                "of all": _shares(funnel["overall_rate"]),
                "still within their window": funnel["persons_waiting"],
            }
        )
    )
    return _section("From view to order", _note(note) + _shown(drawn, numbers))


def _retention(retention: pd.DataFrame) -> str:
    drawn = charts.or_words(
        retention[retention["week_number"] > 0],
        charts.retention,
        1,
        "No week after a cohort's own is over yet: too little data for retention.",
        counting="is_mature",
    )
    note = "Of those who were first active in a week, the share that was active in each week since."
    return _section("Retention", _note(note) + _shown(drawn))


def _attribution(channels: pd.DataFrame, currency: str, lookback_days: int) -> str:
    drawn = charts.or_words(
        channels,
        charts.attribution,
        1,
        "There is no order with revenue yet, so there is nothing to attribute.",
        counting="revenue",
        unit=currency,
    )
    note = (
        f"Each order's revenue goes to the last touch of the {lookback_days} days before it that "
        "was not direct, and to direct where there was no other."
    )
    numbers = _table(
        pd.DataFrame(
            {
                "channel": channels["channel"],
                "sessions": channels["sessions"],
                "engaged": _shares(channels["engagement_rate"]),
                "with an order": _shares(channels["conversion_rate"]),
                f"revenue by session ({currency})": channels["session_revenue"],
                "credited orders": channels["credits"],
                f"credited revenue ({currency})": channels["revenue"],
            }
        )
    )
    return _section("Channels", _note(note) + _shown(drawn, numbers))


def _products(products: pd.DataFrame, currency: str) -> str:
    if products.empty:
        return _section("Products", _words("No product was viewed or bought yet."))
    numbers = _table(
        pd.DataFrame(
            {
                "product": [
                    row["product_id"] if pd.isna(row["name"]) else row["name"]
                    for _, row in products.iterrows()
                ],
                "viewers": products["viewers"],
                "put into cart by": products["adders"],
                "orders": products["orders"],
                "units": products["units"],
                f"revenue ({currency})": products["revenue"],
            }
        )
    )
    return _section("Products", _note("The ten products with the most revenue.") + numbers)


def _searches(searches: pd.DataFrame) -> str:
    title = "Searches that found nothing"
    if searches.empty:
        return _section(title, _words("No search came back empty."))
    numbers = _table(
        pd.DataFrame(
            {
                "term": searches["term"],
                "searches": searches["searches"],
                "of these without results": searches["searches_without_results"],
                "share": _shares(searches["no_result_rate"]),
            }
        )
    )
    return _section(title, numbers)


# --- pieces -------------------------------------------------------------------------------------


def _escape(text: object) -> str:
    return html.escape(str(text), quote=True)


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{_escape(title)}</h2>\n{content}\n</section>"


def _note(text: str) -> str:
    return f'<p class="note">{_escape(text)}</p>\n'


def _words(text: str) -> str:
    return f"<p>{_escape(text)}</p>\n"


def _details(content: str) -> str:
    return f"<details><summary>The numbers</summary>{content}</details>\n"


def _shown(drawn: Any, numbers: str = "") -> str:
    if not isinstance(drawn, Figure):
        return _words(drawn.data)
    image = base64.b64encode(style.svg(drawn)).decode("ascii")
    seen = " ".join(drawn.get_suptitle().split())
    figure = (
        f'<figure><img alt="{_escape(seen)}" src="data:image/svg+xml;base64,{image}"></figure>\n'
    )
    return figure + (_details(numbers) if numbers else "")


def _table(frame: pd.DataFrame) -> str:
    numeric = {
        column: not frame[column].map(lambda cell: isinstance(cell, str)).any() and len(frame) > 0
        for column in frame.columns
    }
    head = "".join(_cell("th", column, numeric=numeric[column]) for column in frame.columns)
    rows = "".join(
        "<tr>"
        + "".join(
            _cell("td", _plain(cell), numeric=numeric[column])
            for column, cell in zip(frame.columns, row, strict=True)
        )
        + "</tr>\n"
        for row in frame.itertuples(index=False, name=None)
    )
    return (
        f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n'
        "</table></div>\n"
    )


def _cell(tag: str, content: object, *, numeric: bool) -> str:
    kind = ' class="number"' if numeric else ""
    return f"<{tag}{kind}>{_escape(content)}</{tag}>"


def _plain(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    return "–" if pd.isna(cell) else f"{cell:,}".removesuffix(".0")


def _shares(column: pd.Series) -> list[str]:
    return ["–" if pd.isna(share) else style.percent(float(share)) for share in column]


def _write(value: Any, kind: str, currency: str) -> str:
    if pd.isna(value):
        return "–"
    match kind:
        case "share":
            return style.percent(float(value))
        case "money":
            return f"{float(value):,.2f} {currency}"
        case _:
            return style.number(float(value))


def _change(row: pd.Series, measure: _Measure) -> str:
    now, before = row[measure.column], row[f"previous_{measure.column}"]
    if pd.isna(now) or pd.isna(before):
        return "nothing to compare with"
    if measure.kind == "share":
        return f"{(float(now) - float(before)) * 100:+.1f} points"
    if float(before) == 0:
        return "none before"
    return f"{(float(now) / float(before) - 1) * 100:+.0f} %"


def _compared(row: pd.Series, measure: _Measure) -> str:
    change = _change(row, measure)
    return f" ({change})" if change[:1] in "+-" else ""


def _day(day: date) -> str:
    return day.isoformat()
