-- Grain: one client event that is in a session. Key: id, received_at_utc_date.
-- Which session it belongs to. Per device (the anonymous id; without one, the user id; without that,
-- none), the events that carry one SDK session id are one session, cut where two consecutive events of
-- that id are more than :session_silence_hours apart. The events without an SDK id form runs: a pause of
-- more than :session_gap_minutes ends a run, and so does an event with an SDK id. A run that starts within
-- the gap after an event with an SDK id belongs to that event's session; else one that ends within the
-- gap before such an event belongs to that one's; else it is a session by itself. Midnight cuts nothing.
-- Events that a server sent (channel server or sources, no view, no SDK id) are not here, and cut and
-- prolong nothing; nor are client events with neither an anonymous id nor an SDK id.
-- session_id is made from device and SDK session id; for what follows a cut, from the time of its first
-- event, too; for a run by itself, from device and that time. A late event changes it only where it
-- comes first.
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
        c.sdk_session_id,
        coalesce(u.is_bot, false) as is_bot,
        e."timestamp",
        e.received_at
    from events as e
    left join contexts as c
        on e.id = c.id and e.received_at_utc_date = c.received_at_utc_date
    left join user_agents as u
        on c.user_agent = u.user_agent
    where
        c.sdk_session_id is not null
        or (
            e.anonymous_id is not null
            and (e.type in ('page', 'screen') or coalesce(c.channel, '') not in ('server', 'sources'))
        )
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
),

ordered as (
    select
        s.id,
        s.received_at_utc_date,
        s.device,
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
        min(r."timestamp") over (
            partition by r.device, r.run order by r.place
            rows between unbounded preceding and unbounded following
        ) as starts_at,
        r.is_bot,
        r."timestamp",
        r.received_at
    from runs as r
)

select
    j.id,
    j.received_at_utc_date,
    substring(
        sha256_hex(
            case
                when j.sdk_session is not null then 'sdk:' || j.device || ':' || j.sdk_session
                else 'gap:' || j.device || ':' || timestamp_text(j.starts_at)
            end
        ), 1, 32
    ) as session_id,
    j.is_bot,
    j."timestamp",
    j.received_at
from joined as j
