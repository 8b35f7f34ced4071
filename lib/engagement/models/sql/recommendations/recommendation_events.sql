-- Grain: one interaction. Key: person_id, product_id, event_type, epoch_seconds.
-- Meaning: what the baselines learn from, how much each interaction says, and which side of the
-- evaluation it is on. The split is Amazon Personalize's: nine tenths of the people are for training;
-- of each of the others, the oldest 90 % of interactions go in and the newest 10 % are the truth.
-- A tenth of the people is a tenth of the hashes of their ids, so nobody changes sides when others
-- come. A person with n interactions has floor(0.9 n) that go in, so a person with one has no truth
-- that could be asked for and is not evaluated (role short). At one second, the larger product id,
-- then the larger event type, is the newer interaction.
-- 1999999a is a tenth of 2^32.
with interactions as (
    select * from marts.personalize_interactions
),

event_weights as (
    select * from seeds.personalize_event_weights
),

weighted as (
    select
        i.person_id,
        i.item_id as product_id,
        i.event_type,
        i.epoch_seconds,
        coalesce(w.weight, 1000) as weight,
        greatest(
            cast(0 as bigint),
            cast(
                floor(
                    (
                        cast(
                            date_diff(
                                'millisecond',
                                cast('1970-01-01 00:00:00.000' as timestamp(3)),
                                :as_of_end
                            ) as double
                        ) / 1000 - cast(i.epoch_seconds as double)
                    ) / 86400
                ) as bigint
            )
        ) as age_days,
        substr(sha256_hex('split:' || i.person_id), 1, 8) < '1999999a' as is_tested,
        row_number() over (
            partition by i.person_id order by i.epoch_seconds, i.item_id, i.event_type
        ) as place,
        count(*) over (partition by i.person_id) as interactions
    from interactions as i
    left join event_weights as w on i.event_type = w.event_type
)

select
    w.person_id,
    w.product_id,
    w.event_type,
    w.epoch_seconds,
    cast(
        case
            when not w.is_tested then 'train'
            when w.interactions < 2 then 'short'
            when w.place <= floor(cast(w.interactions * 9 as double) / 10) then 'input'
            else 'truth'
        end as varchar
    ) as role,
    w.is_tested,
    w.place,
    w.interactions,
    w.age_days,
    w.weight,
    cast(
        floor(
            cast(w.weight * 1000 * :interest_half_life_days as double)
            / nullif(:interest_half_life_days + w.age_days, 0)
        ) as bigint
    ) as interest,
    cast(
        floor(
            cast(w.weight * 1000 * :trend_half_life_days as double)
            / nullif(:trend_half_life_days + w.age_days, 0)
        ) as bigint
    ) as trend
from weighted as w
