-- Grain: one person who ordered. Key: person_id.
-- Meaning: what the person bought, as of a date, over windows as in customer_behaviour.
-- An order stands unless it was cancelled, and is kept unless it was cancelled or wholly refunded.
-- Orders that stand are counted and valued: spend is their net revenue, the values of an order are its
-- revenue before refunds. A buyer has a kept order; scores look at kept orders alone. Orders whose
-- money is not known count as orders and are in no amount. Bots' orders are left out where the
-- parameters say so.
-- Scores are thresholds (parameters customers.*). Recency: days since the last kept order, below 30,
-- 60, 90, 365 is 5, 4, 3, 2, else 1. Frequency: kept orders, from 2, 3, 4, 6 is 2, 3, 4, 5, else 1.
-- Monetary: net revenue of the kept orders, from 50, 100, 250, 500, likewise.
-- Expected value: of the people who had the same recency and frequency score H days ago, the mean net
-- revenue of the orders since, times 365 / H. H is half of the landing's days, at most 365.
with orders as (
    select * from marts.orders
),

order_items as (
    select * from marts.order_items
),

person_events as (
    select * from marts.person_events
),

thresholds as (
    select * from seeds.rfm_thresholds
),

-- The landing begins on the day of its earliest received_at.
landing as (
    select date_diff('day', cast(local_time(min(pe.received_at), :timezone) as date), :as_of) + 1 as days
    from person_events as pe
),

horizon as (
    select least(cast(floor(cast(l.days as double) / 2) as bigint), 365) as days
    from landing as l
),

placed as (
    select
        o.person_id,
        o.order_id,
        o.status,
        o.status not in ('cancelled', 'refunded') as is_kept,
        o.is_converted,
        o.coupon,
        o.payment_method,
        o.units,
        o.revenue,
        o.refunds,
        o.net_revenue,
        o.ordered_at,
        cast(least(o.order_date, :as_of) as date) as order_date,
        date_diff('day', cast(least(o.order_date, :as_of) as date), :as_of) as days_ago
    from orders as o
    where not (:exclude_bots and coalesce(o.is_bot, false))
),

people as (
    select
        p.person_id,
        count_if(p.status = 'cancelled') as cancelled_orders
    from placed as p
    group by p.person_id
),

standing as (
    select
        p.person_id,
        p.order_id,
        p.status,
        p.is_kept,
        p.is_converted,
        p.coupon,
        p.payment_method,
        p.units,
        p.revenue,
        p.refunds,
        p.net_revenue,
        p.ordered_at,
        p.order_date,
        p.days_ago
    from placed as p
    where p.status <> 'cancelled'
),

sums as (
    select
        s.person_id,
        min(s.order_date) as first_order_date,
        max(s.order_date) as last_order_date,
        max(s.days_ago) as days_since_first_order,
        min(s.days_ago) as days_since_last_order,
        count_if(s.days_ago < 7) as orders_7,
        count_if(s.days_ago < 30) as orders_30,
        count_if(s.days_ago < 90) as orders_90,
        count_if(s.days_ago < 365) as orders_365,
        count(*) as orders,
        count_if(s.is_converted) as valued_orders,
        count_if(not s.is_converted) as unvalued_orders,
        count_if(s.status in ('refunded', 'partially_refunded')) as refunded_orders,
        count_if(s.coupon is not null) as coupon_orders,
        cast(coalesce(sum(case when s.days_ago < 7 then s.net_revenue end), 0) as decimal(38, 2))
            as spend_7,
        cast(coalesce(sum(case when s.days_ago < 30 then s.net_revenue end), 0) as decimal(38, 2))
            as spend_30,
        cast(coalesce(sum(case when s.days_ago < 90 then s.net_revenue end), 0) as decimal(38, 2))
            as spend_90,
        cast(coalesce(sum(case when s.days_ago < 365 then s.net_revenue end), 0) as decimal(38, 2))
            as spend_365,
        cast(coalesce(sum(s.net_revenue), 0) as decimal(38, 2)) as spend,
        cast(coalesce(sum(s.refunds), 0) as decimal(38, 2)) as refunds,
        cast(sum(s.revenue) as decimal(38, 2)) as revenue,
        max(s.revenue) as highest_order_value,
        cast(sum(s.units) as bigint) as units,
        count_if(s.is_kept) as kept_orders,
        min(case when s.is_kept then s.days_ago end) as days_since_last_kept_order,
        cast(coalesce(sum(case when s.is_kept then s.net_revenue end), 0) as decimal(38, 2)) as kept_spend,
        -- The same as they were at the horizon, by what is known of the orders now; and what came since.
        count_if(s.is_kept and s.days_ago >= h.days) as kept_orders_then,
        min(case when s.is_kept and s.days_ago >= h.days then s.days_ago - h.days end)
            as days_since_last_kept_order_then,
        cast(coalesce(sum(case when s.days_ago < h.days then s.net_revenue end), 0) as decimal(38, 2))
            as spend_since
    from standing as s
    cross join horizon as h
    group by s.person_id
),

