-- Grain: one calendar day, local, from the first day with data to the as-of date, no gaps.
-- Key: day.
-- Meaning: the shop's key figures of a day. Every ratio stands beside its numerator and its
-- denominator. previous_… is the same figure seven days before: the same weekday, so that weekends
-- compare with weekends; NULL where that day lies before the first day with data.
-- A day after the as-of date can only come from a device whose clock runs ahead, since its events
-- were received by then: such events count on the as-of date, and nothing falls off the end.
with session_events as (
    select * from marts.session_events
),

sessions as (
    select * from marts.sessions
),

orders as (
    select * from marts.orders
),

person_days as (
    select
        se.person_id,
        least(se.event_date, :as_of) as day,
        count(*) as events
    from session_events as se
    where not (:exclude_bots and coalesce(se.is_bot, false))
    group by se.person_id, least(se.event_date, :as_of)
),

first_days as (
    select
        pd.person_id,
        min(pd.day) as day
    from person_days as pd
    group by pd.person_id
),

day_activity as (
    select
        pd.day,
        count(*) as users,
        sum(pd.events) as events
    from person_days as pd
    group by pd.day
),

day_arrivals as (
    select
        fd.day,
        count(*) as new_users
    from first_days as fd
    group by fd.day
),

day_sessions as (
    select
        least(s.session_date, :as_of) as day,
        count(*) as sessions,
        count_if(s.is_engaged) as engaged_sessions,
        count_if(s.is_bounce) as bounced_sessions,
        count_if(s.orders > 0) as converting_sessions
    from sessions as s
    where not (:exclude_bots and coalesce(s.is_bot, false))
    group by least(s.session_date, :as_of)
),

day_orders as (
    select
        least(o.order_date, :as_of) as day,
        count(*) as orders,
        count(distinct o.person_id) as buyers,
        count_if(o.status = 'cancelled') as cancelled_orders,
        count_if(o.status <> 'cancelled' and o.is_converted) as valued_orders,
        count_if(not o.is_converted) as unvalued_orders,
        cast(sum(o.units) as bigint) as units,
        sum(o.order_total) as gross_revenue,
        sum(o.revenue) as revenue
    from orders as o
    where not (:exclude_bots and coalesce(o.is_bot, false))
    group by least(o.order_date, :as_of)
),

data_days as (
    select da.day from day_activity as da
    union
    select ds.day from day_sessions as ds
    union
    select dr.day from day_orders as dr
),

first_day as (
    select min(dd.day) as day from data_days as dd
),

-- Two short sequences rather than one of days: Trino's end at 10,000 members, 27 years.
spine as (
    select cast(date_add('day', 100 * h.n + u.n, fd.day) as date) as day
    from first_day as fd
    cross join unnest(sequence(0, 365)) as h (n)
    cross join unnest(sequence(0, 99)) as u (n)
    where fd.day is not null and cast(date_add('day', 100 * h.n + u.n, fd.day) as date) <= :as_of
),

counted as (
    select
        sp.day,
        coalesce(da.users, 0) as users,
        coalesce(dn.new_users, 0) as new_users,
        coalesce(ds.sessions, 0) as sessions,
        coalesce(da.events, 0) as events,
        coalesce(ds.engaged_sessions, 0) as engaged_sessions,
        coalesce(ds.bounced_sessions, 0) as bounced_sessions,
        coalesce(ds.converting_sessions, 0) as converting_sessions,
        coalesce(dr.orders, 0) as orders,
        coalesce(dr.buyers, 0) as buyers,
        coalesce(dr.cancelled_orders, 0) as cancelled_orders,
        coalesce(dr.valued_orders, 0) as valued_orders,
        coalesce(dr.unvalued_orders, 0) as unvalued_orders,
        coalesce(dr.units, 0) as units,
        cast(coalesce(dr.gross_revenue, 0) as decimal(18, 2)) as gross_revenue,
        cast(coalesce(dr.revenue, 0) as decimal(18, 2)) as revenue
    from spine as sp
    left join day_activity as da on sp.day = da.day
    left join day_arrivals as dn on sp.day = dn.day
    left join day_sessions as ds on sp.day = ds.day
    left join day_orders as dr on sp.day = dr.day
),

measured as (
    select
        c.day,
        c.users,
        c.new_users,
        c.sessions,
        c.events,
        c.engaged_sessions,
        round(cast(c.engaged_sessions as double) / nullif(c.sessions, 0), 4) as engagement_rate,
        c.bounced_sessions,
        round(cast(c.bounced_sessions as double) / nullif(c.sessions, 0), 4) as bounce_rate,
        c.converting_sessions,
        round(cast(c.converting_sessions as double) / nullif(c.sessions, 0), 4) as conversion_rate,
        c.orders,
        c.buyers,
        round(cast(c.buyers as double) / nullif(c.users, 0), 4) as buyer_rate,
        c.cancelled_orders,
        c.valued_orders,
        c.unvalued_orders,
        c.units,
        round(cast(c.units as double) / nullif(c.orders, 0), 4) as items_per_order,
        c.gross_revenue,
        c.revenue,
        round(cast(c.revenue as double) / nullif(c.valued_orders, 0), 4) as average_order_value
    from counted as c
)

select
    m.day,
    m.users,
    m.new_users,
    m.sessions,
    m.events,
    m.engaged_sessions,
    m.engagement_rate,
    m.bounced_sessions,
    m.bounce_rate,
    m.converting_sessions,
    m.conversion_rate,
    m.orders,
    m.buyers,
    m.buyer_rate,
    m.cancelled_orders,
    m.valued_orders,
    m.unvalued_orders,
    m.units,
    m.items_per_order,
    m.gross_revenue,
    m.revenue,
    m.average_order_value,
    p.day as previous_day,
    p.users as previous_users,
    p.new_users as previous_new_users,
    p.sessions as previous_sessions,
    p.events as previous_events,
    p.engaged_sessions as previous_engaged_sessions,
    p.engagement_rate as previous_engagement_rate,
    p.bounced_sessions as previous_bounced_sessions,
    p.bounce_rate as previous_bounce_rate,
    p.converting_sessions as previous_converting_sessions,
    p.conversion_rate as previous_conversion_rate,
    p.orders as previous_orders,
    p.buyers as previous_buyers,
    p.buyer_rate as previous_buyer_rate,
    p.cancelled_orders as previous_cancelled_orders,
    p.valued_orders as previous_valued_orders,
    p.unvalued_orders as previous_unvalued_orders,
    p.units as previous_units,
    p.items_per_order as previous_items_per_order,
    p.gross_revenue as previous_gross_revenue,
    p.revenue as previous_revenue,
    p.average_order_value as previous_average_order_value
from measured as m
left join measured as p on m.day = cast(date_add('day', 7, p.day) as date)
