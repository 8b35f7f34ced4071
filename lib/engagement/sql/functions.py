"""The project's own functions, each with one definition per engine.

They may be called like any other in a SQL text of the dialect; ``@1`` stands for the first
argument. On Athena what is needed several times is bound as the variable of a lambda over an array
of one: an argument may be a long text. Lambdas within lambdas are few: Athena analyses a lambda
several times for each call that it stands in, and what stands within it as many times again.
"""

from __future__ import annotations

from typing import Literal

from engagement.records.strict_json import MAX_DEPTH, MOST_SORTED

Engine = Literal["duckdb", "athena"]

_JSON_STRING = r'"[^"\\]*(?:\\(?:.|\n)[^"\\]*)*"'

TIMESTAMP_PATTERN = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?"
    r"(Z|[+-](0[0-9]|1[0-3]):?[0-5][0-9]|[+-]14:?00)?\z"
)
"""A string of this form is a timestamp; without an offset it is UTC.

Hours, minutes and offsets beyond these are read by one engine and refused by the other.
"""

_TIMES = "@1 >= '0001-01-02' and @1 < '9999-12-31'"
"""Days of which every time is in the years 1 to 9999, whatever its offset."""

_DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\z"
_WHOLE_PATTERN = r"^[-+]?[0-9]{1,19}\z"
_NUMBER_PATTERN = r"^[-+]?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]{1,3})?\z"


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
_DECODED = f"try(url_decode(replace({_PARAMETER}, '+', ' ')))"

