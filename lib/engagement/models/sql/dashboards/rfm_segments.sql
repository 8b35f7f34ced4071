-- Grain: one stage and segment. Key: lifecycle_stage, rfm_segment.
-- Meaning: people by life-cycle stage and segment, as of the as-of date (marts.customer_360), and what they
-- spent. Shares are of all people, visitors and leads too; what they divide by stands in every row.
with customer_360 as (
    select * from marts.customer_360
),

summed as (
    select
        c.lifecycle_stage,
        coalesce(c.rfm_segment, '(none)') as rfm_segment,
        count(*) as persons,
        cast(sum(c.orders_total) as bigint) as orders,
        sum(c.spend_total) as spend,
        cast(sum(c.days_since_last_seen) as bigint) as days_since_last_seen,
        count(c.days_since_last_seen) as persons_seen
    from customer_360 as c
    where not (:exclude_bots and coalesce(c.is_bot, false))
    group by c.lifecycle_stage, coalesce(c.rfm_segment, '(none)')
),

totals as (
    select
        sum(s.persons) as persons,
        sum(s.spend) as spend
    from summed as s
)

select
    :as_of as day,
    s.lifecycle_stage,
    s.rfm_segment,
    s.persons,
    cast(t.persons as bigint) as all_persons,
    round(cast(s.persons as double) / nullif(cast(t.persons as double), 0), 4) as share_of_persons,
    s.orders,
    cast(s.spend as decimal(38, 2)) as spend,
    cast(t.spend as decimal(38, 2)) as all_spend,
    round(cast(s.spend as double) / nullif(cast(t.spend as double), 0), 4) as share_of_spend,
    round(cast(s.spend as double) / nullif(s.persons, 0), 4) as mean_spend,
    s.persons_seen,
    coalesce(s.days_since_last_seen, 0) as days_since_last_seen,
    round(cast(s.days_since_last_seen as double) / nullif(s.persons_seen, 0), 1)
        as mean_days_since_last_seen
from summed as s
cross join totals as t
