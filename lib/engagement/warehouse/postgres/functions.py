"""The functions that the engine creates in PostgreSQL, in a schema of their own.

They are SQL, but for those that have to catch an error: what is no JSON, what cannot be decoded.
"""

from __future__ import annotations

import hashlib

from engagement.sql.functions import (
    DATE_PATTERN,
    NUMBER_PATTERN,
    TIMESTAMP_PATTERN,
    WHOLE_PATTERN,
)
from engagement.warehouse.postgres.regex import postgres_pattern

_WHOLE = postgres_pattern(WHOLE_PATTERN)
_NUMBER = postgres_pattern(NUMBER_PATTERN)
_DATE = postgres_pattern(DATE_PATTERN)
_TIMESTAMP = postgres_pattern(TIMESTAMP_PATTERN)

_LAST_DAY = (
    "cast(extract(day from make_date(cast(substr({x}, 1, 4) as integer), "
    "cast(substr({x}, 6, 2) as integer), 1) + interval '1 month' - interval '1 day') as integer)"
)
_IS_DAY = (
    "case when substr({x}, 6, 2) between '01' and '12' "
    f"then cast(substr({{x}}, 9, 2) as integer) between 1 and {_LAST_DAY} end"
)


_CATCHING = ("f_url_decoded", "f_json_of")


def _sql(signature: str, result: str, body: str, how: str = "immutable") -> str:
    # What catches errors starts a subtransaction, which no parallel worker may.
    parallel = "unsafe" if any(name in body for name in _CATCHING) else "safe"
    return (
        f"create or replace function {{schema}}.{signature} returns {result} "
        f"language sql {how} parallel {parallel} as $body$ select {body} $body$"
    )


def _caught(signature: str, result: str, body: str, otherwise: str = "null") -> str:
    return (
        f"create or replace function {{schema}}.{signature} returns {result} "
        f"language plpgsql immutable parallel unsafe as $body$ begin return {body}; "
        f"exception when others then return {otherwise}; end $body$"
    )


_PARAMETER = "nullif(substring(url from '[?&]' || name || '=([^&#]*)'), '')"

_OF_TEXTS = [
    _sql("f_pattern(p text)", "text", r"replace(p, '\z', '\Z')"),
    # Where the database sorts by C, its own know the letters of English alone.
    _sql("f_lower(x text)", "text", "lower(x collate {letters})"),
    _sql("f_upper(x text)", "text", "upper(x collate {letters})"),
    _sql("f_regexp_like(x text, p text)", "boolean", "x ~ p"),
    _sql(
        "f_regexp_extract(x text, p text, g integer)",
        "text",
        "(regexp_match(x, '(' || p || ')'))[g + 1]",
    ),
    _sql(
        "f_regexp_extract_all(x text, p text, g integer)",
        "text[]",
        "case when x is not null then array(select (m.found)[g + 1] from "
        "regexp_matches(x, '(' || p || ')', 'g') with ordinality as m(found, n) order by m.n) end",
    ),
    _sql(
        "f_split(x text, at text)",
        "text[]",
        "case when x = '' then array[''] else string_to_array(x, at) end",
    ),
    _sql(
        "f_element_at(items anyarray, n bigint)",
        "anyelement",
        "items[case when n < 0 then cardinality(items) + 1 + n else n end]",
    ),
    _sql(
        "f_url_host(url text)",
        "text",
        "nullif(lower(substring(url from "
        r"'^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#@]*@)?(?:[wW]{3}\.)?([^/?#:]+)')), '')",
    ),
    _caught(
        "f_url_decoded(encoded text)",
        "text",
        "nullif(convert_from(decode(string_agg(case when part like '\\%__' then substr(part, 2) "
        "else encode(convert_to(replace(part, '+', ' '), 'UTF8'), 'hex') end, '' order by n), "
        "'hex'), 'UTF8'), '') from regexp_matches(encoded, '%[0-9a-fA-F]{{2}}|[^%]+|%', 'g') "
        "with ordinality as m(parts, n), unnest(parts) as part",
        "encoded",
    ),
    _sql(
        "f_url_parameter(url text, name text)",
        "text",
        f"case when strpos({_PARAMETER}, '%') = 0 then replace({_PARAMETER}, '+', ' ') "
        f"when regexp_replace({_PARAMETER}, '%[0-9a-fA-F]{{{{2}}}}', '', 'g') like '%\\%%' "
        f"then {_PARAMETER} else {{schema}}.f_url_decoded({_PARAMETER}) end",
    ),
]

