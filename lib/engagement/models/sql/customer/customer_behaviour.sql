-- Grain: one person with an event. Key: person_id.
-- Meaning: what the person did, as of a date: days, sessions, products and carts, each over the last
-- 7, 30, 90 and 365 days and in all. A window of N days ends on the as-of date and holds exactly N
-- days of the reporting time zone. An event of a day after the as-of date can only come from a device
-- whose clock runs ahead, since it was received by then: it counts on the as-of date.
-- Bots' events are left out of every column but is_bot where the parameters say so; is_bot tells who is
-- nothing but a bot: such a person has zeros, and no times. The products viewed and added last are those
-- of the latest event that names a product by an id, a sku or a name.
with session_events as (
    select * from marts.session_events
),

sessions as (
    select * from marts.sessions
),

carts as (
    select * from marts.carts
),

product_added as (
    select * from sources.product_added
),

product_viewed as (
    select * from sources.product_viewed
),

people as (
    select
        se.person_id,
        bool_and(coalesce(se.is_bot, false)) as is_bot
    from session_events as se
    group by se.person_id
),

events as (
    select
        se.id,
        se.received_at_utc_date,
        se.person_id,
        se.type,
        se.channel,
        se."timestamp",
        date_diff('day', cast(least(se.event_date, :as_of) as date), :as_of) as days_ago
    from session_events as se
    where not (:exclude_bots and coalesce(se.is_bot, false))
),

person_days as (
    select
        e.person_id,
        e.days_ago,
        count(*) as events,
        min(e."timestamp") as first_seen_at,
        max(e."timestamp") as last_seen_at,
        count_if(e.type = 'screen' or e.channel = 'mobile') as app_events,
        count_if(e.type = 'page' or e.channel = 'web') as web_events
    from events as e
    group by e.person_id, e.days_ago
),

activity as (
    select
        pd.person_id,
        max(pd.days_ago) as days_since_first_seen,
        min(pd.days_ago) as days_since_last_seen,
        min(pd.first_seen_at) as first_seen_at,
        max(pd.last_seen_at) as last_seen_at,
        count_if(pd.days_ago < 7) as active_days_7,
        count_if(pd.days_ago < 30) as active_days_30,
        count_if(pd.days_ago < 90) as active_days_90,
        count_if(pd.days_ago < 365) as active_days_365,
        count(*) as active_days,
        cast(sum(pd.events) as bigint) as events,
        sum(pd.app_events) > 0 as has_mobile_app,
        sum(pd.web_events) > 0 as is_active_on_web
    from person_days as pd
    group by pd.person_id
),

visits as (
    select
        s.person_id,
        s.session_id,
        s.channel,
        s.source,
        s.medium,
        s.campaign,
        s.started_at,
        s.duration_seconds,
        date_diff('day', cast(least(s.session_date, :as_of) as date), :as_of) as days_ago
    from sessions as s
    where not (:exclude_bots and coalesce(s.is_bot, false))
),

visit_sums as (
    select
        v.person_id,
        count_if(v.days_ago < 7) as sessions_7,
        count_if(v.days_ago < 30) as sessions_30,
        count_if(v.days_ago < 90) as sessions_90,
        count_if(v.days_ago < 365) as sessions_365,
        count(*) as sessions,
        sum(case when v.days_ago < 7 then v.duration_seconds end) as seconds_7,
        sum(case when v.days_ago < 30 then v.duration_seconds end) as seconds_30,
        sum(case when v.days_ago < 90 then v.duration_seconds end) as seconds_90,
        sum(case when v.days_ago < 365 then v.duration_seconds end) as seconds_365,
        sum(v.duration_seconds) as seconds
    from visits as v
    group by v.person_id
),

first_touches as (
    select
        v.person_id,
        v.channel,
        v.source,
        v.medium,
        v.campaign,
        row_number() over (
            partition by v.person_id order by v.started_at asc, v.session_id asc
        ) as place
    from visits as v
),

campaigns as (
    select distinct
        v.person_id,
        v.source
    from visits as v
    where v.campaign is not null and v.source is not null
),

campaign_lists as (
    select
        c.person_id,
        array_join(array_agg(c.source order by c.source asc), '|') as campaign_sources
    from campaigns as c
    group by c.person_id
),

additions as (
    select
        e.person_id,
        e.days_ago,
        coalesce(a.product_id, a.sku) as product_id,
        a.name,
        a."timestamp" as added_at,
        row_number() over (
            partition by e.person_id, coalesce(a.product_id, a.sku, a.name) is null
            order by a."timestamp" desc, a.id desc, a.received_at_utc_date desc
        ) as place
    from product_added as a
    inner join events as e
        on a.id = e.id and a.received_at_utc_date = e.received_at_utc_date
),

addition_sums as (
    select
        a.person_id,
        count_if(a.days_ago < 7) as products_added_7,
        count_if(a.days_ago < 30) as products_added_30,
        count_if(a.days_ago < 90) as products_added_90,
        count_if(a.days_ago < 365) as products_added_365,
        count(*) as products_added
    from additions as a
    group by a.person_id
),

looks as (
    select
        e.person_id,
        e.days_ago,
        coalesce(v.product_id, v.sku) as product_id,
        v.name,
        v."timestamp" as viewed_at,
        row_number() over (
            partition by e.person_id, coalesce(v.product_id, v.sku, v.name) is null
            order by v."timestamp" desc, v.id desc, v.received_at_utc_date desc
        ) as place
    from product_viewed as v
    inner join events as e
        on v.id = e.id and v.received_at_utc_date = e.received_at_utc_date
),

