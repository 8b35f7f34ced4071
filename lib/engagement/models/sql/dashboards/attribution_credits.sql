-- Grain: one touch that is credited with one order. Key: order_id, touch_number.
-- Meaning: who gets the credit for an order that stands, by the last touch of its journey that was not
-- direct (marts.attribution_journeys); by the last direct one where there is no other. An order whose
-- journey has no touch is credited to Direct. The one touch takes the whole order: its credit is 1, and
-- revenue and net revenue go with it.
with orders as (
    select * from marts.orders
),

journeys as (
    select * from marts.attribution_journeys
),

conversions as (
    select
        o.order_id,
        o.person_id,
        least(o.order_date, :as_of) as order_date,
        o.is_converted,
        o.status,
        o.revenue,
        o.net_revenue,
        o.ordered_at
    from orders as o
    where o.status <> 'cancelled' and not (:exclude_bots and coalesce(o.is_bot, false))
),

ranked as (
    select
        j.order_id,
        j.touch_number,
        j.touches,
        j.session_id,
        j.channel,
        j.source,
        j.medium,
        j.campaign,
        j.is_direct,
        j.milliseconds_to_order,
        j.touched_at,
        row_number() over (
            partition by j.order_id order by j.is_direct asc, j.touch_number desc
        ) as touch_rank
    from journeys as j
),

last_touches as (
    select
        r.order_id,
        r.touch_number,
        r.touches,
        r.session_id,
        r.channel,
        r.source,
        r.medium,
        r.campaign,
        r.is_direct,
        r.milliseconds_to_order,
        r.touched_at
    from ranked as r
    where r.touch_rank = 1
)

select
    c.order_id,
    coalesce(lt.touch_number, 0) as touch_number,
    c.person_id,
    c.order_date,
    c.status,
    c.is_converted,
    lt.session_id,
    coalesce(lt.channel, 'Direct') as channel,
    coalesce(lt.source, '(direct)') as source,
    coalesce(lt.medium, '(none)') as medium,
    coalesce(lt.campaign, '(not set)') as campaign,
    coalesce(lt.is_direct, true) as is_direct,
    coalesce(lt.touches, 0) as touches,
    cast(1 as decimal(18, 6)) as credit,
    c.revenue,
    c.net_revenue,
    lt.milliseconds_to_order,
    lt.touched_at,
    c.ordered_at
from conversions as c
left join last_touches as lt on c.order_id = lt.order_id
