-- Grain: one touch of the journey to one order that models other than 'last' and Markov look at.
-- Key: order_id, touch_number.
-- Meaning: which touches count (all that are not direct; the direct ones where there is no other), their
-- place among these, and their weight by time: 2^-(time to the order / half-life), by milliseconds, as a
-- part of 10^15 of that of the last touch that counts. No function gives powers alike on every engine:
-- whole half-lives halve by the bits of their number, the fraction is a series of seventeen terms, which
-- is exact to a double's last digits.
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
        a.half_lives - floor(a.half_lives) as fraction
    from aged as a
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
                1.00000000000000000E0 + x.fraction
                * (
                    -6.93147180559945286E-1 + x.fraction
                    * (
                        2.40226506959100694E-1 + x.fraction
                        * (
                            -5.55041086648215762E-2 + x.fraction
                            * (
                                9.61812910762847688E-3 + x.fraction
                                * (
                                    -1.33335581464284411E-3 + x.fraction
                                    * (
                                        1.54035303933816061E-4 + x.fraction
                                        * (
                                            -1.52527338040598377E-5 + x.fraction
                                            * (
                                                1.32154867901443053E-6 + x.fraction
                                                * (
                                                    -1.01780860092396960E-7 + x.fraction
                                                    * (
                                                        7.05491162080112088E-9 + x.fraction
                                                        * (
                                                            -4.44553827187081007E-10 + x.fraction
                                                            * (
                                                                2.56784359934881958E-11 + x.fraction
                                                                * (
                                                                    -1.36914888539041241E-12 + x.fraction
                                                                    * (
                                                                        6.77872635482254254E-14 + x.fraction
                                                                        * (
                                                                            -3.13243670708842708E-15
                                                                            + x.fraction
                                                                            * 1.35702479487551409E-16
                                                                        )
                                                                    )
                                                                )
                                                            )
                                                        )
                                                    )
                                                )
                                            )
                                        )
                                    )
                                )
                            )
                        )
                    )
                )
            )
        ) as bigint
    ) as weight
from halved as x
