-- Grain: one name that an event gives as where its visitor came from. Key: name.
-- What is known of a name: the host of a referrer, or a source of UTM parameters. Names are looked up
-- in seeds/known_sources.csv, the most specific entry first: my.mail.ru before mail.ru, and an entry
-- covers the hosts below it. google.* there is google in any country. A portal covers only itself, www.
-- and m.: below it, mail and email are email, shopping is shopping, blog, forum and cafe are social,
-- search and suche are the portal's search, and any other host is a referral by its own name. A name
-- may also be a source as the table calls it. A name that is not found is its own source.
with contexts as (
    select * from marts.event_contexts
),

known_sources as (
    select * from seeds.known_sources
),

names as (
    select
        name,
        regexp_replace(name, '[.]+\z', '') as whole
    from (
        select referrer_host as name from contexts
        union
        select utm_source as name from contexts
    ) as named
    where name is not null
),

-- The name and what is left of it with ever fewer labels at its front: m.facebook.com, facebook.com.

hosts as (
    select
        n.name,
        n.whole,
        h.host,
        h.labels
    from names as n
    cross join
        unnest(
            array[
                nullif(regexp_extract(n.whole, '([^.]+)\z', 1), ''),
                nullif(regexp_extract(n.whole, '(?:^|[.])([^.]+[.][^.]+)\z', 1), ''),
                nullif(regexp_extract(n.whole, '(?:^|[.])((?:[^.]+[.]){2}[^.]+)\z', 1), ''),
                nullif(regexp_extract(n.whole, '(?:^|[.])((?:[^.]+[.]){3}[^.]+)\z', 1), ''),
                nullif(regexp_extract(n.whole, '(?:^|[.])((?:[^.]+[.]){4}[^.]+)\z', 1), ''),
                nullif(regexp_extract(n.whole, '(?:^|[.])((?:[^.]+[.]){5}[^.]+)\z', 1), '')
            ]
        ) with ordinality as h (host, labels)
    where h.host is not null and (h.labels > 1 or h.host = n.whole)
),

candidates as (
    select
        name,
        whole,
        host,
        labels,
        host as candidate,
        1 as precedence
    from hosts
    union all
    select
        name,
        whole,
        host,
        labels,
        nullif(
            regexp_extract(host, '^(.+?)[.](?:[a-z]{2,3}|(?:com?|net|org|or|ne)[.][a-z]{2})\z', 1), ''
        ) || '.*' as candidate,
        2 as precedence
    from hosts
),

entries as (
    select
        name as entry,
        source,
        category,
        is_portal,
        is_ad_system,
        1 as precedence
    from known_sources
    union all
    select
        source as entry,
        source,
        min(category) as category,
        false as is_portal,
        false as is_ad_system,
        2 as precedence
    from known_sources
    group by source
),

ranked as (
    select
        c.name,
        e.source,
        e.category,
        coalesce(e.is_ad_system, false) as is_ad_system,
        case when e.is_portal then replace(c.whole || '|', c.host || '|', '') else '' end as below_portal,
        row_number() over (
            partition by c.name order by c.labels desc, c.precedence asc, e.precedence asc, e.category asc
        ) as place
    from candidates as c
    inner join entries as e
        on c.candidate = e.entry
),

found as (
    select
        name,
        source,
        category,
        is_ad_system,
        coalesce(below_portal not in ('', 'm.', 'www.'), false) as is_below_portal,
        nullif(
            regexp_extract(
                below_portal, '^(?:.*[.])?(mail|email|webmail|shopping|blog|forum|cafe|search|suche)[.]', 1
            ), ''
        ) as service
    from ranked
    where place = 1
),

own as (
    select distinct name
    from hosts
    where host in (:own_domains)
)

select
    n.name,
    case
        when f.is_below_portal and coalesce(f.service, '') not in ('search', 'suche') then n.name
        else coalesce(f.source, n.name)
    end as source,
    case
        when f.name is null then 'other'
        when not f.is_below_portal then f.category
        when f.service in ('mail', 'email', 'webmail') then 'email'
        when f.service = 'shopping' then 'shopping'
        when f.service in ('blog', 'forum', 'cafe') then 'social'
        when f.service in ('search', 'suche') then 'search'
        else 'other'
    end as category,
    coalesce(f.is_ad_system and not f.is_below_portal, false) as is_ad_system,
    o.name is not null as is_own_domain
from names as n
left join found as f
    on n.name = f.name
left join own as o
    on n.name = o.name
