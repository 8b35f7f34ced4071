-- Grain: one event about an order: completed, updated, refunded or cancelled.
-- Key: order_id, event_number.
-- Meaning: everything that was reported about each order, in order of time, and the role it plays:
--   counts  it shapes the order: the first completion (by time, then received_at, then id), updates
--           at or after it, refunds and cancellations,
--   repeat  it was reported before: a later completion, an event id that came again, or a refund_id
--           that the order's refunds already had,
--   early   an update from before the completion: it changes nothing,
--   orphan  it is about an order that nobody completed, so there is nothing it could change.
-- Amounts are as sent, in the event's currency: its own; else that of the first line it lists; else
-- the currency of the completion that counts; else the reporting currency. The rate is what one unit
-- is worth in the reporting currency, NULL where the parameters give none. An amount of 10^10 or more
-- is not believed: it is NULL, as if it had not been sent, and counted in amounts_not_believed;
-- is_worth_not_believed tells when it would have said what the order or the refund is worth.
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
        cast(null as varchar) as refund_id,
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
        cast(null as varchar) as refund_id,
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
        r.refund_id,
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
        cast(null as varchar) as refund_id,
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

-- Only events that name no currency of their own are searched for their first line.
listed as (
    select
        s.kind,
        s.id,
        s.received_at_utc_date,
        t.n as line_number,
        json_text(t.item, '$.product_id') as product_id,
        json_text(t.item, '$.sku') as sku,
        json_text(t.item, '$.name') as name,
        json_text(t.item, '$.price') as price_text,
        json_text(t.item, '$.currency') as currency
    from said as s
    cross join unnest(json_items(s.products)) with ordinality as t (item, n)
    where nullif(regexp_replace(s.currency, '[ \t\r\n]+', ''), '') is null
),

first_lines as (
    select
        l.kind,
        l.id,
        l.received_at_utc_date,
        l.currency,
        row_number() over (
            partition by l.kind, l.id, l.received_at_utc_date order by l.line_number
        ) as place
    from listed as l
    where
        nullif(l.product_id, '') is not null
        or nullif(l.sku, '') is not null
        or nullif(l.name, '') is not null
        or regexp_like(l.price_text, '^[-+]?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]{1,2})?\z')
),

named as (
    select
        s.kind,
        s.kind_order,
        s.id,
        s.received_at_utc_date,
        s."timestamp",
        s.received_at,
        nullif(regexp_replace(s.order_id, '^[ \t\r\n]+|[ \t\r\n]+\z', ''), '') as order_id,
        nullif(regexp_replace(s.refund_id, '^[ \t\r\n]+|[ \t\r\n]+\z', ''), '') as refund_id,
        coalesce(
            nullif(upper(regexp_replace(s.currency, '[ \t\r\n]+', '')), ''),
            nullif(upper(regexp_replace(f.currency, '[ \t\r\n]+', '')), '')
        ) as currency
    from said as s
    left join first_lines as f
        on
            s.kind = f.kind
            and s.id = f.id
            and s.received_at_utc_date = f.received_at_utc_date
            and f.place = 1
),

keyed as (
    select
        n.kind,
        n.kind_order,
        n.id,
        n.received_at_utc_date,
        n."timestamp",
        n.received_at,
        n.currency,
        :reporting_currency as default_currency,
        n.order_id is not null and lower(n.order_id) not in (:placeholder_ids) as has_order_id,
        case
            when n.order_id is null or lower(n.order_id) in (:placeholder_ids) then 'event:' || n.id
            else n.order_id
        end as order_id,
        case when lower(n.refund_id) not in (:placeholder_ids) then n.refund_id end as refund_id
    from named as n
),

numbered as (
    select
        k.order_id,
        k.has_order_id,
        k.refund_id,
        k.kind,
        k.id,
        k.received_at_utc_date,
        k."timestamp",
        k.currency,
        k.default_currency,
        row_number() over (
            partition by k.order_id
            order by k."timestamp", k.kind_order, k.received_at, k.id, k.received_at_utc_date
        ) as event_number,
        row_number() over (
            partition by k.order_id, k.kind
            order by k."timestamp", k.received_at, k.id, k.received_at_utc_date
        ) as number_of_kind,
        row_number() over (
            partition by k.order_id, k.kind, k.id
            order by k."timestamp", k.received_at, k.received_at_utc_date
        ) as number_of_id,
        row_number() over (
            partition by k.order_id, k.kind, k.refund_id
            order by k."timestamp", k.received_at, k.id, k.received_at_utc_date
        ) as number_of_refund_id
    from keyed as k
),

