-- Grain: one event of the wanted sources, kept or a duplicate.
-- Copies of an id are ordered by the time received, then by the text's hash. A copy is a duplicate if
-- an earlier copy, kept or not, was received within the window before it: the nearest one decides.
-- Parameters: window_days, every_source, write_keys.
with events as (
    select *
    from work.classified
    where reason is null and (:every_source or write_key in (:write_keys))
),

ordered as (
    select
        *,
        lag(cast(received_at_utc_date as date)) over (
            partition by id order by received_at, record_sha256, source_file, line_number
        ) as earlier_copy_date
    from events
)

select
    o.record_number,
    o.id,
    o.anonymous_id,
    o.user_id,
    o.sent_at,
    o."timestamp",
    o.received_at,
    o.original_timestamp,
    o.channel,
    o.context_ip,
    o.context_request_ip,
    o.context_passed_ip,
    o.type,
    o.event,
    o.write_key,
    o.is_received_at_moved,
    o.is_timestamp_unbelieved,
    o.raw_received_at,
    o.raw_sent_at,
    o.raw_original_timestamp,
    o.raw_timestamp,
    o.source_file,
    o.received_at_utc_date,
    coalesce(
        date_diff('day', o.earlier_copy_date, cast(o.received_at_utc_date as date)) <= :window_days, false
    ) as is_duplicate
from ordered as o
