"""The report: one HTML file with the key figures, the charts and the numbers behind them.

It needs nothing but itself (charts are embedded, a policy in its head forbids the rest), holds no
time of making, and is the same, byte for byte, for the same tables. Whatever comes from the data is
escaped.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from engagement import owner_only
from engagement.as_of import AsOf
from engagement.dashboards import charts, style
from engagement.models.concepts import EventMapping, mapping
from engagement.privacy import shown
from engagement.settings import Settings
from engagement.sql.dialect import Table
from engagement.warehouse.protocol import Warehouse

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
            cast(coalesce(v.revenue, 0) as decimal(38, 2)) as session_revenue,
            coalesce(c.credits, 0) as credits,
            cast(coalesce(c.revenue, 0) as decimal(38, 2)) as revenue
        from credited as c
        full join visits as v on c.channel = v.channel
        order by 10 desc, 2 desc, 1
    """,
    "products": """
        select product_id, name, viewers, adders, orders, units, item_sales
        from marts.product_performance
        order by item_sales desc, viewers desc, product_id
        limit 10
    """,
    "reconciliation": """
        select label, is_result, amount
        from marts.revenue_reconciliation
        order by step
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

LANDING_QUERIES = {
    "ledger": """
        select
            l.records, l.events, l.duplicates, l.quarantined, l.unreadable_files,
            l.unbelieved_timestamps, d.discards, e.newest
        from (
            select
                sum(records) as records,
                sum(events) as events,
                sum(duplicates) as duplicates,
                sum(quarantined) as quarantined,
                sum(unreadable_files) as unreadable_files,
                sum(unbelieved_timestamps) as unbelieved_timestamps
            from landing.ledger
        ) as l
        cross join (select count(*) as discards from events.discards) as d
        cross join (select max(received_at) as newest from events.events) as e
    """,
    "reasons": """
        select reason, sum(records) as records
        from landing.quarantine_reasons
        group by reason
        order by 2 desc, 1
        limit 5
    """,
}
"""What it reads of the landing, where 02 has left its account of it."""

_TYPED: dict[str, Any] = {"searches": {"typed": ["term"], "people": "searchers"}}
"""Frames of texts that people typed: what few of them did is withheld."""

_TOTALS = """
    select
        'orders' as counted_in,
        count_if(o.status <> 'cancelled') as orders,
        cast(coalesce(sum(o.revenue), 0) as decimal(38, 2)) as revenue,
        cast(coalesce(sum(o.net_revenue), 0) as decimal(38, 2)) as net_revenue
    from marts.orders as o
    where not (:exclude_bots and coalesce(o.is_bot, false))
    union all
    select
        'daily_overview' as counted_in,
        cast(coalesce(sum(d.orders), 0) as bigint) as orders,
        cast(coalesce(sum(d.revenue), 0) as decimal(38, 2)) as revenue,
        cast(coalesce(sum(d.net_revenue), 0) as decimal(38, 2)) as net_revenue
    from marts.daily_overview as d
    union all
    select
        'channel_performance' as counted_in,
        cast(coalesce(sum(c.orders), 0) as bigint) as orders,
        cast(coalesce(sum(c.revenue), 0) as decimal(38, 2)) as revenue,
        cast(coalesce(sum(c.net_revenue), 0) as decimal(38, 2)) as net_revenue
    from marts.channel_performance as c
    union all
    select
        'attribution_last_touch' as counted_in,
        cast(coalesce(sum(a.orders), 0) as bigint) as orders,
        cast(coalesce(sum(a.revenue), 0) as decimal(38, 2)) as revenue,
        cast(coalesce(sum(a.net_revenue), 0) as decimal(38, 2)) as net_revenue
    from marts.attribution_last_touch as a
    union all
    select
        'customer_360' as counted_in,
        cast(coalesce(sum(p.orders_total), 0) as bigint) as orders,
        cast(null as decimal(38, 2)) as revenue,
        cast(coalesce(sum(p.spend_total), 0) as decimal(38, 2)) as net_revenue
    from marts.customer_360 as p
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
    _Measure("Refunds", "refunds", "money"),
    _Measure("Net revenue", "net_revenue", "money"),
    _Measure("Average order value", "average_order_value", "money"),
    _Measure("Items per order", "items_per_order", "count"),
)


