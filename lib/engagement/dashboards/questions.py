"""The queries of explorations: built of numbers and of a module's own words, never of a reader's.

What a reader says is a parameter (``:step_1``), or one of the attributes that are listed.
"""

from __future__ import annotations

from collections.abc import Sequence

from engagement.dashboards.asking import EVENTS, NOT_SET, ORDER, OTHER, by_column


def funnel_query(orders: Sequence[bool], by: str | None) -> str:
    """Persons by segment and steps reached; built of numbers only, words are parameters.

    One pass from the end: at each moment of a person, when each later step would be reached from
    the earliest next step on.
    """
    last = len(orders)
    first = [n for n, is_order in enumerate(orders, 1) if is_order]
    marks = ",\n".join(
        f"max(case when m.is_order = {'true' if is_order else 'false'}"
        + ("" if is_order else f" and m.kind in (:step_{n})")
        + f" then m.happened_at end) as at_{n}"
        for n, is_order in enumerate(orders, 1)
    )
    own = "m.is_order" if 1 in first else "not m.is_order and m.kind in (:step_1)"
    levels = []
    before = "moments"
    over = (
        "over (partition by x.person_id order by x.happened_at "
        "rows between 1 following and unbounded following)"
    )
    for n in range(last - 1, 0, -1):
        kept = [f"x.at_{k}" for k in range(1, n + 1)]
        reach = [f"min(x.at_{n + 1}) {over} as reach_{n + 1}"] + [
            f"min(case when x.at_{n + 1} is not null then x.reach_{k} end) {over} as reach_{k}"
            for k in range(n + 2, last + 1)
        ]
        chosen = ", ".join(["x.person_id", "x.happened_at", "x.session_id", *kept, *reach])
        levels.append(f"from_{n} as (select {chosen} from {before} as x)")
        before = f"from_{n}"
    within = "cast(:window as bigint) * 86400000"
    furthest = "\n".join(
        f"when date_diff('millisecond', x.at_1, x.reach_{k}) <= {within} then {k}"
        for k in range(last, 1, -1)
    )
    return f"""
    with events as ({EVENTS}),
    sightings as (
        select e.person_id, e.session_id, e.kind, false as is_order, e.happened_at
        from events as e
        union all
        select
            o.person_id,
            o.session_id,
            cast('' as varchar) as kind,
            true as is_order,
            o.ordered_at as happened_at
        from marts.orders as o
        where o.status <> 'cancelled' and not (:exclude_bots and coalesce(o.is_bot, false))
    ),
    moments as (
        select
            m.person_id,
            m.happened_at,
            min(case when {own} then m.session_id end) as session_id,
            {marks}
        from sightings as m
        group by m.person_id, m.happened_at
    ),
    {", ".join(levels)},
    attempts as (
        select
            x.person_id,
            x.session_id,
            x.at_1,
            case {furthest} else 1 end as steps_reached
        from from_1 as x
        where x.at_1 is not null
    ),
    ranked as (
        select
            a.person_id,
            a.session_id,
            a.steps_reached,
            row_number() over (
                partition by a.person_id order by a.steps_reached desc, a.at_1 asc
            ) as place
        from attempts as a
    ),
    segmented as (
        select {by_column(by)} as segment, r.steps_reached
        from ranked as r
        left join marts.sessions as s on r.session_id = s.session_id
        where r.place = 1
    )
    select g.segment, g.steps_reached, count(*) as persons
    from segmented as g
    group by g.segment, g.steps_reached
    """


def _truncated(column: str, period: str) -> str:
    return column if period == "day" else f"cast(date_trunc('{period}', {column}) as date)"


_ORDERS = """
    select o.person_id, least(o.order_date, :as_of) as day
    from marts.orders as o
    where o.status <> 'cancelled' and not (:exclude_bots and coalesce(o.is_bot, false))
"""


def _days_of(word: str, name: str, everything: str) -> str:
    if word in ("new", "any"):
        return everything
    if word == ORDER:
        return _ORDERS
    return f"select e.person_id, e.day from ({EVENTS}) as e where e.kind in (:{name}_kinds)"


def retention_query(cohort: str, comes_back: str, period: str) -> str:
    """Sizes of cohorts, and people who came back by the number of the period."""
    new = "select a.person_id, a.first_day as day from marts.arrivals as a where a.is_new"
    any_ = "select p.person_id, p.day from marts.person_days as p"
    since = (
        "(year(r.start_day) - year(c.start_day)) * 12 + month(r.start_day) - month(c.start_day)"
        if period == "month"
        else "date_diff('day', c.start_day, r.start_day)"
    )
    number = {"day": 1, "week": 7, "month": 1}[period]
    return f"""
    with firsts as (
        select f.person_id, min(f.day) as day
        from ({_days_of(cohort, "cohort", new)}) as f
        group by f.person_id
    ),
    cohorts as (
        select f.person_id, {_truncated("f.day", period)} as start_day from firsts as f
    ),
    returned as (
        select distinct b.person_id, {_truncated("b.day", period)} as start_day
        from ({_days_of(comes_back, "back", any_)}) as b
    ),
    sizes as (
        select c.start_day, count(*) as persons from cohorts as c group by c.start_day
    ),
    counted as (
        select c.start_day, {since} as units, count(*) as persons
        from cohorts as c
        inner join returned as r on c.person_id = r.person_id and c.start_day <= r.start_day
        group by c.start_day, {since}
    )
    select
        z.start_day as cohort_start,
        cast(floor(cast(k.units as double) / {number}) as bigint) as period_number,
        z.persons as cohort_persons,
        k.persons
    from sizes as z
    left join counted as k on z.start_day = k.start_day
    """


