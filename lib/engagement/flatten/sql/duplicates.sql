-- Grain: one copy of an event that was kept before.
select
    id,
    received_at,
    source_file as file,
    received_at_utc_date
from work.kept
where is_duplicate
