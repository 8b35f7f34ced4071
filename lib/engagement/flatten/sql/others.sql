-- Grain: one copy, kept or a duplicate, of an id that the dates being read hold or held, received on
-- another date within the window around them. Dates that are still to be read do not count: what the
-- tables hold of them is out of date.
-- Parameters: first_day, last_day, unread.
with classified as (
    select id from work.classified
    where reason is null
),

events as (
    select
        id,
        received_at,
        received_at_utc_date
    from events.events
    where received_at_utc_date between :first_day and :last_day
),

duplicates as (
    select
        id,
        received_at,
        received_at_utc_date
    from landing.duplicates
    where received_at_utc_date between :first_day and :last_day
),

copies as (
    select
        id,
        received_at,
        received_at_utc_date,
        false as was_duplicate
    from events
    union all
    select
        id,
        received_at,
        received_at_utc_date,
        true as was_duplicate
    from duplicates
),

wanted as (
    select id from classified
    union
    select id from copies
    where received_at_utc_date in (:days)
)

select
    c.id,
    c.received_at,
    c.received_at_utc_date,
    c.was_duplicate
from copies as c
inner join wanted as w on c.id = w.id
where c.received_at_utc_date not in (:unread)
