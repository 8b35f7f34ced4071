-- Grain: one record of somebody who was erased, among those just read. Key: record_number.
-- A user id counts always. A device's id counts where the record has no user id, and for what was done
-- before the erasure. A message's id stands for what another person sent and named the erased one in.
-- Parameters: every_source, write_keys, placeholder_ids.
with classified as (
    select * from work.classified
),

records as (
    select
        record_number,
        case
            when
                not coalesce(
                    regexp_replace(lower(user_id), '^[ \t\r\n]+|[ \t\r\n]+\z', '') in (:placeholder_ids),
                    false
                )
                then user_id
        end as user_id,
        anonymous_id,
        id as message_id,
        "timestamp" as event_time
    from classified
    where :every_source or write_key in (:write_keys)
),

erased as (
    select * from landing.erased
),

ids as (
    select distinct
        'user_id' as id_type,
        user_id as id
    from records
    where user_id is not null
    union all
    select distinct
        'anonymous_id' as id_type,
        anonymous_id as id
    from records
    where user_id is null and anonymous_id is not null
    union all
    select distinct
        'message_id' as id_type,
        message_id as id
    from records
),

secrets as (
    select * from landing.erasure_key
),

hashed as (
    select
        i.id_type,
        i.id,
        sha256_hex(s.secret || ':' || i.id_type || ':' || i.id) as id_hash
    from ids as i
    cross join secrets as s
),

known as (
    select
        h.id_type,
        h.id,
        e.erased_at
    from hashed as h
    inner join erased as e
        on h.id_type = e.id_type and h.id_hash = e.id_hash
)

select r.record_number
from records as r
left join known as u
    on r.user_id = u.id and u.id_type = 'user_id'
left join known as d
    on r.user_id is null and r.anonymous_id = d.id and d.id_type = 'anonymous_id'
left join known as m
    on r.message_id = m.id and m.id_type = 'message_id'
where
    u.id is not null
    or m.id is not null
    or coalesce(r.event_time <= d.erased_at, false)
