-- Grain: one record that is to be set aside, with the reason.
with classified as (
    select * from work.classified
),

records as (
    select * from work.records
)

select
    c.received_at_utc_date,
    c.source_file,
    c.line_number,
    c.reason,
    r.record,
    r.record_encoding
from classified as c
inner join records as r on c.record_number = r.record_number
where c.reason is not null
