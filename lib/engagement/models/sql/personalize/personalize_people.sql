-- Grain: one person. Key: person_id.
-- Meaning: the id that the shop's own site knows a person by: the latest user id of an identified
-- person, the device's id of a guest. person_id is this warehouse's alone: a site could neither send
-- it with live events nor ask for recommendations by it. Where a guest's device id is also somebody's
-- user id, person_id keeps the two apart. Who has neither has no user_id.
with profiles as (
    select * from marts.profiles
),

identity_map as (
    select * from marts.identity_map
),

devices as (
    select
        im.person_id,
        im.id,
        row_number() over (
            partition by im.person_id order by im.first_received_at, im.id
        ) as place
    from identity_map as im
    where im.id_type = 'anonymous_id'
)

select
    p.person_id,
    case
        when p.user_id is not null then p.user_id
        when d.id is not null and k.user_id is null then d.id
        when d.id is not null then p.person_id
    end as user_id
from profiles as p
left join devices as d on p.person_id = d.person_id and d.place = 1
left join profiles as k on d.id = k.user_id
