"""The project's own functions in Athena's words; ``@1`` stands for the first argument.

What is needed several times is bound as the variable of a lambda over an array of one: an argument
may be a long text. Lambdas within lambdas are few: Athena analyses a lambda several times for each
call that it is in, and what is within it as many times again.
"""

from __future__ import annotations

from engagement.records.strict_json import MAX_DEPTH, MOST_SORTED
from engagement.sql.functions import (
    BELIEVED_TIMES,
    DATE_PATTERN,
    NUMBER_PATTERN,
    TIMESTAMP_PATTERN,
    WHOLE_PATTERN,
)

_JSON_STRING = r'"[^"\\]*(?:\\(?:.|\n)[^"\\]*)*"'


def _with(variable: str, value: str, body: str) -> str:
    """A body in which a variable stands for a value, in Athena's words."""
    return f"element_at(transform(array[{value}], {variable} -> {body}), 1)"


# Whether the text t is nested deeper than is read: Athena's reader of JSON would bring the whole
# query down. Brackets are counted first, since few texts have that many.
_TOO_DEEP = rf"""
    (
        length(t) - length(replace(replace(t, '{{', ''), '[', '')) > {MAX_DEPTH}
        and reduce(
            regexp_extract_all(regexp_replace(t, '{_JSON_STRING}', ''), '[{{}}\[\]]'),
            array[0, 0],
            (s, c) -> case
                when c in ('{{', '[') then array[s[1] + 1, greatest(s[2], s[1] + 1)]
                else array[s[1] - 1, s[2]]
            end,
            s -> s[2]
        ) > {MAX_DEPTH}
    )
"""

# What Athena's reader of JSON lets pass though the texts are none: halves of a surrogate pair, and
# numbers beyond a double, which it takes for a text, "Infinity".
_UNSOUND_JSON = rf"""
    (
        {_TOO_DEEP}
        or regexp_like(
            regexp_replace(
                replace(t, '\\', ' '),
                '\\u[dD][89abAB][0-9a-fA-F]{{2}}\\u[dD][c-fC-F][0-9a-fA-F]{{2}}',
                ''
            ),
            '\\u[dD][89a-fA-F][0-9a-fA-F]{{2}}'
        )
        or (
            regexp_like(t, '[0-9]{{200}}|[eE][+]?[0-9]{{3}}')
            and any_match(
                regexp_extract_all(
                    regexp_replace(t, '{_JSON_STRING}', '""'),
                    '[0-9]+(?:[.][0-9]+)?(?:[eE][+-]?[0-9]+)?'
                ),
                n -> is_infinite(cast(n as double))
            )
        )
    )
"""


def _shortest(x: str) -> str:
    """The shortest text of a double that is read as the same number, as 1.5e+16.

    Java's own is longer than that for some numbers, by its version.
    """
    tried = (
        f"when cast(format('{form}', {x}) as double) = {x} then format('{form}', {x})"
        for form in ("%.0e", "%.14e", "%.15e", "%.16e")
    )
    return f"regexp_replace(case {' '.join(tried)} end, '[.]?0*e', 'e')"


def _without_exponent(x: str, scale: int) -> str:
    digits = f"cast(cast({x} as decimal(38, {scale})) as varchar)"
    return f"regexp_replace({digits}, '([.][0-9]+?)0+$', '$1')"


def _in_json(x: str) -> str:
    """A double as DuckDB prints it in JSON: with an exponent only from 1e21 on and below 1e-6."""
    return f"""
        case
            when abs({x}) >= 1e21 or abs({x}) < 1e-6
                then regexp_replace({_shortest(x)}, 'e[+]?(-?)0*', 'e$1')
            when abs({x}) < 1 then {_without_exponent(x, 23)}
            when abs({x}) < 1e16 then {_without_exponent(x, 21)}
            else cast(cast({_shortest(x)} as decimal(38, 0)) as varchar) || '.0'
        end
    """


_JAVA_NUMBER = "-?[0-9][.][0-9]+E-?[0-9]+"

# Keys of the object t, in its order; and in the order of the whole numbers that they are, which are
# longer and longer numbers without their leading zeros.
_KEYS = """
    cast(
        json_parse(json_query(t, 'lax $.keyvalue().name' with array wrapper)) as array(varchar)
    )
"""
_DIGITS = "regexp_replace(k, '^0+', '')"
_SORTABLE = f"lpad(cast(length({_DIGITS}) as varchar), 8, '0') || {_DIGITS} || '/' || k"
_BY_NUMBER = f"""
    transform(array_sort(transform({_KEYS}, k -> {_SORTABLE})), s -> split_part(s, '/', 2))
"""
_ARE_OBJECTS = """
    all_match(
        cast(json_parse(json_query(t, 'lax $.*' with array wrapper)) as array(json)),
        i -> starts_with(json_format(i), '{')
    )
"""

