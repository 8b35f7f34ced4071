with orders as (
    select * from marts.orders
)

select
    o.order_id,
    cast(1 as bigint) as refund_number,
    o.order_id as refund_id,
    o.event_id,
    o.person_id,
    o.session_id,
    o.is_bot,
    o.order_date as refund_date,
    false as is_unvalued,
    o.refunds,
    o.refund_excess,
    o.refunded_at
from orders as o
