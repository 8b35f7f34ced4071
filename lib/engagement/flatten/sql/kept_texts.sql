-- Grain: one event that was kept, without its text: the engine puts that beside it.
select
    k.record_number,
    k.id,
    k.anonymous_id,
    k.user_id,
    k.sent_at,
    k."timestamp",
    k.received_at,
    k.original_timestamp,
    k.channel,
    k.context_ip,
    k.context_request_ip,
    k.context_passed_ip,
    k.type,
    k.event,
    k.write_key,
    k.source_file,
    k.shape,
    k.received_at_utc_date
from work.kept as k
where not k.is_duplicate
