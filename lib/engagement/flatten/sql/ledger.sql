-- Grain: one received date of the landing. Key: received_at_utc_date.
-- records are counted by themselves, as they were read: that they equal events + duplicates +
-- quarantined is a finding, not a definition. Records of sources that were not asked for are counted
-- apart, in other_sources.
-- Parameters: every_source, write_keys.
with files as (
    select * from work.files
),

records as (
    select * from work.records
),

classified as (
    select * from work.classified
),

kept as (
    select * from work.kept
),

by_file as (
    select
        received_at_utc_date,
        count(*) as files,
        count_if(error is not null) as unreadable_files,
        sum(bytes) as bytes,
        sum(lines) as lines,
        sum(blank_lines) as blank_lines
    from files
    group by received_at_utc_date
),

by_record as (
    select
        received_at_utc_date,
        count(*) as records
    from records
    group by received_at_utc_date
),

by_verdict as (
    select
        received_at_utc_date,
        count_if(reason is not null) as quarantined,
        count_if(
            reason is null and not (:every_source or coalesce(write_key in (:write_keys), false))
        ) as other_sources
    from classified
    group by received_at_utc_date
),

by_event as (
    select
        received_at_utc_date,
        count_if(not is_duplicate) as events,
        count_if(is_duplicate) as duplicates,
        count_if(not is_duplicate and is_received_at_moved) as moved_received_at,
        count_if(not is_duplicate and is_timestamp_unbelieved) as unbelieved_timestamps
    from kept
    group by received_at_utc_date
)

select
    f.received_at_utc_date,
    f.files,
    f.bytes,
    f.lines,
    f.blank_lines,
    coalesce(r.records, 0) - coalesce(v.other_sources, 0) as records,
    coalesce(e.events, 0) as events,
    coalesce(e.duplicates, 0) as duplicates,
    coalesce(v.quarantined, 0) as quarantined,
    f.unreadable_files,
    coalesce(v.other_sources, 0) as other_sources,
    coalesce(e.moved_received_at, 0) as moved_received_at,
    coalesce(e.unbelieved_timestamps, 0) as unbelieved_timestamps
from by_file as f
left join by_record as r on f.received_at_utc_date = r.received_at_utc_date
left join by_verdict as v on f.received_at_utc_date = v.received_at_utc_date
left join by_event as e on f.received_at_utc_date = e.received_at_utc_date