FUNCTIONS: dict[str, dict[Engine, str]] = {
    # json_verdict(text): object, value or not_json, by RFC 8259, with no lone surrogates and no
    # number beyond a double; too_deep for what is nested in more than MAX_DEPTH levels; on DuckDB
    # also twice, an object that gives some key two values.
    "json_verdict": {
        "duckdb": "engagement_json_verdict(@1)",
        "athena": _with(
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
    },
    # json_last_wins(text): the text with only the last of the values that a key is given; asked
    # for where json_verdict says twice, which Athena does not, since its reader keeps the last.
    "json_last_wins": {"duckdb": "engagement_json_last_wins(@1)", "athena": "@1"},
    # parse_timestamp(text): the UTC time, in whole milliseconds, of a text of TIMESTAMP_PATTERN's
    # form; NULL for any other text, for times that do not exist, and beyond the years 1 to 9999.
    "parse_timestamp": {
        "duckdb": f"""
            case when regexp_matches(@1, '{TIMESTAMP_PATTERN}') and {_TIMES}
            then date_trunc(
                'millisecond', make_timestamp(epoch_us(try_cast(@1 as timestamptz)))
            ) end
        """,
        "athena": f"""
            case when regexp_like(@1, '{TIMESTAMP_PATTERN}') and {_TIMES}
            then cast(at_timezone(try(from_iso8601_timestamp(
                regexp_replace(replace(@1, ' ', 'T'), '([.][0-9]{{3}})[0-9]+', '$1')
            )), 'UTC') as timestamp(3)) end
        """,
    },
    # timestamp_text(time): a UTC time as text, in the form that parse_timestamp reads.
    "timestamp_text": {
        "duckdb": "strftime(@1, '%Y-%m-%dT%H:%M:%S.%gZ')",
        "athena": "date_format(@1, '%Y-%m-%dT%H:%i:%s.') "
        "|| substr(date_format(@1, '%f'), 1, 3) || 'Z'",
    },
    # json_kind(text): string, integer, double, boolean, array, object or null.
    "json_kind": {
        "duckdb": """
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
        "athena": """
            case
                when @1 is null then null
                when starts_with(@1, '"') then 'string' when @1 in ('true', 'false') then 'boolean'
                when starts_with(@1, '[') then 'array' when starts_with(@1, '{') then 'object'
                when @1 = 'null' then 'null'
                when regexp_like(@1, '^-?[0-9]+$') then 'integer' else 'double'
            end
        """,
    },
    # json_scalar(text): a string without its quotes and escapes, any other value as it stands.
    "json_scalar": {
        "duckdb": "json_extract_string(@1, '$')",
        "athena": """
            case when starts_with(@1, '"') then json_extract_scalar(@1, '$') else @1 end
        """,
    },
    # json_of(text): the JSON value that a text is; NULL for anything but exactly one, read strictly
    # as json_verdict does. Of a key given twice, the last value counts.
    "json_of": {
        "duckdb": "cast(engagement_json(@1) as json)",
        "athena": _with("t", "@1", f"case when not {_UNSOUND_JSON} then try(json_parse(t)) end"),
    },
    # json_items(text): the members of a JSON array as an array of JSON values, NULL for null; NULL
    # for a text that is no JSON array, read strictly as json_of does.
    "json_items": {
        "duckdb": """
            case when json_type(engagement_json(@1)) = 'ARRAY'
            then cast(cast(engagement_json(@1) as json) as json[]) end
        """,
        "athena": _with(
            "t",
            "@1",
            f"""
            case when not {_UNSOUND_JSON} then transform(
                try(cast(json_parse(t) as array(json))),
                i -> case when json_format(i) <> 'null' then i end
            ) end
            """,
        ),
    },
    # json_text(value, path): the text of the scalar at a path of a JSON value: of a string without
    # its quotes, of a number as DuckDB prints it; NULL for an object, an array, null and nothing.
    "json_text": {
        "duckdb": """
            case when json_type(json_extract(@1, @2)) not in ('OBJECT', 'ARRAY')
            then json_extract_string(@1, @2) end
        """,
        "athena": _with(
            "j",
            "json_extract(@1, @2)",
            f"""
            case when regexp_like(json_format(j), '^{_JAVA_NUMBER}$')
            then {_in_json("cast(json_format(j) as double)")}
            else json_extract_scalar(j, '$') end
            """,
        ),
    },
    # json_numbers(text): a JSON text, as the engine prints it, with its numbers printed as DuckDB
    # does: 10000000.0 and 0.0001 for Java's 1.0E7 and 1.0E-4.
    "json_numbers": {
        "duckdb": "@1",
        "athena": rf"""
            case when regexp_like(@1, '[0-9]E-?[0-9]') then regexp_replace(
                @1,
                '({_JSON_STRING})|({_JAVA_NUMBER})',
                m -> coalesce(m[1], {_in_json("cast(m[2] as double)")})
            ) else @1 end
        """,
    },
    # json_object_items(text): the members of a JSON object as the text of a JSON array, from the
    # object's text as the engine prints it. Where all keys are whole numbers, they come in their
    # order; where all values are objects, in the object's own; else the object is the only one. Of
    # more than MOST_SORTED members none is moved: that would take minutes.
    "json_object_items": {
        "duckdb": "engagement_json_object_items(@1)",
        "athena": _with(
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
    },
    # json_has_others(text): whether a JSON array, given as text, has a member that is no object.
    "json_has_others": {
        "duckdb": "len(list_filter(cast(cast(@1 as json) as json[]), "
        "lambda i: coalesce(json_type(i), 'NULL') <> 'OBJECT')) > 0",
        "athena": "any_match(cast(json_parse(@1) as array(json)), "
        "i -> not starts_with(json_format(i), '{'))",
    },
    # parse_bigint(text): a whole number in decimal digits, with or without a sign; NULL for any
    # other text (a blank, 5.0, 1_000) and for numbers that are no bigint.
    "parse_bigint": {
        "duckdb": f"case when regexp_matches(@1, '{_WHOLE_PATTERN}') "
        "then try_cast(@1 as bigint) end",
        "athena": f"case when regexp_like(@1, '{_WHOLE_PATTERN}') then try_cast(@1 as bigint) end",
    },
    # parse_double(text): a number such as -1.50 or 1e-3; NULL for any other text and for numbers
    # beyond a double.
    "parse_double": {
        "duckdb": f"case when regexp_matches(@1, '{_NUMBER_PATTERN}') "
        "and isfinite(try_cast(@1 as double)) then try_cast(@1 as double) end",
        "athena": f"case when regexp_like(@1, '{_NUMBER_PATTERN}') "
        "and is_finite(try_cast(@1 as double)) then try_cast(@1 as double) end",
    },
    # parse_date(text): a day as 2026-01-05, of the years 0001 to 9999; NULL for any other text and
    # for days that do not exist.
    "parse_date": {
        "duckdb": f"case when regexp_matches(@1, '{_DATE_PATTERN}') and @1 >= '0001' "
        "then try_cast(@1 as date) end",
        "athena": f"case when regexp_like(@1, '{_DATE_PATTERN}') and @1 >= '0001' "
        "then try_cast(@1 as date) end",
    },
    # double_text(number): the shortest text of a double, as 0.1, 100.0, 1e-05 or 1e+16; NULL for
    # what is no finite number.
    "double_text": {
        "duckdb": "case when @1 = 0 then '0.0' when isfinite(@1) then cast(@1 as varchar) end",
        "athena": _with(
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
    },
    # local_time(time, zone): the wall-clock time in a zone of a UTC time.
    "local_time": {
        "duckdb": "timezone(@2, timezone('UTC', @1))",
        "athena": "cast(at_timezone(with_timezone(@1, 'UTC'), @2) as timestamp(3))",
    },
    # sha256_hex(text): lower-case hexadecimal digest of the text's UTF-8 bytes.
    "sha256_hex": {
        "duckdb": "sha256(@1)",
        "athena": "lower(to_hex(sha256(to_utf8(@1))))",
    },
    # url_parameter(url, name): the decoded value of a query parameter; NULL where it is absent or
    # empty, and as it stands where it cannot be decoded. A text that starts with ? is read as a
    # query string.
    "url_parameter": {
        "duckdb": f"""
            case
                when contains(
                    regexp_replace({_PARAMETER}, '%[0-9a-fA-F]{{2}}', '', 'g'), '%'
                ) or contains({_DECODED}, chr(65533)) then {_PARAMETER}
                else nullif(coalesce({_DECODED}, {_PARAMETER}), '')
            end
        """,
        "athena": f"""
            case
                when strpos(coalesce(try(url_decode({_PARAMETER})), chr(65533)), chr(65533)) > 0
                    then {_PARAMETER}
                else nullif(url_decode({_PARAMETER}), '')
            end
        """,
    },
    # url_host(url): the host of an absolute URL, lower case, without user, port or a leading www.
    "url_host": {
        "duckdb": r"""
            nullif(lower(regexp_extract(
                @1, '^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#@]*@)?(?:[wW]{3}\.)?([^/?#:]+)', 1)), '')
        """,
        "athena": r"""
            nullif(lower(regexp_extract(
                @1, '^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#@]*@)?(?:[wW]{3}\.)?([^/?#:]+)', 1)), '')
        """,
    },
}
