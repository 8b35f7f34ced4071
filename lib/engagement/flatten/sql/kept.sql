-- Grain: one event of the wanted sources, kept or a duplicate.
-- Copies of an id are ordered by the time received, then by the text's hash. A copy is a duplicate if
-- an earlier copy, kept or not, was received within the window before it: the nearest one decides.
-- Parameters: window_days, every_source, write_keys.
with events as (
    select *
    from work.classified
    where reason is null and (:every_source or write_key in (:write_keys))
),

ordered as (
    select
        *,
        lag(cast(received_at_utc_date as date)) over (
            partition by id order by received_at, record_sha256, source_file, line_number
        ) as earlier_copy_date
    from events
)

select
    *,
    coalesce(
        date_diff('day', earlier_copy_date, cast(received_at_utc_date as date)) <= :window_days, false
    ) as is_duplicate
from ordered
