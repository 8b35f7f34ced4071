-- Grain: one kept event. Key: id, received_at_utc_date.
-- Which session an event belongs to. A session is the SDK's session id on a device. An event
-- without one stays in the session that runs on its device, if the device's last event was no more
-- than the gap (parameter) ago; else it opens a session of its own. Days do not cut sessions.
-- session_id is derived from device and SDK session id, else from the event that opened the session,
-- so that an event that arrives late changes it only where it opens the session. An event with
-- neither a device nor an SDK session id, such as one that a server sent, is in no session: NULL.
with events as (
    select * from marts.person_events
),

contexts as (
    select * from marts.event_contexts
),

user_agents as (
    select * from marts.user_agents
),

placed as (
    select
        e.id,
        e.received_at_utc_date,
        coalesce('device:' || e.anonymous_id, 'user:' || e.user_id, 'event:' || e.id) as device,
        c.sdk_session_id,
        e."timestamp",
        e.received_at
    from events as e
    left join contexts as c
        on e.id = c.id and e.received_at_utc_date = c.received_at_utc_date
    where e.anonymous_id is not null or c.sdk_session_id is not null
),

ordered as (
    select
        p.id,
        p.received_at_utc_date,
        p.device,
        p.sdk_session_id,
        p."timestamp",
        row_number() over (
            partition by p.device order by p."timestamp", p.received_at, p.id, p.received_at_utc_date
        ) as place,
        lag(p."timestamp") over (
            partition by p.device order by p."timestamp", p.received_at, p.id, p.received_at_utc_date
        ) as previous_timestamp
    from placed as p
),

openings as (
    select
        o.id,
        o.received_at_utc_date,
        o.device,
        o.sdk_session_id,
        o.place,
        case
            when
                o.sdk_session_id is not null
                or o.previous_timestamp is null
                or date_diff('millisecond', o.previous_timestamp, o."timestamp")
                > cast(:session_gap_minutes as bigint) * 60000
                then o.place
        end as opening
    from ordered as o
),

-- Each opening with the events after it, up to the next one.

runs as (
    select
        id,
        received_at_utc_date,
        device,
        sdk_session_id,
        place,
        max(opening) over (
            partition by device order by place rows between unbounded preceding and current row
        ) as run
    from openings
),

opened as (
    select
        id,
        received_at_utc_date,
        device,
        first_value(sdk_session_id) over (partition by device, run order by place) as sdk_session_id,
        first_value(id) over (partition by device, run order by place) as first_id,
        first_value(received_at_utc_date) over (partition by device, run order by place) as first_date
    from runs
),

sessions as (
    select
        id,
        received_at_utc_date,
        substring(
            sha256_hex(
                case
                    when sdk_session_id is not null
                        then 'sdk:' || device || ':' || cast(sdk_session_id as varchar)
                    else 'gap:' || device || ':' || first_id || ':' || first_date
                end
            ), 1, 32
        ) as session_id
    from opened
)

select
    e.id,
    e.received_at_utc_date,
    s.session_id,
    e.person_id,
    e.anonymous_id,
    e.type,
    e.event,
    e.event_date,
    coalesce(e.type in ('page', 'screen'), false) as is_view,
    c.page_path,
    c.page_url,
    c.referrer_host,
    c.channel,
    c.locale,
    coalesce(u.is_bot, false) as is_bot,
    case when c.channel = 'mobile' then coalesce(u.device_type, 'mobile') else u.device_type end
        as device_type,
    case when c.channel = 'mobile' then 'App' else u.browser end as browser,
    case when c.channel = 'mobile' then coalesce(c.os_name, u.os) else coalesce(u.os, c.os_name) end as os,
    case
        when s.session_id is not null
            then row_number() over (
                partition by s.session_id order by e."timestamp", e.received_at, e.id, e.received_at_utc_date
            )
    end as sequence_number,
    e."timestamp",
    e.received_at
from events as e
left join contexts as c
    on e.id = c.id and e.received_at_utc_date = c.received_at_utc_date
left join sessions as s
    on e.id = s.id and e.received_at_utc_date = s.received_at_utc_date
left join user_agents as u
    on c.user_agent = u.user_agent