by_value as (
    select
        s.person_id,
        s.revenue,
        row_number() over (partition by s.person_id order by s.revenue asc, s.order_id asc) as place,
        count(*) over (partition by s.person_id) as orders
    from standing as s
    where s.revenue is not null
),

-- The middle one, or both middle ones: twice the place is from the count to two more.
medians as (
    select
        v.person_id,
        round(cast(sum(v.revenue) as double) / nullif(count(*), 0), 4) as median_order_value
    from by_value as v
    where 2 * v.place >= v.orders and 2 * v.place <= v.orders + 2
    group by v.person_id
),

latest as (
    select
        s.person_id,
        s.revenue,
        row_number() over (partition by s.person_id order by s.ordered_at desc, s.order_id desc) as place
    from standing as s
    where s.revenue is not null
),

methods as (
    select distinct
        s.person_id,
        s.payment_method
    from standing as s
    where s.payment_method is not null
),

method_lists as (
    select
        m.person_id,
        array_join(array_agg(m.payment_method order by m.payment_method asc), '|') as payment_methods
    from methods as m
    group by m.person_id
),

bought as (
    select
        s.person_id,
        s.order_id,
        s.ordered_at,
        coalesce(oi.product_id, oi.sku, oi.name) as product,
        oi.category,
        oi.item_sales
    from standing as s
    inner join order_items as oi on s.order_id = oi.order_id
    where oi.quantity > 0
),

variety as (
    select
        b.person_id,
        count(distinct b.product) as products_bought,
        count(distinct b.category) as categories_bought
    from bought as b
    group by b.person_id
),

categories as (
    select
        b.person_id,
        b.category,
        cast(coalesce(sum(b.item_sales), 0) as decimal(38, 2)) as spend,
        count(distinct b.order_id) as orders,
        max(b.ordered_at) as last_ordered_at
    from bought as b
    where b.category is not null
    group by b.person_id, b.category
),

ranked_categories as (
    select
        c.person_id,
        c.category,
        row_number() over (
            partition by c.person_id
            order by c.spend desc, c.orders desc, c.last_ordered_at desc, c.category asc
        ) as place_by_spend,
        row_number() over (
            partition by c.person_id
            order by c.orders desc, c.spend desc, c.last_ordered_at desc, c.category asc
        ) as place_by_orders
    from categories as c
),

scores as (
    select
        s.person_id,
        s.spend_since,
        case
            when s.kept_orders > 0 then 1 + count_if(s.days_since_last_kept_order < t.recency_days)
        end as recency_score,
        case when s.kept_orders > 0 then 1 + count_if(s.kept_orders >= t.frequency_orders) end
            as frequency_score,
        case when s.kept_orders > 0 then 1 + count_if(s.kept_spend >= t.monetary) end as monetary_score,
        case
            when s.kept_orders_then > 0 then 1 + count_if(s.days_since_last_kept_order_then < t.recency_days)
        end as recency_score_then,
        case when s.kept_orders_then > 0 then 1 + count_if(s.kept_orders_then >= t.frequency_orders) end
            as frequency_score_then
    from sums as s
    cross join thresholds as t
    group by s.person_id, s.spend_since, s.kept_orders, s.kept_orders_then
),

