-- Grain: one source, medium and campaign on one day of orders by one model.
-- Key: model, order_date, channel, source, medium, campaign.
-- Meaning: what six models credit each source with (marts.attribution_shares), beside what it cost
-- (the table that attribution.spend names). In each model the credits of a day are its orders and the
-- money is theirs. A row is there for a day with credits or cost. Cost that no touch of any day has the
-- names of is told apart: it will never meet a credit.
with attribution_shares as (
    select * from marts.attribution_shares
),

spend as (
    select * from seeds.attribution_spend
),

touches as (
    select * from marts.touches
),

touched as (
    select distinct
        t.channel,
        t.source,
        t.medium,
        coalesce(t.campaign, '(not set)') as campaign
    from touches as t
    where not (:exclude_bots and coalesce(t.is_bot, false))
),

credited as (
    select
        s.model,
        s.order_date,
        s.channel,
        s.source,
        s.medium,
        s.campaign,
        count(distinct s.order_id) as orders,
        sum(s.credit) as credits,
        sum(case when s.is_converted then s.credit end) as valued_credits,
        sum(s.revenue) as revenue,
        sum(s.net_revenue) as net_revenue
    from attribution_shares as s
    group by s.model, s.order_date, s.channel, s.source, s.medium, s.campaign
),

costs as (
    select
        m.model,
        parse_date(p.day) as order_date,
        p.channel,
        p.source,
        p.medium,
        p.campaign,
        sum(cast(cast(p.cents as decimal(28, 0)) * 0.01 as decimal(18, 2))) as cost
    from spend as p
    cross join (
        values ('first'), ('last'), ('last_non_direct'), ('linear'), ('position'), ('time_decay')
    ) as m (model)
    where parse_date(p.day) <= :as_of
    group by m.model, parse_date(p.day), p.channel, p.source, p.medium, p.campaign
),

joined as (
    select
        coalesce(c.model, p.model) as model,
        coalesce(c.order_date, p.order_date) as order_date,
        coalesce(c.channel, p.channel) as channel,
        coalesce(c.source, p.source) as source,
        coalesce(c.medium, p.medium) as medium,
        coalesce(c.campaign, p.campaign) as campaign,
        coalesce(c.orders, 0) as orders,
        cast(coalesce(c.credits, 0) as decimal(38, 6)) as credits,
        cast(coalesce(c.valued_credits, 0) as decimal(38, 6)) as valued_credits,
        cast(coalesce(c.revenue, 0) as decimal(38, 2)) as revenue,
        cast(coalesce(c.net_revenue, 0) as decimal(38, 2)) as net_revenue,
        cast(p.cost as decimal(38, 2)) as cost
    from credited as c
    full join costs as p
        on
            c.model = p.model
            and c.order_date = p.order_date
            and c.channel = p.channel
            and c.source = p.source
            and c.medium = p.medium
            and c.campaign = p.campaign
)

select
    cast(j.model as varchar) as model,
    j.order_date,
    j.channel,
    j.source,
    j.medium,
    j.campaign,
    j.orders,
    cast(j.credits as double) as credits,
    cast(j.valued_credits as double) as valued_credits,
    j.revenue,
    j.net_revenue,
    round(cast(j.revenue as double) / nullif(cast(j.valued_credits as double), 0), 4)
        as average_order_value,
    j.cost,
    round(cast(j.cost as double) / nullif(cast(j.credits as double), 0), 4)
        as cost_per_acquisition,
    round(cast(j.revenue as double) / nullif(cast(j.cost as double), 0), 4) as return_on_spend,
    j.cost is not null and t.channel is null as is_cost_untouched
from joined as j
left join touched as t
    on
        j.channel = t.channel
        and j.source = t.source
        and j.medium = t.medium
        and j.campaign = t.campaign