-- Each event beside the completion that counts, without reading the events once more.
completed as (
    select
        n.order_id,
        n.has_order_id,
        n.refund_id,
        n.kind,
        n.id,
        n.received_at_utc_date,
        n."timestamp",
        n.currency,
        n.default_currency,
        n.event_number,
        n.number_of_kind,
        n.number_of_id,
        n.number_of_refund_id,
        min(case when n.kind = 'completed' and n.number_of_kind = 1 then n."timestamp" end) over (
            partition by n.order_id
        ) as completed_at,
        min(case when n.kind = 'completed' and n.number_of_kind = 1 then n.currency end) over (
            partition by n.order_id
        ) as completed_currency,
        min(case when n.kind = 'completed' then n.number_of_kind end) over (
            partition by n.order_id
        ) as first_completion
    from numbered as n
),

placed as (
    select
        c.order_id,
        c.event_number,
        c.has_order_id,
        c.refund_id,
        c.kind,
        c.id,
        c.received_at_utc_date,
        case
            when c.first_completion is null then 'orphan'
            when c.kind = 'completed' and c.number_of_kind > 1 then 'repeat'
            when c.number_of_id > 1 then 'repeat'
            when c.refund_id is not null and c.number_of_refund_id > 1 then 'repeat'
            when c.kind = 'updated' and c."timestamp" < c.completed_at then 'early'
            else 'counts'
        end as role,
        coalesce(c.currency, c.completed_currency, c.default_currency) as currency
    from completed as c
),

believed as (
    select
        s.kind,
        s.id,
        s.received_at_utc_date,
        s.checkout_id,
        s.coupon,
        s.payment_method,
        s.products,
        s."timestamp",
        s.received_at,
        s.total as total_sent,
        s."value" as value_sent,
        s.revenue as revenue_sent,
        s.subtotal as subtotal_sent,
        s.discount as discount_sent,
        s.shipping as shipping_sent,
        s.tax as tax_sent,
        try_cast(double_text(s.total) as decimal(16, 6)) as total,
        try_cast(double_text(s."value") as decimal(16, 6)) as "value",
        try_cast(double_text(s.revenue) as decimal(16, 6)) as revenue,
        try_cast(double_text(s.subtotal) as decimal(16, 6)) as subtotal,
        try_cast(double_text(s.discount) as decimal(16, 6)) as discount,
        try_cast(double_text(s.shipping) as decimal(16, 6)) as shipping,
        try_cast(double_text(s.tax) as decimal(16, 6)) as tax
    from said as s
)

select
    p.order_id,
    p.event_number,
    p.has_order_id,
    cast(p.kind as varchar) as kind,
    cast(p.role as varchar) as role,
    p.id,
    p.received_at_utc_date,
    p.refund_id,
    b.checkout_id,
    b.coupon,
    b.payment_method,
    b.products,
    p.currency,
    r.rate,
    b.total,
    b."value",
    b.revenue,
    b.subtotal,
    b.discount,
    b.shipping,
    b.tax,
    cast(
        case when b.total_sent is not null and b.total is null then 1 else 0 end
        + case when b.value_sent is not null and b."value" is null then 1 else 0 end
        + case when b.revenue_sent is not null and b.revenue is null then 1 else 0 end
        + case when b.subtotal_sent is not null and b.subtotal is null then 1 else 0 end
        + case when b.discount_sent is not null and b.discount is null then 1 else 0 end
        + case when b.shipping_sent is not null and b.shipping is null then 1 else 0 end
        + case when b.tax_sent is not null and b.tax is null then 1 else 0 end
        as bigint
    ) as amounts_not_believed,
    (b.total_sent is not null and b.total is null)
    or (b.value_sent is not null and b."value" is null)
    or (b.revenue_sent is not null and b.revenue is null)
    or (p.kind in ('completed', 'updated') and b.subtotal_sent is not null and b.subtotal is null)
        as is_worth_not_believed,
    b."timestamp",
    b.received_at
from placed as p
inner join believed as b
    on p.kind = b.kind and p.id = b.id and p.received_at_utc_date = b.received_at_utc_date
left join rates as r on p.currency = r.currency
