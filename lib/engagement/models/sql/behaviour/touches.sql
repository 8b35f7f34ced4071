-- Grain: one touch. Key: id, received_at_utc_date.
-- An event of a session is a touch if it names an external source that is not Direct and whose source,
-- medium or campaign differ from those of the session's touch before it: of a, a, b, a the first, the
-- third and the fourth. It has its own time. It is its session's person's, who is the person of the
-- session's last client event, as in marts.sessions.
with event_sources as (
    select * from marts.event_sources
),

traffic_sources as (
    select * from marts.traffic_sources
),

session_events as (
    select * from marts.session_events
),

from_outside as (
    select
        e.id,
        e.received_at_utc_date,
        e.session_id,
        e.event_date,
        e.kind,
        e.source,
        e.medium,
        e.campaign,
        e.term,
        e.content,
        e.category,
        e.click_id,
        e.referrer_host,
        e.is_paid,
        c.channel,
        e.is_bot,
        e.sequence_number,
        e."timestamp",
        lag(e.source) over (partition by e.session_id order by e.sequence_number) as previous_source,
        lag(e.medium) over (partition by e.session_id order by e.sequence_number) as previous_medium,
        lag(e.campaign) over (partition by e.session_id order by e.sequence_number) as previous_campaign
    from event_sources as e
    inner join traffic_sources as c
        on
            e.kind = c.kind
            and e.source = c.source
            and e.medium = c.medium
            and coalesce(e.campaign, '') = c.campaign
            and e.category = c.category
            and e.is_paid = c.is_paid
    where e.kind <> 'internal' and c.channel <> 'Direct'
),

people as (
    select
        session_id,
        max_by(person_id, sequence_number) as person_id
    from session_events
    where session_id is not null and not coalesce(is_server, false)
    group by session_id
)

select
    x.id,
    x.received_at_utc_date,
    x.session_id,
    p.person_id,
    x.event_date,
    row_number() over (partition by x.session_id order by x.sequence_number) as touch_number,
    x.kind,
    x.source,
    x.medium,
    x.campaign,
    x.term,
    x.content,
    x.category,
    x.click_id,
    x.referrer_host,
    x.is_paid,
    x.channel,
    x.is_bot,
    x.sequence_number,
    x."timestamp"
from from_outside as x
left join people as p
    on x.session_id = p.session_id
where
    x.previous_source is null
    or x.source <> x.previous_source
    or x.medium <> x.previous_medium
    or coalesce(x.campaign, '') <> coalesce(x.previous_campaign, '')
