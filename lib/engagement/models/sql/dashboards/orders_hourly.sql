-- Grain: one hour of the clock on one calendar day, local. Key: day, hour.
-- Meaning: when people come and when they order. Every day of daily_overview within the last 1,096 days
-- has 24 rows; before that an hour is there where something happened. Where a clock is set back an hour
-- holds two, where it is set forward one holds none. Add up over the days of a weekday for a heat map.
with dashboard_entries as (
    select * from marts.dashboard_entries
),

daily_overview as (
    select * from marts.daily_overview
),

summed as (
    select
        e.day,
        e.hour,
        sum(e.sessions) as sessions,
        sum(e.converting_sessions) as converting_sessions,
        sum(e.orders) as orders,
        sum(e.valued_orders) as valued_orders,
        sum(e.unvalued_orders) as unvalued_orders,
        sum(e.units) as units,
        sum(e.revenue) as revenue
    from dashboard_entries as e
    where e.kind in ('session', 'order')
    group by e.day, e.hour
),

spine as (
    select
        d.day,
        cast(h.n as bigint) as hour
    from daily_overview as d
    cross join unnest(sequence(0, 23)) as h (n)
    where d.day > cast(date_add('day', -1096, :as_of) as date)
    union
    select
        s.day,
        s.hour
    from summed as s
)

select
    sp.day,
    cast(day_of_week(sp.day) as bigint) as weekday,
    sp.hour,
    d.is_complete,
    cast(coalesce(s.sessions, 0) as bigint) as sessions,
    cast(coalesce(s.converting_sessions, 0) as bigint) as converting_sessions,
    round(cast(s.converting_sessions as double) / nullif(cast(s.sessions as double), 0), 4)
        as conversion_rate,
    cast(coalesce(s.orders, 0) as bigint) as orders,
    cast(coalesce(s.valued_orders, 0) as bigint) as valued_orders,
    cast(coalesce(s.unvalued_orders, 0) as bigint) as unvalued_orders,
    cast(coalesce(s.units, 0) as bigint) as units,
    cast(coalesce(s.revenue, 0) as decimal(38, 2)) as revenue,
    round(cast(s.revenue as double) / nullif(cast(s.valued_orders as double), 0), 4)
        as average_order_value
from spine as sp
inner join daily_overview as d on sp.day = d.day
left join summed as s on sp.day = s.day and sp.hour = s.hour
