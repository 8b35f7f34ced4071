-- One round of label propagation with shortcuts (FastSV: Zhang, Azad, Hu, SIAM PP 2020), so that the
-- number of rounds grows with the logarithm of the longest chain, not with its length. A node's
-- parent is the smallest number known of its component; in the end the component's earliest id.
-- A device whose user ids make up more components of the scope 'users' than are allowed is shared,
-- and joins nobody. Those components only ever grow, so a device can cease to be shared from one
-- round to the next, never the other way: what settles does not depend on the order.
with nodes as (
    select * from work.identity_nodes
),

links as (
    select * from marts.identity_links
),

grandparents as (
    select
        n.scope,
        n.node,
        n.id_type,
        n.id,
        n.parent,
        p.parent as grandparent
    from nodes as n
    inner join nodes as p
        on n.scope = p.scope and n.parent = p.node
),

users as (
    select
        id,
        node,
        parent
    from nodes
    where scope = 'users'
),

shared_devices as (
    select l.id
    from links as l
    inner join users as u
        on l.user_id = u.id
    where l.id_type = 'anonymous_id'
    group by l.id
    having count(distinct u.parent) > :max_users_per_device
),

active as (
    select
        f.scope,
        f.node as from_node,
        f.parent as from_parent,
        f.grandparent as from_grandparent,
        t.node as to_node,
        t.parent as to_parent,
        t.grandparent as to_grandparent
    from links as l
    inner join grandparents as f
        on l.id_type = f.id_type and l.id = f.id
    inner join grandparents as t
        on l.user_id = t.id and t.id_type = 'user_id' and f.scope = t.scope
    left join shared_devices as d
        on l.id_type = 'anonymous_id' and l.id = d.id
    where d.id is null
),

-- Both ends of a link, and the parents of both: listed once, since Athena would work out the links
-- for each part of a union anew.
offers as (
    select
        scope,
        to_grandparent,
        from_grandparent,
        array[from_node, from_parent, to_node, to_parent] as nodes
    from active
),

candidates as (
    select
        scope,
        node,
        grandparent as candidate
    from grandparents
    union all
    select
        o.scope,
        n.node,
        case when n.place <= 2 then o.to_grandparent else o.from_grandparent end as candidate
    from offers as o
    cross join unnest(o.nodes) with ordinality as n (node, place)
),

smallest as (
    select
        scope,
        node,
        min(candidate) as parent
    from candidates
    group by scope, node
)

select
    n.scope,
    n.node,
    n.id_type,
    n.id,
    n.first_received_at,
    s.parent,
    n.id_type = 'anonymous_id' and d.id is not null as is_shared_device
from nodes as n
inner join smallest as s
    on n.scope = s.scope and n.node = s.node
left join shared_devices as d
    on n.id = d.id
