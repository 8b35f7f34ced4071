-- Grain: one value of one property of one kind of event. Key: type, event, property, value.
-- Meaning: who an event comes from: events and people by what their session tells, over all days to the
-- as-of date. Of each event's property the 50 commonest values are told apart, of equals the first by
-- name; the others are '(other)'. An event's own properties are asked for by
-- engagement.dashboards.explore.
with session_events as (
    select * from marts.session_events
),

sessions as (
    select * from marts.sessions
),

-- A session's events of a kind are one row: few are left to be told apart.
per_session as (
    select
        se.type,
        coalesce(se.event, se.type) as event,
        se.session_id,
        se.person_id,
        count(*) as events
    from session_events as se
    where not (:exclude_bots and coalesce(se.is_bot, false))
    group by se.type, coalesce(se.event, se.type), se.session_id, se.person_id
),

described as (
    select
        p.type,
        p.event,
        k.property,
        coalesce(
            case k.property
                when 'channel' then s.channel
                when 'country' then s.country
                when 'device_type' then s.device_type
                when 'browser' then s.browser
                when 'os' then s.os
                else s.platform
            end,
            '(not set)'
        ) as value,
        p.person_id,
        p.events
    from per_session as p
    left join sessions as s on p.session_id = s.session_id
    cross join (
        values ('channel'), ('country'), ('device_type'), ('browser'), ('os'), ('platform')
    ) as k (property)
),

per_person as (
    select
        d.type,
        d.event,
        d.property,
        d.value,
        d.person_id,
        sum(d.events) as events
    from described as d
    group by d.type, d.event, d.property, d.value, d.person_id
),

placed as (
    select
        v.type,
        v.event,
        v.property,
        v.value,
        row_number() over (
            partition by v.type, v.event, v.property order by v.events desc, v.value asc
        ) as place
    from (
        select
            p.type,
            p.event,
            p.property,
            p.value,
            sum(p.events) as events
        from per_person as p
        group by p.type, p.event, p.property, p.value
    ) as v
),

summed as (
    select
        p.type,
        p.event,
        p.property,
        case when o.place <= 50 then p.value else '(other)' end as value,
        sum(p.events) as events,
        count(distinct p.person_id) as persons
    from per_person as p
    inner join placed as o
        on p.type = o.type and p.event = o.event and p.property = o.property and p.value = o.value
    group by p.type, p.event, p.property, case when o.place <= 50 then p.value else '(other)' end
),

totalled as (
    select
        s.type,
        s.event,
        s.property,
        s.value,
        s.events,
        s.persons,
        sum(s.events) over (partition by s.type, s.event, s.property) as all_events
    from summed as s
)

select
    :as_of as day,
    t.type,
    t.event,
    cast(t.property as varchar) as property,
    cast(t.value as varchar) as value,
    cast(t.events as bigint) as events,
    t.persons,
    cast(t.all_events as bigint) as all_events,
    round(cast(t.events as double) / nullif(cast(t.all_events as double), 0), 4) as share
from totalled as t
