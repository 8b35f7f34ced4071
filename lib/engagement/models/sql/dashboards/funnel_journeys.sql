-- Grain: one person who viewed a product at least once.
-- Key: person_id.
-- Meaning: how far the person came on the way view -> add -> checkout -> order, in one attempt. An
-- attempt starts at a view; each later step is the earliest one strictly after the step before it,
-- and all of them lie within :funnel_window_days of that view (the last moment included). Of a
-- person's attempts the one that came furthest counts, of equals the earliest. The events are those
-- of marts.funnel_events.
-- The earliest checkout after an add is also the one with the earliest order after it, and so on, so
-- one pass from the end finds every attempt: each moment looks at the moments behind it.
with funnel_events as (
    select * from marts.funnel_events
),

-- One row per person and moment, so that "the rows behind" means "strictly later".
moments as (
    select
        s.person_id,
        s.happened_at,
        max(case when s.step_number = 1 then s.happened_at end) as view_at,
        max(case when s.step_number = 2 then s.happened_at end) as add_at,
        max(case when s.step_number = 3 then s.happened_at end) as checkout_at,
        max(case when s.step_number = 4 then s.happened_at end) as order_at
    from funnel_events as s
    group by s.person_id, s.happened_at
),

from_checkout as (
    select
        m.person_id,
        m.happened_at,
        m.view_at,
        m.add_at,
        m.checkout_at,
        min(m.order_at) over (
            partition by m.person_id
            order by m.happened_at
            rows between 1 following and unbounded following
        ) as next_order_at
    from moments as m
),

from_add as (
    select
        fc.person_id,
        fc.happened_at,
        fc.view_at,
        fc.add_at,
        min(fc.checkout_at) over (
            partition by fc.person_id
            order by fc.happened_at
            rows between 1 following and unbounded following
        ) as next_checkout_at,
        min(case when fc.checkout_at is not null then fc.next_order_at end) over (
            partition by fc.person_id
            order by fc.happened_at
            rows between 1 following and unbounded following
        ) as order_by_checkout_at
    from from_checkout as fc
),

from_view as (
    select
        fa.person_id,
        fa.view_at,
        min(fa.add_at) over (
            partition by fa.person_id
            order by fa.happened_at
            rows between 1 following and unbounded following
        ) as next_add_at,
        min(case when fa.add_at is not null then fa.next_checkout_at end) over (
            partition by fa.person_id
            order by fa.happened_at
            rows between 1 following and unbounded following
        ) as checkout_by_add_at,
        min(case when fa.add_at is not null then fa.order_by_checkout_at end) over (
            partition by fa.person_id
            order by fa.happened_at
            rows between 1 following and unbounded following
        ) as order_by_add_at
    from from_add as fa
),

attempts as (
    select
        fv.person_id,
        fv.view_at,
        case
            when
                date_diff('millisecond', fv.view_at, fv.next_add_at)
                <= cast(:funnel_window_days as bigint) * 86400000
                then fv.next_add_at
        end as add_at,
        case
            when
                date_diff('millisecond', fv.view_at, fv.checkout_by_add_at)
                <= cast(:funnel_window_days as bigint) * 86400000
                then fv.checkout_by_add_at
        end as checkout_at,
        case
            when
                date_diff('millisecond', fv.view_at, fv.order_by_add_at)
                <= cast(:funnel_window_days as bigint) * 86400000
                then fv.order_by_add_at
        end as order_at
    from from_view as fv
    where fv.view_at is not null
),

reached as (
    select
        a.person_id,
        a.view_at,
        a.add_at,
        a.checkout_at,
        a.order_at,
        case
            when a.order_at is not null then 4
            when a.checkout_at is not null then 3
            when a.add_at is not null then 2
            else 1
        end as steps_reached
    from attempts as a
),

ranked as (
    select
        r.person_id,
        r.steps_reached,
        r.view_at,
        r.add_at,
        r.checkout_at,
        r.order_at,
        row_number() over (
            partition by r.person_id
            order by r.steps_reached desc, r.view_at asc
        ) as attempt_rank
    from reached as r
)

select
    k.person_id,
    cast(k.steps_reached as bigint) as steps_reached,
    date_diff('millisecond', k.view_at, :as_of_end)
    <= cast(:funnel_window_days as bigint) * 86400000 as is_open,
    date_diff('millisecond', k.view_at, k.add_at) as milliseconds_to_add,
    date_diff('millisecond', k.add_at, k.checkout_at) as milliseconds_to_checkout,
    date_diff('millisecond', k.checkout_at, k.order_at) as milliseconds_to_order,
    k.view_at,
    k.add_at,
    k.checkout_at,
    k.order_at
from ranked as k
where k.attempt_rank = 1
