-- Grain: one event that says where its visitor came from. Key: id, received_at_utc_date.
-- The first that an event has of: UTM parameters, a click id in the address (seeds/click_ids.csv), a
-- referrer. Referrers on the shop's own domains, on the page's own host, and on services that a visitor
-- only passes through are 'internal'. An event that has none of these is direct and has no row.
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

named_parameters as (
    select
        c.id,
        c.received_at_utc_date,
        lower(p.parameter) as parameter
    from contexts as c
    cross join unnest(regexp_extract_all(c.page_query, '[?&]([^=&#?]+)=[^&#]', 1)) as p (parameter)
),

clicks as (
    select
        p.id,
        p.received_at_utc_date,
        c.parameter,
        c.source,
        c.medium,
        c.category,
        c.is_paid,
        row_number() over (partition by p.id, p.received_at_utc_date order by c.precedence) as place
    from named_parameters as p
    inner join click_ids as c
        on p.parameter = c.parameter
),

combined as (
    select
        e.id,
        e.received_at_utc_date,
        e.session_id,
        e.person_id,
        e.sequence_number,
        e.event_date,
        e."timestamp",
        x.utm_source,
        x.utm_medium,
        x.utm_campaign,
        x.utm_term,
        x.utm_content,
        x.referrer_host,
        u.category as utm_category,
        c.parameter as click_id,
        c.source as click_source,
        c.medium as click_medium,
        c.category as click_category,
        coalesce(c.is_paid, false) as is_paid_click,
        r.source as referrer_source,
        case r.category when 'search' then 'organic' when 'email' then 'email' else 'referral' end
            as referrer_medium,
        r.category as referrer_category,
        case
            when coalesce(x.utm_source, x.utm_medium, x.utm_campaign) is not null then 'utm'
            when c.parameter is not null then 'click_id'
            when x.referrer_host is null then 'direct'
            when
                r.is_own_domain
                or r.category = 'internal'
                or x.referrer_host = x.page_host
                or x.referrer_host like '%.' || x.page_host
                or x.page_host like '%.' || x.referrer_host
                then 'internal'
            else 'referrer'
        end as kind
    from events as e
    inner join contexts as x
        on e.id = x.id and e.received_at_utc_date = x.received_at_utc_date
    left join clicks as c
        on e.id = c.id and e.received_at_utc_date = c.received_at_utc_date and c.place = 1
    left join referrers as r
        on x.referrer_host = r.name
    left join referrers as u
        on x.utm_source = u.name
    where e.session_id is not null
)

select
    t.id,
    t.received_at_utc_date,
    t.session_id,
    t.person_id,
    t.event_date,
    t.kind,
    case t.kind
        when 'utm' then coalesce(t.utm_source, t.click_source, t.referrer_source, '(not set)')
        when 'click_id' then t.click_source
        when 'internal' then t.referrer_host
        else coalesce(t.referrer_source, t.referrer_host)
    end as source,
    case t.kind
        when 'utm' then coalesce(t.utm_medium, t.click_medium, '(not set)')
        when 'click_id' then t.click_medium
        when 'internal' then 'internal'
        else t.referrer_medium
    end as medium,
    t.utm_campaign as campaign,
    t.utm_term as term,
    t.utm_content as content,
    case
        when t.kind = 'internal' then 'internal'
        when t.kind = 'referrer' then coalesce(t.referrer_category, 'other')
        when t.kind = 'click_id' then t.click_category
        when t.utm_source is not null then coalesce(t.utm_category, 'other')
        else coalesce(t.click_category, t.referrer_category, 'other')
    end as category,
    t.click_id,
    t.referrer_host,
    t.kind in ('utm', 'click_id')
    and (
        t.is_paid_click
        or coalesce(regexp_like(t.utm_medium, '^(.*cp.*|ppc|retargeting|paid.*)\z'), false)
    ) as is_paid,
    t.sequence_number,
    t."timestamp"
from combined as t
where t.kind <> 'direct'
