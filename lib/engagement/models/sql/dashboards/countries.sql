-- Grain: one country on one day. Key: day, country.
-- Meaning: where people came from and what came of it (marts.dashboard_entries). A row is there for a
-- day on which something happened: addresses name countries as they like.
with dashboard_entries as (
    select * from marts.dashboard_entries
),

summed as (
    select
        e.day,
        e.country,
        count(distinct case when e.kind = 'session' then e.person_id end) as users,
        sum(e.sessions) as sessions,
        sum(e.engaged_sessions) as engaged_sessions,
        sum(e.bounced_sessions) as bounced_sessions,
        sum(e.converting_sessions) as converting_sessions,
        count(distinct case when e.orders = 1 then e.person_id end) as buyers,
        sum(e.orders) as orders,
        sum(e.valued_orders) as valued_orders,
        sum(e.unvalued_orders) as unvalued_orders,
        sum(e.cancelled_orders) as cancelled_orders,
        sum(e.units) as units,
        sum(e.revenue) as revenue,
        sum(e.refunds) as refunds,
        sum(e.order_total) as order_total
    from dashboard_entries as e
    group by
        e.day,
        e.country
)

select
    s.day,
    s.country,
    cast(s.sessions as bigint) as sessions,
    s.users,
    cast(s.engaged_sessions as bigint) as engaged_sessions,
    round(cast(s.engaged_sessions as double) / nullif(cast(s.sessions as double), 0), 4) as engagement_rate,
    cast(s.bounced_sessions as bigint) as bounced_sessions,
    round(cast(s.bounced_sessions as double) / nullif(cast(s.sessions as double), 0), 4) as bounce_rate,
    cast(s.converting_sessions as bigint) as converting_sessions,
    round(cast(s.converting_sessions as double) / nullif(cast(s.sessions as double), 0), 4)
        as conversion_rate,
    cast(s.orders as bigint) as orders,
    s.buyers,
    cast(s.valued_orders as bigint) as valued_orders,
    cast(s.unvalued_orders as bigint) as unvalued_orders,
    cast(s.cancelled_orders as bigint) as cancelled_orders,
    cast(s.units as bigint) as units,
    cast(s.revenue as decimal(38, 2)) as revenue,
    cast(s.refunds as decimal(38, 2)) as refunds,
    cast(s.revenue - s.refunds as decimal(38, 2)) as net_revenue,
    cast(s.order_total as decimal(38, 2)) as order_total,
    round(cast(s.revenue as double) / nullif(cast(s.valued_orders as double), 0), 4) as average_order_value
from summed as s
