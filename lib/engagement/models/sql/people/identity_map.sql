-- Grain: one id. Key: id_type, id.
-- Whose an id is: people are the connected components of ids that were seen together or aliased, over
-- any number of hops. person_id is derived from the component's earliest id (by received_at, then
-- id), so that a merge keeps the older one. A device seen with more users than are allowed is shared:
-- it joins nobody and is a person of its own, to whom only those events go that nobody else claims.
with nodes as (
    select * from work.identity_nodes
),

people as (
    select
        id_type,
        id,
        node,
        parent,
        is_shared_device,
        first_received_at
    from nodes
    where scope = 'people'
)

select
    p.id_type,
    p.id,
    substring(sha256_hex(e.id_type || ':' || e.id), 1, 32) as person_id,
    p.is_shared_device,
    p.node = p.parent as is_earliest_id,
    p.first_received_at
from people as p
inner join people as e
    on p.parent = e.node
