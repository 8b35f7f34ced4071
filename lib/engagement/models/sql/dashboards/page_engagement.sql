-- Grain: one page or screen on one calendar day, local. Key: day, page.
-- Meaning: what became of each page. The time of a view is that to the next view of the session; of its
-- last view, to the session's end. The entry of a session is its first view that names a page, the exit
-- its last one, as in marts.sessions; they count on the day of that view. Views in no session have no
-- time. A row is there for a day on which the page was viewed.
with session_events as (
    select * from marts.session_events
),

sessions as (
    select * from marts.sessions
),

visits as (
    select
        s.session_id,
        s.is_bounce,
        not(:exclude_bots and coalesce(s.is_bot, false)) as is_counted,
        s.ended_at
    from sessions as s
),

all_views as (
    select
        se.person_id,
        se.session_id,
        least(se.event_date, :as_of) as day,
        se.page_path,
        se.is_bot,
        se.sequence_number,
        se."timestamp" as viewed_at,
        lead(se."timestamp") over (
            partition by se.session_id order by se.sequence_number
        ) as next_viewed_at,
        row_number() over (
            partition by se.session_id, se.page_path is not null order by se.sequence_number asc
        ) as place,
        row_number() over (
            partition by se.session_id, se.page_path is not null order by se.sequence_number desc
        ) as place_from_end
    from session_events as se
    where se.is_view
),

views as (
    select
        v.person_id,
        v.session_id,
        v.day,
        coalesce(v.page_path, '(not set)') as page,
        v.session_id is not null as is_timed,
        v.page_path is not null and v.place = 1 and s.is_counted as is_entry,
        v.page_path is not null and v.place_from_end = 1 and s.is_counted as is_exit,
        s.is_bounce,
        case
            when v.session_id is not null
                then date_diff('millisecond', v.viewed_at, coalesce(v.next_viewed_at, s.ended_at))
        end as milliseconds
    from all_views as v
    left join visits as s on v.session_id = s.session_id
    where not (:exclude_bots and coalesce(v.is_bot, false))
),

summed as (
    select
        v.day,
        v.page,
        count(*) as views,
        count(distinct v.person_id) as viewers,
        count(distinct v.session_id) as sessions,
        count_if(coalesce(v.is_entry, false)) as entries,
        count_if(coalesce(v.is_exit, false)) as exits,
        count_if(coalesce(v.is_entry and v.is_bounce, false)) as bounces,
        count_if(v.is_timed) as timed_views,
        cast(coalesce(sum(v.milliseconds), 0) as bigint) as milliseconds
    from views as v
    group by v.day, v.page
)

select
    s.day,
    s.page,
    s.views,
    s.viewers,
    s.sessions,
    s.entries,
    s.exits,
    round(cast(s.exits as double) / nullif(s.views, 0), 4) as exit_rate,
    s.bounces,
    round(cast(s.bounces as double) / nullif(s.entries, 0), 4) as bounce_rate,
    s.timed_views,
    s.milliseconds,
    round(cast(s.milliseconds as double) / nullif(1000 * s.timed_views, 0), 1) as mean_seconds
from summed as s
