-- Grain: one kind of event on one day. Key: day, type, event.
-- Meaning: how often each kind of event happened, and to how many people. The fifty kinds of most events,
-- of equals the first by name, have every day of daily_overview within the last 1,096; of the others, as
-- many as senders make up, a row is there for a day on which it happened.
with session_events as (
    select * from marts.session_events
),

daily_overview as (
    select * from marts.daily_overview
),

summed as (
    select
        least(se.event_date, :as_of) as day,
        se.type,
        coalesce(se.event, se.type) as event,
        count(*) as events,
        count(distinct se.person_id) as persons,
        count(distinct se.session_id) as sessions
    from session_events as se
    where not (:exclude_bots and coalesce(se.is_bot, false))
    group by least(se.event_date, :as_of), se.type, coalesce(se.event, se.type)
),

totals as (
    select
        s.type,
        s.event,
        sum(s.events) as events
    from summed as s
    group by s.type, s.event
),

placed as (
    select
        t.type,
        t.event,
        row_number() over (order by t.events desc, t.type asc, t.event asc) as place
    from totals as t
),

spine as (
    select
        d.day,
        p.type,
        p.event
    from daily_overview as d
    cross join placed as p
    where p.place <= 50 and d.day > cast(date_add('day', -1096, :as_of) as date)
    union
    select
        s.day,
        s.type,
        s.event
    from summed as s
)

select
    p.day,
    p.type,
    p.event,
    coalesce(s.events, 0) as events,
    coalesce(s.persons, 0) as persons,
    coalesce(s.sessions, 0) as sessions
from spine as p
left join summed as s on p.day = s.day and p.type = s.type and p.event = s.event