_OF_TIMES = [
    _sql("f_timestamp(x timestamp)", "timestamp", "pg_catalog.date_trunc('milliseconds', x)"),
    _sql("f_timestamp(x date)", "timestamp", "cast(x as timestamp)"),
    _sql("date_trunc(unit text, x date)", "date",
         "cast(pg_catalog.date_trunc(unit, cast(x as timestamp)) as date)"),
    _sql(
        "f_interval(unit text, n bigint)",
        "interval",
        "n * case unit when 'millisecond' then interval '1 millisecond' when 'second' then "
        "interval '1 second' when 'minute' then interval '1 minute' when 'hour' then interval "
        "'1 hour' when 'day' then interval '1 day' when 'week' then interval '7 days' when "
        "'month' then interval '1 month' when 'quarter' then interval '3 months' when 'year' "
        "then interval '1 year' end",
    ),
    _sql("f_date_add(unit text, n bigint, x date)", "date",
         "case when unit = 'day' then x + cast(n as integer) "
         "else cast(x + {schema}.f_interval(unit, n) as date) end"),
    _sql("f_date_add(unit text, n bigint, x timestamp)", "timestamp",
         "x + {schema}.f_interval(unit, n)"),
    _sql("f_milliseconds(later timestamp, earlier timestamp)", "bigint",
         "cast(trunc(extract(epoch from later - earlier) * 1000) as bigint)"),
    _sql("f_timestamp_text(x timestamp)", "text",
         "to_char(x, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"),
    _sql(
        "f_parse_date(x text)",
        "date",
        f"case when x ~ '{_DATE}' and x collate \"C\" >= '0001' then "
        f"case when {_IS_DAY.format(x='x')} then cast(x as date) end end",
        "stable",
    ),
    _sql(
        "f_parse_timestamp(x text)",
        "timestamp",
        f"case when x ~ '{_TIMESTAMP}' and x collate \"C\" >= '0001-01-02' "
        f"and x collate \"C\" < '9999-12-31' then case when {_IS_DAY.format(x='x')} then "
        "timezone('UTC', cast(regexp_replace(x, '([.][0-9]{{3}})[0-9]+', '\\1') "
        "|| case when x ~ '(Z|[+-][0-9]{{2}}:?[0-9]{{2}})$' then '' else 'Z' end "
        "as timestamptz)) end end",
        "stable",
    ),
]  # fmt: skip

_OF_NUMBERS = [
    _sql("f_bigint(x boolean)", "bigint", "cast(cast(x as integer) as bigint)"),
    *(
        _sql(f"f_bigint(x {kind})", "bigint", "cast(x as bigint)")
        for kind in ("integer", "bigint", "numeric", "double precision", "text")
    ),
    _sql("round(x integer)", "integer", "x"),
    _sql("round(x bigint)", "bigint", "x"),
    _sql("round(x double precision)", "double precision",
         "sign(x) * floor(abs(x) + cast(0.5 as double precision))"),
    _sql("round(x double precision, n integer)", "double precision",
         "sign(x) * floor(abs(x) * power(cast(10 as double precision), n) + 0.5) "
         "/ power(cast(10 as double precision), n)"),
    _sql(
        "f_try_bigint(x text)",
        "bigint",
        f"case when x ~ '{_WHOLE}' then case when cast(x as numeric) "
        "between -9223372036854775808 and 9223372036854775807 then cast(x as bigint) end end",
    ),
    _sql(
        "f_try_integer(x text)",
        "integer",
        f"case when x ~ '{_WHOLE}' then case when cast(x as numeric) "
        "between -2147483648 and 2147483647 then cast(x as integer) end end",
    ),
    _sql(
        "f_parse_double(x text)",
        "double precision",
        f"case when x ~ '{_NUMBER}' then case "
        "when abs(cast(x as numeric)) < 5e-324 then cast(0 as double precision) "
        "when abs(cast(x as numeric)) <= 1.7976931348623157e308 "
        "then cast(x as double precision) end end",
    ),
    _sql("f_try_double(x text)", "double precision", "{schema}.f_parse_double(x)"),
    _sql("f_parse_bigint(x text)", "bigint", "{schema}.f_try_bigint(x)"),
    _sql("f_try_date(x text)", "date", "{schema}.f_parse_date(x)", "stable"),
    _sql("f_try_timestamp(x text)", "timestamp", "{schema}.f_parse_timestamp(x)", "stable"),
    _sql("f_try_boolean(x text)", "boolean",
         "case when lower(x) in ('true', 't', '1') then true "
         "when lower(x) in ('false', 'f', '0') then false end"),
    _sql("f_try_text(x text)", "text", "x"),
    _sql(
        "f_try_decimal(x text, p integer, s integer)",
        "numeric",
        f"case when x ~ '{_NUMBER}' then case when abs(round(cast(x as numeric), s)) "
        "< power(cast(10 as numeric), p - s) then round(cast(x as numeric), s) end end",
    ),
    _sql(
        "f_double_text(x double precision)",
        "text",
        "case when x = 0 then '0.0' when abs(x) <= 1.7976931348623157e308 then "
        "case when abs(x) >= 1e15 and abs(x) < 1e16 then cast(cast(cast(x as text) as numeric) "
        "as text) else cast(x as text) end || case when (abs(x) >= 1e16 or abs(x) < 1e-4) "
        "or cast(cast(cast(x as text) as numeric) as text) like '%.%' then '' else '.0' end end",
        "stable",
    ),
    _sql(
        "f_sequence(first bigint, last bigint, step bigint default 1)",
        "bigint[]",
        "array(select n from generate_series(first, last, step) as s(n) order by n)",
    ),
]  # fmt: skip

