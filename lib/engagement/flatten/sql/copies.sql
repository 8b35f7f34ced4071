-- Grain: one copy of an event that has several, of the dates being read, or (record_number NULL) any
-- copy of others nearby. An event with one copy alone is no duplicate.
-- Copies of an id are ordered by the time received, then by the text's hash. A copy is a duplicate if
-- an earlier copy, kept or not, was received within the window before it: the nearest one decides.
-- Parameters: window_days, every_source, write_keys.
with events as (
    select
        record_number,
        id,
        received_at,
        source_file,
        line_number,
        received_at_utc_date
    from work.classified
    where reason is null and (:every_source or write_key in (:write_keys))
),

ids as (
    select id from events
    union all
    select id from work.others
),

repeated as (
    select id
    from ids
    group by id
    having count(*) > 1
),

copies as (
    select
        e.record_number,
        e.id,
        e.received_at,
        sha256_hex(coalesce(r.record_as_sent, r.record)) as record_sha256,
        e.source_file,
        e.line_number,
        cast(null as boolean) as was_duplicate,
        e.received_at_utc_date
    from events as e
    inner join repeated as i on e.id = i.id
    inner join work.records as r on e.record_number = r.record_number
    union all
    select
        cast(null as bigint) as record_number,
        id,
        received_at,
        cast(null as varchar) as record_sha256,
        cast(null as varchar) as source_file,
        cast(null as bigint) as line_number,
        was_duplicate,
        received_at_utc_date
    from work.others
),

ordered as (
    select
        *,
        lag(cast(received_at_utc_date as date)) over (
            partition by id order by received_at, record_sha256, source_file, line_number
        ) as earlier_copy_date
    from copies
)

select
    record_number,
    id,
    received_at_utc_date,
    was_duplicate,
    coalesce(
        date_diff('day', earlier_copy_date, cast(received_at_utc_date as date)) <= :window_days, false
    ) as is_duplicate
from ordered
