-- Grain: one record, that is one JSON object or one piece of a line from which none could be read.
-- A line is cut wherever `}`, optional white space and `{` stand outside a string: the line is taken
-- apart into strings, such cuts, and the rest, the cuts are marked, and it is put together again.
-- The number only tells records apart while they are worked on; it says nothing about their order.
-- Parameters: token (a string, a cut, or what lies between), cut (one cut), seam (where a cut may
-- be), mark (a character; one that stands in the line itself is told apart by what follows it).
with lines as (
    select
        received_at_utc_date,
        source_file,
        line_number,
        line,
        record_encoding
    from work.lines
),

joined as (
    select
        received_at_utc_date,
        source_file,
        line_number,
        record_encoding,
        transform(
            split(
                array_join(
                    transform(
                        regexp_extract_all(replace(line, :mark, :mark || '0'), :token),
                        t -> case when regexp_like(t, :cut) then '}' || :mark || '1{' else t end
                    ),
                    ''
                ),
                :mark || '1'
            ),
            t -> replace(t, :mark || '0', :mark)
        ) as pieces
    from lines
    where record_encoding is null and regexp_like(line, :seam)
),

records as (
    select
        j.received_at_utc_date,
        j.source_file,
        j.line_number,
        p.piece as record,
        j.record_encoding
    from joined as j
    cross join unnest(j.pieces) as p (piece)
    union all
    select
        received_at_utc_date,
        source_file,
        line_number,
        line as record,
        record_encoding
    from lines
    where record_encoding is not null or not regexp_like(line, :seam)
),

judged as (
    select
        *,
        case when record_encoding is null then json_verdict(record) else 'not_utf8' end as verdict
    from records
)

select
    row_number() over () as record_number,
    received_at_utc_date,
    source_file,
    line_number,
    record,
    cast(null as varchar) as record_as_sent,
    record_encoding,
    verdict,
    verdict = 'object' as is_object,
    cast(null as bigint) as shape
from judged
