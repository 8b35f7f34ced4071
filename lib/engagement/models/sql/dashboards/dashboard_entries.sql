-- Grain: one session, one order or one refund that metrics count. Key: kind, entry_id, entry_number.
-- Meaning: sessions, orders and refunds in one form, each on its own day and with what its session tells
-- (channel, source, landing page, device, country). What a dashboard shows by these is a sum over this
-- table. Orders in no session are Unassigned. Cancelled orders are in cancelled_orders and
-- cancelled_revenue only. What is dated after the as-of date counts on it.
with all_sessions as (
    select * from marts.sessions
),

all_orders as (
    select * from marts.orders
),

order_refunds as (
    select * from marts.order_refunds
),

sessions as (
    select
        s.session_id,
        s.person_id,
        least(s.session_date, :as_of) as day,
        hour(local_time(s.started_at, :timezone)) as hour,
        s.channel,
        s.source,
        s.medium,
        coalesce(s.campaign, '(not set)') as campaign,
        s.is_new_visitor,
        coalesce(s.entry_page, '(none)') as landing_page,
        coalesce(s.device_type, '(not set)') as device_type,
        coalesce(s.browser, '(not set)') as browser,
        coalesce(s.os, '(not set)') as os,
        coalesce(s.country, '(not set)') as country,
        s.is_engaged,
        s.is_bounce,
        s.orders > 0 as is_converting,
        s.is_bot
    from all_sessions as s
),

placed as (
    select
        o.order_id,
        o.person_id,
        o.session_id,
        least(o.order_date, :as_of) as day,
        hour(local_time(o.ordered_at, :timezone)) as hour,
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
    from all_orders as o
    where not (:exclude_bots and coalesce(o.is_bot, false))
),

entries as (
    select
        'session' as kind,
        s.session_id as entry_id,
        0 as entry_number,
        s.day,
        s.hour,
        s.person_id,
        s.session_id,
        1 as sessions,
        case when s.is_engaged then 1 else 0 end as engaged_sessions,
        case when s.is_bounce then 1 else 0 end as bounced_sessions,
        case when s.is_converting then 1 else 0 end as converting_sessions,
        0 as orders,
        0 as valued_orders,
        0 as unvalued_orders,
        0 as cancelled_orders,
        cast(0 as bigint) as units,
        cast(0 as decimal(18, 2)) as item_sales,
        cast(0 as decimal(18, 2)) as discount,
        cast(0 as decimal(18, 2)) as items_difference,
        cast(0 as decimal(18, 2)) as revenue,
        cast(0 as decimal(18, 2)) as tax,
        cast(0 as decimal(18, 2)) as shipping,
        cast(0 as decimal(18, 2)) as order_total,
        cast(0 as decimal(18, 2)) as cancelled_revenue,
        cast(0 as decimal(18, 2)) as refunds
    from sessions as s
    where not (:exclude_bots and coalesce(s.is_bot, false))
    union all
    select
        'order' as kind,
        p.order_id as entry_id,
        0 as entry_number,
        p.day,
        p.hour,
        p.person_id,
        p.session_id,
        0 as sessions,
        0 as engaged_sessions,
        0 as bounced_sessions,
        0 as converting_sessions,
        case when p.stands then 1 else 0 end as orders,
        case when p.stands and p.is_converted then 1 else 0 end as valued_orders,
        case when p.stands and not p.is_converted then 1 else 0 end as unvalued_orders,
        case when p.stands then 0 else 1 end as cancelled_orders,
        case when p.stands then p.units end as units,
        case when p.stands then p.item_sales end as item_sales,
        case when p.stands then p.discount end as discount,
        case when p.stands then p.items_difference end as items_difference,
        case when p.stands then p.revenue end as revenue,
        case when p.stands then p.tax end as tax,
        case when p.stands then p.shipping end as shipping,
        case when p.stands then p.order_total end as order_total,
        p.cancelled_revenue,
        cast(0 as decimal(18, 2)) as refunds
    from placed as p
    union all
    select
        'refund' as kind,
        r.order_id as entry_id,
        r.refund_number as entry_number,
        least(r.refund_date, :as_of) as day,
        hour(local_time(r.refunded_at, :timezone)) as hour,
        p.person_id,
        p.session_id,
        0 as sessions,
        0 as engaged_sessions,
        0 as bounced_sessions,
        0 as converting_sessions,
        0 as orders,
        0 as valued_orders,
        0 as unvalued_orders,
        0 as cancelled_orders,
        cast(0 as bigint) as units,
        cast(0 as decimal(18, 2)) as item_sales,
        cast(0 as decimal(18, 2)) as discount,
        cast(0 as decimal(18, 2)) as items_difference,
        cast(0 as decimal(18, 2)) as revenue,
        cast(0 as decimal(18, 2)) as tax,
        cast(0 as decimal(18, 2)) as shipping,
        cast(0 as decimal(18, 2)) as order_total,
        cast(0 as decimal(18, 2)) as cancelled_revenue,
        r.refunds
    from order_refunds as r
    inner join placed as p on r.order_id = p.order_id
    where p.stands
)

select
    cast(e.kind as varchar) as kind,
    e.entry_id,
    cast(e.entry_number as bigint) as entry_number,
    e.day,
    cast(e.hour as bigint) as hour,
    e.person_id,
    e.session_id,
    coalesce(s.channel, 'Unassigned') as channel,
    coalesce(s.source, '(not set)') as source,
    coalesce(s.medium, '(not set)') as medium,
    coalesce(s.campaign, '(not set)') as campaign,
    coalesce(s.is_new_visitor, false) as is_new_visitor,
    coalesce(s.landing_page, '(none)') as landing_page,
    coalesce(s.device_type, '(not set)') as device_type,
    coalesce(s.browser, '(not set)') as browser,
    coalesce(s.os, '(not set)') as os,
    coalesce(s.country, '(not set)') as country,
    cast(e.sessions as bigint) as sessions,
    cast(e.engaged_sessions as bigint) as engaged_sessions,
    cast(e.bounced_sessions as bigint) as bounced_sessions,
    cast(e.converting_sessions as bigint) as converting_sessions,
    cast(e.orders as bigint) as orders,
    cast(e.valued_orders as bigint) as valued_orders,
    cast(e.unvalued_orders as bigint) as unvalued_orders,
    cast(e.cancelled_orders as bigint) as cancelled_orders,
    coalesce(e.units, 0) as units,
    coalesce(e.item_sales, cast(0 as decimal(18, 2))) as item_sales,
    coalesce(e.discount, cast(0 as decimal(18, 2))) as discount,
    coalesce(e.items_difference, cast(0 as decimal(18, 2))) as items_difference,
    coalesce(e.revenue, cast(0 as decimal(18, 2))) as revenue,
    coalesce(e.tax, cast(0 as decimal(18, 2))) as tax,
    coalesce(e.shipping, cast(0 as decimal(18, 2))) as shipping,
    coalesce(e.order_total, cast(0 as decimal(18, 2))) as order_total,
    coalesce(e.cancelled_revenue, cast(0 as decimal(18, 2))) as cancelled_revenue,
    coalesce(e.refunds, cast(0 as decimal(18, 2))) as refunds
from entries as e
left join sessions as s on e.session_id = s.session_id
