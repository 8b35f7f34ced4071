-- Grain: one traffic source on one day of orders.
-- Key: order_date, channel, source, medium, campaign.
-- Meaning: the orders, revenue and net revenue that each channel, source, medium and campaign is
-- credited with, by the last touch that was not direct (marts.attribution_credits). In total they are
-- those of all orders that stand (marts.orders).
with attribution_credits as (
    select * from marts.attribution_credits
),

summed as (
    select
        ac.order_date,
        ac.channel,
        ac.source,
        ac.medium,
        ac.campaign,
        count(distinct ac.order_id) as orders,
        sum(ac.credit) as credits,
        sum(case when ac.is_converted then ac.credit end) as valued_credits,
        sum(ac.revenue) as revenue,
        sum(ac.net_revenue) as net_revenue
    from attribution_credits as ac
    group by
        ac.order_date,
        ac.channel,
        ac.source,
        ac.medium,
        ac.campaign
)

select
    s.order_date,
    s.channel,
    s.source,
    s.medium,
    s.campaign,
    s.orders,
    cast(s.credits as double) as credits,
    cast(coalesce(s.valued_credits, 0) as double) as valued_credits,
    cast(coalesce(s.revenue, 0) as decimal(38, 2)) as revenue,
    cast(coalesce(s.net_revenue, 0) as decimal(38, 2)) as net_revenue,
    round(cast(s.revenue as double) / nullif(cast(s.valued_credits as double), 0), 4)
        as average_order_value
from summed as s
