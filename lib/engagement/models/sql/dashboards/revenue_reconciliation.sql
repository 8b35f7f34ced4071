-- Grain: one step on the way from what products sold for to what was kept of it. Key: step.
-- Meaning: why the figures of products, orders and payments differ, over all orders that stand (bots
-- left out as in every dashboard), up to the as-of date. Amounts carry their sign, and each result is
-- the sum of the steps from the result before it:
--   item sales - discounts + items difference = revenue, - refunds = net revenue;
--   and once more from revenue: + tax + shipping = order total.
-- Item sales are the sum of product_performance. Items difference is what the lines do not explain:
-- totals that were sent and do not fit the lines, or lines without a price. Refunds are those of
-- these orders, whenever they came, so that their sum is also that of all days' refunds. Orders
-- without money are in no amount; orders counts the ones that have some.
with orders as (
    select * from marts.orders
),

sums as (
    select
        count(o.revenue) as orders,
        cast(coalesce(sum(o.item_sales), 0) as decimal(38, 2)) as item_sales,
        cast(coalesce(sum(o.discount), 0) as decimal(38, 2)) as discount,
        cast(coalesce(sum(o.items_difference), 0) as decimal(38, 2)) as items_difference,
        cast(coalesce(sum(o.revenue), 0) as decimal(38, 2)) as revenue,
        cast(coalesce(sum(o.refunds), 0) as decimal(38, 2)) as refunds,
        cast(coalesce(sum(o.net_revenue), 0) as decimal(38, 2)) as net_revenue,
        cast(coalesce(sum(o.tax), 0) as decimal(38, 2)) as tax,
        cast(coalesce(sum(o.shipping), 0) as decimal(38, 2)) as shipping,
        cast(coalesce(sum(o.order_total), 0) as decimal(38, 2)) as order_total,
        min(o.order_date) as first_order_date
    from orders as o
    where o.status <> 'cancelled' and not (:exclude_bots and coalesce(o.is_bot, false))
),

steps as (
    select
        1 as step,
        'item_sales' as measure,
        'Item sales' as label,
        true as is_result,
        s.item_sales as amount
    from sums as s
    union all
    select
        2 as step,
        'discount' as measure,
        'Discounts' as label,
        false as is_result,
        -s.discount as amount
    from sums as s
    union all
    select
        3 as step,
        'items_difference' as measure,
        'Items difference' as label,
        false as is_result,
        s.items_difference as amount
    from sums as s
    union all
    select
        4 as step,
        'revenue' as measure,
        'Revenue' as label,
        true as is_result,
        s.revenue as amount
    from sums as s
    union all
    select
        5 as step,
        'refunds' as measure,
        'Refunds' as label,
        false as is_result,
        -s.refunds as amount
    from sums as s
    union all
    select
        6 as step,
        'net_revenue' as measure,
        'Net revenue' as label,
        true as is_result,
        s.net_revenue as amount
    from sums as s
    union all
    select
        7 as step,
        'revenue' as measure,
        'Revenue' as label,
        true as is_result,
        s.revenue as amount
    from sums as s
    union all
    select
        8 as step,
        'tax' as measure,
        'Tax' as label,
        false as is_result,
        s.tax as amount
    from sums as s
    union all
    select
        9 as step,
        'shipping' as measure,
        'Shipping' as label,
        false as is_result,
        s.shipping as amount
    from sums as s
    union all
    select
        10 as step,
        'order_total' as measure,
        'Order total' as label,
        true as is_result,
        s.order_total as amount
    from sums as s
)

select
    cast(st.step as bigint) as step,
    cast(st.measure as varchar) as measure,
    cast(st.label as varchar) as label,
    st.is_result,
    s.first_order_date,
    :as_of as as_of,
    s.orders,
    st.amount
from steps as st
cross join sums as s
