-- Grain: one person who viewed, added or ordered a product of a known category or brand.
-- Key: person_id.
-- Meaning: which category and which brand a person leans to. A view counts 1 point, adding to the cart
-- 3, a line of an order that was not cancelled 5; the one with most points is the favourite. Where
-- points are equal it is the one touched last, then the first by name. The share is that of the
-- favourite in all points the person gave to categories, or to brands.
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
        se.person_id
    from session_events as se
    where not (:exclude_bots and coalesce(se.is_bot, false))
),

touches as (
    select
        e.person_id,
        v.category,
        v.brand,
        1 as points,
        v."timestamp" as touched_at
    from product_viewed as v
    inner join events as e on v.id = e.id and v.received_at_utc_date = e.received_at_utc_date
    union all
    select
        e.person_id,
        a.category,
        a.brand,
        3 as points,
        a."timestamp" as touched_at
    from product_added as a
    inner join events as e on a.id = e.id and a.received_at_utc_date = e.received_at_utc_date
    union all
    select
        oi.person_id,
        oi.category,
        oi.brand,
        5 as points,
        oi.ordered_at as touched_at
    from order_items as oi
    where oi.status <> 'cancelled' and not (:exclude_bots and coalesce(oi.is_bot, false))
),

categories as (
    select
        t.person_id,
        t.category,
        sum(t.points) as points,
        max(t.touched_at) as touched_at
    from touches as t
    where t.category is not null
    group by t.person_id, t.category
),

ranked_categories as (
    select
        c.person_id,
        c.category,
        c.points,
        sum(c.points) over (partition by c.person_id) as all_points,
        row_number() over (
            partition by c.person_id order by c.points desc, c.touched_at desc, c.category asc
        ) as place
    from categories as c
),

brands as (
    select
        t.person_id,
        t.brand,
        sum(t.points) as points,
        max(t.touched_at) as touched_at
    from touches as t
    where t.brand is not null
    group by t.person_id, t.brand
),

ranked_brands as (
    select
        b.person_id,
        b.brand,
        b.points,
        sum(b.points) over (partition by b.person_id) as all_points,
        row_number() over (
            partition by b.person_id order by b.points desc, b.touched_at desc, b.brand asc
        ) as place
    from brands as b
),

people as (
    select distinct t.person_id
    from touches as t
    where t.category is not null or t.brand is not null
)

select
    p.person_id,
    c.category as favourite_category,
    b.brand as favourite_brand,
    round(cast(c.points as double) / nullif(c.all_points, 0), 4) as favourite_category_share,
    round(cast(b.points as double) / nullif(b.all_points, 0), 4) as favourite_brand_share
from people as p
left join ranked_categories as c on p.person_id = c.person_id and c.place = 1
left join ranked_brands as b on p.person_id = b.person_id and b.place = 1
