-- Grain: one line of an order. Key: order_id, line_number.
-- Meaning: what was ordered: the lines of the latest list of products that the order's completion or
-- an update of it sent. Money is in the reporting currency, NULL where the order's is. item_sales is
-- the line's own price times its quantity, converted once, so that it may be a cent off unit_price
-- times quantity. Refunds and cancellations leave the lines as they were ordered; status tells.
with orders as (
    select * from marts.orders
),

order_event_lines as (
    select * from marts.order_event_lines
)

select
    o.order_id,
    ol.line_number,
    o.person_id,
    o.order_date,
    o.status,
    ol.product_id,
    ol.sku,
    ol.name,
    ol.brand,
    ol.category,
    ol.variant,
    o.is_bot,
    ol.is_quantity_assumed,
    ol.quantity,
    case
        when o.is_converted
            then try_cast(cast(ol.unit_price as decimal(28, 6)) * ol.rate as decimal(18, 2))
    end as unit_price,
    case when o.is_converted then ol.item_sales end as item_sales,
    o.ordered_at
from orders as o
inner join order_event_lines as ol
    on o.order_id = ol.order_id and o.items_event_number = ol.event_number
