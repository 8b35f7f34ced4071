-- Grain: one product that an event of a chosen concept, or a line of an order, is about.
-- Key: candidate_id.
-- Meaning: everything that might become an interaction, and why it does not. The first reason that
-- holds stands in left_out: bot (a bot's, where the parameters leave those out), cancelled (the order
-- was), no_item (neither product_id nor sku), no_user (an event that carries no id at all). Which
-- concepts count, and the event type each becomes, are settings.
-- The user is known by an id that the shop's own site can send (personalize_people).
-- Purchases come from the lines of orders, so that an order reported twice is bought once.
with event_types as (
    select * from seeds.personalize_event_types
),

product_clicked as (
    select * from sources.product_clicked
),

product_viewed as (
    select * from sources.product_viewed
),

product_added as (
    select * from sources.product_added
),

product_added_to_wishlist as (
    select * from sources.product_added_to_wishlist
),

session_events as (
    select * from marts.session_events
),

sessions as (
    select * from marts.sessions
),

orders as (
    select * from marts.orders
),

order_items as (
    select * from marts.order_items
),

people as (
    select * from marts.personalize_people
),

order_events as (
    select * from marts.order_events
),

-- Of an order, the completion that was received first: it is known from then on.
completions as (
    select
        oe.order_id,
        min(oe.received_at) as received_at
    from order_events as oe
    where oe.kind = 'completed'
    group by oe.order_id
),

product_events as (
    select
        'product_clicked' as concept,
        c.id,
        c.received_at_utc_date,
        coalesce(nullif(c.product_id, ''), nullif(c.sku, '')) as item_id,
        nullif(c.recommendation_id, '') as recommendation_id
    from product_clicked as c
    union all
    select
        'product_viewed' as concept,
        v.id,
        v.received_at_utc_date,
        coalesce(nullif(v.product_id, ''), nullif(v.sku, '')) as item_id,
        nullif(v.recommendation_id, '') as recommendation_id
    from product_viewed as v
    union all
    select
        'product_added' as concept,
        a.id,
        a.received_at_utc_date,
        coalesce(nullif(a.product_id, ''), nullif(a.sku, '')) as item_id,
        nullif(a.recommendation_id, '') as recommendation_id
    from product_added as a
    union all
    select
        'product_added_to_wishlist' as concept,
        w.id,
        w.received_at_utc_date,
        coalesce(nullif(w.product_id, ''), nullif(w.sku, '')) as item_id,
        nullif(w.recommendation_id, '') as recommendation_id
    from product_added_to_wishlist as w
),

interests as (
    select
        pe.concept,
        pe.concept || ':' || pe.id || ':' || pe.received_at_utc_date as candidate_id,
        se.person_id,
        pe.item_id,
        se.device_type,
        coalesce(se.is_bot, false) as is_bot,
        false as is_cancelled,
        se.session_id,
        pe.recommendation_id,
        se.received_at,
        se."timestamp" as happened_at
    from product_events as pe
    inner join session_events as se
        on pe.id = se.id and pe.received_at_utc_date = se.received_at_utc_date
    union all
    select
        'order_completed' as concept,
        'order_completed:' || oi.order_id || ':' || cast(oi.line_number as varchar) as candidate_id,
        oi.person_id,
        coalesce(nullif(oi.product_id, ''), nullif(oi.sku, '')) as item_id,
        s.device_type,
        coalesce(oi.is_bot, false) as is_bot,
        oi.status = 'cancelled' as is_cancelled,
        o.session_id,
        cast(null as varchar) as recommendation_id,
        c.received_at,
        oi.ordered_at as happened_at
    from order_items as oi
    inner join orders as o on oi.order_id = o.order_id
    left join completions as c on oi.order_id = c.order_id
    left join sessions as s on o.session_id = s.session_id
),

judged as (
    select
        i.candidate_id,
        i.concept,
        i.person_id,
        i.item_id,
        i.device_type,
        case
            when :exclude_bots and i.is_bot then 'bot'
            when i.is_cancelled then 'cancelled'
            when i.item_id is null then 'no_item'
        end as left_out,
        date_diff(
            'millisecond', cast('1970-01-01 00:00:00.000' as timestamp(3)), i.happened_at
        ) as epoch_milliseconds,
        i.session_id,
        i.recommendation_id,
        coalesce(i.received_at, i.happened_at) as received_at,
        i.happened_at
    from interests as i
)

select
    j.candidate_id,
    cast(j.concept as varchar) as concept,
    et.event_type,
    j.person_id,
    p.user_id,
    j.item_id,
    j.device_type,
    j.session_id,
    j.recommendation_id,
    cast(
        coalesce(j.left_out, case when p.user_id is null then 'no_user' end) as varchar
    ) as left_out,
    cast(floor(cast(j.epoch_milliseconds as double) / 1000) as bigint) as epoch_seconds,
    j.happened_at,
    j.received_at
from judged as j
inner join event_types as et on j.concept = et.concept
left join people as p on j.person_id = p.person_id
