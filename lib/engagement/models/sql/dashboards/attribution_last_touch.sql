-- Grain: one traffic source on one day of orders.
-- Key: order_date, channel, source, medium, campaign.
-- Meaning: the orders and the revenue that each channel, source, medium and campaign is credited
-- with, by the last touch that was not direct (marts.attribution_credits). Credits add up to the
-- orders, and revenue to the revenue of marts.orders.
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
        sum(cast(double_text(ac.credit) as decimal(18, 6))) as credits,
        sum(
            case
                when ac.is_converted and ac.status <> 'cancelled'
                    then cast(double_text(ac.credit) as decimal(18, 6))
            end
        ) as valued_credits,
        sum(ac.revenue) as revenue
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
    cast(coalesce(s.revenue, 0) as decimal(18, 2)) as revenue,
    round(cast(s.revenue as double) / nullif(cast(s.valued_credits as double), 0), 4)
        as average_order_value
from summed as s
