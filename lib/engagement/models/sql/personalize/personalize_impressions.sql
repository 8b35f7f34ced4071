-- Grain: a candidate that was met in a list. Key: candidate_id.
-- Meaning: what else was shown when somebody chose a product: the products of the latest list of the
-- same session that was viewed before (or at the same moment) and holds the product. The first 25
-- products of a list count, each once; ids with a | would be taken for two and are left out.
with candidates as (
    select * from marts.personalize_candidates
),

product_list_viewed as (
    select * from sources.product_list_viewed
),

session_events as (
    select * from marts.session_events
),

views as (
    select
        se.session_id,
        timestamp_text(se."timestamp") || ' ' || l.id || ':' || l.received_at_utc_date as list,
        se."timestamp" as viewed_at,
        l.products
    from product_list_viewed as l
    inner join session_events as se
        on l.id = se.id and l.received_at_utc_date = se.received_at_utc_date
    where l.products is not null
),

members as (
    select
        v.session_id,
        v.list,
        v.viewed_at,
        coalesce(
            nullif(json_text(t.item, '$.product_id'), ''), nullif(json_text(t.item, '$.sku'), '')
        ) as item_id,
        t.n
    from views as v
    cross join unnest(json_items(v.products)) with ordinality as t (item, n)
    where t.n <= 25
),

shown as (
    select
        m.session_id,
        m.list,
        m.viewed_at,
        m.item_id,
        min(m.n) as place
    from members as m
    where m.item_id is not null and strpos(m.item_id, '|') = 0
    group by m.session_id, m.list, m.viewed_at, m.item_id
),

lists as (
    select
        s.list,
        array_join(array_agg(s.item_id order by s.place, s.item_id), '|') as impression
    from shown as s
    group by s.list
),

-- Lists first, where a choice is of the same moment.
moments as (
    select
        s.session_id,
        s.item_id,
        s.viewed_at as moment,
        1 as kind,
        s.list,
        cast(null as varchar) as candidate_id
    from shown as s
    union all
    select
        c.session_id,
        c.item_id,
        c.happened_at as moment,
        2 as kind,
        cast(null as varchar) as list,
        c.candidate_id
    from candidates as c
    where c.left_out is null and c.concept <> 'order_completed' and c.session_id is not null
),

chosen as (
    select
        m.candidate_id,
        max(m.list) over (
            partition by m.session_id, m.item_id
            order by m.moment, m.kind, m.list, m.candidate_id
            rows between unbounded preceding and current row
        ) as list
    from moments as m
)

select
    c.candidate_id,
    l.impression
from chosen as c
inner join lists as l on c.list = l.list
where c.candidate_id is not null
