-- Grain: one channel in one journey, immediate repeats as one. Key: journey_id, step_number.
-- Meaning: journeys as chains of channels, direct ones too, for paths and for the Markov model. The journey
-- to an order is that of marts.attribution_journeys; one without a touch is Direct's. The journey that led
-- to no order is a person's: the touches after the last order that stands (or all), without lookback; a
-- session without a touch is one direct touch at its start.
with orders as (
    select * from marts.orders
),

sessions as (
    select * from marts.sessions
),

touches as (
    select * from marts.touches
),

journeys as (
    select * from marts.attribution_journeys
),

conversions as (
    select
        o.order_id,
        o.person_id,
        o.ordered_at
    from orders as o
    where o.status <> 'cancelled' and not (:exclude_bots and coalesce(o.is_bot, false))
),

last_orders as (
    select
        c.person_id,
        max(c.ordered_at) as ordered_at
    from conversions as c
    group by c.person_id
),

visits as (
    select
        s.session_id,
        s.person_id,
        s.started_at
    from sessions as s
    where not (:exclude_bots and coalesce(s.is_bot, false))
),

all_touches as (
    select
        v.person_id,
        v.session_id,
        t.touch_number as session_touch_number,
        t.channel,
        v.started_at,
        t."timestamp" as touched_at
    from touches as t
    inner join visits as v on t.session_id = v.session_id
    union all
    select
        v.person_id,
        v.session_id,
        cast(0 as bigint) as session_touch_number,
        'Direct' as channel,
        v.started_at,
        v.started_at as touched_at
    from visits as v
    left join touches as t on v.session_id = t.session_id and t.touch_number = 1
    where t.session_id is null
),

links as (
    select
        'order:' || c.order_id as journey_id,
        c.order_id,
        coalesce(j.touch_number, 1) as place,
        coalesce(j.channel, 'Direct') as channel
    from conversions as c
    left join journeys as j on c.order_id = j.order_id
    union all
    select
        'person:' || a.person_id as journey_id,
        cast(null as varchar) as order_id,
        row_number() over (
            partition by a.person_id
            order by a.touched_at, a.started_at, a.session_touch_number, a.session_id
        ) as place,
        a.channel
    from all_touches as a
    left join last_orders as l on a.person_id = l.person_id
    where l.ordered_at is null or a.touched_at > l.ordered_at
),

compared as (
    select
        l.journey_id,
        l.order_id,
        l.place,
        l.channel,
        lag(l.channel) over (partition by l.journey_id order by l.place) as earlier_channel
    from links as l
)

select
    c.journey_id,
    row_number() over (partition by c.journey_id order by c.place) as step_number,
    count(*) over (partition by c.journey_id) as steps,
    c.channel,
    c.order_id
from compared as c
where c.earlier_channel is null or c.earlier_channel <> c.channel
