-- Grain: one product, by its product_id; where events had none, by its sku. Key: item_id.
-- Meaning: the items dataset of Amazon Personalize: every product that was ever clicked, viewed, added
-- or ordered, with the latest price, category, brand and name that was sent with it, each on its own,
-- so that an event without a price does not take the price away. Prices are in the reporting
-- currency; one whose currency has no rate, below zero, of 10^10 or more, or past decimal(18,2) when
-- converted, is no price. NULL where nothing was sent.
with interactions as (
    select * from marts.personalize_interactions
),

product_clicked as (
    select * from sources.product_clicked
),

product_viewed as (
    select * from sources.product_viewed
),

product_added as (
    select * from sources.product_added
),

product_added_to_wishlist as (
    select * from sources.product_added_to_wishlist
),

order_items as (
    select * from marts.order_items
),

exchange_rates as (
    select * from seeds.exchange_rates
),

-- The reporting currency is worth one of itself, whatever the parameters say.
rates as (
    select
        x.currency,
        max(case when x.currency = :reporting_currency then cast(1 as decimal(18, 8)) else x.rate end) as rate
    from exchange_rates as x
    group by x.currency
),

product_events as (
    select
        1 as kind,
        c.id,
        c.received_at_utc_date,
        c.product_id,
        c.sku,
        c.name,
        c.brand,
        c.category,
        c.price,
        c.currency,
        c."timestamp"
    from product_clicked as c
    union all
    select
        2 as kind,
        v.id,
        v.received_at_utc_date,
        v.product_id,
        v.sku,
        v.name,
        v.brand,
        v.category,
        v.price,
        v.currency,
        v."timestamp"
    from product_viewed as v
    union all
    select
        3 as kind,
        a.id,
        a.received_at_utc_date,
        a.product_id,
        a.sku,
        a.name,
        a.brand,
        a.category,
        a.price,
        a.currency,
        a."timestamp"
    from product_added as a
    union all
    select
        4 as kind,
        w.id,
        w.received_at_utc_date,
        w.product_id,
        w.sku,
        w.name,
        w.brand,
        w.category,
        w.price,
        w.currency,
        w."timestamp"
    from product_added_to_wishlist as w
),

priced as (
    select
        pe.kind,
        pe.id,
        pe.received_at_utc_date,
        pe.product_id,
        pe.sku,
        pe.name,
        pe.brand,
        pe.category,
        case when pe.price >= 0 then try_cast(double_text(pe.price) as decimal(16, 6)) end as price,
        coalesce(
            nullif(upper(regexp_replace(pe.currency, '[ \t\r\n]+', '')), ''), :reporting_currency
        ) as currency,
        pe."timestamp"
    from product_events as pe
),

sightings as (
    select
        pe.kind,
        pe.id || ':' || pe.received_at_utc_date as id,
        coalesce(nullif(pe.product_id, ''), nullif(pe.sku, '')) as item_id,
        nullif(pe.name, '') as name,
        nullif(pe.brand, '') as brand,
        nullif(pe.category, '') as category,
        try_cast(cast(pe.price as decimal(28, 6)) * r.rate as decimal(18, 2)) as price,
        pe."timestamp" as seen_at
    from priced as pe
    left join rates as r on pe.currency = r.currency
    union all
    select
        5 as kind,
        oi.order_id || ':' || cast(oi.line_number as varchar) as id,
        coalesce(nullif(oi.product_id, ''), nullif(oi.sku, '')) as item_id,
        oi.name,
        oi.brand,
        oi.category,
        case when oi.unit_price >= 0 then oi.unit_price end as price,
        oi.ordered_at as seen_at
    from order_items as oi
),

ordered as (
    select
        s.item_id,
        s.name,
        s.brand,
        s.category,
        s.price,
        s.seen_at,
        row_number() over (partition by s.item_id order by s.seen_at, s.kind, s.id) as place
    from sightings as s
    where s.item_id is not null
),

products as (
    select
        o.item_id,
        max_by(o.category, o.place) filter (where o.category is not null) as category,
        max_by(o.brand, o.place) filter (where o.brand is not null) as brand,
        max_by(o.name, o.place) filter (where o.name is not null) as name,
        max_by(o.price, o.place) filter (where o.price is not null) as price,
        count(*) as sightings,
        min(o.seen_at) as first_seen_at,
        max(o.seen_at) as last_seen_at
    from ordered as o
    group by o.item_id
),

uses as (
    select
        i.item_id,
        count(*) as interactions
    from interactions as i
    group by i.item_id
)

select
    p.item_id,
    p.category,
    p.brand,
    p.name,
    p.price,
    p.sightings,
    coalesce(u.interactions, 0) as interactions,
    p.first_seen_at,
    p.last_seen_at
from products as p
left join uses as u on p.item_id = u.item_id
