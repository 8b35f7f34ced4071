-- Grain: one product line of an event about an order. Key: order_id, event_number, line_number.
-- Meaning: the products array of completions, updates and refunds that count, a row per member that
-- names a product or a price; line_number is its place in the array, so that what was skipped shows
-- as a gap. Shops send numbers as strings: both are read. A quantity that is missing, not whole,
-- negative or above 999,999 is taken as 1, and the line says so. Prices and amounts are as sent, in
-- the line's currency: its own, else the event's; a price of 10^10 or more is not believed. item_sales
-- is price times quantity in the reporting currency, converted once and rounded to cents; where it
-- passes decimal(18,2) it is NULL and is_out_of_bounds says so.
with order_events as (
    select * from marts.order_events
),

exchange_rates as (
    select * from seeds.exchange_rates
),

rates as (
    select
        x.currency,
        max(case when x.currency = :reporting_currency then cast(1 as decimal(18, 8)) else x.rate end) as rate
    from exchange_rates as x
    group by x.currency
),

members as (
    select
        oe.order_id,
        oe.event_number,
        oe.kind,
        t.n as line_number,
        json_text(t.item, '$.product_id') as product_id,
        json_text(t.item, '$.sku') as sku,
        json_text(t.item, '$.name') as name,
        json_text(t.item, '$.brand') as brand,
        json_text(t.item, '$.category') as category,
        json_text(t.item, '$.variant') as variant,
        json_text(t.item, '$.price') as price_text,
        json_text(t.item, '$.quantity') as quantity_text,
        json_text(t.item, '$.currency') as currency_text,
        oe.currency as event_currency
    from order_events as oe
    cross join unnest(json_items(oe.products)) with ordinality as t (item, n)
    where oe.role = 'counts' and oe.kind <> 'cancelled'
),

numbers as (
    select
        m.order_id,
        m.event_number,
        m.kind,
        m.line_number,
        nullif(m.product_id, '') as product_id,
        nullif(m.sku, '') as sku,
        nullif(m.name, '') as name,
        nullif(m.brand, '') as brand,
        nullif(m.category, '') as category,
        nullif(m.variant, '') as variant,
        case
            when regexp_like(m.price_text, '^[-+]?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]{1,2})?\z')
                then parse_double(m.price_text)
        end as price,
        case
            when regexp_like(m.quantity_text, '^[-+]?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]{1,2})?\z')
                then parse_double(m.quantity_text)
        end as quantity,
        coalesce(
            nullif(upper(regexp_replace(m.currency_text, '[ \t\r\n]+', '')), ''),
            m.event_currency
        ) as currency
    from members as m
),

readings as (
    select
        n.order_id,
        n.event_number,
        n.kind,
        n.line_number,
        n.product_id,
        n.sku,
        n.name,
        n.brand,
        n.category,
        n.variant,
        n.currency,
        n.price is not null as has_price,
        try_cast(double_text(n.price) as decimal(16, 6)) as unit_price,
        case
            when n.quantity >= 0 and n.quantity <= 999999 and n.quantity = floor(n.quantity)
                then cast(round(n.quantity) as bigint)
        end as quantity
    from numbers as n
),

-- One factor is widened: the product of two decimals of 18 digits overflows on DuckDB.
priced as (
    select
        rd.order_id,
        rd.event_number,
        rd.line_number,
        rd.kind,
        rd.product_id,
        rd.sku,
        rd.name,
        rd.brand,
        rd.category,
        rd.variant,
        rd.currency,
        r.rate,
        rd.has_price and rd.unit_price is null as is_price_not_believed,
        rd.quantity is null as is_quantity_assumed,
        coalesce(rd.quantity, 1) as quantity,
        rd.unit_price,
        cast(
            cast(rd.unit_price as decimal(28, 6)) * cast(coalesce(rd.quantity, 1) as decimal(6, 0))
            as decimal(22, 6)
        ) as amount
    from readings as rd
    left join rates as r on rd.currency = r.currency
    where
        rd.product_id is not null
        or rd.sku is not null
        or rd.name is not null
        or rd.has_price
),

-- Price times quantity times rate may pass even 38 digits: doubles tell beforehand.
converted as (
    select
        p.order_id,
        p.event_number,
        p.line_number,
        p.kind,
        p.product_id,
        p.sku,
        p.name,
        p.brand,
        p.category,
        p.variant,
        p.currency,
        p.rate,
        p.is_price_not_believed,
        p.is_quantity_assumed,
        p.quantity,
        p.unit_price,
        p.amount,
        case
            when abs(cast(p.amount as double) * cast(p.rate as double)) < 1e17
                then try_cast(cast(p.amount as decimal(28, 6)) * p.rate as decimal(18, 2))
        end as item_sales
    from priced as p
)

select
    c.order_id,
    c.event_number,
    c.line_number,
    c.kind,
    c.product_id,
    c.sku,
    c.name,
    c.brand,
    c.category,
    c.variant,
    c.currency,
    c.rate,
    c.is_price_not_believed,
    c.is_quantity_assumed,
    c.amount is not null and c.rate is not null and c.item_sales is null as is_out_of_bounds,
    c.quantity,
    c.unit_price,
    c.amount,
    c.item_sales
from converted as c
