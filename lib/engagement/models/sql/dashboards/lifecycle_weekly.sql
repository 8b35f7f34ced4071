-- Grain: one closed week, Monday to Sunday, local. Key: week.
-- Meaning: people of each closed week by what they were the week before. Of those active in the week, who
-- is new in it (marts.arrivals) is new, who was active the week before is retained, all others are
-- returning; churned were active the week before and not in this one. Weeks are filled back to 520.
with person_events as (
    select * from marts.person_events
),

arrivals as (
    select * from marts.arrivals
),

person_days as (
    select * from marts.person_days
),

landing as (
    select cast(local_time(min(pe.received_at), :timezone) as date) as first_day
    from person_events as pe
),

person_weeks as (
    select
        p.person_id,
        cast(date_trunc('week', p.day) as date) as week
    from person_days as p
    group by p.person_id, cast(date_trunc('week', p.day) as date)
),

compared as (
    select
        w.person_id,
        w.week,
        lag(w.week) over (partition by w.person_id order by w.week) as earlier_week,
        a.is_new and cast(date_trunc('week', a.first_day) as date) = w.week as is_new
    from person_weeks as w
    inner join arrivals as a on w.person_id = a.person_id
),

weekly as (
    select
        c.week,
        count(*) as active_persons,
        count_if(c.is_new) as new_persons,
        count_if(coalesce(date_diff('day', c.earlier_week, c.week) = 7, false)) as retained_persons
    from compared as c
    group by c.week
),

filled_from as (
    select
        greatest(
            min(w.week), cast(date_add('day', -7 * 520, cast(date_trunc('week', :as_of) as date)) as date)
        ) as week
    from weekly as w
),

-- With the week after each week with people: in that they may have churned.
spine as (
    select cast(date_add('day', 7 * n.n, f.week) as date) as week
    from filled_from as f
    cross join unnest(sequence(0, 520)) as n (n)
    where f.week is not null
    union
    select w.week from weekly as w
    union
    select cast(date_add('day', 7, w.week) as date) as week from weekly as w
),

counted as (
    select
        s.week,
        coalesce(
            s.week >= cast(date_add('day', :settling_days, l.first_day) as date), false
        ) as is_settled,
        coalesce(w.active_persons, 0) as active_persons,
        coalesce(w.new_persons, 0) as new_persons,
        coalesce(w.retained_persons, 0) as retained_persons,
        coalesce(b.active_persons, 0) as previous_active_persons
    from spine as s
    cross join landing as l
    left join weekly as w on s.week = w.week
    left join weekly as b on s.week = cast(date_add('day', 7, b.week) as date)
    where cast(date_add('day', 6, s.week) as date) <= :last_whole_day
)

select
    c.week,
    c.is_settled,
    c.active_persons,
    c.new_persons,
    c.retained_persons,
    c.active_persons - c.new_persons - c.retained_persons as returning_persons,
    c.previous_active_persons,
    c.previous_active_persons - c.retained_persons as churned_persons,
    round(cast(c.retained_persons as double) / nullif(c.previous_active_persons, 0), 4)
        as retained_rate,
    round(
        cast(c.previous_active_persons - c.retained_persons as double)
        / nullif(c.previous_active_persons, 0),
        4
    ) as churn_rate
from counted as c
