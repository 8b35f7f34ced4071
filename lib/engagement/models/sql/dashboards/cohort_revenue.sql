-- Grain: one cohort in one day, week or month since, as in marts.cohort_cells.
-- Key: period, cohort_start, is_identified, period_number.
-- Meaning: what new persons ordered in each period since their first event, and up to its end, in all and
-- per person of the cohort: the value curves. Orders are those that stand, refunds are dated on their own
-- day. What is dated before a person's first event counts in the cohort's own period. Immature cells are
-- NULL, not zero.
with cohort_cells as (
    select * from marts.cohort_cells
),

arrivals as (
    select * from marts.arrivals
),

dashboard_entries as (
    select * from marts.dashboard_entries
),

amounts as (
    select
        a.person_id,
        a.is_identified,
        a.first_day,
        greatest(e.day, a.first_day) as day,
        e.orders,
        e.valued_orders,
        e.revenue,
        e.refunds
    from dashboard_entries as e
    inner join arrivals as a on e.person_id = a.person_id
    where a.is_new and e.kind in ('order', 'refund')
),

placed as (
    select
        p.period,
        case p.period
            when 'day' then a.first_day
            when 'week' then cast(date_trunc('week', a.first_day) as date)
            else cast(date_trunc('month', a.first_day) as date)
        end as cohort_start,
        a.is_identified,
        case p.period
            when 'day' then a.day
            when 'week' then cast(date_trunc('week', a.day) as date)
            else cast(date_trunc('month', a.day) as date)
        end as period_start,
        a.person_id,
        a.orders,
        a.valued_orders,
        a.revenue,
        a.refunds
    from amounts as a
    cross join (values ('day'), ('week'), ('month')) as p (period)
),

summed as (
    select
        p.period,
        p.cohort_start,
        p.is_identified,
        p.period_start,
        count(distinct case when p.orders = 1 then p.person_id end) as buyers,
        sum(p.orders) as orders,
        sum(p.valued_orders) as valued_orders,
        sum(p.revenue) as revenue,
        sum(p.refunds) as refunds
    from placed as p
    group by p.period, p.cohort_start, p.is_identified, p.period_start
),

filled as (
    select
        c.period,
        c.cohort_start,
        c.is_identified,
        c.period_number,
        c.period_start,
        c.is_mature,
        c.is_settled,
        c.cohort_persons,
        coalesce(s.buyers, 0) as buyers,
        cast(coalesce(s.orders, 0) as bigint) as orders,
        cast(coalesce(s.valued_orders, 0) as bigint) as valued_orders,
        cast(coalesce(s.revenue, 0) as decimal(38, 2)) as revenue,
        cast(coalesce(s.refunds, 0) as decimal(38, 2)) as refunds
    from cohort_cells as c
    left join summed as s
        on
            c.period = s.period
            and c.cohort_start = s.cohort_start
            and c.is_identified = s.is_identified
            and c.period_start = s.period_start
),

running as (
    select
        f.period,
        f.cohort_start,
        f.is_identified,
        f.period_number,
        f.period_start,
        f.is_mature,
        f.is_settled,
        f.cohort_persons,
        f.buyers,
        f.orders,
        f.valued_orders,
        f.revenue,
        f.refunds,
        sum(f.orders) over (
            partition by f.period, f.cohort_start, f.is_identified order by f.period_number
            rows between unbounded preceding and current row
        ) as cumulative_orders,
        sum(f.revenue) over (
            partition by f.period, f.cohort_start, f.is_identified order by f.period_number
            rows between unbounded preceding and current row
        ) as cumulative_revenue,
        sum(f.refunds) over (
            partition by f.period, f.cohort_start, f.is_identified order by f.period_number
            rows between unbounded preceding and current row
        ) as cumulative_refunds
    from filled as f
)

select
    r.period,
    r.cohort_start,
    r.is_identified,
    r.period_number,
    r.period_start,
    r.is_mature,
    r.is_settled,
    r.cohort_persons,
    case when r.is_mature then r.buyers end as buyers,
    case when r.is_mature then r.orders end as orders,
    case when r.is_mature then r.valued_orders end as valued_orders,
    case when r.is_mature then r.revenue end as revenue,
    case when r.is_mature then r.refunds end as refunds,
    case when r.is_mature then cast(r.revenue - r.refunds as decimal(38, 2)) end as net_revenue,
    case when r.is_mature then cast(r.cumulative_orders as bigint) end as cumulative_orders,
    case
        when r.is_mature then cast(r.cumulative_revenue as decimal(38, 2))
    end as cumulative_revenue,
    case
        when r.is_mature then cast(r.cumulative_revenue - r.cumulative_refunds as decimal(38, 2))
    end as cumulative_net_revenue,
    case
        when r.is_mature
            then round(cast(r.cumulative_revenue as double) / nullif(r.cohort_persons, 0), 4)
    end as revenue_per_person,
    case
        when r.is_mature
            then round(
                cast(r.cumulative_revenue - r.cumulative_refunds as double)
                / nullif(r.cohort_persons, 0),
                4
            )
    end as net_revenue_per_person
from running as r
