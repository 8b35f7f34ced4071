-- Grain: one view, add, checkout or order. Key: step_number, id, received_at_utc_date.
-- Meaning: the events that the purchase funnels are made of, closed and open. An order that was cancelled
-- by the as-of date is no step.
with session_events as (
    select * from marts.session_events
),

product_viewed as (
    select * from sources.product_viewed
),

product_added as (
    select * from sources.product_added
),

checkout_started as (
    select * from sources.checkout_started
),

orders as (
    select * from marts.orders
),

step_ids as (
    select
        v.id,
        v.received_at_utc_date,
        1 as step_number
    from product_viewed as v
    union all
    select
        a.id,
        a.received_at_utc_date,
        2 as step_number
    from product_added as a
    union all
    select
        c.id,
        c.received_at_utc_date,
        3 as step_number
    from checkout_started as c
)

select
    cast(si.step_number as bigint) as step_number,
    se.id,
    se.received_at_utc_date,
    se.person_id,
    se.session_id,
    se."timestamp" as happened_at
from step_ids as si
inner join session_events as se
    on si.id = se.id and si.received_at_utc_date = se.received_at_utc_date
where not (:exclude_bots and coalesce(se.is_bot, false))
union all
select
    cast(4 as bigint) as step_number,
    o.order_id as id,
    cast('' as varchar) as received_at_utc_date,
    o.person_id,
    o.session_id,
    o.ordered_at as happened_at
from orders as o
where
    o.status <> 'cancelled'
    and not (:exclude_bots and coalesce(o.is_bot, false))
