-- Grain: one record that was set aside, with the reason; of erased people without its text.
with records as (
    select * from work.located
)

select
    received_at_utc_date,
    source_file as file,
    line_number,
    reason,
    case when reason <> 'erased' then record end as record,
    case when reason <> 'erased' then record_encoding end as record_encoding
from records
