-- Grain: one touch of the journey to one order that models other than 'last' and Markov look at.
-- Key: order_id, touch_number.
-- Meaning: which touches count (all that are not direct; the direct ones where there is no other), their
-- place among these, and their weight by time: 2^-(time to the order / half-life), by milliseconds, as a
-- part of 10^15 of that of the last touch that counts. No function gives powers alike on every engine:
-- whole half-lives halve by the bits of their number, the fraction f is the series of (-f ln 2)^k / k! to
-- k = 15, which is off by less than 10^-15.
with journeys as (
    select * from marts.attribution_journeys
),

sided as (
    select
        j.order_id,
        j.touch_number,
        j.is_direct,
        j.milliseconds_to_order,
        count_if(not j.is_direct) over (partition by j.order_id) as from_outside
    from journeys as j
),

placed as (
    select
        s.order_id,
        s.touch_number,
        s.milliseconds_to_order,
        min(s.milliseconds_to_order) over (partition by s.order_id) as last_milliseconds,
        row_number() over (partition by s.order_id order by s.touch_number) as place,
        count(*) over (partition by s.order_id) as places
    from sided as s
    where not s.is_direct or s.from_outside = 0
),

aged as (
    select
        p.order_id,
        p.touch_number,
        p.place,
        p.places,
        cast(p.milliseconds_to_order - p.last_milliseconds as double)
        / nullif(cast(:half_life_milliseconds as double), 0) as half_lives
    from placed as p
),

halved as (
    select
        a.order_id,
        a.touch_number,
        a.place,
        a.places,
        cast(floor(a.half_lives) as bigint) as halvings,
        a.half_lives - floor(a.half_lives) as f1
    from aged as a
),

squared as (
    select
        h.order_id,
        h.touch_number,
        h.place,
        h.places,
        h.halvings,
        h.f1,
        h.f1 * h.f1 as f2
    from halved as h
),

raised as (
    select
        s.order_id,
        s.touch_number,
        s.place,
        s.places,
        s.halvings,
        s.f1,
        s.f2,
        s.f2 * s.f2 as f4,
        s.f2 * s.f2 * s.f2 * s.f2 as f8
    from squared as s
)

select
    x.order_id,
    x.touch_number,
    x.place,
    x.places,
    cast(
        round(
            case when x.halvings >= 64 then 0E0 else 1E15 end
            * case when x.halvings % 2 >= 1 then 5E-1 else 1E0 end
            * case when x.halvings % 4 >= 2 then 2.5E-1 else 1E0 end
            * case when x.halvings % 8 >= 4 then 6.25E-2 else 1E0 end
            * case when x.halvings % 16 >= 8 then 3.90625E-3 else 1E0 end
            * case when x.halvings % 32 >= 16 then 1.52587890625E-5 else 1E0 end
            * case when x.halvings % 64 >= 32 then 2.3283064365386963E-10 else 1E0 end
            * (
                (1.0000000000000000E0 + x.f1 * -6.9314718055994529E-1)
                + x.f2 * (2.4022650695910069E-1 + x.f1 * -5.5504108664821576E-2)
                + x.f4 * (9.6181291076284769E-3 + x.f1 * -1.3333558146428441E-3)
                + x.f4 * x.f2 * (1.5403530393381606E-4 + x.f1 * -1.5252733804059838E-5)
                + x.f8 * (1.3215486790144305E-6 + x.f1 * -1.0178086009239696E-7)
                + x.f8 * x.f2 * (7.0549116208011209E-9 + x.f1 * -4.4455382718708101E-10)
                + x.f8 * x.f4 * (2.5678435993488196E-11 + x.f1 * -1.3691488853904124E-12)
                + x.f8 * x.f4 * x.f2 * (6.7787263548225425E-14 + x.f1 * -3.1324367070884271E-15)
            )
        ) as bigint
    ) as weight
from raised as x
