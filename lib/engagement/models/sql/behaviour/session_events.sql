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

pages as (
    select * from sources.pages
),

screens as (
    select * from sources.screens
),

tracks as (
    select * from sources.tracks
),

identifies as (
    select * from sources.identifies
),

groups as (
    select * from sources.groups
),

aliases as (
    select * from sources.aliases
),

user_agents as (
    select * from marts.user_agents
),

contexts as (
    select
        id,
        received_at_utc_date,
        channel,
        context_user_agent as user_agent,
        context_locale as locale,
        context_os_name as os_name,
        context_session_id as sdk_session_id,
        coalesce(context_page_url, url) as page_url,
        coalesce(context_page_path, path) as page_path,
        coalesce(context_page_title, title) as page_title,
        context_page_search as page_search,
        coalesce(context_page_referrer, referrer) as page_referrer,
        context_page_referring_domain as page_referring_domain,
        context_campaign_source as campaign_source,
        context_campaign_medium as campaign_medium,
        context_campaign_name as campaign_name,
        context_campaign_term as campaign_term,
        context_campaign_content as campaign_content
    from pages
    union all
    select
        id,
        received_at_utc_date,
        channel,
        context_user_agent as user_agent,
        context_locale as locale,
        context_os_name as os_name,
        context_session_id as sdk_session_id,
        context_page_url as page_url,
        name as page_path,
        name as page_title,
        context_page_search as page_search,
        context_page_referrer as page_referrer,
        context_page_referring_domain as page_referring_domain,
        context_campaign_source as campaign_source,
        context_campaign_medium as campaign_medium,
        context_campaign_name as campaign_name,
        context_campaign_term as campaign_term,
        context_campaign_content as campaign_content
    from screens
    union all
    select
        id,
        received_at_utc_date,
        channel,
        context_user_agent as user_agent,
        context_locale as locale,
        context_os_name as os_name,
        context_session_id as sdk_session_id,
        context_page_url as page_url,
        context_page_path as page_path,
        context_page_title as page_title,
        context_page_search as page_search,
        context_page_referrer as page_referrer,
        context_page_referring_domain as page_referring_domain,
        context_campaign_source as campaign_source,
        context_campaign_medium as campaign_medium,
        context_campaign_name as campaign_name,
        context_campaign_term as campaign_term,
        context_campaign_content as campaign_content
    from tracks
    union all
    select
        id,
        received_at_utc_date,
        channel,
        context_user_agent as user_agent,
        context_locale as locale,
        context_os_name as os_name,
        context_session_id as sdk_session_id,
        context_page_url as page_url,
        context_page_path as page_path,
        context_page_title as page_title,
        context_page_search as page_search,
        context_page_referrer as page_referrer,
        context_page_referring_domain as page_referring_domain,
        context_campaign_source as campaign_source,
        context_campaign_medium as campaign_medium,
        context_campaign_name as campaign_name,
        context_campaign_term as campaign_term,
        context_campaign_content as campaign_content
    from identifies
    union all
    select
        id,
        received_at_utc_date,
        channel,
        context_user_agent as user_agent,
        context_locale as locale,
        context_os_name as os_name,
        context_session_id as sdk_session_id,
        context_page_url as page_url,
        context_page_path as page_path,
        context_page_title as page_title,
        context_page_search as page_search,
        context_page_referrer as page_referrer,
        context_page_referring_domain as page_referring_domain,
        context_campaign_source as campaign_source,
        context_campaign_medium as campaign_medium,
        context_campaign_name as campaign_name,
        context_campaign_term as campaign_term,
        context_campaign_content as campaign_content
    from groups
    union all
    select
        id,
        received_at_utc_date,
        channel,
        context_user_agent as user_agent,
        context_locale as locale,
        context_os_name as os_name,
        context_session_id as sdk_session_id,
        context_page_url as page_url,
        context_page_path as page_path,
        context_page_title as page_title,
        context_page_search as page_search,
        context_page_referrer as page_referrer,
        context_page_referring_domain as page_referring_domain,
        context_campaign_source as campaign_source,
        context_campaign_medium as campaign_medium,
        context_campaign_name as campaign_name,
        context_campaign_term as campaign_term,
        context_campaign_content as campaign_content
    from aliases
),

