-- Grain: one cohort (the ISO week, Monday to Sunday, of a person's first activity) in one week since.
-- Key: cohort_week, week_number.
-- Meaning: how many of a cohort came back. The denominator is always the whole cohort. Week 0 is the
-- cohort's own week. A cell whose week has not wholly ended by the as-of date is immature: its
-- figures are NULL, not zero. Every cohort has every week number that the first cohort has, and
-- weeks in which nobody was new are cohorts of zero persons, so that no line of a heat map is missing.
-- An event dated after the as-of date (a clock that runs ahead) counts on the as-of date.
with session_events as (
    select * from marts.session_events
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
        pw.person_id,
        min(pw.week) as cohort_week
    from person_weeks as pw
    group by pw.person_id
),

first_week as (
    select min(p.cohort_week) as week from persons as p
),

weeks as (
    select
        cast(100 * h.n + u.n as bigint) as week_number,
        cast(date_add('day', 7 * (100 * h.n + u.n), fw.week) as date) as week
    from first_week as fw
    cross join unnest(sequence(0, 52)) as h (n)
    cross join unnest(sequence(0, 99)) as u (n)
    where
        fw.week is not null
        and cast(date_add('day', 7 * (100 * h.n + u.n), fw.week) as date) <= :as_of
),

cohort_sizes as (
    select
        p.cohort_week,
        count(*) as cohort_persons
    from persons as p
    group by p.cohort_week
),

returns as (
    select
        p.cohort_week,
        pw.week,
        count(*) as retained_persons
    from persons as p
    inner join person_weeks as pw on p.person_id = pw.person_id
    group by p.cohort_week, pw.week
),

cells as (
    select
        c.week as cohort_week,
        w.week_number,
        cast(date_add('day', 7 * w.week_number, c.week) as date) as week,
        cast(date_add('day', 7 * w.week_number + 6, c.week) as date) <= :as_of as is_mature
    from weeks as c
    cross join weeks as w
)

select
    c.cohort_week,
    c.week_number,
    c.week,
    c.is_mature,
    coalesce(s.cohort_persons, 0) as cohort_persons,
    case when c.is_mature then coalesce(r.retained_persons, 0) end as retained_persons,
    case
        when c.is_mature
            then round(
                cast(coalesce(r.retained_persons, 0) as double) / nullif(s.cohort_persons, 0), 4
            )
    end as retention_rate
from cells as c
left join cohort_sizes as s on c.cohort_week = s.cohort_week
left join returns as r on c.cohort_week = r.cohort_week and c.week = r.week
