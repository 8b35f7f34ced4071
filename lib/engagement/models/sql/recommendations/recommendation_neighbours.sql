-- Grain: a product and another one. Key: product_id, other_product_id.
-- Meaning: co-visitation: how often the same people are interested in two products. A person adds the
-- smaller of the two interests, which fade with time; the sum is divided by the root of both products'
-- own sums (the cosine of two columns, so that what is popular is not everybody's neighbour) and by
-- 1 + 3 / people, so that few people prove little. Of each person the 50 products met last count:
-- nobody, and no bot that passed, can make more than 2,450 pairs. The trained_ columns are made of the
-- people who are not tested. A product has at most 100 neighbours of either kind.
with affinities as (
    select * from marts.recommendation_affinities
),

recent as (
    select
        a.person_id,
        a.product_id,
        a.interest,
        a.is_tested,
        row_number() over (
            partition by a.person_id order by a.last_epoch_seconds desc, a.product_id asc
        ) as place
    from affinities as a
),

products as (
    select
        r.product_id,
        sum(r.interest) as interest,
        coalesce(sum(r.interest) filter (where not r.is_tested), 0) as trained_interest
    from recent as r
    where r.place <= 50
    group by r.product_id
),

pairs as (
    select
        a.product_id,
        b.product_id as other_product_id,
        count(*) as people,
        count_if(not a.is_tested) as trained_people,
        sum(least(a.interest, b.interest)) as together,
        coalesce(
            sum(least(a.interest, b.interest)) filter (where not a.is_tested), 0
        ) as trained_together
    from recent as a
    inner join recent as b on a.person_id = b.person_id
    where a.place <= 50 and b.place <= 50 and a.product_id <> b.product_id
    group by a.product_id, b.product_id
),

scored as (
    select
        p.product_id,
        p.other_product_id,
        p.people,
        round(
            cast(p.together as double) * cast(p.people as double)
            / nullif(
                sqrt(cast(a.interest as double) * cast(b.interest as double))
                * cast(p.people + 3 as double),
                0
            ),
            6
        ) as score,
        coalesce(
            round(
                cast(p.trained_together as double) * cast(p.trained_people as double)
                / nullif(
                    sqrt(cast(a.trained_interest as double) * cast(b.trained_interest as double))
                    * cast(p.trained_people + 3 as double),
                    0
                ),
                6
            ),
            0e0
        ) as trained_score
    from pairs as p
    inner join products as a on p.product_id = a.product_id
    inner join products as b on p.other_product_id = b.product_id
),

ranked as (
    select
        s.product_id,
        s.other_product_id,
        s.people,
        s.score,
        s.trained_score,
        row_number() over (
            partition by s.product_id order by s.score desc, s.other_product_id asc
        ) as rank,
        row_number() over (
            partition by s.product_id order by s.trained_score desc, s.other_product_id asc
        ) as trained_rank
    from scored as s
    where s.score > 0
)

select
    r.product_id,
    r.other_product_id,
    r.rank,
    r.score,
    case when r.trained_score > 0 then r.trained_rank end as trained_rank,
    r.trained_score,
    r.people
from ranked as r
where r.rank <= 100 or (r.trained_rank <= 100 and r.trained_score > 0)
