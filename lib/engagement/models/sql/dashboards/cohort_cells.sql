-- Grain: one cohort in one period since. Key: period, cohort_start, is_identified, period_number.
-- Meaning: which cells the tables of cohorts have: new persons (marts.arrivals) by the day, Monday week
-- or month of their first event, identified persons and guests apart, in each day (up to 90), week (up to
-- 520) or month (up to 120) since. Whether a person is identified is as of the as-of date. Every cohort
-- has every number that the first one has, and periods in which nobody was new are cohorts of zero
-- persons, so that no line of a heat map is missing. A cell whose period has not wholly ended by the
-- as-of date is immature.
-- Days are filled over the last 731, weeks over 521, months over 121: an event with a wild date adds one
-- cohort, not thousands.
with person_events as (
    select * from marts.person_events
),

arrivals as (
    select * from marts.arrivals
),

landing as (
    select cast(local_time(min(pe.received_at), :timezone) as date) as first_day
    from person_events as pe
),

first_days as (
    select
        a.first_day,
        a.is_identified,
        count(*) as persons
    from arrivals as a
    where a.is_new
    group by a.first_day, a.is_identified
),

bounds as (
    select min(a.first_day) as first_day from arrivals as a
),

filled_from as (
    select
        greatest(b.first_day, cast(date_add('day', -730, :as_of) as date)) as day,
        greatest(
            cast(date_trunc('week', b.first_day) as date),
            cast(date_add('day', -7 * 520, cast(date_trunc('week', :as_of) as date)) as date)
        ) as week,
        greatest(
            cast(date_trunc('month', b.first_day) as date),
            cast(date_add('month', -120, cast(date_trunc('month', :as_of) as date)) as date)
        ) as month
    from bounds as b
    where b.first_day is not null
),

starts as (
    select
        'day' as period,
        n.n as period_number,
        cast(date_add('day', n.n, f.day) as date) as start_day
    from filled_from as f
    cross join unnest(sequence(0, 730)) as n (n)
    where cast(date_add('day', n.n, f.day) as date) <= :as_of
    union all
    select
        'week' as period,
        n.n as period_number,
        cast(date_add('day', 7 * n.n, f.week) as date) as start_day
    from filled_from as f
    cross join unnest(sequence(0, 520)) as n (n)
    where cast(date_add('day', 7 * n.n, f.week) as date) <= :as_of
    union all
    select
        'month' as period,
        n.n as period_number,
        cast(date_add('month', n.n, f.month) as date) as start_day
    from filled_from as f
    cross join unnest(sequence(0, 120)) as n (n)
    where cast(date_add('month', n.n, f.month) as date) <= :as_of
),

sizes as (
    select
        p.period,
        case p.period
            when 'day' then d.first_day
            when 'week' then cast(date_trunc('week', d.first_day) as date)
            else cast(date_trunc('month', d.first_day) as date)
        end as cohort_start,
        d.is_identified,
        sum(d.persons) as persons
    from first_days as d
    cross join (values ('day'), ('week'), ('month')) as p (period)
    group by
        p.period,
        case p.period
            when 'day' then d.first_day
            when 'week' then cast(date_trunc('week', d.first_day) as date)
            else cast(date_trunc('month', d.first_day) as date)
        end,
        d.is_identified
),

cohorts as (
    select
        s.period,
        s.start_day as cohort_start
    from starts as s
    union
    select
        z.period,
        z.cohort_start
    from sizes as z
),

cells as (
    select
        c.period,
        c.cohort_start,
        k.is_identified,
        s.period_number,
        case c.period
            when 'day' then cast(date_add('day', s.period_number, c.cohort_start) as date)
            when 'week' then cast(date_add('day', 7 * s.period_number, c.cohort_start) as date)
            else cast(date_add('month', s.period_number, c.cohort_start) as date)
        end as period_start,
        case c.period
            when 'day' then cast(date_add('day', s.period_number + 1, c.cohort_start) as date)
            when 'week' then cast(date_add('day', 7 * s.period_number + 7, c.cohort_start) as date)
            else cast(date_add('month', s.period_number + 1, c.cohort_start) as date)
        end as next_start
    from cohorts as c
    inner join starts as s on c.period = s.period
    cross join (values (true), (false)) as k (is_identified)
    where c.period <> 'day' or s.period_number <= 90
)

select
    cast(c.period as varchar) as period,
    c.cohort_start,
    c.is_identified,
    cast(c.period_number as bigint) as period_number,
    c.period_start,
    cast(date_add('day', -1, c.next_start) as date) <= :last_whole_day as is_mature,
    coalesce(
        c.cohort_start >= cast(date_add('day', :settling_days, l.first_day) as date), false
    ) as is_settled,
    cast(coalesce(z.persons, 0) as bigint) as cohort_persons
from cells as c
cross join landing as l
left join sizes as z
    on
        c.period = z.period
        and c.cohort_start = z.cohort_start
        and c.is_identified = z.is_identified
