-- Grain: one record, with its default columns read and, where it cannot be kept, the reason. Its text
-- stays in work.records: nothing here needs it.
-- A receivedAt outside the folder's day is moved to the nearest moment within it: the folder rules.
-- A time that was given and is none is unreadable.
-- An event time more than a day after the record was received, or before 2000, is not believed.
with envelope as (
    select * from work.envelope
),

typed as (
    select
        *,
        lower(type) as event_type,
        cast(cast(received_at_utc_date as date) as timestamp(3)) as day_start
    from envelope
),

dated as (
    select
        *,
        cast(date_add('millisecond', 86399999, day_start) as timestamp(3)) as day_end
    from typed
),

received as (
    select
        *,
        coalesce(greatest(day_start, least(stated_received_at, day_end)), day_start) as received_at,
        coalesce(stated_received_at not between day_start and day_end, false) as is_received_at_moved
    from dated
),

timed as (
    select
        *,
        coalesce(
            stated_timestamp,
            received_at - (sent_at - original_timestamp),
            original_timestamp,
            received_at
        ) as event_time
    from received
)

select
    record_number,
    case
        when regexp_like(message_id, '[^ \t\n\r]') then message_id
        else 'auto-' || sha256_hex(coalesce(record_as_sent, record))
    end as id,
    nullif(anonymous_id, '') as anonymous_id,
    nullif(user_id, '') as user_id,
    sent_at,
    case
        when event_time > cast(date_add('day', 1, received_at) as timestamp(3)) then received_at
        when event_time < timestamp '2000-01-01 00:00:00.000' then received_at
        else event_time
    end as timestamp,
    received_at,
    original_timestamp,
    nullif(channel, '') as channel,
    coalesce(nullif(context_ip, ''), nullif(request_ip, '')) as context_ip,
    nullif(request_ip, '') as context_request_ip,
    nullif(context_ip, '') as context_passed_ip,
    event_type as type,
    case when event_type = 'track' then coalesce(event, '') end as event,
    nullif(write_key, '') as write_key,
    case
        when verdict = 'not_utf8' then 'invalid_utf8'
        when verdict = 'not_json' then 'not_json'
        when verdict = 'too_deep' then 'nested_too_deep'
        when verdict = 'value' then 'not_an_object'
        when coalesce(event_type, '') = '' then 'no_type'
        when event_type not in ('track', 'identify', 'page', 'screen', 'group', 'alias')
            then 'unknown_type'
    end as reason,
    is_received_at_moved,
    case
        when raw_received_at <> '' and stated_received_at is null then raw_received_at
    end as unreadable_received_at,
    case when raw_sent_at <> '' and sent_at is null then raw_sent_at end as unreadable_sent_at,
    case
        when raw_original_timestamp <> '' and original_timestamp is null then raw_original_timestamp
    end as unreadable_original_timestamp,
    case when raw_timestamp <> '' and stated_timestamp is null then raw_timestamp end as unreadable_timestamp,
    event_time > cast(date_add('day', 1, received_at) as timestamp(3))
    or event_time < timestamp '2000-01-01 00:00:00.000' as is_timestamp_unbelieved,
    source_file,
    line_number,
    shape,
    received_at_utc_date
from timed
