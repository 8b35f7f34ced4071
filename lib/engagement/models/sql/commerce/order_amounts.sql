-- Grain: one order that somebody completed. Key: order_id.
-- Meaning: what an order was worth as placed: after updates, before refunds and cancellations.
-- The first completion makes the order; updates at or after it amend it. All amounts come from one
-- event, the latest that gives total, value, revenue, subtotal or a product with a price; the lines
-- come from the latest that lists products; any other field from the latest that names it.
--   item_sales   the sum of the lines, as they were converted and rounded one by one,
--   order_total  the event's total, else its value; else revenue + tax + shipping,
--   revenue      order_total - tax - shipping where the event gives a total or a value; else the
--                event's revenue, else its subtotal, less the discount where that amount equals the
--                item sales to a cent per line; else its products at their prices, less the discount,
--   tax, shipping, discount (its absolute value): 0 where the event does not give them.
-- Each amount is converted and rounded to cents first; sums follow from the rounded ones. Nothing is
-- clamped: a tax above the total leaves a negative revenue.
-- unvalued_reason says why an order has no money at all, the first that holds:
--   no_amount      nothing gives an amount,
--   out_of_bounds  only amounts of 10^10 or more were sent, or one in the reporting currency passes
--                  decimal(18,2),
--   no_rate        its currency, or that of a line with a price, has no rate.
-- What was compared with the item sales and found equal was a line with a price: without one there
-- is nothing to compare with.
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

events as (
    select
        oe.order_id,
        oe.event_number,
        oe.kind,
        oe.currency,
        oe.rate,
        coalesce(oe.total, oe."value") as order_total,
        coalesce(oe.revenue, oe.subtotal) as goods,
        coalesce(oe.tax, 0) as tax,
        coalesce(oe.shipping, 0) as shipping,
        abs(coalesce(oe.discount, 0)) as discount,
        oe.is_worth_not_believed,
        nullif(oe.coupon, '') as coupon,
        nullif(oe.payment_method, '') as payment_method,
        nullif(oe.checkout_id, '') as checkout_id,
        oe."timestamp"
    from order_events as oe
    where oe.role = 'counts' and oe.kind in ('completed', 'updated')
),

lists as (
    select
        ol.order_id,
        ol.event_number,
        count(*) as lines,
        count(ol.unit_price) as priced_lines,
        cast(sum(ol.quantity) as bigint) as units,
        cast(coalesce(sum(ol.item_sales), 0) as decimal(38, 2)) as item_sales,
        bool_or(ol.unit_price is not null and ol.rate is null) as lacks_rate,
        bool_or(ol.is_out_of_bounds) as is_out_of_bounds,
        bool_or(ol.is_price_not_believed) as is_price_not_believed
    from order_event_lines as ol
    where ol.kind in ('completed', 'updated')
    group by ol.order_id, ol.event_number
),

chosen as (
    select
        e.order_id,
        max(case when l.order_id is not null then e.event_number end) as items_event_number,
        max(
            case
                when e.order_total is not null or e.goods is not null or l.priced_lines > 0
                    then e.event_number
            end
        ) as amounts_event_number,
        count_if(e.kind = 'updated') as updates,
        bool_or(e.is_worth_not_believed or coalesce(l.is_price_not_believed, false)) as is_not_believed,
        max_by(e.coupon, e.event_number) filter (where e.coupon is not null) as coupon,
        max_by(e.payment_method, e.event_number) filter (
            where e.payment_method is not null
        ) as payment_method,
        max_by(e.checkout_id, e.event_number) filter (
            where e.checkout_id is not null
        ) as checkout_id,
        max(case when e.kind = 'updated' then e."timestamp" end) as updated_at
    from events as e
    left join lists as l on e.order_id = l.order_id and e.event_number = l.event_number
    group by e.order_id
),

completions as (
    select
        oe.order_id,
        oe.has_order_id,
        oe.id,
        oe.received_at_utc_date,
        oe.currency,
        cast(local_time(oe."timestamp", :timezone) as date) as order_date,
        oe."timestamp" as ordered_at
    from order_events as oe
    where oe.kind = 'completed' and oe.role = 'counts'
),

-- An amount below 10^10 times a rate below 10^10 has room in 38 digits, not in the 18 of its parts.
converted as (
    select
        e.order_id,
        e.event_number,
        e.currency,
        e.rate is not null as has_rate,
        e.order_total is not null as has_total,
        e.goods is not null as has_goods,
        try_cast(cast(e.order_total as decimal(28, 6)) * e.rate as decimal(18, 2)) as order_total,
        try_cast(cast(e.goods as decimal(28, 6)) * e.rate as decimal(18, 2)) as goods,
        try_cast(cast(e.tax as decimal(28, 6)) * e.rate as decimal(18, 2)) as tax,
        try_cast(cast(e.shipping as decimal(28, 6)) * e.rate as decimal(18, 2)) as shipping,
        try_cast(cast(e.discount as decimal(28, 6)) * e.rate as decimal(18, 2)) as discount
    from events as e
),