_OF_JSON = [
    _caught("f_json_of(x text)", "jsonb", "cast(x as jsonb)"),
    _sql(
        "f_json_members(x jsonb)",
        "jsonb[]",
        "case when jsonb_typeof(x) = 'array' then array(select "
        "nullif(m.item, cast('null' as jsonb)) from jsonb_array_elements(x) "
        "with ordinality as m(item, n) order by m.n) end",
    ),
    _sql("f_json_items(x text)", "jsonb[]", "{schema}.f_json_members({schema}.f_json_of(x))"),
    _sql(
        "f_json_path(path text)",
        "text[]",
        "array(select coalesce(m.found[2], m.found[1]) from "
        r"regexp_matches(path, '[.]([^.\[]+)|\[([0-9]+)\]', 'g') "
        "with ordinality as m(found, n) order by m.n)",
    ),
    _sql(
        "f_json_text(x jsonb, path text)",
        "text",
        "case when jsonb_typeof(x #> {schema}.f_json_path(path)) not in ('object', 'array') "
        "then x #>> {schema}.f_json_path(path) end",
    ),
]

AGGREGATES = {
    "sum(bigint)": (
        "f_sum_state(total bigint, x bigint)",
        "bigint",
        "case when total is null then x when x is null then total else total + x end",
    ),
    "max(boolean)": ("f_max_state(a boolean, b boolean)", "boolean", "coalesce(a or b, a, b)"),
    "min(boolean)": ("f_min_state(a boolean, b boolean)", "boolean", "coalesce(a and b, a, b)"),
}


def statements(schema: str, letters: str) -> list[str]:
    """What creates the functions, in a schema whose name is quoted already.

    ``letters`` is the collation, quoted too, that knows of every letter which is its capital.
    """
    made = [*_OF_TEXTS, *_OF_TIMES, *_OF_NUMBERS, *_OF_JSON]
    states = [_sql(state, kind, body) for state, kind, body in AGGREGATES.values()]
    found = [_placed(one, schema, letters) for one in (*made, *states)]
    for signature, (state, kind, _) in AGGREGATES.items():
        function = f"{schema}.{state.partition('(')[0]}"
        found.append(
            f"create aggregate {schema}.{signature} (sfunc = {function}, stype = {kind}, "
            f"combinefunc = {function}, parallel = safe)"
        )
    return found


def _placed(made: str, schema: str, letters: str) -> str:
    placed = made.replace("{schema}", schema).replace("{letters}", letters)
    return placed.replace("{{", "{").replace("}}", "}")


def digest() -> str:
    """What tells these functions from those of another version."""
    return hashlib.sha256("\0".join(statements("s", "l")).encode()).hexdigest()[:16]


LETTERS = """
    select collname from pg_collation
    where collname in ('C.utf8', 'C.UTF-8', 'en_US.utf8', 'en_US.UTF-8', 'en_US', 'und-x-icu')
    order by case when collname like 'C.%' then 1 when collname like 'en%' then 2 else 3 end
    limit 1
"""
"""Finds the collation for :func:`statements`: one that changes letter by letter, if there is."""
