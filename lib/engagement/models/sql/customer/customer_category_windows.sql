-- Grain: one person, one category and one window. Key: person_id, category, window_days.
-- Meaning: how often the person viewed, added and ordered products of a category in the last 7, 30, 90
-- and 365 days, and what they spent on them: item sales of orders that stand, before discounts, tax,
-- shipping and refunds. Windows are as in customer_behaviour; a window in which the person did nothing
-- in a category has no row. Categories are as sent. Bots are left out where the parameters say so.
with product_viewed as (
    select * from sources.product_viewed
),

product_added as (
    select * from sources.product_added
),

session_events as (
    select * from marts.session_events
),

order_items as (
    select * from marts.order_items
),

events as (
    select
        se.id,
        se.received_at_utc_date,
        se.person_id,
        date_diff('day', cast(least(se.event_date, :as_of) as date), :as_of) as days_ago
    from session_events as se
    where not (:exclude_bots and coalesce(se.is_bot, false))
),

doings as (
    select
        e.person_id,
        v.category,
        e.days_ago,
        1 as views,
        0 as adds,
        cast(null as varchar) as order_id,
        cast(null as decimal(18, 2)) as item_sales
    from product_viewed as v
    inner join events as e on v.id = e.id and v.received_at_utc_date = e.received_at_utc_date
    where v.category is not null
    union all
    select
        e.person_id,
        a.category,
        e.days_ago,
        0 as views,
        1 as adds,
        cast(null as varchar) as order_id,
        cast(null as decimal(18, 2)) as item_sales
    from product_added as a
    inner join events as e on a.id = e.id and a.received_at_utc_date = e.received_at_utc_date
    where a.category is not null
    union all
    select
        oi.person_id,
        oi.category,
        date_diff('day', cast(least(oi.order_date, :as_of) as date), :as_of) as days_ago,
        0 as views,
        0 as adds,
        oi.order_id,
        oi.item_sales
    from order_items as oi
    where
        oi.category is not null
        and oi.quantity > 0
        and oi.status <> 'cancelled'
        and not (:exclude_bots and coalesce(oi.is_bot, false))
),

windows as (
    select
        d.person_id,
        d.category,
        w.days as window_days,
        d.views,
        d.adds,
        d.order_id,
        d.item_sales
    from doings as d
    cross join unnest(array[7, 30, 90, 365]) as w (days)
    where d.days_ago < w.days
)

select
    w.person_id,
    w.category,
    cast(w.window_days as bigint) as window_days,
    cast(sum(w.views) as bigint) as views,
    cast(sum(w.adds) as bigint) as adds,
    count(distinct w.order_id) as orders,
    cast(coalesce(sum(w.item_sales), 0) as decimal(38, 2)) as spend
from windows as w
group by w.person_id, w.category, w.window_days
