-- Grain: one session. Key: session_id.
-- A session with its times, pages, source, device and orders. It belongs to the person of its last
-- event (on a device that nobody shares all events are one person's). Its source is its earliest touch
-- from outside; if there is none, its first page decides: 'internal' where it was reached from the
-- shop's own pages (a visit that goes on after a pause), else direct. Engaged: more than one view,
-- or longer than 10 seconds, or an order. The country is that of the person's address, else the region
-- of the device's locale, which says what language is spoken there rather than where it is.
with events as (
    select * from marts.session_events
),

touches as (
    select * from marts.touches
),

traffic_sources as (
    select * from marts.traffic_sources
),

profiles as (
    select * from marts.profiles
),

all_orders as (
    select * from marts.orders
),

counted as (
    select
        e.session_id,
        max(e.anonymous_id) as anonymous_id,
        max_by(e.person_id, e.sequence_number) as person_id,
        count(*) as events,
        count_if(e.is_view) as page_views,
        min_by(e.page_path, e.sequence_number) filter (where e.is_view and e.page_path is not null)
            as first_view,
        max_by(e.page_path, e.sequence_number) filter (where e.is_view and e.page_path is not null)
            as last_view,
        min_by(e.page_path, e.sequence_number) filter (where e.page_path is not null) as first_page,
        max_by(e.page_path, e.sequence_number) filter (where e.page_path is not null) as last_page,
        min_by(e.device_type, e.sequence_number) filter (where e.device_type is not null)
            as device_type,
        min_by(e.browser, e.sequence_number) filter (where e.browser is not null) as browser,
        min_by(e.os, e.sequence_number) filter (where e.os is not null) as os,
        min_by(e.locale, e.sequence_number) filter (where e.locale is not null) as locale,
        min_by(e.channel, e.sequence_number) filter (where e.channel is not null) as platform,
        min(e.sequence_number) filter (where e.page_url is not null or e.referrer_host is not null)
            as first_located,
        logical_or(e.is_bot) as is_bot,
        min(e."timestamp") as started_at,
        max(e."timestamp") as ended_at
    from events as e
    where e.session_id is not null
    group by e.session_id
),

ranked_touches as (
    select
        t.session_id,
        t.kind,
        t.source,
        t.medium,
        t.campaign,
        c.channel,
        t.sequence_number,
        row_number() over (
            partition by t.session_id
            order by case when t.kind = 'internal' then 2 else 1 end, t.sequence_number
        ) as place
    from touches as t
    inner join traffic_sources as c
        on
            t.kind = c.kind
            and t.source = c.source
            and t.medium = c.medium
            and coalesce(t.campaign, '') = c.campaign
            and t.category = c.category
            and t.is_paid = c.is_paid
    where c.channel <> 'Direct'
),

orders as (
    select
        session_id,
        count(*) as orders,
        sum(revenue) as revenue
    from all_orders
    where session_id is not null
    group by session_id
),

measured as (
    select
        c.session_id,
        c.anonymous_id,
        c.person_id,
        c.events,
        c.page_views,
        coalesce(c.first_view, c.first_page) as entry_page,
        coalesce(c.last_view, c.last_page) as exit_page,
        c.device_type,
        c.browser,
        c.os,
        c.platform,
        nullif(
            regexp_extract(
                c.locale, '^[A-Za-z]{2,3}([-_][A-Za-z]{4})?[-_]([A-Za-z]{2})([^A-Za-z0-9].*)?\z', 2
            ), ''
        ) as region,
        c.is_bot,
        cast(local_time(c.started_at, :timezone) as date) as session_date,
        date_diff('millisecond', c.started_at, c.ended_at) as milliseconds,
        coalesce(t.source, '(direct)') as source,
        coalesce(t.medium, '(none)') as medium,
        t.campaign,
        coalesce(t.channel, 'Direct') as channel,
        coalesce(o.orders, 0) as orders,
        coalesce(cast(o.revenue as decimal(18, 2)), cast(0 as decimal(18, 2))) as revenue,
        row_number() over (partition by c.person_id order by c.started_at, c.session_id) as session_number,
        c.started_at,
        c.ended_at
    from counted as c
    left join ranked_touches as t
        on
            c.session_id = t.session_id
            and t.place = 1
            and (t.kind <> 'internal' or c.first_located = t.sequence_number)
    left join orders as o
        on c.session_id = o.session_id
)

select
    m.session_id,
    m.person_id,
    m.anonymous_id,
    m.session_date,
    m.session_number,
    m.session_number = 1 as is_new_visitor,
    m.page_views > 1 or m.milliseconds > 10000 or m.orders > 0 as is_engaged,
    m.page_views <= 1 and m.milliseconds <= 10000 and m.orders = 0 as is_bounce,
    m.is_bot,
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
    case
        when length(p.country) = 2 then upper(p.country)
        else coalesce(p.country, upper(m.region))
    end as country,
    m.page_views,
    m.events,
    cast(floor(cast(m.milliseconds as double) / 1000) as bigint) as duration_seconds,
    m.orders,
    m.revenue,
    m.started_at,
    m.ended_at
from measured as m
left join profiles as p
    on m.person_id = p.person_id
