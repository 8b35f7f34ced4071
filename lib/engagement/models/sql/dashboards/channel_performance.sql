-- Grain: one channel on one calendar day, local; every channel that was ever seen has every day.
-- Key: day, channel.
-- Meaning: visits and what came of them, by the channel of the session. Orders and revenue belong to
-- the session in which the order happened and stand on the day of the order; orders of no session
-- stand under '(no session)'. For credit that looks further back, see marts.attribution_last_touch.
with sessions as (
    select * from marts.sessions
),

orders as (
    select * from marts.orders
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

channel_orders as (
    select
        least(o.order_date, :as_of) as day,
        coalesce(s.channel, '(no session)') as channel,
        count(*) as orders,
        count_if(o.status <> 'cancelled' and o.is_converted) as valued_orders,
        cast(sum(o.units) as bigint) as units,
        sum(o.revenue) as revenue
    from orders as o
    left join sessions as s on o.session_id = s.session_id
    where not (:exclude_bots and coalesce(o.is_bot, false))
    group by least(o.order_date, :as_of), coalesce(s.channel, '(no session)')
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
)

select
    sp.day,
    sp.channel,
    coalesce(cs.sessions, 0) as sessions,
    coalesce(cs.users, 0) as users,
    coalesce(cs.engaged_sessions, 0) as engaged_sessions,
    round(cast(cs.engaged_sessions as double) / nullif(cs.sessions, 0), 4) as engagement_rate,
    coalesce(cs.bounced_sessions, 0) as bounced_sessions,
    round(cast(cs.bounced_sessions as double) / nullif(cs.sessions, 0), 4) as bounce_rate,
    coalesce(cs.converting_sessions, 0) as converting_sessions,
    round(cast(cs.converting_sessions as double) / nullif(cs.sessions, 0), 4) as conversion_rate,
    coalesce(co.orders, 0) as orders,
    coalesce(co.valued_orders, 0) as valued_orders,
    coalesce(co.units, 0) as units,
    cast(coalesce(co.revenue, 0) as decimal(18, 2)) as revenue,
    round(cast(co.revenue as double) / nullif(co.valued_orders, 0), 4) as average_order_value
from spine as sp
left join channel_sessions as cs on sp.day = cs.day and sp.channel = cs.channel
left join channel_orders as co on sp.day = co.day and sp.channel = co.channel
