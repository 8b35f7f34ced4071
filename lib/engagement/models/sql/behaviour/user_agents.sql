-- Grain: one user agent text. Key: user_agent.
-- What a user agent says: whether it is a bot, which kind of device, browser and system. No library
-- that reads user agents runs inside SQL, so seeds/user_agent_rules.csv holds ordered patterns over
-- the lower-cased text, one list per attribute: the first that matches decides. What no pattern
-- matches is NULL, and no bot. Known limits: an iPad that asks for desktop pages says it is a Mac,
-- and programs that do not tell they are programs pass as browsers.
with contexts as (
    select * from marts.event_contexts
),

rules as (
    select * from seeds.user_agent_rules
),

user_agents as (
    select distinct user_agent
    from contexts
    where user_agent is not null
),

matches as (
    select
        u.user_agent,
        r.attribute,
        r.value,
        r.precedence
    from user_agents as u
    left join rules as r
        on regexp_like(lower(u.user_agent), r.pattern)
)

select
    user_agent,
    coalesce(min_by(value, precedence) filter (where attribute = 'bot') = 'true', false) as is_bot,
    min_by(value, precedence) filter (where attribute = 'device') as device_type,
    min_by(value, precedence) filter (where attribute = 'browser') as browser,
    min_by(value, precedence) filter (where attribute = 'os') as os
from matches
group by user_agent
