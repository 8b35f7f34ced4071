-- Grain: one calendar day, local, from the first day with data to the as-of date, no gaps.
-- Key: day.
-- Meaning: the shop's key figures of a day. Every ratio is beside its numerator and its denominator.
-- previous_… is the same figure seven days before: the same weekday, so that weekends compare with
-- weekends; NULL where that day is before the first day with data.
-- Orders and their money are on the day of the order, refunds on their own day. Cancelled orders are
-- in cancelled_orders and cancelled_revenue only.
-- An event dated after the as-of date comes from a device whose clock runs ahead, because it was
-- received by then: it counts on the as-of date, and so do its session, its order and its refund.
-- Only the last 36,600 days are filled: a single event with a wild date adds one day, not millennia.
with session_events as (
    select * from marts.session_events
),

person_events as (
    select * from marts.person_events
),

arrivals as (
    select * from marts.arrivals
),

sessions as (
    select * from marts.sessions
),

orders as (
    select * from marts.orders
),

order_refunds as (
    select * from marts.order_refunds
),

landing as (
    select cast(local_time(min(pe.received_at), :timezone) as date) as first_day
    from person_events as pe
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
        a.first_day as day,
        count(*) as new_users
    from arrivals as a
    where a.is_new
    group by a.first_day
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

placed as (
    select
        least(o.order_date, :as_of) as day,
        o.status <> 'cancelled' as stands,
        o.person_id,
        o.is_converted,
        o.units,
        o.item_sales,
        o.discount,
        o.items_difference,
        o.revenue,
        o.tax,
        o.shipping,
        o.order_total,
        o.cancelled_revenue
    from orders as o
    where not (:exclude_bots and coalesce(o.is_bot, false))
),

day_orders as (
    select
        p.day,
        count_if(p.stands) as orders,
        count(distinct case when p.stands then p.person_id end) as buyers,
        count_if(p.stands and p.is_converted) as valued_orders,
        count_if(p.stands and not p.is_converted) as unvalued_orders,
        count_if(not p.stands) as cancelled_orders,
        sum(case when p.stands then p.units end) as units,
        sum(case when p.stands then p.item_sales end) as item_sales,
        sum(case when p.stands then p.discount end) as discount,
        sum(case when p.stands then p.items_difference end) as items_difference,
        sum(case when p.stands then p.revenue end) as revenue,
        sum(case when p.stands then p.tax end) as tax,
        sum(case when p.stands then p.shipping end) as shipping,
        sum(case when p.stands then p.order_total end) as order_total,
        sum(p.cancelled_revenue) as cancelled_revenue
    from placed as p
    group by p.day
),

day_refunds as (
    select
        least(r.refund_date, :as_of) as day,
        sum(r.refunds) as refunds
    from order_refunds as r
    where not (:exclude_bots and coalesce(r.is_bot, false))
    group by least(r.refund_date, :as_of)
),

data_days as (
    select da.day from day_activity as da
    union
    select ds.day from day_sessions as ds
    union
    select dr.day from day_orders as dr
    union
    select df.day from day_refunds as df
),

filled_from as (
    select greatest(min(dd.day), cast(date_add('day', -36599, :as_of) as date)) as day
    from data_days as dd
),

-- Two short sequences rather than one of days: Trino's end at 10,000 members, 27 years.
spine as (
    select cast(date_add('day', 100 * h.n + u.n, ff.day) as date) as day
    from filled_from as ff
    cross join unnest(sequence(0, 365)) as h (n)
    cross join unnest(sequence(0, 99)) as u (n)
    where ff.day is not null and cast(date_add('day', 100 * h.n + u.n, ff.day) as date) <= :as_of
    union
    select dd.day from data_days as dd
),

counted as (
    select
        sp.day,
        sp.day <= :last_whole_day as is_complete,
        coalesce(
            sp.day >= cast(date_add('day', :settling_days, l.first_day) as date), false
        ) as is_settled,
        coalesce(da.users, 0) as users,
        coalesce(dn.new_users, 0) as new_users,
        coalesce(ds.sessions, 0) as sessions,
        coalesce(da.events, 0) as events,
        coalesce(ds.engaged_sessions, 0) as engaged_sessions,
        coalesce(ds.bounced_sessions, 0) as bounced_sessions,
        coalesce(ds.converting_sessions, 0) as converting_sessions,
        coalesce(dr.orders, 0) as orders,
        coalesce(dr.buyers, 0) as buyers,
        coalesce(dr.valued_orders, 0) as valued_orders,
        coalesce(dr.unvalued_orders, 0) as unvalued_orders,
        coalesce(dr.cancelled_orders, 0) as cancelled_orders,
        cast(coalesce(dr.units, 0) as bigint) as units,
        cast(coalesce(dr.item_sales, 0) as decimal(38, 2)) as item_sales,
        cast(coalesce(dr.discount, 0) as decimal(38, 2)) as discount,
        cast(coalesce(dr.items_difference, 0) as decimal(38, 2)) as items_difference,
        cast(coalesce(dr.revenue, 0) as decimal(38, 2)) as revenue,
        cast(coalesce(dr.tax, 0) as decimal(38, 2)) as tax,
        cast(coalesce(dr.shipping, 0) as decimal(38, 2)) as shipping,
        cast(coalesce(dr.order_total, 0) as decimal(38, 2)) as order_total,
        cast(coalesce(dr.cancelled_revenue, 0) as decimal(38, 2)) as cancelled_revenue,
        cast(coalesce(df.refunds, 0) as decimal(38, 2)) as refunds
    from spine as sp
    cross join landing as l
    left join day_activity as da on sp.day = da.day
    left join day_arrivals as dn on sp.day = dn.day
    left join day_sessions as ds on sp.day = ds.day
    left join day_orders as dr on sp.day = dr.day
    left join day_refunds as df on sp.day = df.day
),

measured as (
    select
        c.day,
        c.is_complete,
        c.is_settled,
        c.users,
        c.new_users,
        c.users - c.new_users as known_users,
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
        c.valued_orders,
        c.unvalued_orders,
        c.cancelled_orders,
        c.units,
        round(cast(c.units as double) / nullif(c.orders, 0), 4) as items_per_order,
        c.item_sales,
        c.discount,
        c.items_difference,
        c.revenue,
        c.refunds,
        cast(c.revenue - c.refunds as decimal(38, 2)) as net_revenue,
        c.tax,
        c.shipping,
        c.order_total,
        c.cancelled_revenue,
        round(cast(c.revenue as double) / nullif(c.valued_orders, 0), 4) as average_order_value
    from counted as c
)

select
    m.day,
    m.is_complete,
    m.is_settled,
    m.users,
    m.new_users,
    m.known_users,
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
    m.valued_orders,
    m.unvalued_orders,
    m.cancelled_orders,
    m.units,
    m.items_per_order,
    m.item_sales,
    m.discount,
    m.items_difference,
    m.revenue,
    m.refunds,
    m.net_revenue,
    m.tax,
    m.shipping,
    m.order_total,
    m.cancelled_revenue,
    m.average_order_value,
    p.day as previous_day,
    p.users as previous_users,
    p.new_users as previous_new_users,
    p.known_users as previous_known_users,
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
    p.valued_orders as previous_valued_orders,
    p.unvalued_orders as previous_unvalued_orders,
    p.cancelled_orders as previous_cancelled_orders,
    p.units as previous_units,
    p.items_per_order as previous_items_per_order,
    p.item_sales as previous_item_sales,
    p.discount as previous_discount,
    p.items_difference as previous_items_difference,
    p.revenue as previous_revenue,
    p.refunds as previous_refunds,
    p.net_revenue as previous_net_revenue,
    p.tax as previous_tax,
    p.shipping as previous_shipping,
    p.order_total as previous_order_total,
    p.cancelled_revenue as previous_cancelled_revenue,
    p.average_order_value as previous_average_order_value
from measured as m
left join measured as p on m.day = cast(date_add('day', 7, p.day) as date)
