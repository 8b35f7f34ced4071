-- Grain: one kept event, with the text that its values are read from.
select
    record_number,
    received_at_utc_date,
    type,
    coalesce(event, '') as event,
    id,
    record,
    record_as_sent,
    shape
from work.kept_texts
