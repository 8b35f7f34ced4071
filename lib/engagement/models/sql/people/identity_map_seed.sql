-- Every usable id with its number, earliest first, as a component of its own. In the scope
-- 'users' only aliases join user ids; in the scope 'people' devices do so too.
with events as (
    select * from sources.events
),

links as (
    select * from marts.identity_links
),

sightings as (
    select
        'anonymous_id' as id_type,
        anonymous_id as id,
        received_at
    from events
    union all
    select
        'user_id' as id_type,
        user_id as id,
        received_at
    from events
    union all
    select
        id_type,
        id,
        first_received_at as received_at
    from links
),

usable as (
    select
        id_type,
        id,
        min(received_at) as first_received_at
    from sightings
    where
        regexp_like(id, '[^ \t\r\n]')
        and not coalesce(
            regexp_replace(lower(id), '^[ \t\r\n]+|[ \t\r\n]+\z', '') in (:placeholder_ids), false
        )
    group by id_type, id
),

numbered as (
    select
        id_type,
        id,
        first_received_at,
        row_number() over (order by first_received_at, id, id_type) as node
    from usable
),

scopes as (
    select 'people' as scope
    union all
    select 'users' as scope
)

select
    s.scope,
    n.node,
    n.id_type,
    n.id,
    n.first_received_at,
    n.node as parent,
    false as is_shared_device
from numbered as n
cross join scopes as s
where s.scope = 'people' or n.id_type = 'user_id'
