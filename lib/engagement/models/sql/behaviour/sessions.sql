-- Grain: one session. Key: session_id.
-- A session with its times, pages, source, device and orders. Events that a server sent count among its
-- events and orders; its times, person, device and place are those of its client events. It belongs to
-- the person of the last of these (on a device that nobody shares all are one person's).
-- Its source is its earliest touch up to its first order (without an order: its earliest touch), else
-- direct. Orders here are orders that stand, cancelled ones are counted apart; money is that of the orders
-- placed in the session, their later refunds too. Engaged: more than one view, or longer than 10 seconds,
-- or an order that stands.
with events as (
    select * from marts.session_events
),

touches as (
    select * from marts.touches
),

event_sources as (
    select * from marts.event_sources
),

profiles as (
    select
        person_id,
        nullif(regexp_replace(country, '^[ \t\r\n]+|[ \t\r\n]+\z', ''), '') as country
    from marts.profiles
),

arrivals as (
    select * from marts.arrivals
),

all_orders as (
    select * from marts.orders
),

zone_countries as (
    select * from seeds.zone_countries
),

session_events as (
    select
        e.session_id,
        e.person_id,
        e.anonymous_id,
        not coalesce(e.is_server, false) as is_client,
        e.is_view,
        e.page_path,
        e.page_url,
        e.referrer_host,
        e.device_type,
        e.browser,
        e.os,
        e.channel,
        e.geo_country,
        z.country as zone_country,
        upper(
            nullif(
                regexp_extract(
                    e.locale, '^[A-Za-z]{2,3}([-_][A-Za-z]{4})?[-_]([A-Za-z]{2})([^A-Za-z0-9].*)?\z', 2
                ), ''
            )
        ) as locale_country,
        e.is_bot,
        e.sequence_number,
        e."timestamp"
    from events as e
    left join zone_countries as z
        on e.timezone = z.zone
    where e.session_id is not null
),

visits as (
    select
        e.session_id,
        max(e.anonymous_id) filter (where e.is_client) as anonymous_id,
        max_by(e.person_id, e.sequence_number) filter (where e.is_client) as person_id,
        count(*) as events,
        count_if(e.is_view) as page_views,
        min_by(e.page_path, e.sequence_number) filter (where e.is_view and e.page_path is not null)
            as entry_page,
        max_by(e.page_path, e.sequence_number) filter (where e.is_view and e.page_path is not null)
            as exit_page,
        min(e.sequence_number) filter (where e.page_url is not null or e.referrer_host is not null)
            as first_located,
        min_by(e.device_type, e.sequence_number) filter (where e.is_client and e.device_type is not null)
            as device_type,
        min_by(e.browser, e.sequence_number) filter (where e.is_client and e.browser is not null)
            as browser,
        min_by(e.os, e.sequence_number) filter (where e.is_client and e.os is not null) as os,
        min_by(e.channel, e.sequence_number) filter (where e.is_client and e.channel is not null)
            as platform,
        min_by(e.geo_country, e.sequence_number) filter (where e.is_client and e.geo_country is not null)
            as geo_country,
        min_by(e.zone_country, e.sequence_number) filter (
            where e.is_client and e.zone_country is not null
        ) as zone_country,
        min_by(e.locale_country, e.sequence_number) filter (
            where e.is_client and e.locale_country is not null
        ) as locale_country,
        bool_or(e.is_bot) as is_bot,
        min(e."timestamp") filter (where e.is_client) as started_at,
        max(e."timestamp") filter (where e.is_client) as ended_at
    from session_events as e
    group by e.session_id
),

-- Sessions whose first event with a page or a referrer was sent by one of the shop's own pages, a
-- payment provider or a sign-in provider.
sent_internally as (
    select v.session_id
    from visits as v
    inner join event_sources as s
        on v.session_id = s.session_id and v.first_located = s.sequence_number
    where s.kind = 'internal'
    group by v.session_id
),

orders as (
    select
        o.session_id,
        count_if(o.status <> 'cancelled') as orders,
        count_if(o.status = 'cancelled') as cancelled_orders,
        sum(o.revenue) as revenue,
        sum(o.refunds) as refunds,
        sum(o.net_revenue) as net_revenue,
        min(o.ordered_at) filter (where o.status <> 'cancelled') as first_ordered_at
    from all_orders as o
    where o.session_id is not null
    group by o.session_id
),

first_touches as (
    select
        t.session_id,
        min_by(t.source, t.touch_number) as source,
        min_by(t.medium, t.touch_number) as medium,
        min_by(coalesce(t.campaign, ''), t.touch_number) as campaign,
        min_by(t.channel, t.touch_number) as channel
    from touches as t
    left join orders as o
        on t.session_id = o.session_id
    where o.first_ordered_at is null or t."timestamp" <= o.first_ordered_at
    group by t.session_id
),

numbered as (
    select
        v.session_id,
        row_number() over (partition by v.person_id order by v.started_at, v.session_id)
            as session_number
    from visits as v
    where not (:exclude_bots and coalesce(v.is_bot, false))
),

measured as (
    select
        v.session_id,
        v.person_id,
        v.anonymous_id,
        cast(local_time(v.started_at, :timezone) as date) as session_date,
        n.session_number,
        coalesce(n.session_number = 1 and w.is_new, false) as is_new_visitor,
        date_diff('millisecond', v.started_at, v.ended_at) as milliseconds,
        v.is_bot,
        coalesce(t.channel, 'Direct') = 'Direct' and i.session_id is not null as is_internal_entry,
        v.entry_page,
        v.exit_page,
        coalesce(t.source, '(direct)') as source,
        coalesce(t.medium, '(none)') as medium,
        nullif(t.campaign, '') as campaign,
        coalesce(t.channel, 'Direct') as channel,
        v.platform,
        v.device_type,
        v.browser,
        v.os,
        coalesce(p.country, v.geo_country, v.zone_country, v.locale_country) as country,
        case
            when p.country is not null then 'address'
            when v.geo_country is not null then 'geo'
            when v.zone_country is not null then 'timezone'
            when v.locale_country is not null then 'locale'
        end as country_source,
        v.page_views,
        v.events,
        coalesce(o.orders, 0) as orders,
        coalesce(o.cancelled_orders, 0) as cancelled_orders,
        cast(coalesce(o.revenue, 0) as decimal(38, 2)) as revenue,
        cast(coalesce(o.refunds, 0) as decimal(38, 2)) as refunds,
        cast(coalesce(o.net_revenue, 0) as decimal(38, 2)) as net_revenue,
        v.started_at,
        v.ended_at
    from visits as v
    left join numbered as n
        on v.session_id = n.session_id
    left join arrivals as w
        on v.person_id = w.person_id
    left join profiles as p
        on v.person_id = p.person_id
    left join first_touches as t
        on v.session_id = t.session_id
    left join sent_internally as i
        on v.session_id = i.session_id
    left join orders as o
        on v.session_id = o.session_id
)

select
    m.session_id,
    m.person_id,
    m.anonymous_id,
    m.session_date,
    m.session_number,
    m.is_new_visitor,
    m.page_views > 1 or m.milliseconds > 10000 or m.orders > 0 as is_engaged,
    m.page_views <= 1 and m.milliseconds <= 10000 and m.orders = 0 as is_bounce,
    m.is_bot,
    m.is_internal_entry,
    m.entry_page,
    m.exit_page,
    m.source,
    m.medium,
    m.campaign,
    m.channel,
    m.platform,
    m.device_type,
    m.browser,
    m.os,
    case when length(m.country) = 2 then upper(m.country) else m.country end as country,
    m.country_source,
    m.page_views,
    m.events,
    cast(floor(cast(m.milliseconds as double) / 1000) as bigint) as duration_seconds,
    m.orders,
    m.cancelled_orders,
    m.revenue,
    m.refunds,
    m.net_revenue,
    m.started_at,
    m.ended_at
from measured as m
