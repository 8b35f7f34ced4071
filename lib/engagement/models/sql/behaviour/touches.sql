-- Grain: one touch of a session. Key: id, received_at_utc_date.
with event_sources as (
    select * from marts.event_sources
),

traffic_sources as (
    select * from marts.traffic_sources
),

named as (
    select
        e.id,
        e.received_at_utc_date,
        e.session_id,
        e.person_id,
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
        e.sequence_number,
        e."timestamp"
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
)

select
    id,
    received_at_utc_date,
    session_id,
    person_id,
    event_date,
    row_number() over (partition by session_id order by sequence_number) as touch_number,
    kind,
    source,
    medium,
    campaign,
    term,
    content,
    category,
    click_id,
    referrer_host,
    is_paid,
    channel,
    sequence_number,
    n."timestamp"
from named as n