def paths_query(direction: str, *, pages: bool, steps: int) -> str:
    """How many sessions took each path, a column per step; NULL after its end."""
    name = (
        "case when e.type in ('page', 'screen') then coalesce(e.page_path, '(not set)') "
        "else e.name end"
        if pages
        else "e.name"
    )
    order = "asc" if direction == "next" else "desc"
    side = ">" if direction == "next" else "<"
    turned = ",\n".join(
        f"max(case when f.place = {n} then f.name end) as step_{n}" for n in range(1, steps + 1)
    )
    listed = ", ".join(f"w.step_{n}" for n in range(1, steps + 1))
    return f"""
    with events as ({EVENTS}),
    visits as (
        select s.session_id from marts.sessions as s
        where not (:exclude_bots and coalesce(s.is_bot, false))
    ),
    anchors as (
        select e.session_id, min(e.sequence_number) as sequence_number
        from events as e
        inner join visits as v on e.session_id = v.session_id
        where e.kind in (:anchors)
        group by e.session_id
    ),
    following as (
        select
            e.session_id,
            {name} as name,
            row_number() over (
                partition by e.session_id order by e.sequence_number {order}
            ) as place
        from events as e
        inner join anchors as a
            on e.session_id = a.session_id and e.sequence_number {side} a.sequence_number
    ),
    written as (
        select a.session_id, {turned}
        from anchors as a
        left join following as f on a.session_id = f.session_id and f.place <= {steps}
        group by a.session_id
    )
    select {listed}, count(*) as sessions from written as w group by {listed}
    """


def by_value_query(value: str, *, is_own: bool) -> str:
    """Events and people by a value: of ``own_property``, which a caller puts in, or a session's."""
    own = (
        "left join own_property as p "
        "on e.id = p.id and e.received_at_utc_date = p.received_at_utc_date"
        if is_own
        else "left join marts.sessions as s on e.session_id = s.session_id"
    )
    return f"""
    with events as ({EVENTS}),
    described as (
        select coalesce({value}, '{NOT_SET}') as value, e.person_id
        from events as e {own}
        where e.kind in (:kinds)
    ),
    placed as (
        select
            d.value,
            row_number() over (order by count(*) desc, d.value asc) as place
        from described as d
        group by d.value
    ),
    summed as (
        select
            case when p.place <= :top then d.value else '{OTHER}' end as value,
            count(*) as events,
            count(distinct d.person_id) as persons
        from described as d
        inner join placed as p on d.value = p.value
        group by case when p.place <= :top then d.value else '{OTHER}' end
    )
    select
        m.value,
        m.events,
        m.persons,
        round(cast(m.events as double) / nullif(cast(sum(m.events) over () as double), 0), 4)
            as share
    from summed as m
    """


COMPARED = """
    with days as (
        select
            coalesce(sum(d.new_users), 0) as new_users,
            coalesce(sum(d.sessions), 0) as sessions,
            coalesce(sum(d.events), 0) as events,
            coalesce(sum(d.engaged_sessions), 0) as engaged_sessions,
            coalesce(sum(d.converting_sessions), 0) as converting_sessions,
            coalesce(sum(d.orders), 0) as orders,
            coalesce(sum(d.valued_orders), 0) as valued_orders,
            coalesce(sum(d.units), 0) as units,
            coalesce(sum(d.revenue), 0) as revenue,
            coalesce(sum(d.refunds), 0) as refunds
        from marts.daily_overview as d
        where d.day between :from_day and :to_day
    ),
    people as (
        select count(distinct p.person_id) as users
        from marts.person_days as p
        where p.day between :from_day and :to_day
    ),
    buying as (
        select count(distinct o.person_id) as buyers
        from marts.orders as o
        where
            o.status <> 'cancelled'
            and not (:exclude_bots and coalesce(o.is_bot, false))
            and least(o.order_date, :as_of) between :from_day and :to_day
    )
    select
        p.users,
        d.new_users,
        d.sessions,
        d.events,
        round(cast(d.engaged_sessions as double) / nullif(cast(d.sessions as double), 0), 4)
            as engagement_rate,
        round(cast(d.converting_sessions as double) / nullif(cast(d.sessions as double), 0), 4)
            as conversion_rate,
        d.orders,
        b.buyers,
        d.units,
        d.revenue,
        d.refunds,
        d.revenue - d.refunds as net_revenue,
        round(cast(d.revenue as double) / nullif(cast(d.valued_orders as double), 0), 4)
            as average_order_value
    from days as d
    cross join people as p
    cross join buying as b
"""
