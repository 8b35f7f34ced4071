-- Grain: one period of 7, 30, 90 or 365 days that ends on the as-of date.
-- Key: window_days.
-- Meaning: the key figures of a period beside those of the equal period right before it (previous_…).
-- Persons are counted once in a period, however many days they came on: days do not add up to that.
-- The previous figures are NULL where that period starts before the first day with data, and
-- is_complete says whether the period itself lies wholly within the data.
with daily_overview as (
    select * from marts.daily_overview
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
    where not (:exclude_bots and coalesce(o.is_bot, false))
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
        cast(sum(d.cancelled_orders) as bigint) as cancelled_orders,
        cast(sum(d.valued_orders) as bigint) as valued_orders,
        cast(sum(d.unvalued_orders) as bigint) as unvalued_orders,
        cast(sum(d.units) as bigint) as units,
        cast(sum(d.gross_revenue) as decimal(18, 2)) as gross_revenue,
        cast(sum(d.revenue) as decimal(18, 2)) as revenue
    from periods as p
    inner join daily_overview as d on p.from_day <= d.day and p.to_day >= d.day
    group by p.window_days, p.periods_back
),

measured as (
    select
        p.window_days,
        p.periods_back,
        p.from_day,
        p.to_day,
        p.from_day >= fd.day as is_complete,
        coalesce(pu.users, 0) as users,
        ps.new_users,
        ps.sessions,
        ps.events,
        ps.engaged_sessions,
        round(cast(ps.engaged_sessions as double) / nullif(ps.sessions, 0), 4) as engagement_rate,
        ps.bounced_sessions,
        round(cast(ps.bounced_sessions as double) / nullif(ps.sessions, 0), 4) as bounce_rate,
        ps.converting_sessions,
        round(cast(ps.converting_sessions as double) / nullif(ps.sessions, 0), 4) as conversion_rate,
        ps.orders,
        coalesce(pb.buyers, 0) as buyers,
        round(cast(coalesce(pb.buyers, 0) as double) / nullif(pu.users, 0), 4) as buyer_rate,
        ps.cancelled_orders,
        ps.valued_orders,
        ps.unvalued_orders,
        ps.units,
        round(cast(ps.units as double) / nullif(ps.orders, 0), 4) as items_per_order,
        ps.gross_revenue,
        ps.revenue,
        round(cast(ps.revenue as double) / nullif(ps.valued_orders, 0), 4) as average_order_value
    from periods as p
    inner join period_sums as ps on p.window_days = ps.window_days and p.periods_back = ps.periods_back
    cross join first_day as fd
    left join period_users as pu on p.window_days = pu.window_days and p.periods_back = pu.periods_back
    left join period_buyers as pb on p.window_days = pb.window_days and p.periods_back = pb.periods_back
)

select
    m.window_days,
    m.from_day,
    m.to_day,
    m.is_complete,
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
    p.from_day as previous_from_day,
    p.to_day as previous_to_day,
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
left join measured as p
    on m.window_days = p.window_days and p.periods_back = 1 and p.is_complete
where m.periods_back = 0