_PARAMETER = "nullif(regexp_extract(@1, '[?&]' || @2 || '=([^&#]*)', 1), '')"

FUNCTIONS: dict[str, str] = {
    "json_verdict": _with(
        "t",
        "@1",
        rf"""
            case
                when t is null then null
                when {_TOO_DEEP} then 'too_deep'
                when try(json_parse(t)) is null or {_UNSOUND_JSON} then 'not_json'
                when regexp_like(t, '^\s*[{{]') then 'object'
                else 'value'
            end
            """,
    ),
    "json_last_wins": "@1",
    "parse_timestamp": f"""
            case when regexp_like(@1, '{TIMESTAMP_PATTERN}') and {BELIEVED_TIMES}
            then cast(at_timezone(try(from_iso8601_timestamp(
                regexp_replace(replace(@1, ' ', 'T'), '([.][0-9]{{3}})[0-9]+', '$1')
            )), 'UTC') as timestamp(3)) end
        """,
    "timestamp_text": (
        "date_format(@1, '%Y-%m-%dT%H:%i:%s.') || substr(date_format(@1, '%f'), 1, 3) || 'Z'"
    ),
    "json_kind": """
            case
                when @1 is null then null
                when starts_with(@1, '"') then 'string' when @1 in ('true', 'false') then 'boolean'
                when starts_with(@1, '[') then 'array' when starts_with(@1, '{') then 'object'
                when @1 = 'null' then 'null'
                when regexp_like(@1, '^-?[0-9]+$') then 'integer' else 'double'
            end
        """,
    "json_scalar": """
            case when starts_with(@1, '"') then json_extract_scalar(@1, '$') else @1 end
        """,
    "json_of": _with("t", "@1", f"case when not {_UNSOUND_JSON} then try(json_parse(t)) end"),
    "json_items": _with(
        "t",
        "@1",
        f"""
            case when not {_UNSOUND_JSON} then transform(
                try(cast(json_parse(t) as array(json))),
                i -> case when json_format(i) <> 'null' then i end
            ) end
            """,
    ),
    "json_text": _with(
        "j",
        "json_extract(@1, @2)",
        f"""
            case when regexp_like(json_format(j), '^{_JAVA_NUMBER}$')
            then {_in_json("cast(json_format(j) as double)")}
            else json_extract_scalar(j, '$') end
            """,
    ),
    "json_numbers": rf"""
            case when regexp_like(@1, '[0-9]E-?[0-9]') then regexp_replace(
                @1,
                '({_JSON_STRING})|({_JAVA_NUMBER})',
                m -> coalesce(m[1], {_in_json("cast(m[2] as double)")})
            ) else @1 end
        """,
    "json_object_items": _with(
        "t",
        "@1",
        rf"""
            case
                when all_match({_KEYS}, k -> regexp_like(k, '^[0-9]+\z')) then case
                    when cardinality({_KEYS}) > {MOST_SORTED} or {_KEYS} = {_BY_NUMBER}
                        then json_query(t, 'lax $.*' with array wrapper)
                    else '[' || array_join(
                        transform(
                            {_BY_NUMBER}, k -> json_format(json_extract(t, '$["' || k || '"]'))
                        ),
                        ','
                    ) || ']'
                end
                when {_ARE_OBJECTS} then json_query(t, 'lax $.*' with array wrapper)
                else '[' || t || ']'
            end
            """,
    ),
    "json_has_others": (
        "any_match(cast(json_parse(@1) as array(json)), i -> not starts_with(json_format(i), '{'))"
    ),
    "parse_bigint": f"case when regexp_like(@1, '{WHOLE_PATTERN}') then try_cast(@1 as bigint) end",
    "parse_double": (
        f"case when regexp_like(@1, '{NUMBER_PATTERN}') "
        "and is_finite(try_cast(@1 as double)) then try_cast(@1 as double) end"
    ),
    "parse_date": (
        f"case when regexp_like(@1, '{DATE_PATTERN}') and @1 >= '0001' "
        "then try_cast(@1 as date) end"
    ),
    "double_text": _with(
        "x",
        "@1",
        f"""
            case
                when x = 0 then '0.0'
                when abs(x) >= 1e-4 and abs(x) < 1e16 then {_without_exponent("x", 21)}
                when is_finite(x) then {_shortest("x")}
            end
            """,
    ),
    "local_time": "cast(at_timezone(with_timezone(@1, 'UTC'), @2) as timestamp(3))",
    "sha256_hex": "lower(to_hex(sha256(to_utf8(@1))))",
    "url_parameter": f"""
            case
                when strpos(coalesce(try(url_decode({_PARAMETER})), chr(65533)), chr(65533)) > 0
                    then {_PARAMETER}
                else nullif(url_decode({_PARAMETER}), '')
            end
        """,
    "url_host": r"""
            nullif(lower(regexp_extract(
                @1, '^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#@]*@)?(?:[wW]{3}\.)?([^/?#:]+)', 1)), '')
        """,
}