_DEFINITIONS = (
    ("Users", "persons with at least one event."),
    (
        "New users",
        "persons whose first event was then, unless their account is more than a day older.",
    ),
    (
        "Engagement rate",
        "sessions with two views, of more than 10 seconds or with an order; all others bounce.",
    ),
    ("Conversion rate", "sessions with an order that stands, of all sessions."),
    ("Orders", "those that stand: a cancelled order is in no figure but its own."),
    (
        "Revenue",
        "what orders brought without tax and shipping, before refunds, on the day of the order.",
    ),
    ("Refunds", "what refunds took off revenue, on the day of the refund."),
    ("Net revenue", "revenue less the refunds of the same days."),
    ("Item sales", "price times quantity of what was ordered, before discounts on the order."),
    ("Order total", "what customers were charged: revenue, tax and shipping."),
    ("Average order value", "revenue per order whose worth is known."),
)


def collect(warehouse: Warehouse) -> dict[str, pd.DataFrame]:
    """Read what the report needs from the dashboards' tables, as it may be shown."""
    with warehouse.session() as session:
        accounted = bool(session.columns(Table("landing", "ledger")))
        queries = {**QUERIES, **(LANDING_QUERIES if accounted else {})}
        found = {name: session.query(sql, label=name) for name, sql in queries.items()}
    frames = {name: shown(frame, **_TYPED.get(name, {})) for name, frame in found.items()}
    return frames | {"searches": frames["searches"].drop(columns="searchers")}


def totals(warehouse: Warehouse, settings: Settings) -> pd.DataFrame:
    """Orders and money as each table adds them up: they must be the same in all.

    Customer 360 knows a person's spend, which is net revenue, and no revenue before refunds.
    """
    return warehouse.query(_TOTALS, {"exclude_bots": settings.metrics.exclude_bots})


def write(warehouse: Warehouse, settings: Settings, as_of: AsOf, path: Path) -> Path:
    """Write the report of an as-of moment to a file.

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
        settling_days=settings.metrics.settling_days,
        mapped=mapping(warehouse, settings),
    )
    owner_only.write(path, page)
    return path


def render(
    frames: Mapping[str, pd.DataFrame],
    *,
    as_of: AsOf,
    timezone: str,
    currency: str,
    window_days: int,
    lookback_days: int,
    exclude_bots: bool,
    settling_days: int,
    mapped: EventMapping | None = None,
) -> str:
    """Make the page from the frames of :func:`collect`.

    ``mapped`` tells "there is none" from "no event is mapped to it".
    """
    mapped = mapped or EventMapping((), {})
    body = "\n".join(
        [
            _key_figures(frames["periods"], currency, settling_days, as_of, mapped),
            _trends(frames["overview"], currency),
            _funnel(frames["funnel"], window_days, mapped),
            _retention(frames["retention"], settling_days),
            _attribution(frames["channels"], currency, lookback_days, mapped),
            _products(frames["products"], currency, mapped),
            _searches(frames["searches"], mapped),
            _money(frames["reconciliation"], currency, mapped),
            _quality(frames),
            _definitions(settling_days),
        ]
    )
    template = (resources.files("engagement.dashboards") / "report.html").read_text("utf-8")
    return Template(template).substitute(
        title=_escape("Customer engagement"),
        subtitle=_escape(
            f"As of {as_of}; days in {timezone}, money in {currency}, "
            f"crawlers {'left out' if exclude_bots else 'counted'}."
        ),
        body=body,
        footer=_escape(
            "The YAML beside each table's SQL defines every figure: marts.overview_periods, "
            "daily_overview, funnel_steps, retention_weekly, attribution_last_touch, "
            "channel_performance, product_performance, search_terms and revenue_reconciliation."
        ),
    )


# --- sections -----------------------------------------------------------------------------------


def _key_figures(
    periods: pd.DataFrame, currency: str, settling_days: int, as_of: AsOf, mapped: EventMapping
) -> str:
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
    if as_of.is_latest:
        note += " The last of them is not over."
    unsettled = _unsettled(week)
    if unsettled:
        note += (
            f" {unsettled} began in the first {settling_days} of the data, in which people seem "
            "new who are not."
        )
    note = " ".join([note, *mapped.missing("order_completed")])
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


def _unsettled(week: pd.Series) -> str | None:
    """Which of a period's days, its own or those before, began before the landing had settled."""
    if not week["is_settled"]:
        return "The days"
    before = week["previous_is_settled"]
    return "The days before" if pd.notna(before) and not before else None


