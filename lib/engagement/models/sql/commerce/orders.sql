-- Grain: one order. Key: order_id ('event:' and the event's id where the shop sent none).
-- Meaning: what an order came to in the end, in the reporting currency. The first completion makes
-- the order; later ones are repeats and change nothing. Updates amend it: of each field the latest
-- value sent holds.
-- Amounts that were not sent follow from those that were:
--   subtotal  the goods before discount, shipping and tax: subtotal as sent, else revenue, else
--             total - shipping - tax + discount, else the lines. The specification's subtotal has the
--             discount off, many shops' has not: it is added back where the lines, the revenue or the
--             total show that it was off,
--   total     what the customer pays: total, else value, else subtotal - discount + shipping + tax,
--   discount, shipping, tax: 0 where nothing was sent.
-- gross_revenue is the total; revenue is what is left of it: less refunds, 0 when cancelled.
-- A refund counts with its total (else value, else revenue), else with its lines, each at its own
-- price or at the order's price of that product; a refund that names neither is one of everything.
-- Refunds beyond the total are capped there, and what is over is reported in refund_excess.
-- An order is not converted, and its money NULL, where one of its currencies has no rate or where no
-- amount was sent at all; unvalued_reason says which. Sums stay checkable: items_difference is what
-- the subtotal and the lines differ by.
with order_events as (
    select * from marts.order_events
),

order_event_lines as (
    select * from marts.order_event_lines
),

person_events as (
    select * from marts.person_events
),

session_events as (
    select * from marts.session_events
),

payment_info_entered as (
    select * from sources.payment_info_entered
),

checkout_step_completed as (
    select * from sources.checkout_step_completed
),

-- Where there is no rate, amounts stand as they are for as long as the status is worked out.
amounts as (
    select
        oe.order_id,
        oe.event_number,
        oe.kind,
        oe.rate is not null as has_rate,
        cast(coalesce(oe.total, oe."value") * coalesce(oe.rate, 1) as decimal(18, 2)) as total,
        cast(oe.revenue * coalesce(oe.rate, 1) as decimal(18, 2)) as revenue,
        cast(oe.subtotal * coalesce(oe.rate, 1) as decimal(18, 2)) as subtotal,
        cast(abs(oe.discount) * coalesce(oe.rate, 1) as decimal(18, 2)) as discount,
        cast(oe.shipping * coalesce(oe.rate, 1) as decimal(18, 2)) as shipping,
        cast(oe.tax * coalesce(oe.rate, 1) as decimal(18, 2)) as tax,
        oe.coupon,
        oe.payment_method,
        oe.checkout_id,
        oe.currency
    from order_events as oe
    where oe.role = 'counts'
),

lines as (
    select
        ol.order_id,
        ol.event_number,
        ol.kind,
        ol.product_id,
        ol.sku,
        ol.quantity,
        ol.rate is not null as has_rate,
        cast(ol.unit_price * coalesce(ol.rate, 1) as decimal(18, 2)) as unit_price,
        cast(ol.amount * coalesce(ol.rate, 1) as decimal(18, 2)) as amount
    from order_event_lines as ol
),

completions as (
    select
        oe.order_id,
        oe.has_order_id,
        oe.id,
        oe.received_at_utc_date,
        cast(local_time(oe."timestamp", :timezone) as date) as order_date,
        oe."timestamp" as ordered_at
    from order_events as oe
    where oe.kind = 'completed' and oe.role = 'counts'
),

amended as (
    select
        a.order_id,
        bool_and(a.has_rate) as has_rate,
        count_if(a.kind = 'updated') as updates,
        max_by(a.total, a.event_number) filter (where a.total is not null) as total,
        max_by(a.revenue, a.event_number) filter (where a.revenue is not null) as revenue,
        max_by(a.subtotal, a.event_number) filter (where a.subtotal is not null) as subtotal,
        max_by(a.discount, a.event_number) filter (where a.discount is not null) as discount,
        max_by(a.shipping, a.event_number) filter (where a.shipping is not null) as shipping,
        max_by(a.tax, a.event_number) filter (where a.tax is not null) as tax,
        max_by(a.coupon, a.event_number) filter (where a.coupon is not null) as coupon,
        max_by(a.payment_method, a.event_number) filter (
            where a.payment_method is not null
        ) as payment_method,
        max_by(a.checkout_id, a.event_number) filter (
            where a.checkout_id is not null
        ) as checkout_id,
        max_by(a.currency, a.event_number) as currency
    from amounts as a
    where a.kind in ('completed', 'updated')
    group by a.order_id
),

lists as (
    select
        l.order_id,
        max(l.event_number) as event_number
    from lines as l
    where l.kind in ('completed', 'updated')
    group by l.order_id
),

order_lines as (
    select
        l.order_id,
        l.product_id,
        l.sku,
        l.quantity,
        l.has_rate,
        l.unit_price,
        l.amount
    from lines as l
    inner join lists as i on l.order_id = i.order_id and l.event_number = i.event_number
),

line_sums as (
    select
        l.order_id,
        bool_and(l.has_rate) as has_rate,
        count(*) as lines,
        cast(sum(l.quantity) as bigint) as units,
        sum(l.amount) as amount
    from order_lines as l
    group by l.order_id
),

product_prices as (
    select
        l.order_id,
        l.product_id,
        min(l.unit_price) as unit_price
    from order_lines as l
    where l.product_id is not null
    group by l.order_id, l.product_id
),

sku_prices as (
    select
        l.order_id,
        l.sku,
        min(l.unit_price) as unit_price
    from order_lines as l
    where l.sku is not null
    group by l.order_id, l.sku
),

refund_lines as (
    select
        l.order_id,
        l.event_number,
        bool_and(l.has_rate) as has_rate,
        sum(abs(coalesce(
            l.amount,
            cast(pp.unit_price * cast(l.quantity as decimal(6, 0)) as decimal(18, 2)),
            cast(sp.unit_price * cast(l.quantity as decimal(6, 0)) as decimal(18, 2))
        ))) as amount
    from lines as l
    left join product_prices as pp on l.order_id = pp.order_id and l.product_id = pp.product_id
    left join sku_prices as sp on l.order_id = sp.order_id and l.sku = sp.sku
    where l.kind = 'refunded'
    group by l.order_id, l.event_number
),

refund_events as (
    select
        a.order_id,
        case
            when coalesce(a.total, a.revenue) is not null then a.has_rate
            else coalesce(rl.has_rate, true)
        end as has_rate,
        coalesce(abs(coalesce(a.total, a.revenue)), rl.amount) as amount,
        coalesce(a.total, a.revenue) is null and rl.order_id is null as is_of_everything
    from amounts as a
    left join refund_lines as rl on a.order_id = rl.order_id and a.event_number = rl.event_number
    where a.kind = 'refunded'
),

refunds as (
    select
        r.order_id,
        bool_and(r.has_rate) as has_rate,
        count(*) as refunds,
        count_if(r.amount is null and not r.is_of_everything) as unvalued_refunds,
        bool_or(r.is_of_everything) as is_of_everything,
        coalesce(sum(r.amount), 0) as amount
    from refund_events as r
    group by r.order_id
),

moments as (
    select
        oe.order_id,
        count_if(oe.kind = 'completed' and oe.role = 'repeat') as repeats,
        max(case when oe.kind = 'updated' and oe.role = 'counts' then oe."timestamp" end) as updated_at,
        max(case when oe.kind = 'refunded' and oe.role = 'counts' then oe."timestamp" end) as refunded_at,
        min(case when oe.kind = 'cancelled' and oe.role = 'counts' then oe."timestamp" end) as cancelled_at
    from order_events as oe
    group by oe.order_id
),

payments as (
    select
        p.order_id,
        p.checkout_id,
        p.payment_method,
        p."timestamp",
        p.id
    from payment_info_entered as p
    where p.payment_method is not null
    union all
    select
        cast(null as varchar) as order_id,
        c.checkout_id,
        c.payment_method,
        c."timestamp",
        c.id
    from checkout_step_completed as c
    where c.payment_method is not null
),

order_payments as (
    select
        p.order_id,
        p.payment_method,
        row_number() over (
            partition by p.order_id order by p."timestamp" desc, p.id desc, p.payment_method asc
        ) as place
    from payments as p
    where p.order_id is not null
),

checkout_payments as (
    select
        p.checkout_id,
        p.payment_method,
        row_number() over (
            partition by p.checkout_id order by p."timestamp" desc, p.id desc, p.payment_method asc
        ) as place
    from payments as p
    where p.checkout_id is not null
),

resolved as (
    select
        c.order_id,
        c.has_order_id,
        c.id,
        c.received_at_utc_date,
        c.order_date,
        c.ordered_at,
        a.currency,
        a.coupon,
        coalesce(a.payment_method, op.payment_method, cp.payment_method) as payment_method,
        coalesce(ls.lines, 0) as lines,
        coalesce(ls.units, 0) as units,
        i.event_number as items_event_number,
        ls.amount as items_amount,
        coalesce(a.discount, 0) as discount,
        coalesce(a.shipping, 0) as shipping,
        coalesce(a.tax, 0) as tax,
        a.total as total_sent,
        a.subtotal as subtotal_sent,
        a.revenue as revenue_sent,
        m.repeats,
        a.updates,
        coalesce(r.refunds, 0) as refunds,
        coalesce(r.unvalued_refunds, 0) as unvalued_refunds,
        coalesce(r.is_of_everything, false) as is_refunded_whole,
        coalesce(r.amount, 0) as refund_amount,
        a.has_rate and coalesce(ls.has_rate, true) and coalesce(r.has_rate, true) as has_rate,
        m.updated_at,
        m.refunded_at,
        m.cancelled_at
    from completions as c
    inner join amended as a on c.order_id = a.order_id
    inner join moments as m on c.order_id = m.order_id
    left join lists as i on c.order_id = i.order_id
    left join line_sums as ls on c.order_id = ls.order_id
    left join refunds as r on c.order_id = r.order_id
    left join order_payments as op on c.order_id = op.order_id and op.place = 1
    left join checkout_payments as cp on a.checkout_id = cp.checkout_id and cp.place = 1
),

goods as (
    select
        rs.order_id,
        coalesce(rs.subtotal_sent, rs.revenue_sent) as sent,
        -- Lines that are converted one by one may be off by a cent each.
        cast(0.01 * (rs.lines + 2) as decimal(18, 2)) as tolerance,
        rs.items_amount,
        rs.revenue_sent,
        rs.total_sent - rs.shipping - rs.tax as total_less_extras,
        rs.discount
    from resolved as rs
),

signs as (
    select
        g.order_id,
        g.sent,
        g.discount,
        coalesce(abs(g.sent - g.items_amount) <= g.tolerance, false) as is_sum_of_lines,
        coalesce(abs(g.sent + g.discount - g.items_amount) <= g.tolerance, false)
        or coalesce(abs(g.sent + g.discount - g.revenue_sent) <= g.tolerance, false)
        or coalesce(abs(g.sent - g.total_less_extras) <= g.tolerance, false) as lacks_discount
    from goods as g
),

subtotals as (
    select
        s.order_id,
        case
            when s.lacks_discount and not s.is_sum_of_lines then s.sent + s.discount
            else s.sent
        end as subtotal
    from signs as s
),

totals as (
    select
        rs.order_id,
        coalesce(
            rs.total_sent,
            st.subtotal - rs.discount + rs.shipping + rs.tax,
            rs.items_amount - rs.discount + rs.shipping + rs.tax
        ) as total,
        coalesce(
            st.subtotal,
            rs.total_sent - rs.shipping - rs.tax + rs.discount,
            rs.items_amount
        ) as subtotal
    from resolved as rs
    inner join subtotals as st on rs.order_id = st.order_id
),

netted as (
    select
        t.order_id,
        t.subtotal,
        t.total,
        case
            when rs.is_refunded_whole and t.total > rs.refund_amount then t.total
            else rs.refund_amount
        end as refund_reported,
        case when t.total > 0 then t.total else 0 end as refundable
    from totals as t
    inner join resolved as rs on t.order_id = rs.order_id
),

settled as (
    select
        n.order_id,
        n.subtotal,
        n.total,
        least(n.refund_reported, n.refundable) as refunded,
        n.refund_reported - least(n.refund_reported, n.refundable) as refund_excess,
        case
            when rs.cancelled_at is not null then 'cancelled'
            when rs.refunds = 0 then 'completed'
            when rs.is_refunded_whole then 'refunded'
            when n.total is not null and n.refund_reported >= n.refundable then 'refunded'
            else 'partially_refunded'
        end as status,
        case
            when n.total is null then 'no_amount'
            when not rs.has_rate then 'no_rate'
        end as unvalued_reason
    from netted as n
    inner join resolved as rs on n.order_id = rs.order_id
)

select
    rs.order_id,
    rs.has_order_id,
    pe.person_id,
    se.session_id,
    rs.order_date,
    rs.currency,
    s.unvalued_reason is null as is_converted,
    cast(s.unvalued_reason as varchar) as unvalued_reason,
    cast(s.status as varchar) as status,
    rs.coupon,
    rs.payment_method,
    coalesce(se.is_bot, false) as is_bot,
    rs.id as event_id,
    rs.items_event_number,
    rs.lines,
    rs.units,
    rs.repeats,
    rs.updates,
    rs.refunds,
    rs.unvalued_refunds,
    case when s.unvalued_reason is null then cast(s.subtotal as decimal(18, 2)) end as subtotal,
    case when s.unvalued_reason is null then cast(rs.discount as decimal(18, 2)) end as discount,
    case when s.unvalued_reason is null then cast(rs.shipping as decimal(18, 2)) end as shipping,
    case when s.unvalued_reason is null then cast(rs.tax as decimal(18, 2)) end as tax,
    case when s.unvalued_reason is null then cast(s.total as decimal(18, 2)) end as total,
    case when s.unvalued_reason is null then cast(s.refunded as decimal(18, 2)) end as refunded,
    case when s.unvalued_reason is null then cast(s.refund_excess as decimal(18, 2)) end as refund_excess,
    case when s.unvalued_reason is null then cast(s.total as decimal(18, 2)) end as gross_revenue,
    case
        when s.unvalued_reason is not null then null
        when s.status = 'cancelled' then cast(0 as decimal(18, 2))
        else cast(s.total - s.refunded as decimal(18, 2))
    end as revenue,
    case
        when s.unvalued_reason is null then cast(s.subtotal - rs.items_amount as decimal(18, 2))
    end as items_difference,
    rs.ordered_at,
    rs.updated_at,
    rs.refunded_at,
    rs.cancelled_at
from resolved as rs
inner join settled as s on rs.order_id = s.order_id
left join person_events as pe
    on rs.id = pe.id and rs.received_at_utc_date = pe.received_at_utc_date
left join session_events as se
    on rs.id = se.id and rs.received_at_utc_date = se.received_at_utc_date
