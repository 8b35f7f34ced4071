-- Grain: one product. Key: item_id.
-- Meaning: every product with its first category: the first level of the first path that was sent.
-- A JSON array, several categories joined by | and a path of levels joined by > all begin with it.
with items as (
    select * from marts.personalize_items
)

select
    i.item_id,
    nullif(
        regexp_replace(
            nullif(regexp_extract(i.category, '^[ \t"\[]*([^|>"]+)', 1), ''),
            '^[ \t]+|[ \t]+\z',
            ''
        ),
        ''
    ) as category
from items as i
