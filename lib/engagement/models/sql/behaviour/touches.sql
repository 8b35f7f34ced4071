-- Grain: one event that says where its visitor came from. Key: id, received_at_utc_date.
-- The first that an event has of: UTM parameters (of the context's campaign, else of the address), a
-- click id in the address (seeds.click_ids), a referrer (seeds.referrer_domains; a host that is not
-- listed is its own source). Referrers on the shop's own domains (parameter), on the page's own host,
-- and on payment and sign-in services that a visitor only passes through are 'internal'. An event
-- that has none of these is direct and has no row. The channel is that of the first matching rule of
-- seeds.channel_rules. Sources and mediums are in lower case.
with events as (
    select * from marts.session_events
),

click_ids as (
    select * from seeds.click_ids
),

domains as (
    select * from seeds.referrer_domains
),

rules as (
    select * from seeds.channel_rules
),

-- What an event says.

visits as (
    select
        e.id,
        e.received_at_utc_date,
        e.session_id,
        e.person_id,
        e.sequence_number,
        e.event_date,
        e."timestamp",
        e.campaign_source,
        e.campaign_medium,
        e.campaign_name,
        e.campaign_term,
        e.campaign_content,
        case
            when e.page_search like '?%' then e.page_search
            when e.page_search is not null then '?' || e.page_search
            else e.page_url
        end as query,
        url_host(e.page_url) as page_host,
        e.referrer_host
    from events as e
    where e.session_id is not null
),

parsed as (
    select
        v.id,
        v.received_at_utc_date,
        v.session_id,
        v.person_id,
        v.sequence_number,
        v.event_date,
        v."timestamp",
        v.query,
        v.page_host,
        v.referrer_host,
        lower(coalesce(v.campaign_source, url_parameter(v.query, 'utm_source'))) as utm_source,
        lower(coalesce(v.campaign_medium, url_parameter(v.query, 'utm_medium'))) as utm_medium,
        coalesce(v.campaign_name, url_parameter(v.query, 'utm_campaign')) as utm_campaign,
        coalesce(v.campaign_term, url_parameter(v.query, 'utm_term')) as utm_term,
        coalesce(v.campaign_content, url_parameter(v.query, 'utm_content')) as utm_content
    from visits as v
),

clicks as (
    select
        p.id,
        p.received_at_utc_date,
        c.parameter,
        c.source,
        c.medium,
        c.is_paid,
        row_number() over (partition by p.id, p.received_at_utc_date order by c.precedence) as place
    from parsed as p
    cross join unnest(regexp_extract_all(p.query, '[?&]([^=&#?]+)=[^&#]', 1)) as q (parameter)
    inner join click_ids as c
        on lower(q.parameter) = c.parameter
),

-- What is known of a name: a host, or a source as UTM parameters give it. A host is looked up with
-- ever fewer labels at its front; 'google.*' stands for google in any country.

names as (
    select referrer_host as name from parsed
    union
    select utm_source as name from parsed
    union
    select source as name from click_ids
    union
    select source as name from domains
),

cut as (
    select
        name,
        array[
            name,
            regexp_replace(name, '^[^.]+[.]', ''),
            regexp_replace(name, '^([^.]+[.]){2}', ''),
            regexp_replace(name, '^([^.]+[.]){3}', '')
        ] as candidates
    from names
    where name is not null
),

shortened as (
    select
        n.name,
        s.labels_cut,
        s.candidate
    from cut as n
    cross join unnest(n.candidates) with ordinality as s (candidate, labels_cut)
),

candidates as (
    select
        name,
        labels_cut,
        candidate
    from shortened
    union all
    select
        name,
        labels_cut,
        nullif(regexp_extract(candidate, '^([^.]+)[.]([a-z]{2,3}|com?[.][a-z]{2})$', 1), '')
        || '.*' as candidate
    from shortened
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
        row_number() over (partition by c.name order by c.labels_cut, e.precedence, e.entry) as place
    from candidates as c
    inner join entries as e
        on c.candidate = e.entry
),

known as (
    select
        name,
        source,
        category
    from matches
    where place = 1
),

own_hosts as (
    select distinct name as host
    from shortened
    where candidate in (:own_domains) or 'www.' || candidate in (:own_domains)
),

-- The touch.

combined as (
    select
        p.id,
        p.received_at_utc_date,
        p.session_id,
        p.person_id,
        p.sequence_number,
        p.event_date,
        p."timestamp",
        p.utm_source,
        p.utm_medium,
        p.utm_campaign,
        p.utm_term,
        p.utm_content,
        p.referrer_host,
        c.parameter as click_id,
        c.source as click_source,
        c.medium as click_medium,
        c.is_paid as is_paid_click,
        coalesce(k.source, p.referrer_host) as referrer_source,
        case k.category
            when 'search' then 'organic'
            when 'email' then 'email'
            else 'referral'
        end as referrer_medium,
        case
            when coalesce(p.utm_source, p.utm_medium, p.utm_campaign) is not null then 'utm'
            when c.parameter is not null then 'click_id'
            when p.referrer_host is null then 'direct'
            when
                o.host is not null
                or k.category = 'internal'
                or p.referrer_host = p.page_host
                or p.referrer_host like '%.' || p.page_host
                or p.page_host like '%.' || p.referrer_host
                then 'internal'
            else 'referrer'
        end as kind
    from parsed as p
    left join clicks as c
        on p.id = c.id and p.received_at_utc_date = c.received_at_utc_date and c.place = 1
    left join known as k
        on p.referrer_host = k.name
    left join own_hosts as o
        on p.referrer_host = o.host
),

sourced as (
    select
        c.id,
        c.received_at_utc_date,
        c.session_id,
        c.person_id,
        c.sequence_number,
        c.event_date,
        c."timestamp",
        c.kind,
        case c.kind
            when 'utm'
                then coalesce(c.utm_source, c.click_source, c.referrer_source, '(not set)')
            when 'click_id' then c.click_source
            when 'internal' then c.referrer_host
            else c.referrer_source
        end as source,
        case c.kind
            when 'utm' then coalesce(c.utm_medium, c.click_medium, '(not set)')
            when 'click_id' then c.click_medium
            when 'internal' then 'internal'
            else c.referrer_medium
        end as medium,
        c.utm_campaign as campaign,
        c.utm_term as term,
        c.utm_content as content,
        c.click_id,
        c.referrer_host,
        case
            when c.kind not in ('utm', 'click_id') then false
            else
                coalesce(c.is_paid_click, false)
                or coalesce(regexp_like(c.utm_medium, '^(.*cp.*|ppc|retargeting|paid.*)$'), false)
        end as is_paid
    from combined as c
    where c.kind <> 'direct'
),

-- The channel, decided once per combination.

combinations as (
    select distinct
        s.kind,
        s.source,
        s.medium,
        coalesce(s.campaign, '') as campaign,
        s.is_paid,
        coalesce(k.category, 'other') as category
    from sourced as s
    left join known as k
        on s.source = k.name
),

channels as (
    select
        c.kind,
        c.source,
        c.medium,
        c.campaign,
        c.is_paid,
        r.channel,
        row_number() over (
            partition by c.kind, c.source, c.medium, c.campaign, c.is_paid order by r.precedence
        ) as place
    from combinations as c
    inner join rules as r
        on
            (r.kind is null or c.kind = r.kind)
            and (r.category is null or c.category = r.category)
            and (r.is_paid is null or c.is_paid = r.is_paid)
            and (r.source_pattern is null or regexp_like(c.source, r.source_pattern))
            and (r.medium_pattern is null or regexp_like(c.medium, r.medium_pattern))
            and (r.campaign_pattern is null or regexp_like(lower(c.campaign), r.campaign_pattern))
)

select
    s.id,
    s.received_at_utc_date,
    s.session_id,
    s.person_id,
    s.event_date,
    s.kind,
    s.source,
    s.medium,
    s.campaign,
    s.term,
    s.content,
    s.click_id,
    s.referrer_host,
    s.is_paid,
    c.channel,
    s.sequence_number,
    s."timestamp"
from sourced as s
inner join channels as c
    on
        s.kind = c.kind
        and s.source = c.source
        and s.medium = c.medium
        and coalesce(s.campaign, '') = c.campaign
        and s.is_paid = c.is_paid
        and c.place = 1
where c.channel <> 'Direct'