-- From here on in 38 digits, so that sums and differences have room as well.
gathered as (
    select
        c.order_id,
        c.coupon,
        c.payment_method,
        c.checkout_id,
        c.items_event_number,
        c.amounts_event_number,
        c.updates,
        c.updated_at,
        c.is_not_believed,
        v.order_id is not null as has_amount,
        coalesce(v.has_rate, false)
        and not coalesce(ls.lacks_rate, false)
        and (v.has_total or v.has_goods or not own.lacks_rate) as has_rate,
        v.tax is null
        or v.shipping is null
        or v.discount is null
        or coalesce(ls.is_out_of_bounds, false)
        or case
            when v.has_total then v.order_total is null
            when v.has_goods then v.goods is null
            else coalesce(own.is_out_of_bounds, false)
        end as is_out_of_bounds,
        v.currency,
        coalesce(ls.lines, 0) as lines,
        coalesce(ls.units, 0) as units,
        coalesce(ls.priced_lines, 0) as priced_lines,
        coalesce(ls.item_sales, cast(0 as decimal(38, 2))) as item_sales,
        coalesce(own.item_sales, cast(0 as decimal(38, 2))) as own_item_sales,
        cast(v.order_total as decimal(38, 2)) as total_sent,
        cast(v.goods as decimal(38, 2)) as goods_sent,
        cast(v.tax as decimal(38, 2)) as tax,
        cast(v.shipping as decimal(38, 2)) as shipping,
        cast(v.discount as decimal(38, 2)) as discount
    from chosen as c
    left join converted as v
        on c.order_id = v.order_id and c.amounts_event_number = v.event_number
    left join lists as ls
        on c.order_id = ls.order_id and c.items_event_number = ls.event_number
    left join lists as own
        on c.order_id = own.order_id and c.amounts_event_number = own.event_number
),

-- Each step carries the columns on: what is named twice, Athena reads twice.
valued as (
    select
        g.order_id,
        g.coupon,
        g.payment_method,
        g.checkout_id,
        g.items_event_number,
        g.amounts_event_number,
        g.updates,
        g.updated_at,
        g.is_not_believed,
        g.has_amount,
        g.has_rate,
        g.is_out_of_bounds,
        g.currency,
        g.lines,
        g.units,
        g.item_sales,
        g.total_sent,
        g.tax,
        g.shipping,
        g.discount,
        case
            when g.total_sent is not null then g.total_sent - g.tax - g.shipping
            when
                g.goods_sent is not null
                and g.priced_lines > 0
                and abs(g.goods_sent - g.item_sales) <= 0.01 * g.lines
                then g.goods_sent - g.discount
            when g.goods_sent is not null then g.goods_sent
            else g.own_item_sales - g.discount
        end as revenue
    from gathered as g
),

bounded as (
    select
        v.order_id,
        v.coupon,
        v.payment_method,
        v.checkout_id,
        v.items_event_number,
        v.amounts_event_number,
        v.updates,
        v.updated_at,
        v.is_not_believed,
        v.has_amount,
        v.has_rate,
        v.is_out_of_bounds,
        v.currency,
        v.lines,
        v.units,
        cast(v.tax as decimal(18, 2)) as tax,
        cast(v.shipping as decimal(18, 2)) as shipping,
        cast(v.discount as decimal(18, 2)) as discount,
        try_cast(v.item_sales as decimal(18, 2)) as item_sales,
        try_cast(v.revenue as decimal(18, 2)) as revenue,
        try_cast(
            coalesce(v.total_sent, v.revenue + v.tax + v.shipping) as decimal(18, 2)
        ) as order_total,
        try_cast(v.revenue - (v.item_sales - v.discount) as decimal(18, 2)) as items_difference
    from valued as v
),

judged as (
    select
        b.order_id,
        b.coupon,
        b.payment_method,
        b.checkout_id,
        b.items_event_number,
        b.amounts_event_number,
        b.updates,
        b.updated_at,
        b.currency,
        b.lines,
        b.units,
        b.tax,
        b.shipping,
        b.discount,
        b.item_sales,
        b.revenue,
        b.order_total,
        b.items_difference,
        case
            when not b.has_amount and b.is_not_believed then 'out_of_bounds'
            when not b.has_amount then 'no_amount'
            when not b.has_rate then 'no_rate'
            when
                b.is_out_of_bounds
                or b.item_sales is null
                or b.revenue is null
                or b.order_total is null
                or b.items_difference is null
                then 'out_of_bounds'
        end as unvalued_reason
    from bounded as b
)

select
    c.order_id,
    c.has_order_id,
    c.id as event_id,
    pe.person_id,
    se.session_id,
    coalesce(se.is_bot, false) as is_bot,
    c.order_date,
    coalesce(j.currency, c.currency) as currency,
    cast(j.unvalued_reason as varchar) as unvalued_reason,
    j.coupon,
    j.payment_method,
    j.checkout_id,
    j.items_event_number,
    j.amounts_event_number,
    j.lines,
    j.units,
    j.updates,
    case when j.unvalued_reason is null then j.item_sales end as item_sales,
    case when j.unvalued_reason is null then j.discount end as discount,
    case when j.unvalued_reason is null then j.tax end as tax,
    case when j.unvalued_reason is null then j.shipping end as shipping,
    case when j.unvalued_reason is null then j.order_total end as order_total,
    case when j.unvalued_reason is null then j.revenue end as revenue,
    case when j.unvalued_reason is null then j.items_difference end as items_difference,
    c.ordered_at,
    j.updated_at
from completions as c
inner join judged as j on c.order_id = j.order_id
left join person_events as pe
    on c.id = pe.id and c.received_at_utc_date = pe.received_at_utc_date
left join session_events as se
    on c.id = se.id and c.received_at_utc_date = se.received_at_utc_date
