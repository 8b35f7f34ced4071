-- Grain: one order. Key: order_id ('event:' and the event's id where the shop sent none).
-- Meaning: what an order came to in the end, in the reporting currency: as placed (order_amounts),
-- less its refunds (order_refunds), or cancelled.
--   order_total = revenue + tax + shipping, what the customer was asked for,
--   revenue = item_sales - discount + items_difference, what the goods brought, before refunds,
--   net_revenue = revenue - refunds, the order's own refunds, whenever they came.
-- A cancelled order keeps its row: revenue, refunds and net_revenue are 0, and what the revenue was is
-- in cancelled_revenue; order_total, items and everything else stay as placed. Nothing later revives
-- it. An order is refunded when nothing of its revenue is left, and partially_refunded when a refund
-- of known worth left some; refunds of unknown worth alone leave it completed. Of an order without
-- money, a refund of everything makes it refunded, any other of known worth partially_refunded.
-- The money of an order is there altogether or not at all: unvalued_reason says why not.
with order_amounts as (
    select * from marts.order_amounts
),

order_refunds as (
    select * from marts.order_refunds
),

order_events as (
    select * from marts.order_events
),

payment_info_entered as (
    select * from sources.payment_info_entered
),

checkout_step_completed as (
    select * from sources.checkout_step_completed
),

refund_sums as (
    select
        r.order_id,
        count(*) as refund_count,
        count_if(r.is_unvalued) as unvalued_refunds,
        bool_or(r.takes_all) as takes_all,
        cast(coalesce(sum(r.refunds), 0) as decimal(18, 2)) as refunds,
        try_cast(coalesce(sum(r.refund_excess), 0) as decimal(18, 2)) as refund_excess,
        max(r.refunded_at) as refunded_at
    from order_refunds as r
    group by r.order_id
),

moments as (
    select
        oe.order_id,
        count_if(oe.kind = 'completed' and oe.role = 'repeat') as repeats,
        min(case when oe.kind = 'cancelled' and oe.role = 'counts' then oe."timestamp" end) as cancelled_at,
        count_if(oe.kind = 'cancelled' and oe.role = 'counts') > 0 as is_cancelled
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

settled as (
    select
        oa.order_id,
        oa.unvalued_reason is null as is_converted,
        case
            when m.is_cancelled then 'cancelled'
            when coalesce(r.refund_count - r.unvalued_refunds, 0) = 0 then 'completed'
            when r.takes_all or oa.revenue <= r.refunds then 'refunded'
            else 'partially_refunded'
        end as status,
        coalesce(r.refund_count, 0) as refund_count,
        coalesce(r.unvalued_refunds, 0) as unvalued_refunds,
        case when m.is_cancelled then cast(0 as decimal(18, 2)) else oa.revenue end as revenue,
        case when m.is_cancelled then oa.revenue else cast(0 as decimal(18, 2)) end as cancelled_revenue,
        coalesce(r.refunds, cast(0 as decimal(18, 2))) as refunds,
        case
            when r.order_id is null then cast(0 as decimal(18, 2)) else r.refund_excess
        end as refund_excess,
        m.repeats,
        r.refunded_at,
        m.cancelled_at
    from order_amounts as oa
    inner join moments as m on oa.order_id = m.order_id
    left join refund_sums as r on oa.order_id = r.order_id
)

select
    oa.order_id,
    oa.has_order_id,
    oa.person_id,
    oa.session_id,
    oa.order_date,
    oa.currency,
    s.is_converted,
    oa.unvalued_reason,
    cast(s.status as varchar) as status,
    oa.coupon,
    coalesce(oa.payment_method, op.payment_method, cp.payment_method) as payment_method,
    oa.is_bot,
    oa.event_id,
    oa.items_event_number,
    oa.lines,
    oa.units,
    s.repeats,
    oa.updates,
    s.refund_count,
    s.unvalued_refunds,
    oa.item_sales,
    oa.discount,
    oa.tax,
    oa.shipping,
    oa.order_total,
    case when s.is_converted then s.revenue end as revenue,
    case when s.is_converted then s.refunds end as refunds,
    case
        when s.is_converted
            then cast(cast(s.revenue as decimal(38, 2)) - s.refunds as decimal(18, 2))
    end as net_revenue,
    case when s.is_converted then s.cancelled_revenue end as cancelled_revenue,
    oa.items_difference,
    case when s.is_converted then s.refund_excess end as refund_excess,
    oa.ordered_at,
    oa.updated_at,
    s.refunded_at,
    s.cancelled_at
from order_amounts as oa
inner join settled as s on oa.order_id = s.order_id
left join order_payments as op on oa.order_id = op.order_id and op.place = 1
left join checkout_payments as cp on oa.checkout_id = cp.checkout_id and cp.place = 1
