-- Grain: one record that was set aside, with the reason.
with records as (
    select * from work.located
)

select
    received_at_utc_date,
    source_file as file,
    line_number,
    reason,
    record,
    record_encoding
from records
