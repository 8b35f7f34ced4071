-- Grain: one person who ordered. Key: person_id.
-- Meaning: what the person bought, as of a date. Cancelled orders are counted apart and are in nothing
-- else. Spend and the values of orders are revenue: after refunds, in the reporting currency; orders
-- whose money is not known there count as orders and are in no amount (unvalued_orders).
-- Windows are as in customer_behaviour. Bots' orders are left out where the parameters say so.
-- RFM: recency is the day of the last order, frequency the number of orders, monetary the spend, over
-- everybody with an order. Scores are fifths, as ntile(5) makes them, but equal values have equal
-- scores, so that nothing is left to chance: for recency 5 less the whole part of 5 x (buyers who
-- ordered later) / (buyers), for the others 1 and the whole part of 5 x (buyers with less) / (buyers).
-- So whoever is alone with a first order is recent, and not yet frequent: a new customer. The segment
-- follows from recency and frequency.
-- lifetime_value estimates what a customer will have been worth a year from the as-of date: the spend
-- so far, and the spend of the last 365 days once more, so that who stopped buying is worth no more.
with orders as (
    select * from marts.orders
),

order_items as (
    select * from marts.order_items
),

placed as (
    select
        o.person_id,
        o.order_id,
        o.status,
        o.is_converted,
        o.payment_method,
        o.units,
        o.refunds as refunded,
        o.revenue,
        o.order_date,
        o.ordered_at,
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
        p.is_converted,
        p.payment_method,
        p.units,
        p.refunded,
        p.revenue,
        p.order_date,
        p.ordered_at,
        p.days_ago
    from placed as p
    where p.status <> 'cancelled'
),

sums as (
    select
        s.person_id,
        min(least(s.order_date, :as_of)) as first_order_date,
        max(least(s.order_date, :as_of)) as last_order_date,
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
        cast(coalesce(sum(case when s.days_ago < 7 then s.revenue end), 0) as decimal(18, 2)) as spend_7,
        cast(coalesce(sum(case when s.days_ago < 30 then s.revenue end), 0) as decimal(18, 2)) as spend_30,
        cast(coalesce(sum(case when s.days_ago < 90 then s.revenue end), 0) as decimal(18, 2)) as spend_90,
        cast(coalesce(sum(case when s.days_ago < 365 then s.revenue end), 0) as decimal(18, 2)) as spend_365,
        cast(coalesce(sum(s.revenue), 0) as decimal(18, 2)) as spend,
        cast(coalesce(sum(s.refunded), 0) as decimal(18, 2)) as refunded,
        max(s.revenue) as highest_order_value,
        cast(sum(s.units) as bigint) as units
    from standing as s
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
        oi.item_sales as amount
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
        sum(b.amount) as spend,
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
            order by coalesce(c.spend, 0) desc, c.orders desc, c.last_ordered_at desc, c.category asc
        ) as place_by_spend,
        row_number() over (
            partition by c.person_id
            order by c.orders desc, coalesce(c.spend, 0) desc, c.last_ordered_at desc, c.category asc
        ) as place_by_orders
    from categories as c
),

ranks as (
    select
        s.person_id,
        rank() over (order by s.last_order_date desc) as recency_rank,
        rank() over (order by s.orders asc) as frequency_rank,
        rank() over (order by s.spend asc) as monetary_rank,
        count(*) over () as buyers
    from sums as s
),

scores as (
    select
        r.person_id,
        5 - cast(
            floor(cast(5 * (r.recency_rank - 1) as double) / nullif(r.buyers, 0)) as bigint
        ) as recency_score,
        1 + cast(
            floor(cast(5 * (r.frequency_rank - 1) as double) / nullif(r.buyers, 0)) as bigint
        ) as frequency_score,
        1 + cast(
            floor(cast(5 * (r.monetary_rank - 1) as double) / nullif(r.buyers, 0)) as bigint
        ) as monetary_score
    from ranks as r
)

select
    p.person_id,
    cast(
        case
            when sc.recency_score is null then null
            when sc.recency_score = 5 and sc.frequency_score >= 4 then 'champions'
            when sc.recency_score >= 3 and sc.frequency_score >= 4 then 'loyal'
            when sc.recency_score >= 4 and sc.frequency_score >= 2 then 'potential loyalists'
            when sc.recency_score = 5 then 'new customers'
            when sc.recency_score = 4 then 'promising'
            when sc.recency_score = 3 and sc.frequency_score = 3 then 'need attention'
            when sc.recency_score = 3 then 'about to sleep'
            when sc.frequency_score = 5 then 'cannot lose'
            when sc.frequency_score >= 3 then 'at risk'
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
    coalesce(s.orders_7, 0) as orders_7,
    coalesce(s.orders_30, 0) as orders_30,
    coalesce(s.orders_90, 0) as orders_90,
    coalesce(s.orders_365, 0) as orders_365,
    coalesce(s.orders, 0) as orders_total,
    coalesce(s.valued_orders, 0) as valued_orders,
    coalesce(s.unvalued_orders, 0) as unvalued_orders,
    p.cancelled_orders,
    coalesce(s.refunded_orders, 0) as refunded_orders,
    cast(coalesce(s.spend_7, 0) as decimal(18, 2)) as spend_7,
    cast(coalesce(s.spend_30, 0) as decimal(18, 2)) as spend_30,
    cast(coalesce(s.spend_90, 0) as decimal(18, 2)) as spend_90,
    cast(coalesce(s.spend_365, 0) as decimal(18, 2)) as spend_365,
    cast(coalesce(s.spend, 0) as decimal(18, 2)) as spend_total,
    cast(coalesce(s.refunded, 0) as decimal(18, 2)) as refunded_total,
    round(cast(s.spend as double) / nullif(s.valued_orders, 0), 4) as mean_order_value,
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
    cast(coalesce(s.spend + s.spend_365, 0) as decimal(18, 2)) as lifetime_value
from people as p
left join sums as s on p.person_id = s.person_id
left join medians as md on p.person_id = md.person_id
left join latest as l on p.person_id = l.person_id and l.place = 1
left join method_lists as ml on p.person_id = ml.person_id
left join variety as v on p.person_id = v.person_id
left join ranked_categories as cs on p.person_id = cs.person_id and cs.place_by_spend = 1
left join ranked_categories as co on p.person_id = co.person_id and co.place_by_orders = 1
left join scores as sc on p.person_id = sc.person_id
