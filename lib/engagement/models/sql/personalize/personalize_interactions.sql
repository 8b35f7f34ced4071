-- Grain: one user, item, event type and second. Key: user_id, item_id, event_type, epoch_seconds.
-- Meaning: the interactions dataset of Amazon Personalize, which takes equal rows for one. Repeats
-- within a second (a page loaded twice, two variants of a product in one order) are counted in
-- repeats; of their device types, the first by name stands.
with candidates as (
    select * from marts.personalize_candidates
)

select
    c.user_id,
    c.item_id,
    c.event_type,
    c.epoch_seconds,
    min(c.person_id) as person_id,
    min(c.device_type) as device_type,
    count(*) as repeats,
    min(c.happened_at) as happened_at
from candidates as c
where c.left_out is null
group by c.user_id, c.item_id, c.event_type, c.epoch_seconds
