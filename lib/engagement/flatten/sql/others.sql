-- Grain: one copy, kept or a duplicate, of an id that the dates being read hold or held, received on
-- another date within the window around them. Dates that are still to be read do not count: what the
-- tables hold of them is out of date.
-- Parameters: first_day, last_day, days, unread.
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
),

duplicates as (
    select
        id,
        received_at,
        received_at_utc_date
    from landing.duplicates
),

ids as (
    select id from classified
    union all
    select id from events
    where received_at_utc_date in (:days)
    union all
    select id from duplicates
    where received_at_utc_date in (:days)
),

wanted as (
    select distinct id from ids
),

copies as (
    select
        id,
        received_at,
        received_at_utc_date,
        false as was_duplicate
    from events
    where received_at_utc_date between :first_day and :last_day
    union all
    select
        id,
        received_at,
        received_at_utc_date,
        true as was_duplicate
    from duplicates
    where received_at_utc_date between :first_day and :last_day
)

select
    c.id,
    c.received_at,
    c.received_at_utc_date,
    c.was_duplicate
from copies as c
inner join wanted as w on c.id = w.id
where c.received_at_utc_date not in (:unread)
