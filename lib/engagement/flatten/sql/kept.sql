-- Grain: one event of the wanted sources, kept or a duplicate: what has no second copy is kept.
-- Parameters: every_source, write_keys.
with classified as (
    select *
    from work.classified
    where reason is null and (:every_source or write_key in (:write_keys))
),

duplicates as (
    select record_number
    from work.copies
    where is_duplicate and record_number is not null
)

select
    c.record_number,
    c.id,
    c.anonymous_id,
    c.user_id,
    c.sent_at,
    c."timestamp",
    c.received_at,
    c.original_timestamp,
    c.channel,
    c.context_ip,
    c.context_request_ip,
    c.context_passed_ip,
    c.type,
    c.event,
    c.write_key,
    c.is_received_at_moved,
    c.is_timestamp_unbelieved,
    c.unreadable_received_at,
    c.unreadable_sent_at,
    c.unreadable_original_timestamp,
    c.unreadable_timestamp,
    c.source_file,
    c.shape,
    c.received_at_utc_date,
    c.record_number in (select d.record_number from duplicates as d) as is_duplicate
from classified as c
