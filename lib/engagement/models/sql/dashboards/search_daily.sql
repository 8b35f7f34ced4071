-- Grain: one calendar day, local, as in daily_overview. Key: day.
-- Meaning: what people looked for on each day, and whether the shop had it. A search whose event did not
-- say how many results it had counts as neither.
with session_events as (
    select * from marts.session_events
),

products_searched as (
    select * from sources.products_searched
),

daily_overview as (
    select * from marts.daily_overview
),

summed as (
    select
        least(se.event_date, :as_of) as day,
        count(*) as searches,
        count(distinct se.person_id) as searchers,
        count(distinct se.session_id) as search_sessions,
        count_if(coalesce(p.results, 0) > 0) as searches_with_results,
        count_if(coalesce(p.results, 1) <= 0) as searches_without_results,
        count_if(p.results is null) as searches_of_unknown_results
    from products_searched as p
    inner join session_events as se
        on p.id = se.id and p.received_at_utc_date = se.received_at_utc_date
    where not (:exclude_bots and coalesce(se.is_bot, false))
    group by least(se.event_date, :as_of)
)

select
    d.day,
    d.is_complete,
    coalesce(s.searches, 0) as searches,
    coalesce(s.searchers, 0) as searchers,
    coalesce(s.search_sessions, 0) as search_sessions,
    coalesce(s.searches_with_results, 0) as searches_with_results,
    coalesce(s.searches_without_results, 0) as searches_without_results,
    coalesce(s.searches_of_unknown_results, 0) as searches_of_unknown_results,
    coalesce(s.searches_with_results + s.searches_without_results, 0) as searches_of_known_results,
    round(
        cast(s.searches_without_results as double)
        / nullif(s.searches_with_results + s.searches_without_results, 0),
        4
    ) as no_result_rate
from daily_overview as d
left join summed as s on d.day = s.day
