-- Grain: one user agent text. Key: user_agent.
-- What a user agent says: whether it is a bot, which kind of device, browser and system. No library
-- that reads user agents runs inside SQL, so seeds/user_agent_rules.csv holds ordered patterns over
-- the lower-cased text, one list per attribute: the first that matches decides. What no pattern
-- matches is NULL, and no bot. Known limits: an iPad that asks for desktop pages says it is a Mac,
-- and programs that do not tell they are programs pass as browsers.
with pages as (
    select * from sources.pages
),

screens as (
    select * from sources.screens
),

tracks as (
    select * from sources.tracks
),

identifies as (
    select * from sources.identifies
),

groups as (
    select * from sources.groups
),

aliases as (
    select * from sources.aliases
),

rules as (
    select * from seeds.user_agent_rules
),

user_agents as (
    select context_user_agent as user_agent from pages
    union
    select context_user_agent as user_agent from screens
    union
    select context_user_agent as user_agent from tracks
    union
    select context_user_agent as user_agent from identifies
    union
    select context_user_agent as user_agent from groups
    union
    select context_user_agent as user_agent from aliases
),

matches as (
    select
        u.user_agent,
        r.attribute,
        r.value,
        row_number() over (partition by u.user_agent, r.attribute order by r.precedence) as place
    from user_agents as u
    inner join rules as r
        on regexp_like(lower(u.user_agent), r.pattern)
),

decided as (
    select
        user_agent,
        max(case when attribute = 'bot' then value end) as bot,
        max(case when attribute = 'device' then value end) as device_type,
        max(case when attribute = 'browser' then value end) as browser,
        max(case when attribute = 'os' then value end) as os
    from matches
    where place = 1
    group by user_agent
)

select
    u.user_agent,
    coalesce(d.bot = 'true', false) as is_bot,
    d.device_type,
    d.browser,
    d.os
from user_agents as u
left join decided as d
    on u.user_agent = d.user_agent
where u.user_agent is not null
