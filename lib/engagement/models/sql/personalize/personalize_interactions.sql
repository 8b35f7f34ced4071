-- Grain: one user, item, event type and second. Key: user_id, item_id, event_type, epoch_seconds.
-- Meaning: the interactions dataset of Amazon Personalize, which takes equal rows for one. Repeats
-- within a second (a page loaded twice, two variants of a product in one order) are counted in
-- repeats; of their device types, the first by name stands, of impressions and recommendation ids that
-- of the first candidate by id that has one.
with candidates as (
    select * from marts.personalize_candidates
),

impressions as (
    select * from marts.personalize_impressions
)

select
    c.user_id,
    c.item_id,
    c.event_type,
    c.epoch_seconds,
    min(c.person_id) as person_id,
    min(c.device_type) as device_type,
    min_by(i.impression, c.candidate_id) filter (where i.impression is not null) as impression,
    min_by(c.recommendation_id, c.candidate_id) filter (
        where c.recommendation_id is not null
    ) as recommendation_id,
    count(*) as repeats,
    min(c.happened_at) as happened_at,
    min(c.received_at) as received_at
from candidates as c
left join impressions as i on c.candidate_id = i.candidate_id
where c.left_out is null
group by c.user_id, c.item_id, c.event_type, c.epoch_seconds
