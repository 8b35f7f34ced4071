"""The project's own functions on Redshift: SQL functions of one expression, created by the engine.

Python functions ended there on 2026-06-30. No built-in decodes a URL: ``f_url_parameter`` decodes
the escapes of blanks and ASCII signs, and leaves a value with any other (of a letter, a digit, a
control character, anything beyond ASCII) as it is. No built-in tells a member that is JSON from a
text that reads like it: ``f_json_text`` gives NULL for both.
"""

from __future__ import annotations

from engagement.sql.functions import DATE_PATTERN, NUMBER_PATTERN, TIMESTAMP_PATTERN, WHOLE_PATTERN

FUNCTIONS: dict[str, str] = {
    "double_text": "f_double_text(@1)",
    "json_items": "f_json_items(@1)",
    "json_of": "f_json_of(@1)",
    "json_text": "f_json_text(@1, @2)",
    "local_time": "convert_timezone('UTC', @2, @1)",
    "parse_bigint": "f_parse_bigint(@1)",
    "parse_date": "f_parse_date(@1)",
    "parse_double": "f_parse_double(@1)",
    "parse_timestamp": "f_parse_timestamp(@1)",
    "sha256_hex": "sha2(@1, 256)",
    "timestamp_text": "f_timestamp_text(@1)",
    "url_host": "f_url_host(@1)",
    "url_parameter": "f_url_parameter(@1, @2)",
}

_TEXT = "varchar(65535)"


def _matches(value: str, pattern: str) -> str:
    return f"regexp_instr({value}, '{pattern}', 1, 1, 0, 'p') > 0".replace("\\", "\\\\")


_HOST = r"^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#@]*@)?(?:[wW]{3}\.)?([^/?#:]+)".replace("\\", "\\\\")
_FOUND = "nullif(regexp_substr($1, '[?&]' || $2 || '=([^&#]*)', 1, 1, 'ep'), '')"


_OTHERS = "%(?!2[0-9a-fA-F]|3[a-fA-F]|40|5[b-fB-F]|60|7[b-eB-E])"
"""A ``%`` that does not begin the escape of a sign or a blank: the whole value stays as it is."""


def _decoded() -> str:
    """The parameter with blanks and escapes of signs decoded; ``%25`` comes last."""
    value = f"replace({_FOUND}, '+', ' ')"
    for code in (*range(0x20, 0x25), *range(0x26, 0x30), *range(0x3A, 0x41), *range(0x5B, 0x61),
                 *range(0x7B, 0x7F), 0x25):  # fmt: skip
        text = {"'": "''", "\\": "\\\\"}.get(chr(code), chr(code))
        for written in sorted({f"%{code:02X}", f"%{code:02x}"}):
            value = f"replace({value}, '{written}', '{text}')"
    return value


_MEMBER = "json_extract_path_text(json_serialize($1), substring($2, 3), true)"
_IS_JSON = f"left({_MEMBER}, 1) in ('{{', '[') and can_json_parse({_MEMBER})"

_DEFINITIONS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "f_parse_bigint": (
        (_TEXT,), "bigint",
        f"case when {_matches('$1', WHOLE_PATTERN)} then try_cast($1 as bigint) end",
    ),
    "f_parse_double": (
        (_TEXT,), "double precision",
        f"case when {_matches('$1', NUMBER_PATTERN)} then try_cast($1 as double precision) end",
    ),
    "f_parse_date": (
        (_TEXT,), "date",
        (f"case when {_matches('$1', DATE_PATTERN)} and $1 >= '0001' "
        "then try_cast($1 as date) end"),
    ),
    "f_parse_timestamp": (
        (_TEXT,), "timestamp",
        (f"case when {_matches('$1', TIMESTAMP_PATTERN)} and $1 >= '0001-01-02' "
        "and $1 < '9999-12-31' then date_trunc('milliseconds', "
        "convert_timezone('UTC', try_cast($1 as timestamptz))) end"),
    ),
    "f_timestamp_text": (
        ("timestamp",), _TEXT, "to_char($1, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')",
    ),
    "f_double_text": (
        ("double precision",), _TEXT,
        ("case when $1 = 0 then '0.0' when abs($1) <= 1.7976931348623157e308 then "
        f"cast($1 as {_TEXT}) || case when strpos(cast($1 as {_TEXT}), '.') > 0 "
        f"or strpos(cast($1 as {_TEXT}), 'e') > 0 then '' else '.0' end end"),
    ),
    "f_json_of": (
        (_TEXT,), "super", "case when can_json_parse($1) then json_parse($1) end",
    ),
    "f_json_items": (
        (_TEXT,), "super",
        ("case when can_json_parse($1) then case when is_array(json_parse($1)) "
        "then json_parse($1) end end"),
    ),
    "f_json_text": (
        ("super", _TEXT), _TEXT,
        f"case when is_object($1) then case when {_IS_JSON} then null else {_MEMBER} end end",
    ),
    "f_url_host": (
        (_TEXT,), _TEXT, f"nullif(lower(regexp_substr($1, '{_HOST}', 1, 1, 'ep')), '')",
    ),
    "f_url_parameter": (
        (_TEXT, _TEXT), _TEXT,
        (f"case when regexp_instr({_FOUND}, '{_OTHERS}', 1, 1, 0, 'p') > 0 "
        f"then {_FOUND} else {_decoded()} end"),
    ),
}  # fmt: skip


def statements(schema: str) -> list[str]:
    """What creates the functions, in a schema whose name is quoted already."""
    return [
        f"create or replace function {schema}.{name}({', '.join(arguments)}) returns {result} "
        f"stable as $$ select {body} $$ language sql"
        for name, (arguments, result, body) in _DEFINITIONS.items()
    ]
