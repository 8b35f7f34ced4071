-- Grain: one product on one day. Key: day, product_id.
-- Meaning: what became of a product on each day (marts.product_actions), its name and category as in
-- marts.product_performance. A row is there for a day on which something happened.
with product_actions as (
    select * from marts.product_actions
),

product_performance as (
    select * from marts.product_performance
),

summed as (
    select
        a.day,
        a.product_id,
        count_if(a.action = 'view') as views,
        count(distinct case when a.action = 'view' then a.person_id end) as viewers,
        count_if(a.action = 'add') as adds,
        count(distinct case when a.action = 'add' then a.person_id end) as adders,
        count(distinct case when a.action = 'order' then a.id end) as orders,
        count(distinct case when a.action = 'order' then a.person_id end) as buyers,
        cast(sum(a.units) as bigint) as units,
        cast(sum(a.item_sales) as decimal(38, 2)) as item_sales
    from product_actions as a
    group by a.day, a.product_id
)

select
    s.day,
    s.product_id,
    p.name,
    p.category,
    s.views,
    s.viewers,
    s.adds,
    s.adders,
    round(cast(s.adders as double) / nullif(s.viewers, 0), 4) as cart_to_view_rate,
    s.orders,
    s.buyers,
    round(cast(s.buyers as double) / nullif(s.viewers, 0), 4) as purchase_to_view_rate,
    s.units,
    s.item_sales
from summed as s
left join product_performance as p on s.product_id = p.product_id
