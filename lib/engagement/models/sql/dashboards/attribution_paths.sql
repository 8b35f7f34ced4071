-- Grain: one sequence of channels. Key: path.
-- Meaning: journeys by the channels of their touches, immediate repeats as one (marts.attribution_chains):
-- how often each led to an order that stands, and how often to none. The 500 commonest and the 500 that
-- led to most orders are told apart, of equals the first by name; the rest is '(other)', so that the
-- orders of all rows are all orders. Of a journey of more than 20 channels the last 20 are named.
with attribution_chains as (
    select * from marts.attribution_chains
),

journeys as (
    select * from marts.attribution_journeys
),

orders as (
    select * from marts.orders
),

written as (
    select
        c.journey_id,
        c.order_id,
        c.steps,
        case when c.steps > 20 then '… > ' else '' end
        || array_join(array_agg(c.channel order by c.step_number), ' > ') as path
    from attribution_chains as c
    where c.step_number > c.steps - 20
    group by c.journey_id, c.order_id, c.steps
),

first_touches as (
    select
        j.order_id,
        j.milliseconds_to_order
    from journeys as j
    where j.touch_number = 1
),

valued as (
    select
        w.path,
        least(w.steps, 21) as steps,
        w.order_id,
        case when w.order_id is not null and o.is_converted then 1 else 0 end as is_valued,
        o.revenue,
        o.net_revenue,
        f.milliseconds_to_order
    from written as w
    left join orders as o on w.order_id = o.order_id
    left join first_touches as f on w.order_id = f.order_id
),

summed as (
    select
        v.path,
        min(v.steps) as steps,
        count(*) as journeys,
        count(v.order_id) as conversions,
        sum(v.is_valued) as valued_conversions,
        sum(v.revenue) as revenue,
        sum(v.net_revenue) as net_revenue,
        sum(v.milliseconds_to_order) as milliseconds,
        count(v.milliseconds_to_order) as timed
    from valued as v
    group by v.path
),

placed as (
    select
        s.path,
        s.steps,
        s.journeys,
        s.conversions,
        s.valued_conversions,
        s.revenue,
        s.net_revenue,
        s.milliseconds,
        s.timed,
        row_number() over (order by s.journeys desc, s.path asc) <= 500
        or row_number() over (order by s.conversions desc, s.path asc) <= 500 as is_named
    from summed as s
),

named as (
    select
        case when p.is_named then p.path else '(other)' end as path,
        max(case when p.is_named then p.steps end) as steps,
        cast(sum(p.journeys) as bigint) as journeys,
        cast(sum(p.conversions) as bigint) as conversions,
        cast(sum(p.valued_conversions) as bigint) as valued_conversions,
        sum(p.revenue) as revenue,
        sum(p.net_revenue) as net_revenue,
        cast(sum(p.milliseconds) as bigint) as milliseconds,
        cast(sum(p.timed) as bigint) as timed
    from placed as p
    group by case when p.is_named then p.path else '(other)' end
)

select
    :as_of as day,
    n.path,
    n.steps,
    n.journeys,
    n.conversions,
    n.journeys - n.conversions as journeys_without_order,
    round(cast(n.conversions as double) / nullif(n.journeys, 0), 4) as conversion_rate,
    n.valued_conversions,
    cast(coalesce(n.revenue, 0) as decimal(38, 2)) as revenue,
    cast(coalesce(n.net_revenue, 0) as decimal(38, 2)) as net_revenue,
    n.timed as timed_conversions,
    coalesce(n.milliseconds, 0) as milliseconds_to_order,
    round(cast(n.milliseconds as double) / nullif(86400000 * n.timed, 0), 2) as mean_days
from named as n
