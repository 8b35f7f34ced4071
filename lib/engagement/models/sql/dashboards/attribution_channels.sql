-- Grain: one channel on one day of orders by one model. Key: model, order_date, channel.
-- Meaning: what the seven models credit each channel with, beside what it cost (the table that
-- attribution.spend names). Six are sums of marts.attribution_shares; by Markov every order gives each
-- channel its credit of marts.attribution_markov, its money to the cent, and the channel of the greatest
-- credit takes what rounding leaves. In each model the credits of a day are its orders and the money is
-- theirs. Every channel has every day of daily_overview within the last 1,096 days; before that a row is
-- there for a day with credits or cost.
with attribution_shares as (
    select * from marts.attribution_shares
),

attribution_markov as (
    select * from marts.attribution_markov
),

orders as (
    select * from marts.orders
),

daily_overview as (
    select * from marts.daily_overview
),

spend as (
    select * from seeds.attribution_spend
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

days as (
    select
        c.order_date,
        count(*) as orders,
        count_if(c.is_converted) as valued_orders,
        coalesce(sum(c.revenue), 0) as revenue,
        coalesce(sum(c.net_revenue), 0) as net_revenue
    from conversions as c
    group by c.order_date
),

weights as (
    select
        m.channel,
        m.credit,
        row_number() over (order by m.credit desc, m.channel asc) as place
    from attribution_markov as m
),

-- What each channel but the greatest takes of the money.
taken as (
    select
        c.order_date,
        w.channel,
        sum(cast(cast(c.revenue as decimal(28, 2)) * w.credit as decimal(18, 2))) as revenue,
        sum(cast(cast(c.net_revenue as decimal(28, 2)) * w.credit as decimal(18, 2))) as net_revenue
    from conversions as c
    inner join weights as w on w.place > 1
    group by c.order_date, w.channel
),

taken_of_days as (
    select
        t.order_date,
        sum(t.revenue) as revenue,
        sum(t.net_revenue) as net_revenue
    from taken as t
    group by t.order_date
),

credited as (
    select
        s.model,
        s.order_date,
        s.channel,
        count(distinct s.order_id) as orders,
        cast(sum(s.credit) as decimal(38, 6)) as credits,
        cast(sum(case when s.is_converted then s.credit end) as decimal(38, 6)) as valued_credits,
        cast(sum(s.revenue) as decimal(38, 2)) as revenue,
        cast(sum(s.net_revenue) as decimal(38, 2)) as net_revenue
    from attribution_shares as s
    group by s.model, s.order_date, s.channel
    union all
    select
        'markov' as model,
        d.order_date,
        w.channel,
        d.orders,
        cast(cast(d.orders as decimal(28, 0)) * w.credit as decimal(38, 6)) as credits,
        cast(cast(d.valued_orders as decimal(28, 0)) * w.credit as decimal(38, 6)) as valued_credits,
        cast(
            case
                when w.place = 1 then d.revenue - coalesce(a.revenue, 0)
                else coalesce(t.revenue, 0)
            end as decimal(38, 2)
        ) as revenue,
        cast(
            case
                when w.place = 1 then d.net_revenue - coalesce(a.net_revenue, 0)
                else coalesce(t.net_revenue, 0)
            end as decimal(38, 2)
        ) as net_revenue
    from days as d
    cross join weights as w
    left join taken as t on d.order_date = t.order_date and w.channel = t.channel
    left join taken_of_days as a on d.order_date = a.order_date
),

costs as (
    select
        parse_date(p.day) as order_date,
        p.channel,
        cast(sum(cast(cast(p.cents as decimal(28, 0)) * 0.01 as decimal(18, 2))) as decimal(38, 2))
            as cost
    from spend as p
    where parse_date(p.day) <= :as_of
    group by parse_date(p.day), p.channel
),

channels as (
    select c.channel from credited as c
    union
    select p.channel from costs as p
),

models as (
    select cast(m.model as varchar) as model
    from (
        values
        ('first'), ('last'), ('last_non_direct'), ('linear'), ('position'), ('time_decay'), ('markov')
    ) as m (model)
),

spine as (
    select
        m.model,
        d.day as order_date,
        c.channel
    from daily_overview as d
    cross join channels as c
    cross join models as m
    where d.day > cast(date_add('day', -1096, :as_of) as date)
    union
    select
        c.model,
        c.order_date,
        c.channel
    from credited as c
    union
    select
        m.model,
        p.order_date,
        p.channel
    from costs as p
    cross join models as m
),

filled as (
    select
        s.model,
        s.order_date,
        s.channel,
        coalesce(c.orders, 0) as orders,
        coalesce(c.credits, cast(0 as decimal(38, 6))) as credits,
        coalesce(c.valued_credits, cast(0 as decimal(38, 6))) as valued_credits,
        coalesce(c.revenue, cast(0 as decimal(38, 2))) as revenue,
        coalesce(c.net_revenue, cast(0 as decimal(38, 2))) as net_revenue,
        p.cost
    from spine as s
    left join credited as c
        on s.model = c.model and s.order_date = c.order_date and s.channel = c.channel
    left join costs as p on s.order_date = p.order_date and s.channel = p.channel
)

select
    f.model,
    f.order_date,
    f.channel,
    f.orders,
    cast(f.credits as double) as credits,
    cast(f.valued_credits as double) as valued_credits,
    f.revenue,
    f.net_revenue,
    round(cast(f.revenue as double) / nullif(cast(f.valued_credits as double), 0), 4)
        as average_order_value,
    f.cost,
    round(cast(f.cost as double) / nullif(cast(f.credits as double), 0), 4)
        as cost_per_acquisition,
    round(cast(f.revenue as double) / nullif(cast(f.cost as double), 0), 4) as return_on_spend
from filled as f
