-- Grain: one record, that is one JSON object or one piece of a line from which none could be read.
-- A line is cut wherever `}`, optional white space and `{` stand outside a string: the line is taken
-- apart into strings, such cuts, and the rest, the cuts are marked, and it is put together again.
-- Parameters: token (a string, a cut, or what lies between), cut (one cut), mark (stands in no line).
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
        split(
            array_join(
                transform(
                    regexp_extract_all(line, :token),
                    t -> case when regexp_like(t, :cut) then '}' || :mark || '{' else t end
                ),
                ''
            ),
            :mark
        ) as pieces
    from lines
    where record_encoding is null and regexp_like(line, '[}]\s*[{]')
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
    where record_encoding is not null or not regexp_like(line, '[}]\s*[{]')
),

judged as (
    select
        *,
        record_encoding is null and json_is_strict(record) as is_json
    from records
)

select
    received_at_utc_date,
    source_file,
    line_number,
    record,
    record_encoding,
    sha256_hex(record) as record_sha256,
    is_json,
    is_json and regexp_like(record, '^\s*[{]') as is_object
from judged
