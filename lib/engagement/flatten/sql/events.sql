-- Grain: one event that was kept. Key: id, within the duplicate window.
-- The whole raw text stands in record, so that every table can be made again from this one.
select
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
    coalesce(k.record_as_sent, k.record) as record,
    k.received_at_utc_date
from work.kept_texts as k
