-- Grain: one touch that is credited with one order.
-- Key: order_id, touch_number.
-- Meaning: who gets the credit for an order, by the last touch that was not direct. A touch is the
-- traffic source of one of the person's sessions, internal ones aside, that started within
-- :lookback_days before the order (the last moment included) and after the person's order before it;
-- the session in which the order happened always counts. Where every touch was direct, or there was
-- none, the credit is direct's. The credits of an order sum to one, and its revenue goes with them.
with orders as (
    select * from marts.orders
),

sessions as (
    select * from marts.sessions
),

conversions as (
    select
        o.order_id,
        o.person_id,
        o.session_id,
        o.ordered_at,
        least(o.order_date, :as_of) as order_date,
        o.is_converted,
        o.status,
        o.revenue,
        lag(o.ordered_at) over (
            partition by o.person_id order by o.ordered_at, o.order_id
        ) as earlier_ordered_at
    from orders as o
    where not (:exclude_bots and coalesce(o.is_bot, false))
),

touches as (
    select
        s.session_id,
        s.person_id,
        s.started_at,
        s.channel,
        s.source,
        s.medium,
        s.campaign,
        s.channel = 'Direct' as is_direct
    from sessions as s
    where
        s.channel <> 'Internal'
        and not (:exclude_bots and coalesce(s.is_bot, false))
),

-- The session of the order, even where it belongs to someone else on a shared device.
own_touches as (
    select
        c.order_id,
        t.session_id
    from conversions as c
    inner join touches as t on c.session_id = t.session_id
),

earlier_touches as (
    select
        c.order_id,
        t.session_id
    from conversions as c
    inner join touches as t on c.person_id = t.person_id
    where
        t.started_at <= c.ordered_at
        and date_diff('millisecond', t.started_at, c.ordered_at) <= cast(:lookback_days as bigint) * 86400000
        and (c.earlier_ordered_at is null or t.started_at > c.earlier_ordered_at)
),

journey_touches as (
    select
        ot.order_id,
        ot.session_id
    from own_touches as ot
    union
    select
        et.order_id,
        et.session_id
    from earlier_touches as et
),

journeys as (
    select
        jt.order_id,
        t.session_id,
        t.started_at,
        t.channel,
        t.source,
        t.medium,
        t.campaign,
        t.is_direct,
        row_number() over (
            partition by jt.order_id
            order by t.is_direct asc, t.started_at desc, t.session_id desc
        ) as touch_rank,
        count(*) over (partition by jt.order_id) as touches
    from journey_touches as jt
    inner join touches as t on jt.session_id = t.session_id
),

last_touches as (
    select
        j.order_id,
        j.session_id,
        j.started_at,
        j.channel,
        j.source,
        j.medium,
        j.campaign,
        j.is_direct,
        j.touches
    from journeys as j
    where j.touch_rank = 1
)

select
    c.order_id,
    cast(1 as bigint) as touch_number,
    c.person_id,
    c.order_date,
    c.status,
    c.is_converted,
    lt.session_id,
    coalesce(lt.channel, 'Direct') as channel,
    coalesce(lt.source, case when lt.is_direct is null or lt.is_direct then '(direct)' end, '(not set)')
        as source,
    coalesce(lt.medium, '(none)') as medium,
    coalesce(lt.campaign, '(not set)') as campaign,
    coalesce(lt.is_direct, true) as is_direct,
    coalesce(lt.touches, 0) as touches,
    cast(1 as double) as credit,
    c.revenue,
    date_diff('millisecond', lt.started_at, c.ordered_at) as milliseconds_to_order,
    lt.started_at as touched_at,
    c.ordered_at
from conversions as c
left join last_touches as lt on c.order_id = lt.order_id
