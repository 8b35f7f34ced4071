-- Grain: one channel on one calendar day, local; every channel that was ever seen has every day.
-- Key: day, channel.
-- Meaning: visits and what came of them, by the channel of the session. Orders and their money count for
-- the session that the order is in, on the order's day; refunds for the same session, on their own day.
-- Orders in no session count for Unassigned, beside sessions whose channel that is. Cancelled orders are
-- in cancelled_orders and cancelled_revenue only. All are sums over marts.dashboard_entries. For credit
-- that looks further back, see marts.attribution_last_touch.
with dashboard_entries as (
    select * from marts.dashboard_entries
),

daily_overview as (
    select * from marts.daily_overview
),

summed as (
    select
        e.day,
        e.channel,
        sum(e.sessions) as sessions,
        count(distinct case when e.kind = 'session' then e.person_id end) as users,
        sum(e.engaged_sessions) as engaged_sessions,
        sum(e.bounced_sessions) as bounced_sessions,
        sum(e.converting_sessions) as converting_sessions,
        sum(e.orders) as orders,
        sum(e.valued_orders) as valued_orders,
        sum(e.unvalued_orders) as unvalued_orders,
        sum(e.cancelled_orders) as cancelled_orders,
        sum(e.units) as units,
        sum(e.item_sales) as item_sales,
        sum(e.discount) as discount,
        sum(e.items_difference) as items_difference,
        sum(e.revenue) as revenue,
        sum(e.refunds) as refunds,
        sum(e.tax) as tax,
        sum(e.shipping) as shipping,
        sum(e.order_total) as order_total,
        sum(e.cancelled_revenue) as cancelled_revenue
    from dashboard_entries as e
    group by e.day, e.channel
),

channels as (
    select distinct s.channel
    from summed as s
    where s.sessions > 0 or s.orders > 0 or s.cancelled_orders > 0
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
        cast(coalesce(s.sessions, 0) as bigint) as sessions,
        coalesce(s.users, 0) as users,
        cast(coalesce(s.engaged_sessions, 0) as bigint) as engaged_sessions,
        cast(coalesce(s.bounced_sessions, 0) as bigint) as bounced_sessions,
        cast(coalesce(s.converting_sessions, 0) as bigint) as converting_sessions,
        cast(coalesce(s.orders, 0) as bigint) as orders,
        cast(coalesce(s.valued_orders, 0) as bigint) as valued_orders,
        cast(coalesce(s.unvalued_orders, 0) as bigint) as unvalued_orders,
        cast(coalesce(s.cancelled_orders, 0) as bigint) as cancelled_orders,
        cast(coalesce(s.units, 0) as bigint) as units,
        cast(coalesce(s.item_sales, 0) as decimal(38, 2)) as item_sales,
        cast(coalesce(s.discount, 0) as decimal(38, 2)) as discount,
        cast(coalesce(s.items_difference, 0) as decimal(38, 2)) as items_difference,
        cast(coalesce(s.revenue, 0) as decimal(38, 2)) as revenue,
        cast(coalesce(s.refunds, 0) as decimal(38, 2)) as refunds,
        cast(coalesce(s.tax, 0) as decimal(38, 2)) as tax,
        cast(coalesce(s.shipping, 0) as decimal(38, 2)) as shipping,
        cast(coalesce(s.order_total, 0) as decimal(38, 2)) as order_total,
        cast(coalesce(s.cancelled_revenue, 0) as decimal(38, 2)) as cancelled_revenue
    from spine as sp
    left join summed as s on sp.day = s.day and sp.channel = s.channel
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
