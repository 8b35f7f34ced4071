-- Grain: one product line of an event about an order. Key: order_id, event_number, line_number.
-- Meaning: the products array of completions, updates and refunds that count, a row per member that
-- names a product or a price; line_number is its place in the array, so that what was skipped shows
-- as a gap. Shops send numbers as strings: both are read. A quantity that is missing, or that is no
-- whole number from 0 to 999999, is taken as 1, and the line says so. Prices and amounts stand as
-- sent, in the line's currency: its own, else the event's.
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

readings as (
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
                then try_cast(double_text(parse_double(m.price_text)) as decimal(16, 6))
        end as unit_price,
        case
            when regexp_like(m.quantity_text, '^[+]?[0-9]{1,6}([.]0+)?\z')
                then cast(round(parse_double(m.quantity_text)) as bigint)
        end as quantity,
        coalesce(
            nullif(upper(regexp_replace(m.currency_text, '[ \t\r\n]+', '')), ''),
            m.event_currency
        ) as currency
    from members as m
)

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
    rd.quantity is null as is_quantity_assumed,
    coalesce(rd.quantity, 1) as quantity,
    rd.unit_price,
    cast(rd.unit_price * cast(coalesce(rd.quantity, 1) as decimal(6, 0)) as decimal(22, 6)) as amount
from readings as rd
left join rates as r on rd.currency = r.currency
where
    rd.product_id is not null
    or rd.sku is not null
    or rd.name is not null
    or rd.unit_price is not null
