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
-- Cells are those of marts.cohort_cells: weeks are filled, and numbers go, up to 520 (ten years).
with cohort_cells as (
    select * from marts.cohort_cells
),

arrivals as (
    select * from marts.arrivals
),

person_days as (
    select * from marts.person_days
),

returns as (
    select
        cast(date_trunc('week', a.first_day) as date) as cohort_start,
        a.is_identified,
        cast(date_trunc('week', p.day) as date) as period_start,
        count(distinct a.person_id) as persons
    from arrivals as a
    inner join person_days as p on a.person_id = p.person_id and a.is_new
    group by
        cast(date_trunc('week', a.first_day) as date),
        a.is_identified,
        cast(date_trunc('week', p.day) as date)
)

select
    c.cohort_start as cohort_week,
    c.is_identified,
    c.period_number as week_number,
    c.period_start as week,
    c.is_mature,
    c.is_settled,
    c.cohort_persons,
    case when c.is_mature then coalesce(r.persons, 0) end as retained_persons,
    case
        when c.is_mature
            then round(cast(coalesce(r.persons, 0) as double) / nullif(c.cohort_persons, 0), 4)
    end as retention_rate
from cohort_cells as c
left join returns as r
    on
        c.cohort_start = r.cohort_start
        and c.is_identified = r.is_identified
        and c.period_start = r.period_start
where c.period = 'week'
