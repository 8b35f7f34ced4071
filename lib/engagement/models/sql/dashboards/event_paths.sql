-- Grain: one link between two steps of the paths from or to one event, per month.
-- Key: month, direction, anchor, step_number, from_step, to_step.
-- Meaning: what came after an event in the same session, and what came before it, up to five steps. A step
-- is an event: a track event by its name, another by its type. The 40 commonest are told apart and are
-- the anchors; the others are '(other)'. Each session counts once per anchor, from its first such event.
-- A session that ends before the fifth step ends in '(end)', one that starts there in '(start)'.
-- Paths are counted whole before they are cut into links, so that few rows are.
with session_events as (
    select * from marts.session_events
),

sessions as (
    select * from marts.sessions
),

commonest as (
    select
        n.name,
        row_number() over (order by n.events desc, n.name asc) as place
    from (
        select
            coalesce(se.event, se.type) as name,
            count(*) as events
        from session_events as se
        where se.session_id is not null and not (:exclude_bots and coalesce(se.is_bot, false))
        group by coalesce(se.event, se.type)
    ) as n
),

steps as (
    select
        se.session_id,
        cast(date_trunc('month', least(s.session_date, :as_of)) as date) as month,
        coalesce(c.name, '(other)') as step,
        se.sequence_number
    from session_events as se
    inner join sessions as s on se.session_id = s.session_id
    left join commonest as c on coalesce(se.event, se.type) = c.name and c.place <= 40
    where not (:exclude_bots and coalesce(s.is_bot, false))
),

around as (
    select
        t.month,
        t.step as anchor,
        row_number() over (
            partition by t.session_id, t.step order by t.sequence_number
        ) as occurrence,
        lead(t.step, 1) over (partition by t.session_id order by t.sequence_number) as n1,
        lead(t.step, 2) over (partition by t.session_id order by t.sequence_number) as n2,
        lead(t.step, 3) over (partition by t.session_id order by t.sequence_number) as n3,
        lead(t.step, 4) over (partition by t.session_id order by t.sequence_number) as n4,
        lead(t.step, 5) over (partition by t.session_id order by t.sequence_number) as n5,
        lag(t.step, 1) over (partition by t.session_id order by t.sequence_number) as p1,
        lag(t.step, 2) over (partition by t.session_id order by t.sequence_number) as p2,
        lag(t.step, 3) over (partition by t.session_id order by t.sequence_number) as p3,
        lag(t.step, 4) over (partition by t.session_id order by t.sequence_number) as p4,
        lag(t.step, 5) over (partition by t.session_id order by t.sequence_number) as p5
    from steps as t
),

nexts as (
    select
        'next' as direction,
        a.month,
        a.anchor,
        a.n1 as s1,
        a.n2 as s2,
        a.n3 as s3,
        a.n4 as s4,
        a.n5 as s5,
        count(*) as sessions
    from around as a
    where a.occurrence = 1 and a.anchor <> '(other)'
    group by a.month, a.anchor, a.n1, a.n2, a.n3, a.n4, a.n5
),

previous as (
    select
        'previous' as direction,
        a.month,
        a.anchor,
        a.p1 as s1,
        a.p2 as s2,
        a.p3 as s3,
        a.p4 as s4,
        a.p5 as s5,
        count(*) as sessions
    from around as a
    where a.occurrence = 1 and a.anchor <> '(other)'
    group by a.month, a.anchor, a.p1, a.p2, a.p3, a.p4, a.p5
),

paths as (
    select
        n.direction,
        '(end)' as edge,
        n.month,
        n.anchor,
        n.s1,
        n.s2,
        n.s3,
        n.s4,
        n.s5,
        n.sessions
    from nexts as n
    union all
    select
        p.direction,
        '(start)' as edge,
        p.month,
        p.anchor,
        p.s1,
        p.s2,
        p.s3,
        p.s4,
        p.s5,
        p.sessions
    from previous as p
),

links as (
    select
        p.direction,
        p.month,
        p.anchor,
        k.step_number,
        case k.step_number
            when 1 then p.anchor when 2 then p.s1 when 3 then p.s2 when 4 then p.s3 else p.s4
        end as from_step,
        coalesce(
            case k.step_number
                when 1 then p.s1 when 2 then p.s2 when 3 then p.s3 when 4 then p.s4 else p.s5
            end,
            p.edge
        ) as to_step,
        p.sessions
    from paths as p
    cross join (values (1), (2), (3), (4), (5)) as k (step_number)
),

summed as (
    select
        l.direction,
        l.month,
        l.anchor,
        l.step_number,
        l.from_step,
        l.to_step,
        cast(sum(l.sessions) as bigint) as sessions
    from links as l
    where l.from_step is not null
    group by l.direction, l.month, l.anchor, l.step_number, l.from_step, l.to_step
),

anchored as (
    select
        s.month,
        s.direction,
        s.anchor,
        s.step_number,
        s.from_step,
        s.to_step,
        s.sessions,
        sum(case when s.step_number = 1 then s.sessions end) over (
            partition by s.direction, s.month, s.anchor
        ) as anchor_sessions
    from summed as s
)

select
    a.month,
    cast(a.direction as varchar) as direction,
    a.anchor,
    cast(a.step_number as bigint) as step_number,
    a.from_step,
    a.to_step,
    a.sessions,
    cast(a.anchor_sessions as bigint) as anchor_sessions,
    round(cast(a.sessions as double) / nullif(cast(a.anchor_sessions as double), 0), 4) as share
from anchored as a