def _trends(overview: pd.DataFrame, currency: str) -> str:
    words = "There are fewer than seven days of data: too few for a trend."
    drawn = [
        _drawn(overview, charts.trend, 7, words, **options)
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
    if isinstance(drawn[0], str):
        return _section("Trends", _words(words))
    numbers = _table(
        pd.DataFrame(
            {
                "day": [_marked_day(row) for _, row in overview.iterrows()],
                "users": overview["users"],
                "new users": overview["new_users"],
                "sessions": overview["sessions"],
                "orders": overview["orders"],
                f"revenue ({currency})": overview["revenue"],
                f"refunds ({currency})": overview["refunds"],
                f"net revenue ({currency})": overview["net_revenue"],
            }
        ).tail(14)
    )
    return _section("Trends", "".join(_shown(item) for item in drawn) + _details(numbers))


_FUNNEL = ("product_added", "checkout_started", "order_completed")


def _funnel(funnel: pd.DataFrame, window_days: int, mapped: EventMapping) -> str:
    nobody = mapped.unless_mapped("Nobody has viewed a product yet.", "product_viewed")
    drawn = _drawn(funnel, charts.funnel, 1, nobody, counting="persons")
    note = (
        f"Persons who took each step strictly after the one before it, all within {window_days} "
        "days of the view. Who is counted at a step is counted at every step before it."
    )
    if isinstance(drawn, _Drawn):
        note = " ".join([note, *mapped.missing(*_FUNNEL)])
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


def _retention(retention: pd.DataFrame, settling_days: int) -> str:
    drawn = _drawn(
        retention[retention["week_number"] > 0],
        charts.retention,
        1,
        "No week after a cohort's own is over yet: too little data for retention.",
        counting="is_mature",
    )
    note = (
        "Of the new people of a week, the share that was active in each week since. Cohorts that "
        f"began in the first {settling_days} days of the data are hatched: in them are people who "
        "only seem new."
    )
    numbers = _table(_retention_by_people(retention)) if isinstance(drawn, _Drawn) else ""
    return _section("Retention", _note(note) + _shown(drawn, numbers))


def _retention_by_people(retention: pd.DataFrame) -> pd.DataFrame:
    """The share that came back per week, of all cohorts that are old enough, by kind of people."""
    settled = retention[retention["is_settled"].astype(bool) & retention["is_mature"].astype(bool)]
    chosen, which = retention, "all cohorts"
    if settled["week_number"].gt(0).any():
        chosen, which = settled, "settled cohorts"
    columns: dict[str, Any] = {}
    for people in ("everyone", "identified", "guests"):
        cells = charts.retention_cells(chosen, people)
        cells = cells[cells["week_number"].between(1, 8) & cells["rate"].notna()]
        sums = cells.groupby("week_number")[["cohort_persons", "retained_persons"]].sum()
        columns[people] = sums["retained_persons"] / sums["cohort_persons"]
    table = pd.DataFrame(columns)
    shares = {name: _shares(table[name]) for name in columns}
    return pd.DataFrame({f"weeks since ({which})": [str(week) for week in table.index], **shares})


def _attribution(
    channels: pd.DataFrame, currency: str, lookback_days: int, mapped: EventMapping
) -> str:
    drawn = _drawn(
        channels,
        charts.attribution,
        1,
        mapped.unless_mapped(
            "There is no order with revenue yet, so there is nothing to attribute.",
            "order_completed",
        ),
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


def _products(products: pd.DataFrame, currency: str, mapped: EventMapping) -> str:
    if products.empty:
        words = "No product was viewed or bought yet."
        concepts = "product_viewed", "product_added", "order_completed"
        return _section("Products", _words(mapped.unless_mapped(words, *concepts)))
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
                f"item sales ({currency})": products["item_sales"],
            }
        )
    )
    note = "The ten products with the most item sales: before discounts on the order and refunds."
    return _section("Products", _note(note) + numbers)


def _searches(searches: pd.DataFrame, mapped: EventMapping) -> str:
    title = "Searches that found nothing"
    if searches.empty:
        words = mapped.unless_mapped("No search came back empty.", "products_searched")
        return _section(title, _words(words))
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


def _money(reconciliation: pd.DataFrame, currency: str, mapped: EventMapping) -> str:
    note = (
        "Why item sales, revenue, net revenue and order totals differ, over all orders that stand. "
        "The items difference is what the lines of orders do not explain."
    )
    if reconciliation.empty:
        words = mapped.unless_mapped("No order was placed yet.", "order_completed")
        return _section("How the money adds up", _words(words))
    amounts = [
        f"{'= ' if row['is_result'] else ''}{row['amount']:,}"
        for _, row in reconciliation.iterrows()
    ]
    numbers = _table(
        pd.DataFrame({"step": reconciliation["label"], f"amount ({currency})": amounts}),
        numbers=(f"amount ({currency})",),
    )
    return _section("How the money adds up", _note(note) + numbers)


