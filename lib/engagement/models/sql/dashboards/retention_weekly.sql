-- Grain: one cohort (new persons by the week, Monday to Sunday, of their first event; identified
-- persons and guests apart) in one week since.
-- Key: cohort_week, is_identified, week_number.
-- Meaning: how many of a cohort came back: had any event in the week. Only new persons are in cohorts
-- (marts.arrivals). Whether a person is identified is as of the as-of date, so the two rows of a
-- cohort and a week add up to all of its people. The denominator is always the whole cohort. Week 0
-- is the cohort's own week. A cell whose week has not wholly ended by the as-of date is immature: its
-- figures are NULL, not zero. Every cohort has every week number that the first one has, and weeks in
-- which nobody was new are cohorts of zero persons, so that no line of a heat map is missing.
-- An event dated after the as-of date (a clock that runs ahead) counts on the as-of date.
-- Weeks are filled, and numbers go, up to 520 (ten years): a single event with a wild date adds one
-- cohort, not thousands.
with session_events as (
    select * from marts.session_events
),

person_events as (
    select * from marts.person_events
),

arrivals as (
    select * from marts.arrivals
),

landing as (
    select cast(local_time(min(pe.received_at), :timezone) as date) as first_day
    from person_events as pe
),

person_weeks as (
    select
        se.person_id,
        cast(date_trunc('week', least(se.event_date, :as_of)) as date) as week
    from session_events as se
    where not (:exclude_bots and coalesce(se.is_bot, false))
    group by se.person_id, cast(date_trunc('week', least(se.event_date, :as_of)) as date)
),

persons as (
    select
        a.person_id,
        a.is_identified,
        cast(date_trunc('week', a.first_day) as date) as cohort_week
    from arrivals as a
    where a.is_new
),

cohort_sizes as (
    select
        p.cohort_week,
        p.is_identified,
        count(*) as cohort_persons
    from persons as p
    group by p.cohort_week, p.is_identified
),

bounds as (
    select
        cast(date_trunc('week', min(a.first_day)) as date) as first_week,
        cast(date_trunc('week', :as_of) as date) as last_week
    from arrivals as a
),

filled_from as (
    select
        b.last_week,
        greatest(b.first_week, cast(date_add('day', -7 * 520, b.last_week) as date)) as week
    from bounds as b
    where b.first_week is not null
),

weeks as (
    select
        cast(n.n as bigint) as week_number,
        cast(date_add('day', 7 * n.n, ff.week) as date) as week
    from filled_from as ff
    cross join unnest(sequence(0, 520)) as n (n)
    where cast(date_add('day', 7 * n.n, ff.week) as date) <= ff.last_week
),

cohorts as (
    select w.week from weeks as w
    union
    select cs.cohort_week as week from cohort_sizes as cs
),

kinds as (
    select k.is_identified
    from (values (true), (false)) as k (is_identified)
),

returns as (
    select
        p.cohort_week,
        p.is_identified,
        pw.week,
        count(*) as retained_persons
    from persons as p
    inner join person_weeks as pw on p.person_id = pw.person_id
    group by p.cohort_week, p.is_identified, pw.week
),

cells as (
    select
        c.week as cohort_week,
        k.is_identified,
        w.week_number,
        cast(date_add('day', 7 * w.week_number, c.week) as date) as week,
        cast(date_add('day', 7 * w.week_number + 6, c.week) as date) <= :last_whole_day as is_mature,
        coalesce(
            c.week >= cast(date_add('day', :settling_days, l.first_day) as date), false
        ) as is_settled
    from cohorts as c
    cross join kinds as k
    cross join weeks as w
    cross join landing as l
)

select
    c.cohort_week,
    c.is_identified,
    c.week_number,
    c.week,
    c.is_mature,
    c.is_settled,
    coalesce(s.cohort_persons, 0) as cohort_persons,
    case when c.is_mature then coalesce(r.retained_persons, 0) end as retained_persons,
    case
        when c.is_mature
            then round(
                cast(coalesce(r.retained_persons, 0) as double) / nullif(s.cohort_persons, 0), 4
            )
    end as retention_rate
from cells as c
left join cohort_sizes as s
    on c.cohort_week = s.cohort_week and c.is_identified = s.is_identified
left join returns as r
    on c.cohort_week = r.cohort_week and c.is_identified = r.is_identified and c.week = r.week
