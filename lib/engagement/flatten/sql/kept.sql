-- Grain: one event of the wanted sources, kept or a duplicate: what has no second copy is kept.
-- Parameters: every_source, write_keys.
with classified as (
    select *
    from work.classified
    where reason is null and (:every_source or write_key in (:write_keys))
),

copies as (
    select
        record_number,
        is_duplicate
    from work.copies
    where record_number is not null
)

select
    e.record_number,
    e.id,
    e.anonymous_id,
    e.user_id,
    e.sent_at,
    e."timestamp",
    e.received_at,
    e.original_timestamp,
    e.channel,
    e.context_ip,
    e.context_request_ip,
    e.context_passed_ip,
    e.type,
    e.event,
    e.write_key,
    e.is_received_at_moved,
    e.is_timestamp_unbelieved,
    e.raw_received_at,
    e.raw_sent_at,
    e.raw_original_timestamp,
    e.raw_timestamp,
    e.is_received_at_unreadable,
    e.is_sent_at_unreadable,
    e.is_original_timestamp_unreadable,
    e.is_timestamp_unreadable,
    e.source_file,
    e.shape,
    e.received_at_utc_date,
    coalesce(c.is_duplicate, false) as is_duplicate
from classified as e
left join copies as c on e.record_number = c.record_number
