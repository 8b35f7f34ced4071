-- Grain: a product and a place. Key: product_id, rank.
-- Meaning: the 25 products that the same people are interested in, the nearest first: what a page of
-- a product shows below it. See recommendation_neighbours for the score.
with neighbours as (
    select * from marts.recommendation_neighbours
)

select
    n.product_id,
    n.rank,
    n.other_product_id as similar_product_id,
    n.score
from neighbours as n
where n.rank <= 25
