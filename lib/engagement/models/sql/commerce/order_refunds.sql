-- Grain: one refund of an order that somebody completed. Key: order_id, refund_number.
-- Meaning: what each refund takes off the revenue of its order, on the refund's own day.
-- A refund is worth, the first that it names:
--   its total, else its value, in absolute value, less the tax and the shipping that it names itself
--   (never less than 0),
--   its revenue, in absolute value,
--   the products that it lists, at their own prices, else at the order's price of that product (by
--   product_id, else by sku; the lowest, where the order has it at several); what has neither adds
--   nothing,
--   all that is left of the order, where it names none of these.
-- Refunds come in order of time, and together take no more than the order's revenue. What was paid
-- back (with tax and shipping) beyond order_total is refund_excess. A refund whose worth is not known
-- (no rate, no price, or an amount that is out of bounds) takes nothing: is_unvalued. The refunds of
-- a cancelled order take nothing, because its revenue is 0 already; where the order itself has no
-- money, what they take is NULL. Person, session and bot are the order's, so that refunds count where
-- the order's revenue does.
with order_amounts as (
    select * from marts.order_amounts
),

order_events as (
    select * from marts.order_events
),

order_event_lines as (
    select * from marts.order_event_lines
),

cancellations as (
    select distinct oe.order_id
    from order_events as oe
    where oe.kind = 'cancelled' and oe.role = 'counts'
),

refunds as (
    select
        oe.order_id,
        oe.event_number,
        row_number() over (partition by oe.order_id order by oe.event_number) as refund_number,
        oe.refund_id,
        oe.id,
        coalesce(oe.total, oe."value") is not null as has_total,
        oe.revenue is not null as has_revenue,
        oe.is_worth_not_believed,
        try_cast(
            cast(abs(coalesce(oe.total, oe."value")) as decimal(28, 6)) * oe.rate as decimal(18, 2)
        ) as total,
        try_cast(cast(abs(oe.revenue) as decimal(28, 6)) * oe.rate as decimal(18, 2)) as revenue,
        try_cast(
            cast(abs(coalesce(oe.tax, 0)) as decimal(28, 6)) * oe.rate as decimal(18, 2)
        ) as tax,
        try_cast(
            cast(abs(coalesce(oe.shipping, 0)) as decimal(28, 6)) * oe.rate as decimal(18, 2)
        ) as shipping,
        cast(local_time(oe."timestamp", :timezone) as date) as refund_date,
        oe."timestamp" as refunded_at
    from order_events as oe
    where oe.kind = 'refunded' and oe.role = 'counts'
),

prices as (
    select
        ol.order_id,
        ol.product_id,
        ol.sku,
        ol.line_number,
        ol.unit_price,
        ol.rate,
        try_cast(cast(ol.unit_price as decimal(28, 6)) * ol.rate as decimal(28, 8)) as worth
    from order_event_lines as ol
    inner join order_amounts as oa
        on ol.order_id = oa.order_id and ol.event_number = oa.items_event_number
    where ol.unit_price is not null and ol.rate is not null
),

product_prices as (
    select
        p.order_id,
        p.product_id,
        p.unit_price,
        p.rate,
        row_number() over (
            partition by p.order_id, p.product_id order by p.worth, p.line_number
        ) as place
    from prices as p
    where p.product_id is not null
),

sku_prices as (
    select
        p.order_id,
        p.sku,
        p.unit_price,
        p.rate,
        row_number() over (partition by p.order_id, p.sku order by p.worth, p.line_number) as place
    from prices as p
    where p.sku is not null
),

returned as (
    select
        ol.order_id,
        ol.event_number,
        ol.item_sales,
        ol.unit_price is not null as has_price,
        coalesce(pp.rate, sp.rate) as rate,
        cast(coalesce(pp.unit_price, sp.unit_price) as decimal(28, 6))
        * cast(ol.quantity as decimal(6, 0)) as amount
    from order_event_lines as ol
    left join product_prices as pp
        on ol.order_id = pp.order_id and ol.product_id = pp.product_id and pp.place = 1
    left join sku_prices as sp
        on ol.order_id = sp.order_id and ol.sku = sp.sku and sp.place = 1
    where ol.kind = 'refunded'
),

-- Price times quantity times rate may pass even 38 digits: doubles tell beforehand.
returned_amounts as (
    select
        r.order_id,
        r.event_number,
        case
            when r.has_price then r.item_sales
            when abs(cast(r.amount as double) * cast(r.rate as double)) < 1e17
                then try_cast(cast(r.amount as decimal(28, 6)) * r.rate as decimal(18, 2))
        end as item_sales
    from returned as r
),

