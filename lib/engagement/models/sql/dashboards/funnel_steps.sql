-- Grain: one step of the purchase funnel: view, add, checkout, order.
-- Key: step_number.
-- Meaning: how many persons came how far, and how long it took them, from marts.funnel_journeys
-- (ordered, strictly later, within :funnel_window_days of the first step). The form is closed: who
-- is counted at a step is counted at all steps before it. Medians are exact.
with funnel_journeys as (
    select * from marts.funnel_journeys
),

names as (
    select
        n.step_number,
        cast(n.step as varchar) as step
    from (
        values (1, 'view'), (2, 'add'), (3, 'checkout'), (4, 'order')
    ) as n (step_number, step)
),

-- Everyone reaches a step once; who reached the third also reached the first and the second.
taken as (
    select
        n.step_number,
        j.person_id,
        j.steps_reached,
        j.is_open,
        case n.step_number
            when 2 then j.milliseconds_to_add
            when 3 then j.milliseconds_to_checkout
            when 4 then j.milliseconds_to_order
        end as milliseconds
    from names as n
    inner join funnel_journeys as j on n.step_number <= j.steps_reached
),

ranked as (
    select
        t.step_number,
        t.milliseconds,
        row_number() over (partition by t.step_number order by t.milliseconds, t.person_id) as place,
        count(*) over (partition by t.step_number) as places
    from taken as t
    where t.milliseconds is not null
),

-- The middle row, or the two middle rows of an even number.
medians as (
    select
        r.step_number,
        round(cast(sum(r.milliseconds) as double) / nullif(1000 * count(*), 0), 1) as median_seconds
    from ranked as r
    where r.place * 2 between r.places and r.places + 2
    group by r.step_number
),

counted as (
    select
        t.step_number,
        count(*) as persons,
        count_if(t.steps_reached = t.step_number and t.step_number < 4 and t.is_open) as persons_waiting
    from taken as t
    group by t.step_number
),

filled as (
    select
        n.step_number,
        n.step,
        coalesce(c.persons, 0) as persons,
        coalesce(c.persons_waiting, 0) as persons_waiting,
        lag(coalesce(c.persons, 0)) over (order by n.step_number) as previous_persons,
        first_value(coalesce(c.persons, 0)) over (order by n.step_number) as first_persons
    from names as n
    left join counted as c on n.step_number = c.step_number
)

select
    cast(f.step_number as bigint) as step_number,
    f.step,
    f.persons,
    f.previous_persons,
    round(cast(f.persons as double) / nullif(f.previous_persons, 0), 4) as step_rate,
    f.first_persons,
    round(cast(f.persons as double) / nullif(f.first_persons, 0), 4) as overall_rate,
    f.previous_persons - f.persons as persons_lost,
    f.persons_waiting,
    m.median_seconds as median_seconds_from_previous
from filled as f
left join medians as m on f.step_number = m.step_number
