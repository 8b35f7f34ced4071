-- Grain: one pair of ids that belong to each other. Key: id_type, id, user_id.
-- A pair comes from events that carry an anonymous id and a user id, or from an alias, which says
-- that its previous id became a user id. The previous id is a device's where it was seen as an
-- anonymous id, and a user's where it was seen as a user id or not at all; where both, both.
-- "Seen" means in any event of any type. Placeholder ids (parameter) stand for no id and join nothing;
-- they are compared trimmed and in lower case. Every other id is taken exactly as sent.
with events as (
    select * from sources.events
),

aliases as (
    select * from sources.aliases
),

known_ids as (
    select distinct
        'anonymous_id' as id_type,
        anonymous_id as id
    from events
    where anonymous_id is not null
    union all
    select distinct
        'user_id' as id_type,
        user_id as id
    from events
    where user_id is not null
),

previous_ids as (
    select
        a.id as event_id,
        a.received_at,
        a."timestamp",
        coalesce(k.id_type, 'user_id') as id_type,
        a.previous_id as id,
        a.user_id
    from aliases as a
    left join known_ids as k
        on a.previous_id = k.id
),

pairs as (
    select
        e.id as event_id,
        e.received_at,
        e."timestamp",
        'anonymous_id' as id_type,
        e.anonymous_id as id,
        e.user_id,
        false as is_alias
    from events as e
    union all
    select
        p.event_id,
        p.received_at,
        p."timestamp",
        p.id_type,
        p.id,
        p.user_id,
        true as is_alias
    from previous_ids as p
    where p.id_type = 'anonymous_id' or p.id <> p.user_id
),

usable as (
    select
        p.event_id,
        p.received_at,
        p."timestamp",
        p.id_type,
        p.id,
        p.user_id,
        p.is_alias,
        row_number() over (partition by p.id_type, p.id, p.user_id order by p.received_at, p.event_id)
            as sequence_number
    from pairs as p
    where
        regexp_like(p.id, '[^ \t\r\n]')
        and regexp_like(p.user_id, '[^ \t\r\n]')
        and not coalesce(
            regexp_replace(lower(p.id), '^[ \t\r\n]+|[ \t\r\n]+\z', '') in (:placeholder_ids), false
        )
        and not coalesce(
            regexp_replace(lower(p.user_id), '^[ \t\r\n]+|[ \t\r\n]+\z', '') in (:placeholder_ids), false
        )
)

select
    u.id_type,
    u.id,
    u.user_id,
    logical_or(u.is_alias) as is_alias,
    max(case when u.sequence_number = 1 then u.event_id end) as first_event_id,
    count(distinct u.event_id) as events,
    min(u.received_at) as first_received_at,
    min(u."timestamp") as first_seen_at,
    max(u."timestamp") as last_seen_at
from usable as u
group by u.id_type, u.id, u.user_id
