"""What is the same in two dashboard tables, one line each: both sides are sums over a whole table.

``{counted}`` stands for the condition that a row is in metrics.
"""

from __future__ import annotations

from typing import Any

_ORDERS = "orders where {counted} and status <> 'cancelled'"
_NEW = "arrivals where is_new"
_OPEN = "funnel_open where segment_by = 'all'"


def _of_new_people(period: str) -> str:
    """Orders and refunds of new people, in periods that are over; none is before its person."""
    day = "greatest(e.day, a.first_day)"
    last = f"date_add('day', -1, date_add('{period}', 1, date_trunc('{period}', {day})))"
    return (
        "dashboard_entries as e inner join marts.arrivals as a on e.person_id = a.person_id"
        " cross join (select max(day) as day from marts.daily_overview where is_complete) as w"
        f" where a.is_new and e.kind in ('order', 'refund') and cast({last} as date) <= w.day"
    )


# A session is at one anchor with each of the forty commonest kinds of its events.
_ANCHORED = (
    "sessions as s inner join (select distinct session_id, coalesce(event, type) as name"
    " from marts.session_events) as e on s.session_id = e.session_id"
    " inner join (select coalesce(event, type) as name from marts.session_events"
    " where session_id is not null and {counted} group by coalesce(event, type)"
    " order by count(*) desc, coalesce(event, type) limit 40) as c on e.name = c.name"
    " where {counted}"
)

