-- Ids whose component, or whose being a shared device, changed in the last round.
with nodes as (
    select * from work.identity_nodes
),

next_nodes as (
    select * from work.identity_nodes_next
)

select
    n.scope,
    n.node
from nodes as n
inner join next_nodes as x
    on n.scope = x.scope and n.node = x.node
where n.parent <> x.parent or n.is_shared_device <> x.is_shared_device
