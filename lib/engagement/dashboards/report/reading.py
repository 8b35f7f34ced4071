"""What the report reads of the tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from engagement.dashboards.report import periods
from engagement.privacy import shown
from engagement.settings import Settings
from engagement.sql.dialect import Table, parse, tables
from engagement.warehouse.protocol import Session, Warehouse


def _since(days: int) -> str:
    """The condition that a row is of the last days of the data."""
    return f"""
            t.day > (
                select cast(date_add('day', -{days}, max(d.day)) as date)
                from marts.daily_overview as d
            )
    """


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
    "recent_channels": f"""
        select
            t.channel,
            cast(sum(t.sessions) as bigint) as sessions,
            cast(sum(t.engaged_sessions) as bigint) as engaged_sessions,
            round(cast(sum(t.engaged_sessions) as double) / nullif(sum(t.sessions), 0), 4)
                as engagement_rate,
            cast(sum(t.converting_sessions) as bigint) as converting_sessions,
            round(cast(sum(t.converting_sessions) as double) / nullif(sum(t.sessions), 0), 4)
                as conversion_rate,
            cast(sum(t.orders) as bigint) as orders,
            cast(sum(t.revenue) as decimal(38, 2)) as revenue
        from marts.channel_performance as t
        where {_since(periods.RECENT_DAYS)}
        group by t.channel
        having sum(t.sessions) > 0 or sum(t.orders) > 0
        order by sessions desc, revenue desc, t.channel
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
    "received": """
        select received_at_utc_date, records, quarantined
        from landing.ledger
        where records > 0
        order by received_at_utc_date
    """,
}
"""What the report reads of the landing, where 02 has counted it."""

_LAST_DAYS = f"where {_since(periods.LIST_DAYS)}"

_VISITS = """
            cast(sum(t.sessions) as bigint) as sessions,
            round(cast(sum(t.engaged_sessions) as double) / nullif(sum(t.sessions), 0), 4)
                as engagement_rate,
            round(cast(sum(t.converting_sessions) as double) / nullif(sum(t.sessions), 0), 4)
                as conversion_rate,
            cast(sum(t.orders) as bigint) as orders,
            cast(sum(t.revenue) as decimal(38, 2)) as revenue
"""


def _visits(table: str, by: str, most: int = 10) -> str:
    """Sessions, orders and revenue of the last 30 days by some columns, the most sessions first."""
    names = [name.strip() for name in by.split(",")]
    columns = ", ".join(f"t.{name}" for name in names)
    return f"""
        select {columns}, {_VISITS}
        from marts.{table} as t
        {_LAST_DAYS}
        group by {columns}
        order by sessions desc, revenue desc, {", ".join(names)}
        limit {most}
    """


