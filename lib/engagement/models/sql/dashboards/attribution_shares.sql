-- Grain: one touch's share of one order by one model. Key: model, order_id, touch_number.
-- Meaning: six models over the same journeys (marts.attribution_journeys). 'last' looks at all touches,
-- the others at those of marts.attribution_decays: not at direct ones, unless there is nothing else. An
-- order whose journey has no touch is Direct's. Credits are whole millionths; the last touch of the model
-- takes what rounding leaves of the credit and of the money. Orders are those that stand.
-- Markov is by channel only: marts.attribution_markov.
with orders as (
    select * from marts.orders
),

journeys as (
    select * from marts.attribution_journeys
),

decays as (
    select * from marts.attribution_decays
),

conversions as (
    select
        o.order_id,
        least(o.order_date, :as_of) as order_date,
        o.is_converted,
        o.revenue,
        o.net_revenue
    from orders as o
    where o.status <> 'cancelled' and not (:exclude_bots and coalesce(o.is_bot, false))
),

weighed as (
    select
        d.order_id,
        d.touch_number,
        d.place,
        d.places,
        cast(d.weight as double) as weight,
        cast(sum(cast(d.weight as decimal(38, 0))) over (partition by d.order_id) as double) as weights
    from decays as d
),

-- In millionths, before the last touch takes what is left.
parts as (
    select
        'last' as model,
        j.order_id,
        j.touch_number,
        true as is_last,
        0E0 as millionths
    from journeys as j
    where j.touch_number = j.touches
    union all
    select
        'first' as model,
        w.order_id,
        w.touch_number,
        true as is_last,
        0E0 as millionths
    from weighed as w
    where w.place = 1
    union all
    select
        'last_non_direct' as model,
        w.order_id,
        w.touch_number,
        true as is_last,
        0E0 as millionths
    from weighed as w
    where w.place = w.places
    union all
    select
        'linear' as model,
        w.order_id,
        w.touch_number,
        w.place = w.places as is_last,
        1E6 / nullif(cast(w.places as double), 0) as millionths
    from weighed as w
    union all
    select
        'position' as model,
        w.order_id,
        w.touch_number,
        w.place = w.places as is_last,
        case
            when w.places = 2 then 5E5
            when w.place = 1 then 1E4 * cast(:position_first_percent as double)
            else
                1E4 * cast(100 - :position_first_percent - :position_last_percent as double)
                / nullif(cast(w.places - 2 as double), 0)
        end as millionths
    from weighed as w
    union all
    select
        'time_decay' as model,
        w.order_id,
        w.touch_number,
        w.place = w.places as is_last,
        1E6 * w.weight / nullif(w.weights, 0) as millionths
    from weighed as w
    union all
    select
        m.model,
        c.order_id,
        cast(0 as bigint) as touch_number,
        true as is_last,
        0E0 as millionths
    from conversions as c
    left join journeys as j on c.order_id = j.order_id and j.touch_number = 1
    cross join (
        values ('first'), ('last'), ('last_non_direct'), ('linear'), ('position'), ('time_decay')
    ) as m (model)
    where j.order_id is null
),

rounded as (
    select
        p.model,
        p.order_id,
        p.touch_number,
        p.is_last,
        case when p.is_last then 0 else cast(round(p.millionths) as bigint) end as millionths
    from parts as p
),

credited as (
    select
        r.model,
        r.order_id,
        r.touch_number,
        r.is_last,
        c.order_date,
        c.is_converted,
        c.revenue,
        c.net_revenue,
        cast(
            cast(
                case
                    when r.is_last
                        then 1000000 - sum(r.millionths) over (partition by r.model, r.order_id)
                    else r.millionths
                end as decimal(18, 0)
            ) * 0.000001 as decimal(18, 6)
        ) as credit
    from rounded as r
    inner join conversions as c on r.order_id = c.order_id
),

priced as (
    select
        c.model,
        c.order_id,
        c.touch_number,
        c.is_last,
        c.order_date,
        c.is_converted,
        c.credit,
        c.revenue,
        c.net_revenue,
        case
            when c.is_last then cast(0 as decimal(18, 2)) else
                cast(cast(c.revenue as decimal(28, 2)) * c.credit as decimal(18, 2))
        end
            as own_revenue,
        case
            when c.is_last then cast(0 as decimal(18, 2)) else
                cast(cast(c.net_revenue as decimal(28, 2)) * c.credit as decimal(18, 2))
        end
            as own_net_revenue
    from credited as c
),

shared as (
    select
        p.model,
        p.order_id,
        p.touch_number,
        p.is_last,
        p.order_date,
        p.is_converted,
        p.credit,
        p.own_revenue,
        p.own_net_revenue,
        p.revenue - sum(p.own_revenue) over (partition by p.model, p.order_id) as revenue_left,
        p.net_revenue - sum(p.own_net_revenue) over (partition by p.model, p.order_id)
            as net_revenue_left
    from priced as p
)

select
    cast(s.model as varchar) as model,
    s.order_id,
    s.touch_number,
    s.order_date,
    coalesce(j.channel, 'Direct') as channel,
    coalesce(j.source, '(direct)') as source,
    coalesce(j.medium, '(none)') as medium,
    coalesce(j.campaign, '(not set)') as campaign,
    s.is_converted,
    s.credit,
    cast(case when s.is_last then s.revenue_left else s.own_revenue end as decimal(18, 2)) as revenue,
    cast(case when s.is_last then s.net_revenue_left else s.own_net_revenue end as decimal(18, 2))
        as net_revenue
from shared as s
left join journeys as j on s.order_id = j.order_id and s.touch_number = j.touch_number
