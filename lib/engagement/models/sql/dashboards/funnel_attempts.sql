-- Grain: one person's attempt in one form of the funnel. Key: form, entry_step_number, person_id.
-- Meaning: how far each person came, closed and open, with what the session of the first step tells.
-- closed: the attempt of marts.funnel_journeys. open: the funnel may be entered at any step, at the
-- person's first event of it; the later steps come in order, each the earliest one strictly after the
-- step before, all within :funnel_window_days of the first.
with funnel_journeys as (
    select * from marts.funnel_journeys
),

funnel_events as (
    select * from marts.funnel_events
),

sessions as (
    select * from marts.sessions
),

moments as (
    select
        e.person_id,
        e.step_number,
        e.happened_at,
        min(e.session_id) as session_id
    from funnel_events as e
    group by e.person_id, e.step_number, e.happened_at
),

entries as (
    select
        m.person_id,
        m.step_number as entry_step_number,
        min(m.happened_at) as entered_at
    from moments as m
    group by m.person_id, m.step_number
),

second as (
    select
        e.person_id,
        e.entry_step_number,
        min(m.happened_at) as happened_at
    from entries as e
    inner join moments as m
        on e.person_id = m.person_id and e.entry_step_number + 1 = m.step_number
    where
        m.happened_at > e.entered_at
        and date_diff('millisecond', e.entered_at, m.happened_at)
        <= cast(:funnel_window_days as bigint) * 86400000
    group by e.person_id, e.entry_step_number
),

third as (
    select
        e.person_id,
        e.entry_step_number,
        min(m.happened_at) as happened_at
    from entries as e
    inner join second as s
        on e.person_id = s.person_id and e.entry_step_number = s.entry_step_number
    inner join moments as m
        on e.person_id = m.person_id and e.entry_step_number + 2 = m.step_number
    where
        m.happened_at > s.happened_at
        and date_diff('millisecond', e.entered_at, m.happened_at)
        <= cast(:funnel_window_days as bigint) * 86400000
    group by e.person_id, e.entry_step_number
),

fourth as (
    select
        e.person_id,
        e.entry_step_number,
        min(m.happened_at) as happened_at
    from entries as e
    inner join third as t
        on e.person_id = t.person_id and e.entry_step_number = t.entry_step_number
    inner join moments as m
        on e.person_id = m.person_id and e.entry_step_number + 3 = m.step_number
    where
        m.happened_at > t.happened_at
        and date_diff('millisecond', e.entered_at, m.happened_at)
        <= cast(:funnel_window_days as bigint) * 86400000
    group by e.person_id, e.entry_step_number
),

attempts as (
    select
        'closed' as form,
        cast(1 as bigint) as entry_step_number,
        j.person_id,
        j.view_at as entered_at,
        j.steps_reached,
        j.milliseconds_to_add as second_milliseconds,
        j.milliseconds_to_checkout as third_milliseconds,
        j.milliseconds_to_order as fourth_milliseconds
    from funnel_journeys as j
    union all
    select
        'open' as form,
        e.entry_step_number,
        e.person_id,
        e.entered_at,
        e.entry_step_number
        + case
            when f.happened_at is not null then 3
            when t.happened_at is not null then 2
            when s.happened_at is not null then 1
            else 0
        end as steps_reached,
        date_diff('millisecond', e.entered_at, s.happened_at) as second_milliseconds,
        date_diff('millisecond', s.happened_at, t.happened_at) as third_milliseconds,
        date_diff('millisecond', t.happened_at, f.happened_at) as fourth_milliseconds
    from entries as e
    left join second as s
        on e.person_id = s.person_id and e.entry_step_number = s.entry_step_number
    left join third as t
        on e.person_id = t.person_id and e.entry_step_number = t.entry_step_number
    left join fourth as f
        on e.person_id = f.person_id and e.entry_step_number = f.entry_step_number
)

select
    cast(a.form as varchar) as form,
    a.entry_step_number,
    a.person_id,
    cast(a.steps_reached as bigint) as last_step_number,
    date_diff('millisecond', a.entered_at, :as_of_end)
    <= cast(:funnel_window_days as bigint) * 86400000 as is_open,
    substr(
        cast(least(cast(local_time(a.entered_at, :timezone) as date), :as_of) as varchar), 1, 7
    ) as month,
    coalesce(s.channel, '(not set)') as channel,
    coalesce(s.device_type, '(not set)') as device_type,
    coalesce(s.is_new_visitor, false) as is_new_visitor,
    a.second_milliseconds,
    a.third_milliseconds,
    a.fourth_milliseconds,
    a.entered_at
from attempts as a
inner join moments as m
    on
        a.person_id = m.person_id
        and a.entry_step_number = m.step_number
        and a.entered_at = m.happened_at
left join sessions as s on m.session_id = s.session_id
