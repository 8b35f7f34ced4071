-- Grain: one cart of one person. Key: person_id, cart_id.
-- Meaning: what was put into a cart, and what became of it. A cart is named by the cart id of Product
-- Added; where none is sent, each session has a cart of its own ('session:' and its id). A cart is
--   ordered    when an order of the person that stands comes after its first product and before the
--              next cart is begun; so each order takes the cart begun last, and a cart takes the first
--              such order,
--   cancelled  when only orders that were cancelled came in that time: nobody abandoned it,
--   open       when its last product was added less than 24 hours before the as-of date ends,
--   abandoned  otherwise.
-- A cart is a bot's when every product in it was added by a bot. A quantity that is missing, below 1
-- or above 999,999 is taken as 1.
with product_added as (
    select * from sources.product_added
),

session_events as (
    select * from marts.session_events
),

orders as (
    select * from marts.orders
),

additions as (
    select
        se.person_id,
        coalesce(
            nullif(regexp_replace(a.cart_id, '^[ \t\r\n]+|[ \t\r\n]+\z', ''), ''),
            'session:' || se.session_id,
            'event:' || a.id
        ) as cart_id,
        coalesce(se.is_bot, false) as is_bot,
        case when a.quantity between 1 and 999999 then a.quantity else 1 end as quantity,
        se.event_date,
        a."timestamp" as added_at
    from product_added as a
    inner join session_events as se
        on a.id = se.id and a.received_at_utc_date = se.received_at_utc_date
),

filled as (
    select
        a.person_id,
        a.cart_id,
        bool_and(a.is_bot) as is_bot,
        count(*) as products_added,
        cast(sum(a.quantity) as bigint) as units_added,
        min(a.event_date) as cart_date,
        min(a.added_at) as opened_at,
        max(a.added_at) as last_added_at
    from additions as a
    group by a.person_id, a.cart_id
),

followed as (
    select
        f.person_id,
        f.cart_id,
        f.opened_at,
        lead(f.opened_at) over (
            partition by f.person_id order by f.opened_at asc, f.cart_id asc
        ) as next_opened_at
    from filled as f
),

ordered as (
    select
        f.person_id,
        f.cart_id,
        o.order_id,
        o.ordered_at,
        o.status = 'cancelled' as is_cancelled,
        row_number() over (
            partition by f.person_id, f.cart_id
            order by
                case when o.status = 'cancelled' then 1 else 0 end asc,
                o.ordered_at asc,
                o.order_id asc
        ) as place
    from followed as f
    inner join orders as o
        on
            f.person_id = o.person_id
            and f.opened_at <= o.ordered_at
            and (f.next_opened_at is null or f.next_opened_at > o.ordered_at)
),

closed as (
    select
        f.person_id,
        f.cart_id,
        date_diff('millisecond', f.last_added_at, :as_of_end) >= 24 * 60 * 60 * 1000 as is_left
    from filled as f
)

select
    f.person_id,
    f.cart_id,
    f.cart_date,
    cast(
        case
            when o.is_cancelled then 'cancelled'
            when o.order_id is not null then 'ordered'
            when c.is_left then 'abandoned'
            else 'open'
        end as varchar
    ) as status,
    o.order_id,
    f.is_bot,
    f.products_added,
    f.units_added,
    f.opened_at,
    f.last_added_at,
    o.ordered_at
from filled as f
inner join closed as c on f.person_id = c.person_id and f.cart_id = c.cart_id
left join ordered as o on f.person_id = o.person_id and f.cart_id = o.cart_id and o.place = 1
