-- Grain: one kept event, with the text that its values are read from.
select
    k.record_number,
    k.received_at_utc_date,
    k.type,
    coalesce(k.event, '') as event,
    k.id,
    r.record,
    r.record_as_sent,
    k.shape
from work.kept as k
inner join work.records as r on k.record_number = r.record_number
where not k.is_duplicate
