-- Grain: one kept event. Key: id, received_at_utc_date.
-- Which session an event belongs to, with its page and its device.
-- Client events. Per device (the anonymous id; without one, the user id; without that, none), the events
-- that carry one SDK session id are one session, cut where two consecutive events of that id are more
-- than :session_silence_hours apart. The events without an SDK id form runs: a pause of more than
-- :session_gap_minutes ends a run, and so does an event with an SDK id. A run that starts within the gap
-- after an event with an SDK id belongs to that event's session; else one that ends within the gap before
-- such an event belongs to that one's; else it is a session by itself. Midnight cuts nothing. An event
-- with neither an anonymous id nor an SDK id has no session.
-- Server events (channel server or sources, no view, no SDK id) join the session of the last client event
-- with their anonymous id, if it is no more than the gap before them; else of the last one with their user
-- id, under the same condition; else they have no session. They never make, cut or prolong one. Their
-- user agent makes nobody a bot: they are a bot's if their session is.
-- session_id is made from device and SDK session id; for what follows a cut, from the time of its first
-- event too; for a run by itself, from its first event. A late event changes it only where it comes
-- first.
with events as (
    select * from marts.person_events
),

contexts as (
    select * from marts.event_contexts
),

user_agents as (
    select * from marts.user_agents
),

classified as (
    select
        e.id,
        e.received_at_utc_date,
        coalesce('device:' || e.anonymous_id, 'user:' || e.user_id, 'none') as device,
        e.user_id,
        c.sdk_session_id,
        e.anonymous_id is not null or c.sdk_session_id is not null as has_session,
        coalesce(
            c.channel in ('server', 'sources')
            and c.sdk_session_id is null
            and e.type not in ('page', 'screen'), false
        ) as is_server,
        coalesce(u.is_bot, false) as is_bot,
        e."timestamp",
        e.received_at
    from events as e
    left join contexts as c
        on e.id = c.id and e.received_at_utc_date = c.received_at_utc_date
    left join user_agents as u
        on c.user_agent = u.user_agent
),

-- Silences. Few SDK ids live for longer than one, so only the events of these are put in order.
long_sdk_ids as (
    select
        c.device,
        c.sdk_session_id
    from classified as c
    where c.sdk_session_id is not null
    group by c.device, c.sdk_session_id
    having
        date_diff('millisecond', min(c."timestamp"), max(c."timestamp"))
        > cast(:session_silence_hours as bigint) * 3600000
),

long_sdk_events as (
    select
        c.device,
        c.sdk_session_id,
        c."timestamp",
        lag(c."timestamp") over (
            partition by c.device, c.sdk_session_id order by c."timestamp"
        ) as previous_timestamp
    from classified as c
    inner join long_sdk_ids as l
        on c.device = l.device and c.sdk_session_id = l.sdk_session_id
),

later_parts as (
    select
        e.device,
        e.sdk_session_id,
        e."timestamp" as starts_at,
        lead(e."timestamp") over (
            partition by e.device, e.sdk_session_id order by e."timestamp"
        ) as next_starts_at
    from long_sdk_events as e
    where
        date_diff('millisecond', e.previous_timestamp, e."timestamp")
        > cast(:session_silence_hours as bigint) * 3600000
),

-- Client events, each with its neighbours on the device.
sdk_sessions as (
    select
        c.id,
        c.received_at_utc_date,
        c.device,
        c.user_id,
        cast(c.sdk_session_id as varchar) || coalesce(':' || timestamp_text(p.starts_at), '')
            as sdk_session,
        c.is_bot,
        c."timestamp",
        c.received_at
    from classified as c
    left join later_parts as p
        on
            c.device = p.device
            and c.sdk_session_id = p.sdk_session_id
            and c."timestamp" >= p.starts_at
            and (p.next_starts_at is null or c."timestamp" < p.next_starts_at)
    where c.has_session and not c.is_server
),

