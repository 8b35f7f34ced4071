-- Grain: one person and product. Key: person_id, product_id.
-- Meaning: how much a person is interested in a product: the strongest of the interactions, not their
-- sum, so that a page loaded a hundred times says no more than one. The known_ columns leave out what
-- the evaluation asks for: a method that is tested sees only these.
with events as (
    select * from marts.recommendation_events
),

event_types as (
    select * from seeds.personalize_event_types
),

bought_types as (
    select distinct et.event_type
    from event_types as et
    where et.concept = 'order_completed'
)

select
    e.person_id,
    e.product_id,
    bool_or(e.is_tested) as is_tested,
    max(e.weight) as weight,
    max(e.interest) as interest,
    max(e.trend) as trend,
    max(e.epoch_seconds) as last_epoch_seconds,
    max(e.weight) filter (where e.role <> 'truth') as known_weight,
    max(e.interest) filter (where e.role <> 'truth') as known_interest,
    max(e.trend) filter (where e.role <> 'truth') as known_trend,
    max(e.epoch_seconds) filter (where e.role <> 'truth') as known_last_epoch_seconds,
    count_if(e.role = 'truth') as truths,
    count(b.event_type) as purchases
from events as e
left join bought_types as b on e.event_type = b.event_type
group by e.person_id, e.product_id
