-- Grain: one person with at least one event; bots' events are left out where metrics leave them out.
-- Key: person_id.
-- Meaning: who is new, and since when. A person is new on the day of their first event, unless they
-- are identified and their account was created more than 24 hours before that event: then they were
-- known before, and the data only begins later. Without a creation time they are new. Guests always
-- are: an account that only a guest's traits name is not theirs yet.
-- An event dated after the as-of date (a clock that runs ahead) counts on the as-of date.
with session_events as (
    select * from marts.session_events
),

profiles as (
    select * from marts.profiles
),

first_events as (
    select
        se.person_id,
        min(least(se.event_date, :as_of)) as first_day,
        min(se."timestamp") as first_event_at
    from session_events as se
    where not (:exclude_bots and coalesce(se.is_bot, false))
    group by se.person_id
),

judged as (
    select
        fe.person_id,
        coalesce(p.is_identified, false) as is_identified,
        coalesce(
            p.is_identified
            and date_diff('millisecond', p.account_created_at, fe.first_event_at) > 24 * 60 * 60 * 1000,
            false
        ) as was_known,
        fe.first_day,
        p.account_created_at,
        fe.first_event_at
    from first_events as fe
    left join profiles as p on fe.person_id = p.person_id
)

select
    j.person_id,
    j.is_identified,
    not j.was_known as is_new,
    j.first_day,
    j.account_created_at,
    j.first_event_at
from judged as j