cells as (
    select
        sc.recency_score_then as recency_score,
        sc.frequency_score_then as frequency_score,
        count(*) as people,
        cast(sum(sc.spend_since) as decimal(38, 2)) as spend
    from scores as sc
    where sc.recency_score_then is not null
    group by sc.recency_score_then, sc.frequency_score_then
    having count(*) >= 30
),

expectations as (
    select
        c.recency_score,
        c.frequency_score,
        round(cast(c.spend as double) * 365 / nullif(c.people * h.days, 0), 2) as expected_value
    from cells as c
    cross join horizon as h
    where h.days >= 90
)

select
    p.person_id,
    cast(
        case
            when sc.recency_score is null then null
            when sc.recency_score = 5 and sc.frequency_score >= 4 then 'champions'
            when sc.recency_score >= 3 and sc.frequency_score >= 4 then 'loyal'
            when sc.recency_score >= 4 and sc.frequency_score >= 2 then 'potential loyalists'
            when sc.recency_score = 5 then 'new'
            when sc.recency_score = 4 then 'promising'
            when sc.recency_score = 3 then 'need attention'
            when sc.recency_score = 2 and sc.frequency_score >= 4 then 'cannot lose'
            when sc.recency_score = 2 then 'at risk'
            when sc.frequency_score >= 4 then 'lost loyal'
            else 'hibernating'
        end as varchar
    ) as rfm_segment,
    ml.payment_methods,
    cs.category as top_category_by_spend,
    co.category as top_category_by_orders,
    s.first_order_date,
    s.last_order_date,
    s.days_since_first_order,
    s.days_since_last_order,
    s.days_since_last_kept_order,
    coalesce(s.orders_7, 0) as orders_7,
    coalesce(s.orders_30, 0) as orders_30,
    coalesce(s.orders_90, 0) as orders_90,
    coalesce(s.orders_365, 0) as orders_365,
    coalesce(s.orders, 0) as orders_total,
    coalesce(s.kept_orders, 0) as kept_orders,
    coalesce(s.valued_orders, 0) as valued_orders,
    coalesce(s.unvalued_orders, 0) as unvalued_orders,
    p.cancelled_orders,
    coalesce(s.refunded_orders, 0) as refunded_orders,
    coalesce(s.coupon_orders, 0) as coupon_orders,
    round(cast(s.coupon_orders as double) / nullif(s.orders, 0), 4) as coupon_order_share,
    cast(coalesce(s.spend_7, 0) as decimal(38, 2)) as spend_7,
    cast(coalesce(s.spend_30, 0) as decimal(38, 2)) as spend_30,
    cast(coalesce(s.spend_90, 0) as decimal(38, 2)) as spend_90,
    cast(coalesce(s.spend_365, 0) as decimal(38, 2)) as spend_365,
    cast(coalesce(s.spend, 0) as decimal(38, 2)) as spend_total,
    cast(coalesce(s.refunds, 0) as decimal(38, 2)) as refunds_total,
    round(cast(s.revenue as double) / nullif(s.valued_orders, 0), 4) as mean_order_value,
    md.median_order_value,
    s.highest_order_value,
    l.revenue as last_order_value,
    round(cast(s.units as double) / nullif(s.orders, 0), 4) as units_per_order,
    round(
        cast(s.days_since_first_order - s.days_since_last_order as double) / nullif(s.orders - 1, 0), 4
    ) as mean_days_between_orders,
    coalesce(s.units, 0) as units_bought,
    coalesce(v.products_bought, 0) as products_bought,
    coalesce(v.categories_bought, 0) as categories_bought,
    sc.recency_score,
    sc.frequency_score,
    sc.monetary_score,
    e.expected_value
from people as p
left join sums as s on p.person_id = s.person_id
left join medians as md on p.person_id = md.person_id
left join latest as l on p.person_id = l.person_id and l.place = 1
left join method_lists as ml on p.person_id = ml.person_id
left join variety as v on p.person_id = v.person_id
left join ranked_categories as cs on p.person_id = cs.person_id and cs.place_by_spend = 1
left join ranked_categories as co on p.person_id = co.person_id and co.place_by_orders = 1
left join scores as sc on p.person_id = sc.person_id
left join expectations as e
    on sc.recency_score = e.recency_score and sc.frequency_score = e.frequency_score
