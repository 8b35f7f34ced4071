-- Grain: one kept event. Key: id, received_at_utc_date (beyond the duplicate window an id may recur).
-- Whose each event is: the person of its user id; else of its device. On a shared device, an event
-- without a user id belongs to the latest user seen there at or before it, in the order of event time,
-- received_at, id. Events before the first user belong to that user if no other person is ever seen on
-- the device; else to the device, as a person of its own. A user is seen on a device by an event that
-- carries both ids: an alias of the device makes it shared and is no sighting. An event without any
-- usable id is a person of its own, so nothing is lost. Placeholder ids are NULL here.
with events as (
    select * from sources.events
),

identities as (
    select * from marts.identity_map
),

named as (
    select
        e.id,
        e.received_at_utc_date,
        d.id as anonymous_id,
        u.id as user_id,
        e.type,
        e.event,
        e."timestamp",
        e.received_at,
        u.person_id as user_person_id,
        d.person_id as device_person_id,
        coalesce(d.is_shared_device, false) as is_shared_device
    from events as e
    left join identities as d
        on e.anonymous_id = d.id and d.id_type = 'anonymous_id'
    left join identities as u
        on e.user_id = u.id and u.id_type = 'user_id'
),

users_on_shared_devices as (
    select
        id,
        received_at_utc_date,
        anonymous_id,
        user_person_id,
        row_number() over (
            partition by anonymous_id
            order by "timestamp", received_at, id, received_at_utc_date
        ) as sighting
    from named
    where is_shared_device and user_person_id is not null
),

-- Events of the same time count together: each has the latest sighting of them all before the
-- sightings of earlier times are looked at, row by row.
sightings_of_the_time as (
    select
        n.id,
        n.received_at_utc_date,
        n.anonymous_id,
        n."timestamp",
        max(u.sighting) over (partition by n.anonymous_id, n."timestamp") as sighting
    from named as n
    left join users_on_shared_devices as u
        on n.id = u.id and n.received_at_utc_date = u.received_at_utc_date
    where n.is_shared_device
),

latest_sightings as (
    select
        id,
        received_at_utc_date,
        anonymous_id,
        max(sighting) over (
            partition by anonymous_id
            order by "timestamp"
            rows between unbounded preceding and current row
        ) as sighting
    from sightings_of_the_time
),

latest_users as (
    select
        s.id,
        s.received_at_utc_date,
        u.user_person_id as person_id
    from latest_sightings as s
    inner join users_on_shared_devices as u
        on s.anonymous_id = u.anonymous_id and s.sighting = u.sighting
),

only_users as (
    select
        u.anonymous_id,
        min(u.user_person_id) as person_id
    from users_on_shared_devices as u
    group by u.anonymous_id
    having count(distinct u.user_person_id) = 1
)

select
    n.id,
    n.received_at_utc_date,
    coalesce(
        n.user_person_id,
        l.person_id,
        o.person_id,
        n.device_person_id,
        substring(sha256_hex('event:' || n.id), 1, 32)
    ) as person_id,
    n.anonymous_id,
    n.user_id,
    n.type,
    n.event,
    n.is_shared_device,
    cast(local_time(n."timestamp", :timezone) as date) as event_date,
    n."timestamp",
    n.received_at
from named as n
left join latest_users as l
    on n.id = l.id and n.received_at_utc_date = l.received_at_utc_date
left join only_users as o
    on n.anonymous_id = o.anonymous_id and n.is_shared_device
