-- Grain: one category on one day. Key: day, category.
-- Meaning: the product funnel by category and day (marts.product_actions). Categories are as the event or
-- the line says. The fifty of most views, adds and lines of orders, of equals the first by name, have
-- every day of daily_overview within the last 1,096; of the others, which events may make as many of as
-- they like, a row is there where something happened.
with product_actions as (
    select * from marts.product_actions
),

daily_overview as (
    select * from marts.daily_overview
),

summed as (
    select
        a.day,
        a.category,
        count(*) as actions,
        count_if(a.action = 'view') as views,
        count(distinct case when a.action = 'view' then a.person_id end) as viewers,
        count_if(a.action = 'add') as adds,
        count(distinct case when a.action = 'add' then a.person_id end) as adders,
        count(distinct case when a.action = 'order' then a.id end) as orders,
        count(distinct case when a.action = 'order' then a.person_id end) as buyers,
        cast(sum(a.units) as bigint) as units,
        cast(sum(a.item_sales) as decimal(38, 2)) as item_sales
    from product_actions as a
    group by a.day, a.category
),

totals as (
    select
        s.category,
        sum(s.actions) as actions
    from summed as s
    group by s.category
),

placed as (
    select
        t.category,
        row_number() over (order by t.actions desc, t.category asc) as place
    from totals as t
),

spine as (
    select
        d.day,
        p.category
    from daily_overview as d
    cross join placed as p
    where p.place <= 50 and d.day > cast(date_add('day', -1096, :as_of) as date)
    union
    select
        s.day,
        s.category
    from summed as s
)

select
    p.day,
    p.category,
    coalesce(s.views, 0) as views,
    coalesce(s.viewers, 0) as viewers,
    coalesce(s.adds, 0) as adds,
    coalesce(s.adders, 0) as adders,
    round(cast(s.adders as double) / nullif(s.viewers, 0), 4) as cart_to_view_rate,
    coalesce(s.orders, 0) as orders,
    coalesce(s.buyers, 0) as buyers,
    round(cast(s.buyers as double) / nullif(s.viewers, 0), 4) as purchase_to_view_rate,
    coalesce(s.units, 0) as units,
    coalesce(s.item_sales, cast(0 as decimal(38, 2))) as item_sales
from spine as p
left join summed as s on p.day = s.day and p.category = s.category
