-- Grain: one reason for which records of one received date were set aside.
-- Key: received_at_utc_date, reason.
with records as (
    select * from work.located
)

select
    reason,
    count(*) as records,
    received_at_utc_date
from records
group by received_at_utc_date, reason
