-- Grain: one step of the open purchase funnel, entered at one step, for one segment.
-- Key: segment_by, segment, entry_step_number, step_number.
-- Meaning: how many persons entered at each step, and how far they came from there
-- (marts.funnel_attempts). Medians are exact.
with funnel_entries as (
    select * from marts.funnel_entries
)

select
    f.segment_by,
    f.segment,
    f.entry_step_number,
    f.entry_step,
    f.step_number,
    f.step,
    f.persons,
    f.previous_persons,
    f.step_rate,
    f.entry_persons,
    f.entry_rate,
    f.persons_waiting,
    f.median_seconds_from_previous
from funnel_entries as f
where f.form = 'open'
