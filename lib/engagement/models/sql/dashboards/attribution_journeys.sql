-- Grain: one touch of the journey that led to one order. Key: order_id, touch_number.
-- Meaning: what models of attribution share an order out among. Orders are those that stand. A session of
-- the person with touches (marts.touches) up to the order's moment has these; one without is one direct
-- touch, at its start. A touch belongs to the journey if it is no more than :lookback_days before the
-- order, not after it, and later than the person's order before (with :attribution_reset 'none', however
-- many orders lie between). The touches of the session that the order is in belong to it also if an
-- earlier order lies between. An order whose journey has no touch has no row here.
with orders as (
    select * from marts.orders
),

sessions as (
    select * from marts.sessions
),

touches as (
    select * from marts.touches
),

conversions as (
    select
        o.order_id,
        o.person_id,
        o.session_id,
        lag(o.ordered_at) over (
            partition by o.person_id order by o.ordered_at, o.order_id
        ) as earlier_ordered_at,
        o.ordered_at
    from orders as o
    where o.status <> 'cancelled' and not (:exclude_bots and coalesce(o.is_bot, false))
),

visits as (
    select
        s.session_id,
        s.person_id,
        s.started_at
    from sessions as s
    where not (:exclude_bots and coalesce(s.is_bot, false))
),

first_touches as (
    select
        t.session_id,
        min(t."timestamp") as touched_at
    from touches as t
    group by t.session_id
),

-- A session's direct touch stands in for its touches as long as none of them has come.
all_touches as (
    select
        v.session_id,
        v.person_id,
        t.touch_number as session_touch_number,
        t.channel,
        t.source,
        t.medium,
        t.campaign,
        false as is_direct,
        v.started_at as session_started_at,
        t."timestamp" as touched_at,
        cast(null as timestamp(3)) as replaced_at
    from touches as t
    inner join visits as v on t.session_id = v.session_id
    union all
    select
        v.session_id,
        v.person_id,
        cast(0 as bigint) as session_touch_number,
        'Direct' as channel,
        '(direct)' as source,
        '(none)' as medium,
        cast(null as varchar) as campaign,
        true as is_direct,
        v.started_at as session_started_at,
        v.started_at as touched_at,
        ft.touched_at as replaced_at
    from visits as v
    left join first_touches as ft on v.session_id = ft.session_id
),

-- Those of the order's session are its own, even where that is someone else's on a shared device.
candidates as (
    select
        c.order_id,
        c.earlier_ordered_at,
        true as is_own,
        a.session_id,
        a.session_touch_number,
        a.channel,
        a.source,
        a.medium,
        a.campaign,
        a.is_direct,
        a.session_started_at,
        a.touched_at,
        a.replaced_at,
        c.ordered_at
    from conversions as c
    inner join all_touches as a on c.session_id = a.session_id
    union all
    select
        c.order_id,
        c.earlier_ordered_at,
        false as is_own,
        a.session_id,
        a.session_touch_number,
        a.channel,
        a.source,
        a.medium,
        a.campaign,
        a.is_direct,
        a.session_started_at,
        a.touched_at,
        a.replaced_at,
        c.ordered_at
    from conversions as c
    inner join all_touches as a on c.person_id = a.person_id
    where a.session_id is distinct from c.session_id
)

select
    c.order_id,
    row_number() over (
        partition by c.order_id
        order by c.touched_at, c.session_started_at, c.session_touch_number, c.session_id
    ) as touch_number,
    count(*) over (partition by c.order_id) as touches,
    c.session_id,
    c.session_touch_number,
    c.channel,
    c.source,
    c.medium,
    c.campaign,
    c.is_direct,
    date_diff('millisecond', c.touched_at, c.ordered_at) as milliseconds_to_order,
    c.session_started_at,
    c.touched_at,
    c.ordered_at
from candidates as c
where
    c.touched_at <= c.ordered_at
    and (c.replaced_at is null or c.replaced_at > c.ordered_at)
    and date_diff('millisecond', c.touched_at, c.ordered_at) <= cast(:lookback_days as bigint) * 86400000
    and (
        c.is_own
        or :attribution_reset = 'none'
        or c.earlier_ordered_at is null
        or c.touched_at > c.earlier_ordered_at
    )
