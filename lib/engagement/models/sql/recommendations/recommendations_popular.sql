-- Grain: a list and a place in it. Key: kind, category, rank.
-- Meaning: what most people are interested in, 25 products a list: overall, by category, and trending,
-- where an interest counts half after recommendations.trend_half_life_days. Each person counts once
-- for a product, with the strongest interaction. The category is the first level of the first one
-- that was sent; products without one are in no list of a category.
with affinities as (
    select * from marts.recommendation_affinities
),

items as (
    select * from marts.recommendation_items
),

products as (
    select
        a.product_id,
        sum(a.weight) as weight,
        sum(a.trend) as trend
    from affinities as a
    group by a.product_id
),

lists as (
    select
        'overall' as kind,
        '' as category,
        p.product_id,
        cast(p.weight as double) / 1000 as score
    from products as p
    union all
    select
        'trending' as kind,
        '' as category,
        p.product_id,
        cast(p.trend as double) / 1000000 as score
    from products as p
    union all
    select
        'category' as kind,
        c.category,
        p.product_id,
        cast(p.weight as double) / 1000 as score
    from products as p
    inner join items as c on p.product_id = c.item_id
    where c.category is not null
),

ranked as (
    select
        l.kind,
        l.category,
        l.product_id,
        l.score,
        row_number() over (
            partition by l.kind, l.category order by l.score desc, l.product_id asc
        ) as rank
    from lists as l
)

select
    cast(r.kind as varchar) as kind,
    cast(r.category as varchar) as category,
    r.rank,
    r.product_id,
    r.score
from ranked as r
where r.rank <= 25
