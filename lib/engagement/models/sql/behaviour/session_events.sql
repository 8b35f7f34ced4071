-- Grain: one kept event. Key: id, received_at_utc_date.
-- Which session an event belongs to, with its page and its device. The sessions are those of the client
-- events (marts.client_sessions). A server event (channel server or sources, no view, no SDK id) joins the
-- session of the last client event with its anonymous id, if that is no more than :session_gap_minutes
-- before it; else of the last one with its user id, under the same condition; else it has no session.
-- Its user agent makes nobody a bot: it is a bot's if its session is.
with events as (
    select * from marts.person_events
),

contexts as (
    select * from marts.event_contexts
),

user_agents as (
    select * from marts.user_agents
),

client_sessions as (
    select * from marts.client_sessions
),

-- Server events, each put after the last client event with the same anonymous id or user id.
server_events as (
    select
        e.id,
        e.received_at_utc_date,
        e.anonymous_id,
        e.user_id,
        e."timestamp",
        e.received_at
    from events as e
    inner join contexts as c
        on e.id = c.id and e.received_at_utc_date = c.received_at_utc_date
    where
        c.channel in ('server', 'sources')
        and c.sdk_session_id is null
        and e.type not in ('page', 'screen')
),

server_ids as (
    select
        e.id,
        e.received_at_utc_date,
        k.known_as,
        k.preference,
        e."timestamp",
        e.received_at
    from server_events as e
    cross join
        unnest(array['device:' || e.anonymous_id, 'user:' || e.user_id])
        with ordinality as k (known_as, preference)
    where k.known_as is not null
),

client_ids as (
    select
        k.known_as,
        c.id,
        c.received_at_utc_date,
        c.session_id,
        c."timestamp",
        c.received_at
    from events as e
    cross join unnest(array['device:' || e.anonymous_id, 'user:' || e.user_id]) as k (known_as)
    inner join client_sessions as c
        on e.id = c.id and e.received_at_utc_date = c.received_at_utc_date
    where k.known_as in (select s.known_as from server_ids as s)
),

sightings as (
    select
        c.known_as,
        c.id,
        c.received_at_utc_date,
        cast(null as bigint) as preference,
        c.session_id,
        c."timestamp",
        c.received_at,
        0 as is_later
    from client_ids as c
    union all
    select
        s.known_as,
        s.id,
        s.received_at_utc_date,
        s.preference,
        cast(null as varchar) as session_id,
        s."timestamp",
        s.received_at,
        1 as is_later
    from server_ids as s
),

numbered as (
    select
        k.known_as,
        k.id,
        k.received_at_utc_date,
        k.preference,
        k.session_id,
        k."timestamp",
        k.received_at,
        count(k.session_id) over (
            partition by k.known_as
            order by k."timestamp", k.is_later, k.received_at, k.id, k.received_at_utc_date
            rows between unbounded preceding and current row
        ) as client_events
    from sightings as k
),

preceded as (
    select
        n.id,
        n.received_at_utc_date,
        n.preference,
        n."timestamp",
        n.received_at,
        max(n.session_id) over (partition by n.known_as, n.client_events) as session_id,
        date_diff(
            'millisecond',
            max(case when n.session_id is not null then n."timestamp" end) over (
                partition by n.known_as, n.client_events
            ),
            n."timestamp"
        ) as milliseconds
    from numbered as n
),

server_sessions as (
    select
        p.id,
        p.received_at_utc_date,
        min_by(p.session_id, p.preference) as session_id,
        p."timestamp",
        p.received_at
    from preceded as p
    where
        p.preference is not null
        and p.milliseconds <= cast(:session_gap_minutes as bigint) * 60000
    group by p.id, p.received_at_utc_date, p."timestamp", p.received_at
),

members as (
    select
        j.id,
        j.received_at_utc_date,
        j.session_id,
        j.is_bot,
        j."timestamp",
        j.received_at
    from client_sessions as j
    union all
    select
        s.id,
        s.received_at_utc_date,
        s.session_id,
        false as is_bot,
        s."timestamp",
        s.received_at
    from server_sessions as s
),

placed as (
    select
        m.id,
        m.received_at_utc_date,
        m.session_id,
        row_number() over (
            partition by m.session_id order by m."timestamp", m.received_at, m.id, m.received_at_utc_date
        ) as sequence_number,
        bool_or(m.is_bot) over (
            partition by m.session_id order by m."timestamp", m.received_at, m.id, m.received_at_utc_date
            rows between unbounded preceding and unbounded following
        ) as is_bot
    from members as m
),

described as (
    select
        e.id,
        e.received_at_utc_date,
        e.person_id,
        e.anonymous_id,
        e.type,
        e.event,
        e.event_date,
        coalesce(e.type in ('page', 'screen'), false) as is_view,
        coalesce(
            c.channel in ('server', 'sources')
            and c.sdk_session_id is null
            and e.type not in ('page', 'screen'), false
        ) as is_server,
        c.page_path,
        c.page_url,
        c.referrer_host,
        c.channel,
        c.locale,
        c.timezone,
        c.geo_country,
        c.user_agent,
        c.os_name,
        e."timestamp",
        e.received_at
    from events as e
    left join contexts as c
        on e.id = c.id and e.received_at_utc_date = c.received_at_utc_date
)

select
    d.id,
    d.received_at_utc_date,
    p.session_id,
    d.person_id,
    d.anonymous_id,
    d.type,
    d.event,
    d.event_date,
    d.is_view,
    d.is_server,
    d.page_path,
    d.page_url,
    d.referrer_host,
    d.channel,
    d.locale,
    d.timezone,
    d.geo_country,
    case when d.is_server then coalesce(p.is_bot, false) else coalesce(u.is_bot, false) end as is_bot,
    case when d.channel = 'mobile' then coalesce(u.device_type, 'mobile') else u.device_type end
        as device_type,
    case when d.channel = 'mobile' then 'App' else u.browser end as browser,
    case when d.channel = 'mobile' then coalesce(d.os_name, u.os) else coalesce(u.os, d.os_name) end as os,
    p.sequence_number,
    d."timestamp",
    d.received_at
from described as d
left join placed as p
    on d.id = p.id and d.received_at_utc_date = p.received_at_utc_date
left join user_agents as u
    on d.user_agent = u.user_agent
