-- Grain: one product, by its product_id; where events had none, by sku, else '(not set)'.
-- Key: product_id.
-- Meaning: what became of a product from the first look to the order, over all days to the as-of
-- date. Rates count persons: of those who looked at it, how many put it into the cart or bought it.
-- People also add from lists without opening the product's page, so a rate may pass one.
-- item_sales are those of the lines of orders that stand, before refunds and discounts on the order;
-- over all products they are the item sales of revenue_reconciliation, which leads from them to
-- revenue. Names are the latest ones seen.
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
        coalesce(v.product_id, v.sku, '(not set)') as product_id,
        v.name,
        v.brand,
        v.category,
        se.person_id,
        v.id as event_id,
        v."timestamp" as seen_at,
        'view' as action
    from product_viewed as v
    inner join session_events as se
        on v.id = se.id and v.received_at_utc_date = se.received_at_utc_date
    where not (:exclude_bots and coalesce(se.is_bot, false))
    union all
    select
        coalesce(a.product_id, a.sku, '(not set)') as product_id,
        a.name,
        a.brand,
        a.category,
        se.person_id,
        a.id as event_id,
        a."timestamp" as seen_at,
        'add' as action
    from product_added as a
    inner join session_events as se
        on a.id = se.id and a.received_at_utc_date = se.received_at_utc_date
    where not (:exclude_bots and coalesce(se.is_bot, false))
),

items as (
    select
        coalesce(oi.product_id, oi.sku, '(not set)') as product_id,
        oi.name,
        oi.brand,
        oi.category,
        oi.person_id,
        oi.order_id,
        oi.line_number,
        oi.ordered_at,
        oi.status <> 'cancelled' as stands,
        oi.quantity,
        oi.item_sales
    from order_items as oi
    inner join orders as o on oi.order_id = o.order_id
    where not (:exclude_bots and coalesce(o.is_bot, false))
),

interest as (
    select
        l.product_id,
        count_if(l.action = 'view') as views,
        count(distinct case when l.action = 'view' then l.person_id end) as viewers,
        count_if(l.action = 'add') as adds,
        count(distinct case when l.action = 'add' then l.person_id end) as adders
    from looks as l
    group by l.product_id
),

sales as (
    select
        i.product_id,
        count(distinct i.order_id) as orders,
        count(distinct i.person_id) as buyers,
        cast(sum(i.quantity) as bigint) as units,
        cast(sum(i.item_sales) as decimal(38, 2)) as item_sales
    from items as i
    where i.stands
    group by i.product_id
),

mentions as (
    select
        l.product_id,
        l.name,
        l.brand,
        l.category,
        l.seen_at,
        concat('event:', l.event_id) as mention
    from looks as l
    union all
    select
        i.product_id,
        i.name,
        i.brand,
        i.category,
        i.ordered_at as seen_at,
        concat('order:', i.order_id, ':', cast(i.line_number as varchar)) as mention
    from items as i
),

names as (
    select
        m.product_id,
        m.name,
        row_number() over (
            partition by m.product_id order by m.seen_at desc, m.mention desc, m.name desc
        ) as place
    from mentions as m
    where m.name is not null
),

brands as (
    select
        m.product_id,
        m.brand,
        row_number() over (
            partition by m.product_id order by m.seen_at desc, m.mention desc, m.brand desc
        ) as place
    from mentions as m
    where m.brand is not null
),

categories as (
    select
        m.product_id,
        m.category,
        row_number() over (
            partition by m.product_id order by m.seen_at desc, m.mention desc, m.category desc
        ) as place
    from mentions as m
    where m.category is not null
),

products as (
    select distinct m.product_id from mentions as m
)

select
    p.product_id,
    case when p.product_id <> '(not set)' then n.name end as name,
    case when p.product_id <> '(not set)' then b.brand end as brand,
    case when p.product_id <> '(not set)' then c.category end as category,
    coalesce(t.views, 0) as views,
    coalesce(t.viewers, 0) as viewers,
    coalesce(t.adds, 0) as adds,
    coalesce(t.adders, 0) as adders,
    round(cast(coalesce(t.adders, 0) as double) / nullif(t.viewers, 0), 4) as cart_to_view_rate,
    coalesce(s.orders, 0) as orders,
    coalesce(s.buyers, 0) as buyers,
    round(cast(coalesce(s.buyers, 0) as double) / nullif(t.viewers, 0), 4) as purchase_to_view_rate,
    coalesce(s.units, 0) as units,
    cast(coalesce(s.item_sales, 0) as decimal(38, 2)) as item_sales
from products as p
left join interest as t on p.product_id = t.product_id
left join sales as s on p.product_id = s.product_id
left join names as n on p.product_id = n.product_id and n.place = 1
left join brands as b on p.product_id = b.product_id and b.place = 1
left join categories as c on p.product_id = c.product_id and c.place = 1
