-- Grain: one kept event, with the table that it goes to ('' where its name gives none) and the text
-- that its values are read from.
with kept as (
    select * from work.kept
),

records as (
    select * from work.records
),

mapping as (
    select * from work.mapping
)

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
    m.flat_table,
    r.record,
    k.received_at_utc_date
from kept as k
inner join records as r on k.record_number = r.record_number
inner join mapping as m
    on k.type = m.type and coalesce(k.event, '') = m.event
where not k.is_duplicate
