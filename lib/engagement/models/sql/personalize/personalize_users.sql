-- Grain: one user with an interaction. Key: user_id.
-- Meaning: the users dataset of Amazon Personalize: what is known of those whose interactions are
-- there. Nothing that names a person or reaches one is in it. Countries of two letters stand in upper
-- case; years of age below 1 or above 120 are not believed.
with interactions as (
    select * from marts.personalize_interactions
),

profiles as (
    select * from marts.profiles
),

users as (
    select
        i.user_id,
        min(i.person_id) as person_id,
        count(*) as interactions
    from interactions as i
    group by i.user_id
)

select
    u.user_id,
    u.person_id,
    cast(case when p.is_identified then 'member' else 'guest' end as varchar) as membership,
    nullif(lower(p.gender), '') as gender,
    case when p.age between 1 and 120 then p.age end as age,
    case when length(p.country) = 2 then upper(p.country) else nullif(p.country, '') end as country,
    nullif(p.plan, '') as plan,
    u.interactions
from users as u
left join profiles as p on u.person_id = p.person_id
