-- Grain: one person in the A/B test. Key: person_id.
-- Meaning: who met a product since the test began (recommendations.experiment), which arm their id
-- puts them in, and what they ordered since. The arm is decided by a hash of the test's name and the
-- id that the shop's site knows the person by, so that the site, the notebooks and a rerun agree
-- without asking each other. Everybody in an arm counts, whether or not a recommendation was seen:
-- what is compared is to offer them, not to click on them. Orders that stand count, from the first
-- moment of the first day on. Empty where there is no test.
with arms as (
    select * from seeds.experiment_arms
),

interactions as (
    select * from marts.personalize_interactions
),

orders as (
    select * from marts.orders
),

tests as (
    select
        min(a.name) as name,
        min(a.starts_on) as starts_on
    from arms as a
),

met as (
    select
        i.person_id,
        substr(sha256_hex(min(t.name) || ':' || min(i.user_id)), 1, 8) as hash,
        min(i.user_id) as user_id,
        count(*) as interactions
    from interactions as i
    cross join tests as t
    where cast(local_time(i.happened_at, :timezone) as date) >= t.starts_on
    group by i.person_id
),

dealt as (
    select
        m.person_id,
        m.user_id,
        m.interactions,
        a.arm,
        a.starts_on
    from met as m
    inner join arms as a on m.hash >= a.lower_end and m.hash < a.upper_end
),

bought as (
    select
        d.person_id,
        count(*) as orders,
        coalesce(sum(o.net_revenue), 0) as net_revenue
    from dealt as d
    inner join orders as o on d.person_id = o.person_id
    where o.order_date >= d.starts_on and o.status <> 'cancelled'
    group by d.person_id
)

select
    d.person_id,
    d.user_id,
    d.arm,
    d.interactions,
    coalesce(b.orders, 0) as orders,
    cast(coalesce(b.net_revenue, 0) as decimal(18, 2)) as net_revenue
from dealt as d
left join bought as b on d.person_id = b.person_id
