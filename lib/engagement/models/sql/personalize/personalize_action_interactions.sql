-- Grain: one user, action, event type and second. Key: user_id, action_id, event_type, epoch_seconds.
-- Meaning: the action interactions of Next-Best-Action: what people did with the actions of
-- personalize.actions, by the names of events. Empty where none is mapped. Bots are left out where the
-- parameters say so, and people without an id that the site could send.
with actions as (
    select * from seeds.personalize_actions
),

session_events as (
    select * from marts.session_events
),

people as (
    select * from marts.personalize_people
),

happened as (
    select
        p.user_id,
        a.action_id,
        a.event_type,
        cast(
            floor(
                cast(
                    date_diff(
                        'millisecond',
                        cast('1970-01-01 00:00:00.000' as timestamp(3)),
                        se."timestamp"
                    ) as double
                ) / 1000
            ) as bigint
        ) as epoch_seconds,
        se.person_id,
        se."timestamp" as happened_at,
        se.received_at
    from session_events as se
    inner join actions as a on se.event = a.event
    inner join people as p on se.person_id = p.person_id
    where p.user_id is not null and not (:exclude_bots and coalesce(se.is_bot, false))
)

select
    h.user_id,
    h.action_id,
    h.event_type,
    h.epoch_seconds,
    min(h.person_id) as person_id,
    count(*) as repeats,
    min(h.happened_at) as happened_at,
    min(h.received_at) as received_at
from happened as h
group by h.user_id, h.action_id, h.event_type, h.epoch_seconds