located as (
    select
        e.id,
        e.received_at_utc_date,
        e.person_id,
        e.anonymous_id,
        e.type,
        e.event,
        e."timestamp",
        e.received_at,
        e.event_date,
        coalesce('device:' || e.anonymous_id, 'user:' || e.user_id, 'event:' || e.id) as device,
        c.channel,
        c.user_agent,
        c.locale,
        c.os_name,
        c.sdk_session_id,
        c.page_url,
        coalesce(
            c.page_path,
            nullif(regexp_extract(c.page_url, '^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*(/[^?#]*)', 1), '')
        ) as page_path,
        c.page_title,
        c.page_search,
        c.page_referrer,
        coalesce(url_host(c.page_referrer), url_host('https://' || c.page_referring_domain))
            as referrer_host,
        c.campaign_source,
        c.campaign_medium,
        c.campaign_name,
        c.campaign_term,
        c.campaign_content
    from events as e
    left join contexts as c
        on e.id = c.id and e.received_at_utc_date = c.received_at_utc_date
),

ordered as (
    select
        l.id,
        l.received_at_utc_date,
        l.device,
        l.sdk_session_id,
        l."timestamp",
        row_number() over (
            partition by l.device order by l."timestamp", l.received_at, l.id, l.received_at_utc_date
        ) as place,
        lag(l."timestamp") over (
            partition by l.device order by l."timestamp", l.received_at, l.id, l.received_at_utc_date
        ) as previous_timestamp
    from located as l
    where l.anonymous_id is not null or l.sdk_session_id is not null
),

openings as (
    select
        o.id,
        o.received_at_utc_date,
        o.device,
        o.sdk_session_id,
        o.place,
        coalesce(
            o.sdk_session_id is not null
            or o.previous_timestamp is null
            or date_diff('millisecond', o.previous_timestamp, o."timestamp")
            > cast(:session_gap_minutes as bigint) * 60000,
            false
        ) as is_opening
    from ordered as o
),

runs as (
    select
        id,
        received_at_utc_date,
        device,
        sdk_session_id,
        place,
        is_opening,
        max(case when is_opening then place end) over (
            partition by device order by place rows between unbounded preceding and current row
        ) as opened_at_place
    from openings
),

sessions as (
    select
        r.id,
        r.received_at_utc_date,
        substring(
            sha256_hex(
                case
                    when o.sdk_session_id is not null
                        then 'sdk:' || r.device || ':' || cast(o.sdk_session_id as varchar)
                    else 'gap:' || r.device || ':' || o.id || ':' || o.received_at_utc_date
                end
            ), 1, 32
        ) as session_id
    from runs as r
    inner join runs as o
        on r.device = o.device and r.opened_at_place = o.place
)

select
    l.id,
    l.received_at_utc_date,
    s.session_id,
    l.person_id,
    l.anonymous_id,
    l.type,
    l.event,
    l.event_date,
    coalesce(l.type in ('page', 'screen'), false) as is_view,
    l.page_path,
    l.page_url,
    l.page_title,
    l.page_search,
    l.page_referrer,
    l.referrer_host,
    l.campaign_source,
    l.campaign_medium,
    l.campaign_name,
    l.campaign_term,
    l.campaign_content,
    l.channel,
    l.locale,
    coalesce(u.is_bot, false) as is_bot,
    case when l.channel = 'mobile' then coalesce(u.device_type, 'mobile') else u.device_type end
        as device_type,
    case when l.channel = 'mobile' then 'App' else u.browser end as browser,
    case when l.channel = 'mobile' then coalesce(l.os_name, u.os) else coalesce(u.os, l.os_name) end as os,
    case
        when s.session_id is not null
            then row_number() over (
                partition by s.session_id order by l."timestamp", l.received_at, l.id, l.received_at_utc_date
            )
    end as sequence_number,
    l."timestamp",
    l.received_at
from located as l
left join sessions as s
    on l.id = s.id and l.received_at_utc_date = s.received_at_utc_date
left join user_agents as u
    on l.user_agent = u.user_agent