ordered as (
    select
        s.id,
        s.received_at_utc_date,
        s.device,
        s.user_id,
        s.sdk_session,
        s.is_bot,
        s."timestamp",
        s.received_at,
        row_number() over (
            partition by s.device order by s."timestamp", s.received_at, s.id, s.received_at_utc_date
        ) as place,
        lag(s."timestamp") over (
            partition by s.device order by s."timestamp", s.received_at, s.id, s.received_at_utc_date
        ) as previous_timestamp,
        lag(s.sdk_session) over (
            partition by s.device order by s."timestamp", s.received_at, s.id, s.received_at_utc_date
        ) as previous_sdk_session,
        lead(s."timestamp") over (
            partition by s.device order by s."timestamp", s.received_at, s.id, s.received_at_utc_date
        ) as next_timestamp,
        lead(s.sdk_session) over (
            partition by s.device order by s."timestamp", s.received_at, s.id, s.received_at_utc_date
        ) as next_sdk_session
    from sdk_sessions as s
),

-- An event with an SDK id is a run of its own here; a run of events without one has at most one
-- neighbour on either side that it may join.
openings as (
    select
        o.id,
        o.received_at_utc_date,
        o.device,
        o.user_id,
        o.sdk_session,
        case
            when
                date_diff('millisecond', o.previous_timestamp, o."timestamp")
                <= cast(:session_gap_minutes as bigint) * 60000
                then o.previous_sdk_session
        end as sdk_session_before,
        case
            when
                date_diff('millisecond', o."timestamp", o.next_timestamp)
                <= cast(:session_gap_minutes as bigint) * 60000
                then o.next_sdk_session
        end as sdk_session_after,
        o.is_bot,
        o."timestamp",
        o.received_at,
        o.place,
        case
            when
                o.sdk_session is not null
                or o.previous_sdk_session is not null
                or o.previous_timestamp is null
                or date_diff('millisecond', o.previous_timestamp, o."timestamp")
                > cast(:session_gap_minutes as bigint) * 60000
                then o.place
        end as opening
    from ordered as o
),

runs as (
    select
        g.id,
        g.received_at_utc_date,
        g.device,
        g.user_id,
        g.sdk_session,
        g.sdk_session_before,
        g.sdk_session_after,
        g.is_bot,
        g."timestamp",
        g.received_at,
        g.place,
        max(g.opening) over (
            partition by g.device order by g.place rows between unbounded preceding and current row
        ) as run
    from openings as g
),

joined as (
    select
        r.id,
        r.received_at_utc_date,
        r.device,
        r.user_id,
        coalesce(
            r.sdk_session,
            max(r.sdk_session_before) over (
                partition by r.device, r.run order by r.place
                rows between unbounded preceding and unbounded following
            ),
            max(r.sdk_session_after) over (
                partition by r.device, r.run order by r.place
                rows between unbounded preceding and unbounded following
            )
        ) as sdk_session,
        first_value(r.id) over (
            partition by r.device, r.run order by r.place
            rows between unbounded preceding and unbounded following
        ) as first_id,
        first_value(r.received_at_utc_date) over (
            partition by r.device, r.run order by r.place
            rows between unbounded preceding and unbounded following
        ) as first_date,
        r.is_bot,
        r."timestamp",
        r.received_at
    from runs as r
),

client_sessions as (
    select
        j.id,
        j.received_at_utc_date,
        substring(
            sha256_hex(
                case
                    when j.sdk_session is not null then 'sdk:' || j.device || ':' || j.sdk_session
                    else 'gap:' || j.device || ':' || j.first_id || ':' || j.first_date
                end
            ), 1, 32
        ) as session_id,
        j.device,
        j.user_id,
        j.is_bot,
        j."timestamp",
        j.received_at
    from joined as j
),

-- Server events, each put after the last client event with the same anonymous id or user id.
server_ids as (
    select
        c.id,
        c.received_at_utc_date,
        k.known_as,
        k.preference,
        c."timestamp",
        c.received_at
    from classified as c
    cross join
        unnest(array[case when c.device like 'device:%' then c.device end, 'user:' || c.user_id])
        with ordinality as k (known_as, preference)
    where c.is_server and k.known_as is not null
),

client_ids as (
    select
        k.known_as,
        c.id,
        c.received_at_utc_date,
        c.session_id,
        c."timestamp",
        c.received_at
    from client_sessions as c
    cross join
        unnest(array[case when c.device like 'device:%' then c.device end, 'user:' || c.user_id])
            as k (known_as)
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
