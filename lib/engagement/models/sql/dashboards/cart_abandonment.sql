-- Grain: one calendar day, local, as in daily_overview. Key: day.
-- Meaning: the carts that were begun on each day, and what became of them by the as-of date (marts.carts).
-- A cart whose order was cancelled was not abandoned; one that is open is not decided.
with carts as (
    select * from marts.carts
),

daily_overview as (
    select * from marts.daily_overview
),

summed as (
    select
        least(c.cart_date, :as_of) as day,
        count(*) as carts,
        count_if(c.status = 'ordered') as ordered_carts,
        count_if(c.status = 'cancelled') as cancelled_carts,
        count_if(c.status = 'abandoned') as abandoned_carts,
        count_if(c.status = 'open') as open_carts,
        cast(sum(c.units_added) as bigint) as units,
        cast(sum(case when c.status = 'abandoned' then c.units_added else 0 end) as bigint)
            as abandoned_units,
        count(distinct c.person_id) as cart_persons
    from carts as c
    where not (:exclude_bots and coalesce(c.is_bot, false))
    group by least(c.cart_date, :as_of)
)

select
    d.day,
    d.is_complete,
    coalesce(s.carts, 0) as carts,
    coalesce(s.ordered_carts, 0) as ordered_carts,
    coalesce(s.cancelled_carts, 0) as cancelled_carts,
    coalesce(s.abandoned_carts, 0) as abandoned_carts,
    coalesce(s.open_carts, 0) as open_carts,
    coalesce(s.carts - s.open_carts, 0) as decided_carts,
    round(cast(s.abandoned_carts as double) / nullif(s.carts - s.open_carts, 0), 4)
        as abandonment_rate,
    coalesce(s.units, 0) as units,
    coalesce(s.abandoned_units, 0) as abandoned_units,
    coalesce(s.cart_persons, 0) as cart_persons
from daily_overview as d
left join summed as s on d.day = s.day
