-- Grain: one name that an event gives as where its visitor came from. Key: name.
-- What is known of a name: the host of a referrer, or a source of UTM parameters. Hosts are looked up
-- in seeds/referrer_domains.csv with ever fewer labels at their front, so that m.facebook.com is found
-- as facebook.com; google.* there stands for google in any country. Sources of UTM parameters may
-- also be called as the table calls its sources. A name that is not found is its own source.
with contexts as (
    select * from marts.event_contexts
),

domains as (
    select * from seeds.referrer_domains
),

names as (
    select referrer_host as name from contexts
    union
    select utm_source as name from contexts
),

cut as (
    select
        name,
        name as whole,
        regexp_replace(name, '^[^.]+[.]', '') as without_1,
        regexp_replace(name, '^([^.]+[.]){2}', '') as without_2,
        regexp_replace(name, '^([^.]+[.]){3}', '') as without_3
    from names
    where name is not null
),

arrays as (
    select
        name,
        array[
            whole,
            nullif(regexp_extract(whole, '^([^.]+)[.]([a-z]{2,3}|com?[.][a-z]{2})\z', 1), '') || '.*',
            without_1,
            nullif(regexp_extract(without_1, '^([^.]+)[.]([a-z]{2,3}|com?[.][a-z]{2})\z', 1), '') || '.*',
            without_2,
            nullif(regexp_extract(without_2, '^([^.]+)[.]([a-z]{2,3}|com?[.][a-z]{2})\z', 1), '') || '.*',
            without_3,
            nullif(regexp_extract(without_3, '^([^.]+)[.]([a-z]{2,3}|com?[.][a-z]{2})\z', 1), '') || '.*'
        ] as candidates
    from cut
),

candidates as (
    select
        a.name,
        c.place,
        c.candidate
    from arrays as a
    cross join unnest(a.candidates) with ordinality as c (candidate, place)
),

entries as (
    select
        domain as entry,
        source,
        category,
        1 as precedence
    from domains
    union all
    select distinct
        source as entry,
        source,
        category,
        2 as precedence
    from domains
),

matches as (
    select
        c.name,
        e.source,
        e.category,
        c.place * 10 + e.precedence as distance,
        coalesce(c.candidate in (:own_domains) or 'www.' || c.candidate in (:own_domains), false) as is_own
    from candidates as c
    left join entries as e
        on c.candidate = e.entry
)

select
    name,
    coalesce(min_by(source, distance) filter (where source is not null), name) as source,
    coalesce(min_by(category, distance) filter (where source is not null), 'other') as category,
    logical_or(is_own) as is_own_domain
from matches
group by name
