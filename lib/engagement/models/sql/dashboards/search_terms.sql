-- Grain: one search term: lower case, white space cut to single blanks.
-- Key: term.
-- Meaning: what people looked for and whether the shop had it, over all days to the as-of date. A
-- search whose event did not say how many results it had counts as neither.
with session_events as (
    select * from marts.session_events
),

products_searched as (
    select * from sources.products_searched
),

searches as (
    select
        se.person_id,
        se.session_id,
        ps.results,
        ps."timestamp" as searched_at,
        coalesce(
            nullif(
                regexp_replace(
                    regexp_replace(lower(ps.query), '[\x09-\x0d ]+', ' '), '^ | \z', ''
                ),
                ''
            ),
            '(empty)'
        ) as term
    from products_searched as ps
    inner join session_events as se
        on ps.id = se.id and ps.received_at_utc_date = se.received_at_utc_date
    where not (:exclude_bots and coalesce(se.is_bot, false))
),

summed as (
    select
        s.term,
        count(*) as searches,
        count(distinct s.person_id) as searchers,
        count(distinct s.session_id) as sessions,
        count_if(coalesce(s.results, 0) > 0) as searches_with_results,
        count_if(coalesce(s.results, 1) <= 0) as searches_without_results,
        count_if(s.results is null) as searches_of_unknown_results,
        max(s.searched_at) as last_searched_at
    from searches as s
    group by s.term
)

select
    m.term,
    m.searches,
    m.searchers,
    m.sessions,
    m.searches_with_results,
    m.searches_without_results,
    m.searches_of_unknown_results,
    m.searches_with_results + m.searches_without_results as searches_of_known_results,
    round(
        cast(m.searches_without_results as double)
        / nullif(m.searches_with_results + m.searches_without_results, 0),
        4
    ) as no_result_rate,
    m.last_searched_at
from summed as m
