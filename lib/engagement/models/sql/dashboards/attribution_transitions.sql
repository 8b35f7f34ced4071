-- Grain: one step of the chain. Key: from_state, to_state.
-- Meaning: how often one channel followed another in the journeys of marts.attribution_chains, from the
-- (start) to the (order) or to (none): all that the Markov model needs to know.
with attribution_chains as (
    select * from marts.attribution_chains
),

followed as (
    select
        c.channel,
        c.step_number,
        c.steps,
        c.order_id,
        lead(c.channel) over (partition by c.journey_id order by c.step_number) as next_channel
    from attribution_chains as c
),

taken as (
    select
        cast('(start)' as varchar) as from_state,
        f.channel as to_state
    from followed as f
    where f.step_number = 1
    union all
    select
        f.channel as from_state,
        coalesce(
            f.next_channel, case when f.order_id is null then '(none)' else '(order)' end
        ) as to_state
    from followed as f
)

select
    t.from_state,
    t.to_state,
    count(*) as transitions
from taken as t
group by t.from_state, t.to_state
