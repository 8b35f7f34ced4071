"""The project's own functions in DuckDB's words; ``@1`` stands for the first argument."""

from __future__ import annotations

from engagement.sql.functions import (
    BELIEVED_TIMES,
    DATE_PATTERN,
    NUMBER_PATTERN,
    TIMESTAMP_PATTERN,
    WHOLE_PATTERN,
)

_PARAMETER = "nullif(regexp_extract(@1, '[?&]' || @2 || '=([^&#]*)', 1), '')"
_DECODED = f"try(url_decode(replace({_PARAMETER}, '+', ' ')))"

FUNCTIONS: dict[str, str] = {
    "json_verdict": "engagement_json_verdict(@1)",
    "json_last_wins": "engagement_json_last_wins(@1)",
    "parse_timestamp": f"""
            case when regexp_matches(@1, '{TIMESTAMP_PATTERN}') and {BELIEVED_TIMES}
            then date_trunc(
                'millisecond', make_timestamp(epoch_us(try_cast(@1 as timestamptz)))
            ) end
        """,
    "timestamp_text": "strftime(@1, '%Y-%m-%dT%H:%M:%S.%gZ')",
    "json_kind": """
            case json_type(@1)
                when 'VARCHAR' then 'string' when 'BIGINT' then 'integer'
                when 'UBIGINT' then 'integer' when 'BOOLEAN' then 'boolean'
                when 'DOUBLE' then case
                    when regexp_matches(json_extract_string(@1, '$'), '^-?[0-9]+$') then 'integer'
                    else 'double'
                end
                else lower(json_type(@1))
            end
        """,
    "json_scalar": "json_extract_string(@1, '$')",
    "json_of": "cast(engagement_json(@1) as json)",
    "json_items": """
            case when json_type(engagement_json(@1)) = 'ARRAY'
            then cast(cast(engagement_json(@1) as json) as json[]) end
        """,
    "json_text": """
            case when json_type(json_extract(@1, @2)) not in ('OBJECT', 'ARRAY')
            then json_extract_string(@1, @2) end
        """,
    "json_numbers": "@1",
    "json_object_items": "engagement_json_object_items(@1)",
    "json_has_others": (
        "len(list_filter(cast(cast(@1 as json) as json[]), "
        "lambda i: coalesce(json_type(i), 'NULL') <> 'OBJECT')) > 0"
    ),
    "parse_bigint": (
        f"case when regexp_matches(@1, '{WHOLE_PATTERN}') then try_cast(@1 as bigint) end"
    ),
    "parse_double": (
        f"case when regexp_matches(@1, '{NUMBER_PATTERN}') "
        "and isfinite(try_cast(@1 as double)) then try_cast(@1 as double) end"
    ),
    "parse_date": (
        f"case when regexp_matches(@1, '{DATE_PATTERN}') and @1 >= '0001' "
        "then try_cast(@1 as date) end"
    ),
    "double_text": "case when @1 = 0 then '0.0' when isfinite(@1) then cast(@1 as varchar) end",
    "local_time": "timezone(@2, timezone('UTC', @1))",
    "sha256_hex": "sha256(@1)",
    "url_parameter": f"""
            case
                when contains(
                    regexp_replace({_PARAMETER}, '%[0-9a-fA-F]{{2}}', '', 'g'), '%'
                ) or contains({_DECODED}, chr(65533)) then {_PARAMETER}
                else nullif(coalesce({_DECODED}, {_PARAMETER}), '')
            end
        """,
    "url_host": r"""
            nullif(lower(regexp_extract(
                @1, '^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#@]*@)?(?:[wW]{3}\.)?([^/?#:]+)', 1)), '')
        """,
}
