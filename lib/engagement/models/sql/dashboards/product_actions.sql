-- Grain: one view or add of a product, or one line of an order that stands.
-- Key: action, id, received_at_utc_date, line_number.
-- Meaning: what people did with products, each on its own day: the daily tables of products and of
-- categories are sums over it. Products are named as in marts.product_performance. What is dated after
-- the as-of date counts on it.
with session_events as (
    select * from marts.session_events
),

product_viewed as (
    select * from sources.product_viewed
),

product_added as (
    select * from sources.product_added
),

orders as (
    select * from marts.orders
),

order_items as (
    select * from marts.order_items
),

looks as (
    select
        'view' as action,
        v.id,
        v.received_at_utc_date,
        coalesce(v.product_id, v.sku, '(not set)') as product_id,
        coalesce(v.category, '(not set)') as category
    from product_viewed as v
    union all
    select
        'add' as action,
        a.id,
        a.received_at_utc_date,
        coalesce(a.product_id, a.sku, '(not set)') as product_id,
        coalesce(a.category, '(not set)') as category
    from product_added as a
)

select
    cast(l.action as varchar) as action,
    l.id,
    l.received_at_utc_date,
    cast(0 as bigint) as line_number,
    least(se.event_date, :as_of) as day,
    se.person_id,
    l.product_id,
    l.category,
    cast(0 as bigint) as units,
    cast(0 as decimal(18, 2)) as item_sales
from looks as l
inner join session_events as se
    on l.id = se.id and l.received_at_utc_date = se.received_at_utc_date
where not (:exclude_bots and coalesce(se.is_bot, false))
union all
select
    cast('order' as varchar) as action,
    oi.order_id as id,
    cast('' as varchar) as received_at_utc_date,
    oi.line_number,
    least(oi.order_date, :as_of) as day,
    oi.person_id,
    coalesce(oi.product_id, oi.sku, '(not set)') as product_id,
    coalesce(oi.category, '(not set)') as category,
    oi.quantity as units,
    coalesce(oi.item_sales, cast(0 as decimal(18, 2))) as item_sales
from order_items as oi
inner join orders as o on oi.order_id = o.order_id
where oi.status <> 'cancelled' and not (:exclude_bots and coalesce(o.is_bot, false))
