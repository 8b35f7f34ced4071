-- Grain: one event that was kept. Key: id, within the duplicate window.
-- The whole raw text stands in record, so that every table can be made again from this one.
select
    id,
    anonymous_id,
    user_id,
    sent_at,
    "timestamp",
    received_at,
    original_timestamp,
    channel,
    context_ip,
    context_request_ip,
    context_passed_ip,
    type,
    event,
    write_key,
    source_file,
    coalesce(record_as_sent, record) as record,
    received_at_utc_date
from work.kept_texts
