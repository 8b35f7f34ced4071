-- Grain: one cohort (new persons by the month of their first event; identified persons and guests apart)
-- in one month since. Key: cohort_month, is_identified, month_number.
-- Meaning: how many of a cohort came back: had any event in the month. Month 0 is
-- the cohort's own.
-- Cells are those of marts.cohort_cells; immature ones are NULL, not zero.
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
        cast(date_trunc('month', a.first_day) as date) as cohort_start,
        a.is_identified,
        cast(date_trunc('month', p.day) as date) as period_start,
        count(distinct a.person_id) as persons
    from arrivals as a
    inner join person_days as p on a.person_id = p.person_id and a.is_new
    group by
        cast(date_trunc('month', a.first_day) as date),
        a.is_identified,
        cast(date_trunc('month', p.day) as date)
)

select
    c.cohort_start as cohort_month,
    c.is_identified,
    c.period_number as month_number,
    c.period_start as month,
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
where c.period = 'month'
