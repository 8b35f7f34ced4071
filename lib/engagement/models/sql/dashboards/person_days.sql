-- Grain: one person on one day with an event, local; bots' events are left out where metrics leave them
-- out. Key: person_id, day.
-- Meaning: who was there when: what people of a day, a week or a month are counted from. An event dated
-- after the as-of date counts on it.
with session_events as (
    select * from marts.session_events
)

select
    se.person_id,
    least(se.event_date, :as_of) as day,
    count(*) as events
from session_events as se
where not (:exclude_bots and coalesce(se.is_bot, false))
group by se.person_id, least(se.event_date, :as_of)
