-- Grain: one channel on one calendar day, local; every channel that was ever seen has every day.
-- Key: day, channel.
-- Meaning: visits and what came of them, by the channel of the session. Orders and their money count for
-- the session that the order is in, on the order's day; refunds for the same session, on their own day.
-- Orders in no session count for Unassigned, beside sessions whose channel that is. Cancelled orders are
-- in cancelled_orders and cancelled_revenue only. For credit that looks further back, see
-- marts.attribution_last_touch.
with sessions as (
    select * from marts.sessions
),

orders as (
    select * from marts.orders
),

order_refunds as (
    select * from marts.order_refunds
),

daily_overview as (
    select * from marts.daily_overview
),

channel_sessions as (
    select
        least(s.session_date, :as_of) as day,
        s.channel,
        count(*) as sessions,
        count(distinct s.person_id) as users,
        count_if(s.is_engaged) as engaged_sessions,
        count_if(s.is_bounce) as bounced_sessions,
        count_if(s.orders > 0) as converting_sessions
    from sessions as s
    where not (:exclude_bots and coalesce(s.is_bot, false))
    group by least(s.session_date, :as_of), s.channel
),

placed as (
    select
        o.order_id,
        least(o.order_date, :as_of) as day,
        coalesce(s.channel, 'Unassigned') as channel,
        o.status <> 'cancelled' as stands,
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
    left join sessions as s on o.session_id = s.session_id
    where not (:exclude_bots and coalesce(o.is_bot, false))
),

channel_orders as (
    select
        p.day,
        p.channel,
        count_if(p.stands) as orders,
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
    group by p.day, p.channel
),

channel_refunds as (
    select
        least(r.refund_date, :as_of) as day,
        p.channel,
        sum(r.refunds) as refunds
    from order_refunds as r
    inner join placed as p on r.order_id = p.order_id
    where p.stands
    group by least(r.refund_date, :as_of), p.channel
),

channels as (
    select cs.channel from channel_sessions as cs
    union
    select co.channel from channel_orders as co
),

spine as (
    select
        d.day,
        c.channel
    from daily_overview as d
    cross join channels as c
),

counted as (
    select
        sp.day,
        sp.channel,
        coalesce(cs.sessions, 0) as sessions,
        coalesce(cs.users, 0) as users,
        coalesce(cs.engaged_sessions, 0) as engaged_sessions,
        coalesce(cs.bounced_sessions, 0) as bounced_sessions,
        coalesce(cs.converting_sessions, 0) as converting_sessions,
        coalesce(co.orders, 0) as orders,
        coalesce(co.valued_orders, 0) as valued_orders,
        coalesce(co.unvalued_orders, 0) as unvalued_orders,
        coalesce(co.cancelled_orders, 0) as cancelled_orders,
        cast(coalesce(co.units, 0) as bigint) as units,
        cast(coalesce(co.item_sales, 0) as decimal(38, 2)) as item_sales,
        cast(coalesce(co.discount, 0) as decimal(38, 2)) as discount,
        cast(coalesce(co.items_difference, 0) as decimal(38, 2)) as items_difference,
        cast(coalesce(co.revenue, 0) as decimal(38, 2)) as revenue,
        cast(coalesce(cr.refunds, 0) as decimal(38, 2)) as refunds,
        cast(coalesce(co.tax, 0) as decimal(38, 2)) as tax,
        cast(coalesce(co.shipping, 0) as decimal(38, 2)) as shipping,
        cast(coalesce(co.order_total, 0) as decimal(38, 2)) as order_total,
        cast(coalesce(co.cancelled_revenue, 0) as decimal(38, 2)) as cancelled_revenue
    from spine as sp
    left join channel_sessions as cs on sp.day = cs.day and sp.channel = cs.channel
    left join channel_orders as co on sp.day = co.day and sp.channel = co.channel
    left join channel_refunds as cr on sp.day = cr.day and sp.channel = cr.channel
)

select
    c.day,
    c.channel,
    c.sessions,
    c.users,
    c.engaged_sessions,
    round(cast(c.engaged_sessions as double) / nullif(c.sessions, 0), 4) as engagement_rate,
    c.bounced_sessions,
    round(cast(c.bounced_sessions as double) / nullif(c.sessions, 0), 4) as bounce_rate,
    c.converting_sessions,
    round(cast(c.converting_sessions as double) / nullif(c.sessions, 0), 4) as conversion_rate,
    c.orders,
    c.valued_orders,
    c.unvalued_orders,
    c.cancelled_orders,
    c.units,
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
