-- Grain: one event of a session that says where its visitor came from. Key: id, received_at_utc_date.
-- The first that an event has of: UTM parameters (source, medium or campaign), a click id in the query
-- string of its page (seeds/click_ids.csv), a referrer. An event with none of these is direct and has
-- no row. A referrer on the shop's own domains, on the page's own host, or on a service that a visitor
-- only passes through (payment, sign-in) is no source: such events are 'internal', and they never fill
-- in a missing utm_source.
with events as (
    select * from marts.session_events
),

contexts as (
    select * from marts.event_contexts
),

referrers as (
    select * from marts.referrers
),

click_ids as (
    select * from seeds.click_ids
),

-- Each query string is searched once, however many events share it.

queries as (
    select distinct page_query
    from contexts
    where page_query is not null
),

query_parameters as (
    select
        q.page_query,
        lower(p.parameter) as parameter
    from queries as q
    cross join unnest(regexp_extract_all(q.page_query, '[?&]([^=&#?]+)=[^&#]', 1)) as p (parameter)
),

clicks as (
    select
        p.page_query,
        c.parameter,
        c.source,
        c.medium,
        c.category,
        c.is_paid,
        row_number() over (partition by p.page_query order by c.precedence, c.parameter) as place
    from query_parameters as p
    inner join click_ids as c
        on p.parameter = c.parameter
),

told as (
    select
        e.id,
        e.received_at_utc_date,
        e.session_id,
        e.person_id,
        e.event_date,
        x.utm_source,
        x.utm_medium,
        x.utm_campaign,
        x.utm_term,
        x.utm_content,
        x.referrer_host,
        u.source as named_source,
        case u.category when 'internal' then 'other' else u.category end as named_category,
        u.is_ad_system as is_named_ad_system,
        c.parameter as click_id,
        c.source as click_source,
        c.medium as click_medium,
        c.category as click_category,
        coalesce(c.is_paid, false) as is_paid_click,
        coalesce(
            r.is_own_domain
            or r.category = 'internal'
            or x.referrer_host = x.page_host
            or x.referrer_host like '%.' || x.page_host
            or x.page_host like '%.' || x.referrer_host,
            false
        ) as is_internal,
        coalesce(r.source, x.referrer_host) as referrer_source,
        coalesce(r.category, 'other') as referrer_category,
        coalesce(r.is_ad_system, false) as is_referrer_ad_system,
        e.is_bot,
        e.sequence_number,
        e."timestamp"
    from events as e
    inner join contexts as x
        on e.id = x.id and e.received_at_utc_date = x.received_at_utc_date
    left join clicks as c
        on x.page_query = c.page_query and c.place = 1
    left join referrers as r
        on x.referrer_host = r.name
    left join referrers as u
        on x.utm_source = u.name
    where
        e.session_id is not null
        and (
            x.utm_source is not null
            or x.utm_medium is not null
            or x.utm_campaign is not null
            or x.referrer_host is not null
            or c.parameter is not null
        )
),

kinds as (
    select
        t.id,
        t.received_at_utc_date,
        t.session_id,
        t.person_id,
        t.event_date,
        case
            when coalesce(t.utm_source, t.utm_medium, t.utm_campaign) is not null then 'utm'
            when t.click_id is not null then 'click_id'
            when t.is_internal then 'internal'
            else 'referrer'
        end as kind,
        -- What names the source: UTM parameters that leave it out take it from what else there is.
        case
            when t.utm_source is not null then 'utm'
            when t.click_id is not null then 'click_id'
            when not t.is_internal and t.referrer_host is not null then 'referrer'
        end as named_by,
        t.named_source,
        t.named_category,
        t.is_named_ad_system,
        t.utm_medium,
        t.utm_campaign,
        t.utm_term,
        t.utm_content,
        t.click_id,
        t.click_source,
        t.click_medium,
        t.click_category,
        t.is_paid_click,
        t.referrer_host,
        t.referrer_source,
        t.referrer_category,
        t.is_referrer_ad_system,
        coalesce(regexp_like(t.utm_medium, '^(?:.*cp.*|ppc|retargeting|paid.*)\z'), false) as is_paid_medium,
        t.is_bot,
        t.sequence_number,
        t."timestamp"
    from told as t
),

named as (
    select
        k.id,
        k.received_at_utc_date,
        k.session_id,
        k.person_id,
        k.event_date,
        k.kind,
        case
            when k.kind = 'internal' then k.referrer_host
            when k.named_by = 'utm' then k.named_source
            when k.named_by = 'click_id' then k.click_source
            when k.named_by = 'referrer' then k.referrer_source
            else '(not set)'
        end as source,
        case
            when k.kind = 'utm' then coalesce(k.utm_medium, k.click_medium, '(not set)')
            when k.kind = 'click_id' then k.click_medium
            when k.kind = 'internal' then 'internal'
            when k.is_referrer_ad_system then 'cpc'
            when k.referrer_category = 'search' then 'organic'
            when k.referrer_category = 'email' then 'email'
            else 'referral'
        end as medium,
        k.utm_campaign,
        k.utm_term,
        k.utm_content,
        case
            when k.kind = 'internal' then 'internal'
            when k.named_by = 'utm' then k.named_category
            when k.named_by = 'click_id' then k.click_category
            when k.named_by = 'referrer' then k.referrer_category
            else 'other'
        end as category,
        case
            when k.is_paid_medium
                then nullif(regexp_extract(k.utm_medium, '(shop|search|social|video)', 1), '')
        end as paid_category,
        k.click_id,
        k.referrer_host,
        case
            when k.kind = 'internal' then false
            when k.is_paid_medium or k.is_paid_click then true
            when k.named_by = 'utm' then k.is_named_ad_system
            when k.named_by = 'referrer' then k.is_referrer_ad_system
            else false
        end as is_paid_for,
        k.is_bot,
        k.sequence_number,
        k."timestamp"
    from kinds as k
)

select
    n.id,
    n.received_at_utc_date,
    n.session_id,
    n.person_id,
    n.event_date,
    n.kind,
    n.source,
    n.medium,
    n.utm_campaign as campaign,
    n.utm_term as term,
    n.utm_content as content,
    case
        when n.category in ('shopping', 'search', 'social', 'video', 'internal') then n.category
        when n.paid_category = 'shop' then 'shopping'
        else coalesce(n.paid_category, n.category)
    end as category,
    n.click_id,
    n.referrer_host,
    case
        when n.medium in ('display', 'banner', 'expandable', 'interstitial', 'cpm') then false
        else n.is_paid_for
    end as is_paid,
    n.is_bot,
    n.sequence_number,
    n."timestamp"
from named as n
