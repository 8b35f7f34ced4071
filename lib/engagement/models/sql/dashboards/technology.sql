-- Grain: one kind of device, browser and system on one day. Key: day, device_type, browser, os.
-- Meaning: what people came with and what came of it (marts.dashboard_entries). The fifty kinds of most
-- sessions, of equals the first by name, have every day of daily_overview within the last 1,096; of the
-- others, which user agents may make as many of as they like, a row is there where something happened.
with dashboard_entries as (
    select * from marts.dashboard_entries
),

daily_overview as (
    select * from marts.daily_overview
),

summed as (
    select
        e.day,
        e.device_type,
        e.browser,
        e.os,
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
        e.device_type,
        e.browser,
        e.os
),

totals as (
    select
        s.device_type,
        s.browser,
        s.os,
        sum(s.sessions) as sessions
    from summed as s
    group by
        s.device_type,
        s.browser,
        s.os
),

placed as (
    select
        t.device_type,
        t.browser,
        t.os,
        row_number() over (order by t.sessions desc, t.device_type asc, t.browser asc, t.os asc) as place
    from totals as t
),

spine as (
    select
        d.day,
        p.device_type,
        p.browser,
        p.os
    from daily_overview as d
    cross join placed as p
    where p.place <= 50 and d.day > cast(date_add('day', -1096, :as_of) as date)
    union
    select
        s.day,
        s.device_type,
        s.browser,
        s.os
    from summed as s
)

select
    p.day,
    p.device_type,
    p.browser,
    p.os,
    cast(coalesce(s.sessions, 0) as bigint) as sessions,
    coalesce(s.users, 0) as users,
    cast(coalesce(s.engaged_sessions, 0) as bigint) as engaged_sessions,
    round(cast(s.engaged_sessions as double) / nullif(cast(s.sessions as double), 0), 4) as engagement_rate,
    cast(coalesce(s.bounced_sessions, 0) as bigint) as bounced_sessions,
    round(cast(s.bounced_sessions as double) / nullif(cast(s.sessions as double), 0), 4) as bounce_rate,
    cast(coalesce(s.converting_sessions, 0) as bigint) as converting_sessions,
    round(cast(s.converting_sessions as double) / nullif(cast(s.sessions as double), 0), 4)
        as conversion_rate,
    cast(coalesce(s.orders, 0) as bigint) as orders,
    coalesce(s.buyers, 0) as buyers,
    cast(coalesce(s.valued_orders, 0) as bigint) as valued_orders,
    cast(coalesce(s.unvalued_orders, 0) as bigint) as unvalued_orders,
    cast(coalesce(s.cancelled_orders, 0) as bigint) as cancelled_orders,
    cast(coalesce(s.units, 0) as bigint) as units,
    cast(coalesce(s.revenue, 0) as decimal(38, 2)) as revenue,
    cast(coalesce(s.refunds, 0) as decimal(38, 2)) as refunds,
    cast(coalesce(s.revenue - s.refunds, 0) as decimal(38, 2)) as net_revenue,
    cast(coalesce(s.order_total, 0) as decimal(38, 2)) as order_total,
    round(cast(s.revenue as double) / nullif(cast(s.valued_orders as double), 0), 4) as average_order_value
from spine as p
left join summed as s
    on
        p.day = s.day
        and p.device_type = s.device_type
        and p.browser = s.browser
        and p.os = s.os
