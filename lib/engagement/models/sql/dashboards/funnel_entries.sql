-- Grain: one step of the purchase funnel in one form, entered at one step, for one segment.
-- Key: form, segment_by, segment, entry_step_number, step_number.
-- Meaning: what funnel_segments (closed) and funnel_open show: how many persons came how far from where
-- they entered (marts.funnel_attempts). The closed form is entered at the first step. Medians are exact.
with funnel_attempts as (
    select * from marts.funnel_attempts
),

names as (
    select
        cast(n.step_number as bigint) as step_number,
        cast(n.step as varchar) as step
    from (
        values (1, 'view'), (2, 'add'), (3, 'checkout'), (4, 'order')
    ) as n (step_number, step)
),

segmented as (
    select
        cast(b.segment_by as varchar) as segment_by,
        cast(
            case b.segment_by
                when 'month' then a.month
                when 'channel' then a.channel
                when 'device' then a.device_type
                when 'visitor' then case when a.is_new_visitor then 'new' else 'returning' end
                else 'all'
            end as varchar
        ) as segment,
        a.form,
        a.entry_step_number,
        a.person_id,
        a.last_step_number,
        a.is_open,
        a.second_milliseconds,
        a.third_milliseconds,
        a.fourth_milliseconds
    from funnel_attempts as a
    cross join (
        values ('all'), ('month'), ('channel'), ('device'), ('visitor')
    ) as b (segment_by)
),

reached as (
    select
        s.form,
        s.segment_by,
        s.segment,
        s.entry_step_number,
        s.last_step_number,
        count(*) as persons,
        count_if(s.is_open and s.last_step_number < 4) as persons_waiting
    from segmented as s
    group by s.form, s.segment_by, s.segment, s.entry_step_number, s.last_step_number
),

segments as (
    select
        r.form,
        r.segment_by,
        r.segment,
        r.entry_step_number
    from reached as r
    group by r.form, r.segment_by, r.segment, r.entry_step_number
    union
    select
        cast(f.form as varchar) as form,
        cast('all' as varchar) as segment_by,
        cast('all' as varchar) as segment,
        n.step_number as entry_step_number
    from names as n
    cross join (values ('closed'), ('open')) as f (form)
    where f.form = 'open' or n.step_number = 1
),

counted as (
    select
        g.form,
        g.segment_by,
        g.segment,
        g.entry_step_number,
        n.step_number,
        cast(
            coalesce(sum(case when r.last_step_number >= n.step_number then r.persons end), 0) as bigint
        ) as persons,
        cast(
            coalesce(
                sum(case when r.last_step_number = n.step_number then r.persons_waiting end), 0
            ) as bigint
        ) as persons_waiting
    from segments as g
    inner join names as n on g.entry_step_number <= n.step_number
    left join reached as r
        on
            g.form = r.form
            and g.segment_by = r.segment_by
            and g.segment = r.segment
            and g.entry_step_number = r.entry_step_number
    group by g.form, g.segment_by, g.segment, g.entry_step_number, n.step_number
),

taken as (
    select
        s.form,
        s.segment_by,
        s.segment,
        s.entry_step_number,
        s.entry_step_number + k.steps as step_number,
        s.person_id,
        case k.steps
            when 1 then s.second_milliseconds
            when 2 then s.third_milliseconds
            else s.fourth_milliseconds
        end as milliseconds
    from segmented as s
    inner join (values (1), (2), (3)) as k (steps) on s.entry_step_number + k.steps <= s.last_step_number
),

ranked as (
    select
        t.form,
        t.segment_by,
        t.segment,
        t.entry_step_number,
        t.step_number,
        t.milliseconds,
        row_number() over (
            partition by t.form, t.segment_by, t.segment, t.entry_step_number, t.step_number
            order by t.milliseconds, t.person_id
        ) as place,
        count(*) over (
            partition by t.form, t.segment_by, t.segment, t.entry_step_number, t.step_number
        ) as places
    from taken as t
),

-- The middle row, or the two middle rows of an even number.
medians as (
    select
        r.form,
        r.segment_by,
        r.segment,
        r.entry_step_number,
        r.step_number,
        round(cast(sum(r.milliseconds) as double) / nullif(1000 * count(*), 0), 1) as median_seconds
    from ranked as r
    where r.place * 2 between r.places and r.places + 2
    group by r.form, r.segment_by, r.segment, r.entry_step_number, r.step_number
),

widened as (
    select
        c.form,
        c.segment_by,
        c.segment,
        c.entry_step_number,
        c.step_number,
        c.persons,
        c.persons_waiting,
        lag(c.persons) over (
            partition by c.form, c.segment_by, c.segment, c.entry_step_number order by c.step_number
        ) as previous_persons,
        first_value(c.persons) over (
            partition by c.form, c.segment_by, c.segment, c.entry_step_number order by c.step_number
        ) as entry_persons
    from counted as c
)

select
    w.form,
    w.segment_by,
    w.segment,
    w.entry_step_number,
    e.step as entry_step,
    w.step_number,
    n.step,
    w.persons,
    w.previous_persons,
    round(cast(w.persons as double) / nullif(w.previous_persons, 0), 4) as step_rate,
    w.entry_persons,
    round(cast(w.persons as double) / nullif(w.entry_persons, 0), 4)
        as entry_rate,
    w.persons_waiting,
    m.median_seconds as median_seconds_from_previous
from widened as w
inner join names as n on w.step_number = n.step_number
inner join names as e on w.entry_step_number = e.step_number
left join medians as m
    on
        w.form = m.form
        and w.segment_by = m.segment_by
        and w.segment = m.segment
        and w.entry_step_number = m.entry_step_number
        and w.step_number = m.step_number
