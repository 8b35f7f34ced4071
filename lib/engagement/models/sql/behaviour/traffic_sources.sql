-- Grain: one combination of what events say. Key: kind, source, medium, campaign, category, is_paid.
-- The channel group of every source: that of the first rule of seeds/channel_rules.csv that matches.
-- A rule's patterns are regular expressions, found anywhere in the text; what a rule leaves empty
-- matches everything.
with event_sources as (
    select * from marts.event_sources
),

rules as (
    select * from seeds.channel_rules
),

combinations as (
    select
        kind,
        source,
        medium,
        coalesce(campaign, '') as campaign,
        category,
        is_paid,
        count(*) as events
    from event_sources
    group by kind, source, medium, coalesce(campaign, ''), category, is_paid
)

select
    c.kind,
    c.source,
    c.medium,
    c.campaign,
    c.category,
    c.is_paid,
    min_by(r.channel, r.precedence) as channel,
    max(c.events) as events
from combinations as c
inner join rules as r
    on
        (r.kind is null or c.kind = r.kind)
        and (r.category is null or c.category = r.category)
        and (r.is_paid is null or c.is_paid = r.is_paid)
        and (r.source_pattern is null or regexp_like(c.source, r.source_pattern))
        and (r.medium_pattern is null or regexp_like(c.medium, r.medium_pattern))
        and (r.campaign_pattern is null or regexp_like(lower(c.campaign), r.campaign_pattern))
group by c.kind, c.source, c.medium, c.campaign, c.category, c.is_paid
