-- Grain: one event that was kept, without its text: the engine puts that beside it.
select
    record_number,
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
    shape,
    received_at_utc_date
from work.kept
where not is_duplicate
