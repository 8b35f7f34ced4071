-- Grain: one product and one day on which a price of it was seen. Key: product, price_date.
-- Meaning: the last price of the day that people saw: sent when the product was clicked, viewed, added
-- to a cart or to a wishlist, or in a line of an order (whatever became of it); by time, then in this
-- order of kinds, then by id. A product is known by its product_id, else its sku, else its name. Prices
-- are per unit, in the reporting currency; one below zero or of 10^10 or more is no price. One whose
-- currency has no rate is counted apart. Bots are left out where the parameters say so.
with product_clicked as (
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

session_events as (
    select * from marts.session_events
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
        coalesce(c.product_id, c.sku, c.name) as product,
        c.name,
        c.price,
        c.currency,
        c."timestamp"
    from product_clicked as c
    union all
    select
        2 as kind,
        v.id,
        v.received_at_utc_date,
        coalesce(v.product_id, v.sku, v.name) as product,
        v.name,
        v.price,
        v.currency,
        v."timestamp"
    from product_viewed as v
    union all
    select
        3 as kind,
        a.id,
        a.received_at_utc_date,
        coalesce(a.product_id, a.sku, a.name) as product,
        a.name,
        a.price,
        a.currency,
        a."timestamp"
    from product_added as a
    union all
    select
        4 as kind,
        w.id,
        w.received_at_utc_date,
        coalesce(w.product_id, w.sku, w.name) as product,
        w.name,
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
        pe.product,
        pe.name,
        try_cast(double_text(pe.price) as decimal(16, 6)) as price,
        coalesce(
            nullif(upper(regexp_replace(pe.currency, '[ \t\r\n]+', '')), ''), :reporting_currency
        ) as currency,
        pe."timestamp" as seen_at
    from product_events as pe
    where pe.product is not null and pe.price >= 0 and pe.price < 1e10
),

sightings as (
    select
        p.kind,
        p.id || ':' || p.received_at_utc_date as id,
        p.product,
        p.name,
        try_cast(cast(p.price as decimal(28, 6)) * r.rate as decimal(18, 2)) as price,
        p.seen_at,
        cast(least(se.event_date, :as_of) as date) as price_date
    from priced as p
    inner join session_events as se
        on p.id = se.id and p.received_at_utc_date = se.received_at_utc_date
    left join rates as r on p.currency = r.currency
    where not (:exclude_bots and coalesce(se.is_bot, false))
    union all
    select
        5 as kind,
        oi.order_id || ':' || cast(oi.line_number as varchar) as id,
        coalesce(oi.product_id, oi.sku, oi.name) as product,
        oi.name,
        oi.unit_price as price,
        oi.ordered_at as seen_at,
        cast(least(oi.order_date, :as_of) as date) as price_date
    from order_items as oi
    where
        oi.unit_price >= 0
        and coalesce(oi.product_id, oi.sku, oi.name) is not null
        and not (:exclude_bots and coalesce(oi.is_bot, false))
),

numbered as (
    select
        s.product,
        s.price_date,
        s.name,
        s.price,
        s.seen_at,
        row_number() over (
            partition by s.product, s.price_date order by s.seen_at asc, s.kind asc, s.id asc
        ) as place
    from sightings as s
)

select
    n.product,
    n.price_date,
    max_by(n.name, n.place) filter (where n.name is not null) as name,
    max_by(n.price, n.place) filter (where n.price is not null) as price,
    count(*) as sightings,
    count_if(n.price is null) as unvalued_sightings,
    max(case when n.price is not null then n.seen_at end) as last_seen_at
from numbered as n
group by n.product, n.price_date