AGGREGATES = {
    "live": f"""
        select
            t.day, t.channel, t.is_new_visitor, t.sessions, t.engaged_sessions,
            t.converting_sessions, t.orders, t.revenue
        from marts.acquisition_channels as t
        where
            (t.sessions > 0 or t.orders > 0) and {_since(periods.MOST_DAYS)}
        order by t.day, t.channel, t.is_new_visitor
    """,
    "sources": _visits("acquisition_sources", "source, medium, campaign"),
    "landing_pages": _visits("acquisition_landing_pages", "landing_page"),
    "devices": _visits("technology", "device_type"),
    "countries": _visits("countries", "country"),
    "pages": f"""
        select
            t.page,
            cast(sum(t.views) as bigint) as views,
            cast(sum(t.entries) as bigint) as entries,
            cast(sum(t.exits) as bigint) as exits,
            round(cast(sum(t.exits) as double) / nullif(sum(t.views), 0), 4) as exit_rate,
            round(cast(sum(t.milliseconds) as double) / nullif(1000 * sum(t.timed_views), 0), 1)
                as mean_seconds
        from marts.page_engagement as t
        {_LAST_DAYS}
        group by t.page
        order by views desc, t.page
        limit 10
    """,
    "rolling": f"""
        select
            t.day, t.is_complete, t.is_settled, t.is_wau_complete, t.is_mau_complete, t.dau, t.wau,
            t.mau, t.stickiness
        from marts.rolling_users as t
        order by t.day desc
        limit {periods.MOST_DAYS}
    """,
    "lifecycle": """
        select
            t.week, t.is_settled, t.active_persons, t.new_persons, t.retained_persons,
            t.returning_persons, t.churned_persons, t.previous_active_persons, t.churn_rate
        from marts.lifecycle_weekly as t
        order by t.week desc
        limit 26
    """,
    "carts": f"""
        select
            cast(coalesce(sum(t.carts), 0) as bigint) as carts,
            cast(coalesce(sum(t.ordered_carts), 0) as bigint) as ordered_carts,
            cast(coalesce(sum(t.cancelled_carts), 0) as bigint) as cancelled_carts,
            cast(coalesce(sum(t.abandoned_carts), 0) as bigint) as abandoned_carts,
            cast(coalesce(sum(t.open_carts), 0) as bigint) as open_carts,
            round(cast(sum(t.abandoned_carts) as double) / nullif(sum(t.decided_carts), 0), 4)
                as abandonment_rate
        from marts.cart_abandonment as t
        {_LAST_DAYS}
    """,
    "categories": """
        select t.category, t.viewers, t.adders, t.buyers, t.orders, t.units, t.item_sales
        from marts.category_performance as t
        order by t.item_sales desc, t.viewers desc, t.category
        limit 10
    """,
    "hours": f"""
        select t.day, t.weekday, t.hour, t.orders
        from marts.orders_hourly as t
        where {_since(periods.MOST_DAYS)}
        order by t.day, t.hour
    """,
    "segments": """
        select
            t.lifecycle_stage, t.rfm_segment, t.persons, t.share_of_persons, t.orders, t.spend,
            t.share_of_spend, t.mean_spend
        from marts.rfm_segments as t
        order by t.spend desc, t.persons desc, t.lifecycle_stage, t.rfm_segment
    """,
    "models": """
        select
            t.model,
            t.channel,
            sum(t.credits) as credits,
            cast(sum(t.revenue) as decimal(38, 2)) as revenue
        from marts.attribution_channels as t
        group by t.model, t.channel
        order by t.model, revenue desc, t.channel
    """,
    "paths": """
        select t.path, t.journeys, t.conversions, t.conversion_rate, t.revenue, t.mean_days
        from marts.attribution_paths as t
        where t.conversions > 0
        order by t.conversions desc, t.revenue desc, t.path
        limit 10
    """,
    "values": """
        select
            t.period, t.cohort_start, t.is_identified, t.period_number, t.is_mature, t.is_settled,
            t.cohort_persons, t.cumulative_net_revenue
        from marts.cohort_revenue as t
        where t.period = 'week' and t.period_number <= 26
        order by t.cohort_start, t.is_identified, t.period_number
    """,
}
"""What the report reads of the dashboards' further tables."""

_TYPED: dict[str, Any] = {"searches": {"typed": ["term"], "people": "searchers"}}
"""Frames of texts that people typed: what only a few of them typed is withheld."""

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


def models_read(warehouse: Warehouse) -> list[str]:
    """Names of the models that :func:`collect` reads: of :data:`AGGREGATES`, those that are there.

    All of them have to be built with the same parameters.
    """
    with warehouse.session() as session:
        queries = [*QUERIES.values(), *_built(session).values()]
    return sorted({table.name for sql in queries for table in tables(parse(sql))})


def collect(warehouse: Warehouse) -> dict[str, pd.DataFrame]:
    """Read what the report needs from the dashboards' tables, as it may be shown."""
    with warehouse.session() as session:
        accounted = bool(session.columns(Table("landing", "ledger")))
        queries = {**QUERIES, **_built(session), **(LANDING_QUERIES if accounted else {})}
        found = {name: session.query(sql, label=name) for name, sql in queries.items()}
    frames = {name: shown(frame, **_TYPED.get(name, {})) for name, frame in found.items()}
    return frames | {"searches": frames["searches"].drop(columns="searchers")}


def _built(session: Session) -> dict[str, str]:
    """The further queries whose tables are all there: a team may build a part of the models."""
    return {
        name: sql
        for name, sql in AGGREGATES.items()
        if all(session.columns(table) for table in tables(parse(sql)))
    }


def totals(warehouse: Warehouse, settings: Settings) -> pd.DataFrame:
    """Orders and money as each table adds them up: all tables must agree.

    Customer 360 knows a person's spend, which is net revenue, and no revenue before refunds.
    """
    return warehouse.query(_TOTALS, {"exclude_bots": settings.metrics.exclude_bots})
