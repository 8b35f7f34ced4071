-- Grain: one kept event, with the table that it goes to; '' where its name gives none.
with kept as (
    select * from work.kept
),

mapping as (
    select * from work.mapping
)

select
    k.*,
    k.type as kind,
    m.flat_table
from kept as k
inner join mapping as m
    on k.type = m.type and (k.event = m.event or m.event is null)
where not k.is_duplicate
