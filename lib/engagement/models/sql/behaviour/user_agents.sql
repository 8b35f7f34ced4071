-- Grain: one user agent text. Key: user_agent.
-- The texts that events were sent with, each once: what the Python model user_agents reads.
with contexts as (
    select * from marts.event_contexts
)

select distinct user_agent
from contexts
where user_agent is not null
