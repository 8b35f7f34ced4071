-- Grain: one period of 7, 30, 90 or 365 days that ends on the as-of date.
-- Key: window_days.
-- Meaning: the key figures of a period beside those of the equal period right before it (previous_…).
-- Persons are counted once in a period, however many days they came on: days do not add up to that.
-- The previous figures are NULL where that period starts before the first day with data, and
-- is_complete says whether the data reaches back to the first day of the period itself. With
-- as_of: latest the last day of the period is not over; the equal period before it has no such day.
with daily_overview as (
    select * from marts.daily_overview
),

person_events as (
    select * from marts.person_events
),

session_events as (
    select * from marts.session_events
),

orders as (
    select * from marts.orders
),

windows as (
    select cast(w.window_days as bigint) as window_days
    from (values (7), (30), (90), (365)) as w (window_days)
),

first_day as (
    select min(d.day) as day from daily_overview as d
),

landing as (
    select cast(local_time(min(pe.received_at), :timezone) as date) as first_day
    from person_events as pe
),

periods as (
    select
        w.window_days,
        0 as periods_back,
        cast(date_add('day', 1 - w.window_days, :as_of) as date) as from_day,
        :as_of as to_day
    from windows as w
    union all
    select
        w.window_days,
        1 as periods_back,
        cast(date_add('day', 1 - 2 * w.window_days, :as_of) as date) as from_day,
        cast(date_add('day', -1 * w.window_days, :as_of) as date) as to_day
    from windows as w
),

user_days as (
    select distinct
        se.person_id,
        least(se.event_date, :as_of) as day
    from session_events as se
    where not (:exclude_bots and coalesce(se.is_bot, false))
),

buyer_days as (
    select distinct
        o.person_id,
        least(o.order_date, :as_of) as day
    from orders as o
    where
        o.status <> 'cancelled'
        and not (:exclude_bots and coalesce(o.is_bot, false))
),

period_users as (
    select
        p.window_days,
        p.periods_back,
        count(distinct ud.person_id) as users
    from periods as p
    inner join user_days as ud on p.from_day <= ud.day and p.to_day >= ud.day
    group by p.window_days, p.periods_back
),

period_buyers as (
    select
        p.window_days,
        p.periods_back,
        count(distinct bd.person_id) as buyers
    from periods as p
    inner join buyer_days as bd on p.from_day <= bd.day and p.to_day >= bd.day
    group by p.window_days, p.periods_back
),

period_sums as (
    select
        p.window_days,
        p.periods_back,
        cast(sum(d.new_users) as bigint) as new_users,
        cast(sum(d.sessions) as bigint) as sessions,
        cast(sum(d.events) as bigint) as events,
        cast(sum(d.engaged_sessions) as bigint) as engaged_sessions,
        cast(sum(d.bounced_sessions) as bigint) as bounced_sessions,
        cast(sum(d.converting_sessions) as bigint) as converting_sessions,
        cast(sum(d.orders) as bigint) as orders,
        cast(sum(d.valued_orders) as bigint) as valued_orders,
        cast(sum(d.unvalued_orders) as bigint) as unvalued_orders,
        cast(sum(d.cancelled_orders) as bigint) as cancelled_orders,
        cast(sum(d.units) as bigint) as units,
        cast(sum(d.item_sales) as decimal(38, 2)) as item_sales,
        cast(sum(d.discount) as decimal(38, 2)) as discount,
        cast(sum(d.items_difference) as decimal(38, 2)) as items_difference,
        cast(sum(d.revenue) as decimal(38, 2)) as revenue,
        cast(sum(d.refunds) as decimal(38, 2)) as refunds,
        cast(sum(d.tax) as decimal(38, 2)) as tax,
        cast(sum(d.shipping) as decimal(38, 2)) as shipping,
        cast(sum(d.order_total) as decimal(38, 2)) as order_total,
        cast(sum(d.cancelled_revenue) as decimal(38, 2)) as cancelled_revenue
    from periods as p
    inner join daily_overview as d on p.from_day <= d.day and p.to_day >= d.day
    group by p.window_days, p.periods_back
),

counted as (
    select
        p.window_days,
        p.periods_back,
        p.from_day,
        p.to_day,
        p.from_day >= fd.day as is_complete,
        coalesce(
            p.from_day >= cast(date_add('day', :settling_days, l.first_day) as date), false
        ) as is_settled,
        coalesce(pu.users, 0) as users,
        coalesce(pb.buyers, 0) as buyers,
        ps.new_users,
        ps.sessions,
        ps.events,
        ps.engaged_sessions,
        ps.bounced_sessions,
        ps.converting_sessions,
        ps.orders,
        ps.valued_orders,
        ps.unvalued_orders,
        ps.cancelled_orders,
        ps.units,
        ps.item_sales,
        ps.discount,
        ps.items_difference,
        ps.revenue,
        ps.refunds,
        ps.tax,
        ps.shipping,
        ps.order_total,
        ps.cancelled_revenue
    from periods as p
    inner join period_sums as ps on p.window_days = ps.window_days and p.periods_back = ps.periods_back
    cross join first_day as fd
    cross join landing as l
    left join period_users as pu on p.window_days = pu.window_days and p.periods_back = pu.periods_back
    left join period_buyers as pb on p.window_days = pb.window_days and p.periods_back = pb.periods_back
),

measured as (
    select
        c.window_days,
        c.periods_back,
        c.from_day,
        c.to_day,
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
    m.window_days,
    m.from_day,
    m.to_day,
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
    p.from_day as previous_from_day,
    p.to_day as previous_to_day,
    p.is_settled as previous_is_settled,
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
left join measured as p
    on m.window_days = p.window_days and p.periods_back = 1 and p.is_complete
where m.periods_back = 0
