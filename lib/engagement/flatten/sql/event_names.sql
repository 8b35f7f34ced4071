-- Grain: one event type and name on one received date. Key: received_at_utc_date, type, event.
select
    type,
    coalesce(event, '') as event,
    count(*) as events,
    received_at_utc_date
from work.kept
where not is_duplicate
group by received_at_utc_date, type, coalesce(event, '')
