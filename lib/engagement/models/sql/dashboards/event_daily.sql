-- Grain: one kind of event on one day. Key: day, type, event.
-- Meaning: how often each kind of event happened, and to how many people. A row is there for a day on
-- which it happened.
with session_events as (
    select * from marts.session_events
)

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
