"""Which statements the engine sends: queries of the allow-list, and texts of known forms.

A form is a text of the engine's own, word for word but for names, values and a query within, which
is judged by itself (:mod:`.allowed`). Redshift's documentation has each of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import sqlglot
from sqlglot.tokenizer_core import TokenType

from engagement.warehouse.redshift.allowed import FUNCTIONS, problems
from engagement.warehouse.redshift.types import LONGEST_TEXT

_NAME = r'"(?:[^"]|"")+"'
_PLACE = rf"(?:{_NAME}|[a-z_]+)(?:\.(?:{_NAME}|[a-z_]+))?"
_TEXT = r"'(?:[^'\\]|''|\\.)*'"
_TYPE = (
    r"(?:varchar\(\d+\)|bigint|integer|double precision|boolean|date|timestamp|super|"
    r"decimal\(\d+,\s*\d+\))"
)
_COLUMN = rf"(?:{_NAME}|[a-z_]+) {_TYPE}"
_COLUMNS = rf"\({_COLUMN}(?:, {_COLUMN})*\)"
_NAMES = rf"\((?:{_NAME}|[a-z_]+)(?:, (?:{_NAME}|[a-z_]+))*\)"
_CELL = (
    rf"(?:null|true|false|-?[\d.]+(?:[Ee][+-]?\d+)?|{_TEXT}|cast\((?:null|true|false|"
    rf"-?[\d.]+(?:[Ee][+-]?\d+)?|{_TEXT}) as {_TYPE}\)|json_parse\({_TEXT}\))"
)
_ROW = rf"\({_CELL}(?:, {_CELL})*\)"
_ROLE = rf"iam_role (?:default|{_TEXT})"

_QUERY = r"(?:/\*(?:[^*]|\*(?!/))*\*/\s*)*(?i:select|with)\b"
"""How a query begins: models' comments come along."""

_FORMS = [
    re.compile(form, re.DOTALL)
    for form in (
        rf"create schema if not exists {_NAME}",
        r"begin|commit|rollback",
        rf"lock {_PLACE}",
        rf"vacuum delete only {_PLACE} to 100 percent",
        rf"drop (?:table|view)(?: if exists)? {_PLACE}",
        rf"create table(?: if not exists)? {_PLACE} {_COLUMNS}",
        rf"create temp table {_NAME} {_COLUMNS}",
        rf"create table {_PLACE} as (?P<query>.+)",
        rf"create temp table {_NAME} as (?P<query>.+)",
        rf"create view {_PLACE} as (?P<query>.+) with no schema binding",
        (
            rf"create or replace function {_PLACE}\([^()]*(?:\(\d+\)[^()]*)*\) returns {_TYPE} "
            r"stable as \$\$ (?P<body>.+) \$\$ language sql"
        ),
        rf"insert into {_PLACE}(?: {_NAMES})? values {_ROW}(?:, {_ROW})*",
        rf"insert into {_PLACE}(?: {_NAMES})? (?P<query>{_QUERY}.+)",
        rf"delete from {_PLACE} where (?P<condition>.+)",
        rf"update {_PLACE} set [a-z_]+ = (?P<value>.+?) where (?P<condition>.+)",
        rf"alter table {_PLACE} rename to {_NAME}",
        rf"comment on (?:table|view) {_PLACE} is {_TEXT}",
        rf"set (?:timezone|datestyle|query_group) to {_TEXT}",
        r"set (?:statement_timeout|extra_float_digits) to \d+",
        rf"set search_path to {_NAME}",
        r"show (?:search_path|timezone)",
        (
            rf"unload \((?P<quoted>{_TEXT})\) to {_TEXT} {_ROLE} format (?:csv header|parquet) "
            r"manifest verbose cleanpath parallel (?:on|off) maxfilesize \d+ mb"
        ),
        (
            rf"copy {_PLACE} {_NAMES} from {_TEXT} {_ROLE} format csv gzip null as {_TEXT} "
            r"timeformat 'auto' dateformat 'auto' encoding utf8 compupdate off statupdate off"
        ),
    )
]
"""Everything that is no query: the texts of the engine, word for word but for names and values."""

_CATALOG = ("svv_columns", "svv_tables", "pg_class", "pg_namespace", "pg_description",
            "pg_attribute", "pg_database", "stv_sessions")  # fmt: skip

_OF_THE_LEADER = FUNCTIONS | frozenset(
    """
    current_database current_user version db_collation format_type pg_encoding_to_char
    pg_get_userbyid
    has_database_privilege has_schema_privilege has_table_privilege
    """.split()
)
"""Functions of the leader node: a query has them that reads the catalog alone, or no table."""


def statement_problems(sql: str) -> list[str]:
    """Say what a statement that the engine would send has that Redshift does not.

    A statement is a query, or one of a list of forms, around a query that is judged by itself.
    """
    found = list(_judged(sql))
    if ";" in sql or (len(sql) > LONGEST_TEXT and not sql.startswith("unload")):
        tokens = sqlglot.tokenize(sql, read="redshift")
        if any(token.token_type == TokenType.SEMICOLON for token in tokens):
            found.append("more than one statement")
        texts = (t.text for t in tokens if t.token_type == TokenType.STRING)
        longest = max((len(text.encode()) for text in texts), default=0)
        if longest > LONGEST_TEXT:
            found.append(f"a text of {longest:,} bytes is cut: the longest has {LONGEST_TEXT:,}")
    return found


def _judged(sql: str) -> list[str]:
    if re.match(_QUERY, sql):
        return _query_problems(sql)
    for form in _FORMS:
        found = form.fullmatch(sql)
        if found:
            return list(dict.fromkeys(_of_parts(found.groupdict())))
    return [f"a statement of no known form: {sql[:60]!r}"]


def _of_parts(parts: dict[str, str | None]) -> Iterator[str]:
    for name, part in parts.items():
        if part is None:
            continue
        if name == "body":
            part = re.sub(r"\$(\d)", r"a\1", part)
        elif name == "quoted":
            part = re.sub(r"\\(.)", r"\1", part[1:-1].replace("''", "'"), flags=re.DOTALL)
        elif name == "value":
            part = f"select {part} as x"
        elif name == "condition":
            part = f"select 1 as x from t where {part}"
        yield from problems(part)


def _query_problems(sql: str) -> list[str]:
    tokens = sqlglot.tokenize(sql, read="redshift")
    names = {token.text.lower() for token in tokens}
    read = [
        after.text.lower()
        for token, after in pairwise(tokens)
        if token.text.lower() in ("from", "join")
    ]
    is_of_the_leader = all(name in _CATALOG for name in read) and bool(
        names & {*_CATALOG, *(_OF_THE_LEADER - FUNCTIONS)}
    )
    return problems(sql, _OF_THE_LEADER if is_of_the_leader else FUNCTIONS)
