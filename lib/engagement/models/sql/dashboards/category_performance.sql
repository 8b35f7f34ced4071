-- Grain: one category. Key: category.
-- Meaning: the product funnel by category, over all days to the as-of date (marts.product_actions).
-- Categories are as the event or the line says.
with product_actions as (
    select * from marts.product_actions
),

summed as (
    select
        a.category,
        count_if(a.action = 'view') as views,
        count(distinct case when a.action = 'view' then a.person_id end) as viewers,
        count_if(a.action = 'add') as adds,
        count(distinct case when a.action = 'add' then a.person_id end) as adders,
        count(distinct case when a.action = 'order' then a.id end) as orders,
        count(distinct case when a.action = 'order' then a.person_id end) as buyers,
        cast(sum(a.units) as bigint) as units,
        cast(sum(a.item_sales) as decimal(38, 2)) as item_sales
    from product_actions as a
    group by a.category
)

select
    :as_of as day,
    s.category,
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