look_sums as (
    select
        l.person_id,
        count_if(l.days_ago < 7) as products_viewed_7,
        count_if(l.days_ago < 30) as products_viewed_30,
        count_if(l.days_ago < 90) as products_viewed_90,
        count_if(l.days_ago < 365) as products_viewed_365,
        count(*) as products_viewed
    from looks as l
    group by l.person_id
),

aged_carts as (
    select
        c.person_id,
        c.status = 'abandoned' as is_abandoned,
        date_diff('day', cast(least(c.cart_date, :as_of) as date), :as_of) as days_ago
    from carts as c
    where not (:exclude_bots and coalesce(c.is_bot, false))
),

cart_sums as (
    select
        c.person_id,
        min(c.days_ago) as days_since_last_cart,
        count_if(c.days_ago < 7) as carts_7,
        count_if(c.days_ago < 30) as carts_30,
        count_if(c.days_ago < 90) as carts_90,
        count_if(c.days_ago < 365) as carts_365,
        count(*) as carts,
        count_if(c.is_abandoned and c.days_ago < 7) as abandoned_carts_7,
        count_if(c.is_abandoned and c.days_ago < 30) as abandoned_carts_30,
        count_if(c.is_abandoned and c.days_ago < 90) as abandoned_carts_90,
        count_if(c.is_abandoned and c.days_ago < 365) as abandoned_carts_365,
        count_if(c.is_abandoned) as abandoned_carts
    from aged_carts as c
    group by c.person_id
)

select
    p.person_id,
    p.is_bot,
    coalesce(a.has_mobile_app, false) as has_mobile_app,
    coalesce(a.is_active_on_web, false) as is_active_on_web,
    t.channel as first_touch_channel,
    t.source as first_touch_source,
    t.medium as first_touch_medium,
    t.campaign as first_touch_campaign,
    cl.campaign_sources,
    ll.product_id as last_viewed_product_id,
    ll.name as last_viewed_product_name,
    la.product_id as last_added_product_id,
    la.name as last_added_product_name,
    a.days_since_first_seen,
    a.days_since_last_seen,
    coalesce(a.active_days_7, 0) as active_days_7,
    coalesce(a.active_days_30, 0) as active_days_30,
    coalesce(a.active_days_90, 0) as active_days_90,
    coalesce(a.active_days_365, 0) as active_days_365,
    coalesce(a.active_days, 0) as active_days_total,
    coalesce(a.events, 0) as events_total,
    coalesce(vs.sessions_7, 0) as sessions_7,
    coalesce(vs.sessions_30, 0) as sessions_30,
    coalesce(vs.sessions_90, 0) as sessions_90,
    coalesce(vs.sessions_365, 0) as sessions_365,
    coalesce(vs.sessions, 0) as sessions_total,
    round(cast(vs.seconds_7 as double) / nullif(vs.sessions_7, 0), 4) as mean_session_seconds_7,
    round(cast(vs.seconds_30 as double) / nullif(vs.sessions_30, 0), 4) as mean_session_seconds_30,
    round(cast(vs.seconds_90 as double) / nullif(vs.sessions_90, 0), 4) as mean_session_seconds_90,
    round(cast(vs.seconds_365 as double) / nullif(vs.sessions_365, 0), 4) as mean_session_seconds_365,
    round(cast(vs.seconds as double) / nullif(vs.sessions, 0), 4) as mean_session_seconds,
    coalesce(ls.products_viewed_7, 0) as products_viewed_7,
    coalesce(ls.products_viewed_30, 0) as products_viewed_30,
    coalesce(ls.products_viewed_90, 0) as products_viewed_90,
    coalesce(ls.products_viewed_365, 0) as products_viewed_365,
    coalesce(ls.products_viewed, 0) as products_viewed_total,
    coalesce(ads.products_added_7, 0) as products_added_7,
    coalesce(ads.products_added_30, 0) as products_added_30,
    coalesce(ads.products_added_90, 0) as products_added_90,
    coalesce(ads.products_added_365, 0) as products_added_365,
    coalesce(ads.products_added, 0) as products_added_total,
    cs.days_since_last_cart,
    coalesce(cs.carts_7, 0) as carts_7,
    coalesce(cs.carts_30, 0) as carts_30,
    coalesce(cs.carts_90, 0) as carts_90,
    coalesce(cs.carts_365, 0) as carts_365,
    coalesce(cs.carts, 0) as carts_total,
    coalesce(cs.abandoned_carts_7, 0) as abandoned_carts_7,
    coalesce(cs.abandoned_carts_30, 0) as abandoned_carts_30,
    coalesce(cs.abandoned_carts_90, 0) as abandoned_carts_90,
    coalesce(cs.abandoned_carts_365, 0) as abandoned_carts_365,
    coalesce(cs.abandoned_carts, 0) as abandoned_carts_total,
    a.first_seen_at,
    a.last_seen_at,
    ll.viewed_at as last_viewed_at,
    la.added_at as last_added_at
from people as p
left join activity as a on p.person_id = a.person_id
left join visit_sums as vs on p.person_id = vs.person_id
left join first_touches as t on p.person_id = t.person_id and t.place = 1
left join campaign_lists as cl on p.person_id = cl.person_id
left join look_sums as ls on p.person_id = ls.person_id
left join looks as ll
    on p.person_id = ll.person_id and coalesce(ll.product_id, ll.name) is not null and ll.place = 1
left join addition_sums as ads on p.person_id = ads.person_id
left join additions as la
    on p.person_id = la.person_id and coalesce(la.product_id, la.name) is not null and la.place = 1
left join cart_sums as cs on p.person_id = cs.person_id
