-- Grain: one step of the closed purchase funnel for one segment. Key: segment_by, segment, step_number.
-- Meaning: how many persons came how far, by what the session of their first step tells
-- (marts.funnel_attempts). Who is counted at a step is counted at all steps before it. The rows 'all' are
-- those of marts.funnel_steps. Medians are exact.
with funnel_entries as (
    select * from marts.funnel_entries
)

select
    f.segment_by,
    f.segment,
    f.step_number,
    f.step,
    f.persons,
    f.previous_persons,
    f.step_rate,
    f.entry_persons as first_persons,
    f.entry_rate as overall_rate,
    f.persons_waiting,
    f.median_seconds_from_previous
from funnel_entries as f
where f.form = 'closed'