def _quality(frames: Mapping[str, pd.DataFrame]) -> str:
    """What became of the landed records, and what the figures above are without."""
    title = "Data quality"
    note = "Each landed record is kept, a repeated delivery, or set aside with its reason."
    ledger, reasons = frames.get("ledger"), frames.get("reasons")
    if ledger is None or ledger.empty or pd.isna(ledger["newest"].iloc[0]):
        return _section(title, _words("No event was kept of the landing."))
    total = ledger.iloc[0]
    records = int(total["records"])
    rows = [
        ("Records landed", _count(records), ""),
        ("Events kept", _count(total["events"]), style.percent(total["events"] / records)),
        ("Delivered again", _count(total["duplicates"]), _share_of(total["duplicates"], records)),
        ("Set aside", _count(total["quarantined"]), _share_of(total["quarantined"], records)),
        ("Files that could not be read", _count(total["unreadable_files"]), ""),
        ("Event times not believed", _count(total["unbelieved_timestamps"]), ""),
        ("Values that did not fit their column", _count(total["discards"]), ""),
        ("Orders of unknown worth", _count(frames["overview"]["unvalued_orders"].sum()), ""),
        ("Newest event received", f"{total['newest']:%Y-%m-%d %H:%M} UTC", ""),
    ]
    numbers = _table(pd.DataFrame(rows, columns=["what", "how many", "of the records"]))
    if reasons is not None and len(reasons):
        numbers += _table(reasons.rename(columns={"reason": "set aside because"}))
    return _section(title, _note(note) + numbers)


def _count(value: Any) -> str:
    return f"{0 if pd.isna(value) else int(value):,}"


def _share_of(value: Any, whole: int) -> str:
    return style.percent((0 if pd.isna(value) else int(value)) / whole)


def _definitions(settling_days: int) -> str:
    unsettled = (
        "Not settled",
        f"a day, period or cohort that begins in the first {settling_days} days of the data.",
    )
    items = "".join(
        f"<dt>{_escape(name)}</dt><dd>{_escape(meaning)}</dd>\n"
        for name, meaning in (*_DEFINITIONS, unsettled)
    )
    return _section("What the figures mean", f"<dl>\n{items}</dl>")


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


@dataclass(frozen=True)
class _Drawn:
    """A chart in two widths: for a page, and for a telephone."""

    wide: Figure
    narrow: Figure


def _drawn(
    frame: pd.DataFrame, chart: Callable[..., Figure], rows: int, words: str, **options: Any
) -> _Drawn | str:
    """A chart, or the words where there is too little data for it."""
    wide = charts.chart_or_message(frame, chart, rows, words, **options)
    with style.narrow():
        narrow = charts.chart_or_message(frame, chart, rows, words, **options)
    if isinstance(wide, Figure) and isinstance(narrow, Figure):
        return _Drawn(wide, narrow)
    return words


def _shown(drawn: _Drawn | str, numbers: str = "") -> str:
    if isinstance(drawn, str):
        return _words(drawn)
    seen = " ".join(drawn.wide.get_suptitle().split())
    figure = (
        f'<figure><picture><source media="(max-width: 36rem)" srcset="{_embedded(drawn.narrow)}">'
        f'<img alt="{_escape(seen)}" data-width="{_pixels(drawn.wide)}" '
        f'data-narrow="{_pixels(drawn.narrow)}" src="{_embedded(drawn.wide)}"></picture></figure>\n'
    )
    return figure + (_details(numbers) if numbers else "")


def _embedded(figure: Figure) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(style.svg(figure)).decode('ascii')}"


def _pixels(figure: Figure) -> int:
    """Width at which letters have the size they were drawn in."""
    return round(figure.get_figwidth() * 96)


def _table(frame: pd.DataFrame, *, numbers: Sequence[str] = ()) -> str:
    """A table; columns without texts, and ``numbers``, are set flush right."""
    numeric = {
        column: column in numbers
        or (not frame[column].map(lambda cell: isinstance(cell, str)).any() and len(frame) > 0)
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
    if float(before) < 0:
        return "below zero before"
    return f"{(float(now) / float(before) - 1) * 100:+.0f} %"


def _compared(row: pd.Series, measure: _Measure) -> str:
    change = _change(row, measure)
    return f" ({change})" if change[:1] in "+-" else ""


def _day(day: date) -> str:
    return day.isoformat()


def _marked_day(row: pd.Series) -> str:
    """A day of the overview, with what keeps it from being compared."""
    marks = [] if row["is_complete"] else ["not over"]
    marks += [] if row["is_settled"] else ["not settled"]
    return _day(row["day"]) + (f" ({', '.join(marks)})" if marks else "")
