-- Grain: one cell of recency, frequency and monetary scores; always 125 rows.
-- Key: recency_score, frequency_score, monetary_score.
-- Meaning: how many people with a kept order are in each cell, as of the as-of date (marts.customer_360).
with customer_360 as (
    select * from marts.customer_360
),

scores as (
    select cast(v.n as bigint) as score from (values (1), (2), (3), (4), (5)) as v (n)
),

summed as (
    select
        c.recency_score,
        c.frequency_score,
        c.monetary_score,
        count(*) as persons,
        cast(sum(c.orders_total) as bigint) as orders,
        cast(sum(c.kept_orders) as bigint) as kept_orders,
        sum(c.spend_total) as spend
    from customer_360 as c
    where not (:exclude_bots and coalesce(c.is_bot, false))
    group by c.recency_score, c.frequency_score, c.monetary_score
)

select
    :as_of as day,
    r.score as recency_score,
    f.score as frequency_score,
    m.score as monetary_score,
    coalesce(s.persons, 0) as persons,
    coalesce(s.orders, 0) as orders,
    coalesce(s.kept_orders, 0) as kept_orders,
    cast(coalesce(s.spend, 0) as decimal(38, 2)) as spend,
    round(cast(s.spend as double) / nullif(s.persons, 0), 4) as mean_spend
from scores as r
cross join scores as f
cross join scores as m
left join summed as s
    on
        r.score = s.recency_score
        and f.score = s.frequency_score
        and m.score = s.monetary_score