# What is the same: (what, from where) on each side. Amounts first, then orders, sessions, people.
IDENTITIES: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    f"{measure} of {table} is the days'": (
        (f"sum({measure})", table),
        (f"sum({measure})", "daily_overview"),
    )
    for table in (
        *("dashboard_entries", "acquisition_channels", "acquisition_sources"),
        *("acquisition_landing_pages", "technology", "countries"),
    )
    for measure in (
        *("revenue", "refunds", "order_total", "orders", "valued_orders", "unvalued_orders"),
        *("cancelled_orders", "units", "sessions", "engaged_sessions", "bounced_sessions"),
        "converting_sessions",
    )
}
IDENTITIES |= {
    f"{measure} by the hour is the days'": (
        (f"sum({measure})", "orders_hourly"),
        (f"sum({measure})", "daily_overview"),
    )
    for measure in (
        "revenue",
        "orders",
        "valued_orders",
        "units",
        "sessions",
        "converting_sessions",
    )
}
IDENTITIES |= {
    f"{measure} of {table} is the orders'": (
        (f"sum({measure})", table),
        (f"sum({measure})", _ORDERS),
    )
    for table in (
        "attribution_paths",
        *(
            f"{table} where model = '{model}'"
            for model in ("first", "last", "last_non_direct", "linear", "position", "time_decay")
            for table in ("attribution_shares", "attribution_sources", "attribution_channels")
        ),
        "attribution_channels where model = 'markov'",
    )
    for measure in ("revenue", "net_revenue")
}
IDENTITIES |= {
    f"{measure} of cohorts by {period} is new people's": (
        (f"sum({measure})", f"cohort_revenue where period = '{period}' and is_mature"),
        (f"sum(e.{measure})", _of_new_people(period)),
    )
    for period in ("week", "month")
    for measure in ("revenue", "refunds", "orders", "valued_orders")
}
IDENTITIES |= {
    f"{measure} by {what} and day are the {what}'s": (
        (f"sum({measure})", daily),
        (f"sum({measure})", whole),
    )
    for what, daily, whole in (
        ("product", "product_daily", "product_performance"),
        ("category", "category_daily", "category_performance"),
    )
    for measure in ("views", "adds", "orders", "units")
}
IDENTITIES |= {
    f"{measure} by category are the products'": (
        (f"sum({measure})", "category_performance"),
        (f"sum({measure})", "product_performance"),
    )
    for measure in ("views", "adds", "units")
}
IDENTITIES |= {
    f"paths of the {direction} steps begin at every event of a session": (
        ("sum(sessions)", f"event_paths where direction = '{direction}' and step_number = 1"),
        ("count(*)", _ANCHORED),
    )
    for direction in ("next", "previous")
}
IDENTITIES |= {
    "whoever comes to a step goes on from it": (
        ("sum(sessions)", "event_paths where step_number > 1"),
        (
            "sum(sessions)",
            "event_paths where step_number < 5 and to_step not in ('(end)', '(start)')",
        ),
    ),
    "conversions of the paths are the orders": (
        ("sum(conversions)", "attribution_paths"),
        ("count(*)", _ORDERS),
    ),
    "credits of the shares are the orders of each model": (
        ("sum(credit)", "attribution_shares"),
        ("6 * count(*)", _ORDERS),
    ),
    "the chains' orders are the orders": (
        ("count(distinct order_id)", "attribution_chains"),
        ("count(*)", _ORDERS),
    ),
    "the chains begin as often as there are paths": (
        ("sum(case when from_state = '(start)' then transitions end)", "attribution_transitions"),
        ("sum(journeys)", "attribution_paths"),
    ),
    "item sales by category are the products'": (
        ("sum(item_sales)", "category_performance"),
        ("sum(item_sales)", "product_performance"),
    ),
    "item sales by product and day are the products'": (
        ("sum(item_sales)", "product_daily"),
        ("sum(item_sales)", "product_performance"),
    ),
    "item sales by category and day are the orders'": (
        ("sum(item_sales)", "category_daily"),
        ("sum(item_sales)", _ORDERS),
    ),
    "spend by segment is the customers'": (
        ("sum(spend)", "rfm_segments"),
        ("sum(spend_total)", "customer_360 where {counted}"),
    ),
    "spend of the grid is the buyers'": (
        ("sum(spend)", "rfm_grid"),
        ("sum(spend)", "rfm_segments where lifecycle_stage not in ('visitor', 'lead')"),
    ),
    "people by segment are all people": (
        ("sum(persons)", "rfm_segments"),
        ("count(*)", "customer_360 where {counted}"),
    ),
    "sessions that entered by a page are those with one": (
        ("sum(entries)", "page_engagement"),
        ("count(entry_page)", "sessions where {counted}"),
    ),
    "whoever enters by a page leaves by one": (
        ("sum(entries)", "page_engagement"),
        ("sum(exits)", "page_engagement"),
    ),
    "views by page are the views": (
        ("sum(views)", "page_engagement"),
        ("count_if(is_view)", "session_events where {counted}"),
    ),
    "events by kind are the days'": (
        ("sum(events)", "event_daily"),
        ("sum(events)", "daily_overview"),
    ),
    "events by channel are the days'": (
        ("sum(events)", "event_properties where property = 'channel'"),
        ("sum(events)", "daily_overview"),
    ),
    "events of people's days are the days'": (
        ("sum(events)", "person_days"),
        ("sum(events)", "daily_overview"),
    ),
    "searches by day are the terms'": (
        ("sum(searches)", "search_daily"),
        ("sum(searches)", "search_terms"),
    ),
    "carts by day are the carts": (
        ("sum(carts)", "cart_abandonment"),
        ("count(*)", "carts where {counted}"),
    ),
    "daily active people are the days' users": (
        ("sum(dau)", "rolling_users"),
        ("sum(users)", "daily_overview"),
    ),
    "new people by day are the cohorts'": (
        ("sum(cohort_persons)", "retention_daily where day_number = 0"),
        ("count(*)", _NEW),
    ),
    "new people by month are the cohorts'": (
        ("sum(cohort_persons)", "retention_monthly where month_number = 0"),
        ("count(*)", _NEW),
    ),
    "cohorts of weeks are those of retention_weekly": (
        ("sum(cohort_persons)", "cohort_cells where period = 'week'"),
        ("sum(cohort_persons)", "retention_weekly"),
    ),
    "new people of closed weeks are the cohorts'": (
        ("sum(new_persons)", "lifecycle_weekly"),
        ("sum(cohort_persons)", "retention_weekly where week_number = 0 and is_mature"),
    ),
    "people of closed weeks are what they were": (
        ("sum(active_persons)", "lifecycle_weekly"),
        ("sum(new_persons + retained_persons + returning_persons)", "lifecycle_weekly"),
    ),
    "people of the week before stayed or left": (
        ("sum(previous_active_persons)", "lifecycle_weekly"),
        ("sum(retained_persons + churned_persons)", "lifecycle_weekly"),
    ),
    "the funnel of all is the funnel": (
        ("sum(persons)", "funnel_segments where segment_by = 'all'"),
        ("sum(persons)", "funnel_steps"),
    ),
    "the funnel by channel is the funnel": (
        ("sum(persons)", "funnel_segments where segment_by = 'channel'"),
        ("sum(persons)", "funnel_steps"),
    ),
    "people who enter the open funnel at its first step are its viewers": (
        ("sum(persons)", f"{_OPEN} and entry_step_number = 1 and step_number = 1"),
        ("sum(persons)", "funnel_steps where step_number = 1"),
    ),
    "buyers are who enters the open funnel at the order": (
        ("sum(persons)", f"{_OPEN} and entry_step_number = 4"),
        ("count(distinct person_id)", _ORDERS),
    ),
}


def broken(books: Any) -> list[str]:
    """Identities that do not hold, with both sides."""
    sides = []
    for number, (left, right) in enumerate(IDENTITIES.values()):
        for side, (what, table) in (("a", left), ("b", right)):
            sides.append(
                f"select {number} as n, '{side}' as side, cast({what} as decimal(38, 6)) as v"
                f" from marts.{table.format(counted=books.counted)}"
            )
    found: dict[int, dict[str, Any]] = {}
    for start in range(0, len(sides), 40):
        frame = books.warehouse.query(" union all ".join(sides[start : start + 40]))
        for number, side, value in frame.itertuples(index=False):
            found.setdefault(int(number), {})[side] = value if value == value else 0
    return [
        f"{name}: {found[number]}"
        for number, name in enumerate(IDENTITIES)
        if (found[number]["a"] or 0) != (found[number]["b"] or 0)
    ]