returned_sums as (
    select
        ra.order_id,
        ra.event_number,
        abs(cast(sum(ra.item_sales) as decimal(38, 2))) as item_sales
    from returned_amounts as ra
    group by ra.order_id, ra.event_number
),

-- In 38 digits, so that sums and differences have room.
named as (
    select
        r.order_id,
        r.refund_number,
        case
            when r.has_total then cast(r.total as decimal(38, 2)) - r.tax - r.shipping
            when r.has_revenue then cast(r.revenue as decimal(38, 2))
            else rs.item_sales
        end as worth,
        case
            when r.has_total then cast(r.total as decimal(38, 2))
            when r.has_revenue then cast(r.revenue as decimal(38, 2)) + r.tax + r.shipping
            else rs.item_sales + r.tax + r.shipping
        end as paid,
        not (r.has_total or r.has_revenue or r.is_worth_not_believed) and rs.order_id is null as takes_all
    from refunds as r
    left join returned_sums as rs
        on r.order_id = rs.order_id and r.event_number = rs.event_number
),

valued as (
    select
        n.order_id,
        n.refund_number,
        n.takes_all,
        not n.takes_all and (n.worth is null or n.paid is null) as is_unvalued,
        case
            when n.worth is null or n.paid is null or n.worth < 0 then cast(0 as decimal(38, 2))
            else n.worth
        end as worth,
        case
            when n.worth is null or n.paid is null then cast(0 as decimal(38, 2))
            else n.paid
        end as paid
    from named as n
),

summed as (
    select
        v.order_id,
        v.refund_number,
        v.takes_all,
        v.is_unvalued,
        oa.revenue is not null as is_converted,
        c.order_id is not null as is_cancelled,
        case when oa.revenue > 0 then cast(oa.revenue as decimal(38, 2)) else 0 end as most,
        case when oa.order_total > 0 then cast(oa.order_total as decimal(38, 2)) else 0 end as most_paid,
        sum(v.worth) over (
            partition by v.order_id order by v.refund_number
            rows between unbounded preceding and current row
        ) as worth_so_far,
        sum(v.paid) over (
            partition by v.order_id order by v.refund_number
            rows between unbounded preceding and current row
        ) as paid_so_far
    from valued as v
    inner join order_amounts as oa on v.order_id = oa.order_id
    left join cancellations as c on v.order_id = c.order_id
),

-- What had been paid when the first refund came that takes all: that one pays up to the total.
followed as (
    select
        s.order_id,
        s.refund_number,
        s.takes_all,
        s.is_unvalued,
        s.is_converted,
        s.is_cancelled,
        s.most,
        s.most_paid,
        s.worth_so_far,
        s.paid_so_far,
        min(case when s.takes_all then s.paid_so_far end) over (
            partition by s.order_id order by s.refund_number
            rows between unbounded preceding and current row
        ) as paid_before_all
    from summed as s
),

taken as (
    select
        f.order_id,
        f.refund_number,
        f.takes_all,
        f.is_unvalued,
        f.is_converted,
        f.is_cancelled,
        case
            when f.paid_before_all is not null or f.worth_so_far > f.most then f.most
            else f.worth_so_far
        end as taken_so_far,
        case
            when f.paid_before_all is null and f.paid_so_far > f.most_paid
                then f.paid_so_far - f.most_paid
            when f.paid_before_all is null then 0
            when f.paid_before_all > f.most_paid then f.paid_so_far - f.most_paid
            else f.paid_so_far - f.paid_before_all
        end as excess_so_far
    from followed as f
),

stepped as (
    select
        t.order_id,
        t.refund_number,
        t.takes_all,
        t.is_unvalued,
        t.is_converted,
        t.is_cancelled,
        t.taken_so_far - coalesce(
            lag(t.taken_so_far) over (partition by t.order_id order by t.refund_number), 0
        ) as refunds,
        t.excess_so_far - coalesce(
            lag(t.excess_so_far) over (partition by t.order_id order by t.refund_number), 0
        ) as refund_excess
    from taken as t
)

select
    r.order_id,
    r.refund_number,
    r.refund_id,
    r.id as event_id,
    oa.person_id,
    oa.session_id,
    oa.is_bot,
    r.refund_date,
    s.takes_all,
    s.is_unvalued,
    case
        when not s.is_converted then cast(null as decimal(18, 2))
        when s.is_cancelled then cast(0 as decimal(18, 2))
        else cast(s.refunds as decimal(18, 2))
    end as refunds,
    case when s.is_converted then try_cast(s.refund_excess as decimal(18, 2)) end as refund_excess,
    r.refunded_at
from refunds as r
inner join stepped as s on r.order_id = s.order_id and r.refund_number = s.refund_number
inner join order_amounts as oa on r.order_id = oa.order_id
