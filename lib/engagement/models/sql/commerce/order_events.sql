-- Grain: one event about an order: completed, updated, refunded or cancelled.
-- Key: order_id, event_number.
-- Meaning: what was said about each order, in the order of time, and what became of the saying:
--   counts  it makes up the order (the first completion; each update, refund and cancellation),
--   repeat  it was said before (a later completion; an event id that came again),
--   orphan  it is about an order that nobody completed, so that there is nothing it could change.
-- Amounts stand here as sent, in the event's currency: its own; else that of its first product; else
-- the order's, which is that of the completion that counts; else the reporting currency. The rate is
-- what one unit is worth in the reporting currency, NULL where the parameters give none. A number
-- from ten thousand million on is no amount of money: NULL.
with order_completed as (
    select * from sources.order_completed
),

order_updated as (
    select * from sources.order_updated
),

order_refunded as (
    select * from sources.order_refunded
),

order_cancelled as (
    select * from sources.order_cancelled
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

said as (
    select
        'completed' as kind,
        1 as kind_order,
        c.id,
        c.received_at_utc_date,
        c.order_id,
        c.checkout_id,
        c.currency,
        c.total,
        c."value",
        c.revenue,
        c.subtotal,
        c.discount,
        c.shipping,
        c.tax,
        c.coupon,
        c.payment_method,
        c.products,
        c."timestamp",
        c.received_at
    from order_completed as c
    union all
    select
        'updated' as kind,
        2 as kind_order,
        u.id,
        u.received_at_utc_date,
        u.order_id,
        u.checkout_id,
        u.currency,
        u.total,
        u."value",
        u.revenue,
        u.subtotal,
        u.discount,
        u.shipping,
        u.tax,
        u.coupon,
        u.payment_method,
        u.products,
        u."timestamp",
        u.received_at
    from order_updated as u
    union all
    select
        'refunded' as kind,
        3 as kind_order,
        r.id,
        r.received_at_utc_date,
        r.order_id,
        r.checkout_id,
        r.currency,
        r.total,
        r."value",
        r.revenue,
        r.subtotal,
        r.discount,
        r.shipping,
        r.tax,
        r.coupon,
        r.payment_method,
        r.products,
        r."timestamp",
        r.received_at
    from order_refunded as r
    union all
    select
        'cancelled' as kind,
        4 as kind_order,
        x.id,
        x.received_at_utc_date,
        x.order_id,
        x.checkout_id,
        x.currency,
        x.total,
        x."value",
        x.revenue,
        x.subtotal,
        x.discount,
        x.shipping,
        x.tax,
        x.coupon,
        x.payment_method,
        x.products,
        x."timestamp",
        x.received_at
    from order_cancelled as x
),

named as (
    select
        s.kind,
        s.kind_order,
        s.id,
        s.received_at_utc_date,
        s."timestamp",
        nullif(regexp_replace(s.order_id, '^[ \t\r\n]+|[ \t\r\n]+\z', ''), '') as order_id,
        nullif(upper(regexp_replace(
            coalesce(
                s.currency,
                json_text(element_at(json_items(s.products), 1), '$.currency')
            ),
            '[ \t\r\n]+', ''
        )), '') as currency
    from said as s
),

keyed as (
    select
        n.kind,
        n.kind_order,
        n.id,
        n.received_at_utc_date,
        n."timestamp",
        n.currency,
        :reporting_currency as default_currency,
        n.order_id is not null and n.order_id not in (:placeholder_ids) as has_order_id,
        case
            when n.order_id is null or n.order_id in (:placeholder_ids) then 'event:' || n.id
            else n.order_id
        end as order_id
    from named as n
),

numbered as (
    select
        k.order_id,
        k.has_order_id,
        k.kind,
        k.id,
        k.received_at_utc_date,
        k.currency,
        k.default_currency,
        row_number() over (
            partition by k.order_id
            order by k."timestamp", k.kind_order, k.id, k.received_at_utc_date
        ) as event_number,
        row_number() over (
            partition by k.order_id, k.kind
            order by k."timestamp", k.id, k.received_at_utc_date
        ) as number_of_kind,
        row_number() over (
            partition by k.order_id, k.kind, k.id
            order by k."timestamp", k.received_at_utc_date
        ) as number_of_id
    from keyed as k
),

completions as (
    select
        n.order_id,
        n.currency
    from numbered as n
    where n.kind = 'completed' and n.number_of_kind = 1
),

placed as (
    select
        n.order_id,
        n.event_number,
        n.has_order_id,
        n.kind,
        n.id,
        n.received_at_utc_date,
        case
            when c.order_id is null then 'orphan'
            when n.kind = 'completed' and n.number_of_kind > 1 then 'repeat'
            when n.number_of_id > 1 then 'repeat'
            else 'counts'
        end as role,
        coalesce(n.currency, c.currency, n.default_currency) as currency
    from numbered as n
    left join completions as c on n.order_id = c.order_id
)

select
    p.order_id,
    p.event_number,
    p.has_order_id,
    cast(p.kind as varchar) as kind,
    cast(p.role as varchar) as role,
    p.id,
    p.received_at_utc_date,
    s.checkout_id,
    s.coupon,
    s.payment_method,
    s.products,
    p.currency,
    r.rate,
    try_cast(double_text(s.total) as decimal(16, 6)) as total,
    try_cast(double_text(s."value") as decimal(16, 6)) as "value",
    try_cast(double_text(s.revenue) as decimal(16, 6)) as revenue,
    try_cast(double_text(s.subtotal) as decimal(16, 6)) as subtotal,
    try_cast(double_text(s.discount) as decimal(16, 6)) as discount,
    try_cast(double_text(s.shipping) as decimal(16, 6)) as shipping,
    try_cast(double_text(s.tax) as decimal(16, 6)) as tax,
    s."timestamp",
    s.received_at
from placed as p
inner join said as s
    on p.kind = s.kind and p.id = s.id and p.received_at_utc_date = s.received_at_utc_date
left join rates as r on p.currency = r.currency
