"""What a statement for Redshift may be made of: functions and forms, and nothing else.

PostgreSQL proves values, and accepts much that Redshift does not; sqlglot writes it without a word.
So the text that would be sent is read again, and whatever is not on these lists is named. Queries
are judged by :func:`problems`, everything that the engine sends by :func:`statement_problems`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError
from sqlglot.tokenizer_core import Token, TokenType

FUNCTIONS = frozenset(
    """
    abs ceil ceiling coalesce concat convert_timezone count cume_dist date_part date_trunc dateadd
    datediff dense_rank extract first_value floor get_array_length greatest is_array is_object
    json_parse json_serialize lag last_value lead least left len listagg lower max min mod nullif
    getdate ntile percent_rank rank regexp_count regexp_instr regexp_replace regexp_substr replace round
    row_number sha2 split_part split_to_array sqrt strpos substring sum trunc upper bool_and bool_or
    json_extract_path_text can_json_parse json_size to_char timezone array unnest cast try_cast
    f_double_text f_json_items f_json_of f_json_text f_parse_bigint f_parse_date f_parse_double
    f_parse_timestamp f_timestamp_text f_url_host f_url_parameter
    """.split()
)
"""Functions that Redshift has on its compute nodes, and those of this project."""

_NO_FUNCTIONS = frozenset(
    """
    and as between by case cross decimal distinct else end except exists filter from group having in
    inner intersect is join left like not numeric on or order over partition select then union using
    values varchar when where with within within_group offset limit all any escape recursive char
    """.split()
) | {"group"}
"""Words that a bracket may follow, though they are no functions."""

_INSTEAD = {
    "arg_max": "it does not exist: number the rows and take the first",
    "arg_min": "it does not exist: number the rows and take the first",
    "max_by": "it does not exist: number the rows and take the first",
    "min_by": "it does not exist: number the rows and take the first",
    "generate_series": "it runs on the leader node alone: a table of numbers",
    "array_agg": "listagg(…) within group (order by …)",
    "array_to_string": "listagg(…), or texts put together",
    "regexp_matches": "regexp_substr(…)",
    "regexp_extract": "regexp_substr(x, p, 1, 1, 'ep')",
    "now": "a rerun would differ",
}

_FRAMED = (exp.Sum, exp.Count, exp.Max, exp.Min, exp.FirstValue, exp.LastValue,
           exp.LogicalAnd, exp.LogicalOr)  # fmt: skip

_REGULAR = {"regexp_replace": 5, "regexp_substr": 5, "regexp_instr": 6}
"""How many arguments say that a pattern is PCRE, as Athena's are read alike."""


def problems(sql: str, functions: frozenset[str] = FUNCTIONS) -> list[str]:
    """Say what a query has that Redshift does not, a sentence for each."""
    found = dict.fromkeys(_of_tokens(sqlglot.tokenize(sql, read="redshift"), functions))
    readable = re.sub(r"(?i)\)\s+WITH OFFSET\b", ")", sql)
    try:
        tree = sqlglot.parse_one(readable, read="redshift")
    except ParseError as error:
        return [*found, f"it cannot be read: {str(error).splitlines()[0]}"]
    return list(found | dict.fromkeys(_of_tree(tree)))


_WITH_UNIT = ("date_part", "date_trunc", "dateadd", "datediff")


def _of_tokens(tokens: list[Token], functions: frozenset[str]) -> Iterator[str]:
    for token, bracket, first in zip(tokens, tokens[1:], tokens[2:], strict=False):
        is_call = token.text.lower() in _WITH_UNIT and bracket.token_type == TokenType.L_PAREN
        if is_call and first.token_type != TokenType.STRING:
            yield f"{token.text.lower()}() without a quoted unit"
    for before, token, after in zip([None, *tokens], tokens, tokens[1:], strict=False):
        word = token.text.lower()
        is_word = word.replace("_", "a").isalnum() and not word[0].isdigit()
        if token.token_type in (TokenType.STRING, TokenType.IDENTIFIER):
            continue
        if word == "filter" and after.token_type == TokenType.L_PAREN:
            yield "filter (where …): put the condition inside, case when … then … end"
        elif word == "ordinality":
            yield "with ordinality: with offset, which counts from 0"
        elif word == "values":
            yield "values (…) as a table: select … union all select …"
        elif word == "ilike":
            yield "ilike: lower(x) like …"
        elif word in ("range", "groups") and after.text.lower() in ("between", "unbounded"):
            yield f"a frame of {word}: rows"
        elif word in ("varchar", "text") and _is_type(before):
            if after.token_type != TokenType.L_PAREN:
                yield f"a bare {word} is varchar(256), and cuts: varchar(65535)"
        elif word in ("timestamp", "timestamptz") and after.token_type == TokenType.L_PAREN:
            yield "timestamp(n) is no type: timestamp"
        elif word == "distinct" and after.text.lower() == "from":
            yield "is distinct from: compare, and ask for NULL"
        elif (
            is_word
            and after.token_type == TokenType.L_PAREN
            and word not in functions
            and word not in _NO_FUNCTIONS
            and not (before is not None and before.text.lower() in ("as", "with", ","))
            and not _is_alias(before)
        ):
            instead = _INSTEAD.get(word)
            yield f"{word}() is not on the list" + (f": {instead}" if instead else "")
        elif (
            token.token_type == TokenType.L_BRACKET
            and before is not None
            and before.text.lower() == "array"
        ):
            yield "array[…]: array(…), a SUPER"


def _is_type(before: Token | None) -> bool:
    return before is not None and before.text.lower() in ("as", "::")


def _is_alias(before: Token | None) -> bool:
    """A subquery's or a table's alias may have a list of columns in brackets."""
    return before is not None and before.token_type == TokenType.R_PAREN


def _of_tree(tree: exp.Expr) -> Iterator[str]:
    for window in tree.find_all(exp.Window):
        spec, order = window.args.get("spec"), window.args.get("order")
        if order and isinstance(window.this, _FRAMED) and spec is None:
            yield f"{window.this.key}() over (order by …) without a frame: rows between … and …"
        if spec is not None and str(spec.args.get("kind", "")).upper() != "ROWS":
            yield "a frame of other than rows"
    for call in tree.find_all(exp.Func):
        name = (call.name if isinstance(call, exp.Anonymous) else call.sql_name()).lower()
        if name.startswith("arg_"):
            yield f"{name}() is not on the list: {_INSTEAD[name]}"
    for node in tree.find_all(exp.DataType):
        if node.this == exp.DataType.Type.ARRAY:
            yield "a type of arrays: super"


# --- statements -----------------------------------------------------------------------------------

_NAME = r'"(?:[^"]|"")+"'
_PLACE = rf"{_NAME}(?:\.(?:{_NAME}|[a-z_]+))?"
_TEXT = r"'(?:[^'\\]|''|\\.)*'"
_TYPE = (
    r"(?:varchar\(\d+\)|bigint|integer|double precision|boolean|date|timestamp|super|"
    r"decimal\(\d+,\s*\d+\))"
)
_COLUMN = rf"(?:{_NAME}|[a-z_]+) {_TYPE}"
_COLUMNS = rf"\({_COLUMN}(?:, {_COLUMN})*\)"
_NAMES = rf"\((?:{_NAME}|[a-z_]+)(?:, (?:{_NAME}|[a-z_]+))*\)"
_CELL = rf"(?:null|true|false|-?[\d.]+(?:[Ee][+-]?\d+)?|{_TEXT}|cast\((?:null|true|false|" \
        rf"-?[\d.]+(?:[Ee][+-]?\d+)?|{_TEXT}) as {_TYPE}\))"
_ROW = rf"\({_CELL}(?:, {_CELL})*\)"
_ROLE = rf"iam_role (?:default|{_TEXT})"

_FORMS = [
    re.compile(form, re.DOTALL)
    for form in (
        rf"create schema if not exists {_NAME}",
        r"begin|commit|rollback",
        rf"lock {_PLACE}",
        rf"drop (?:table|view)(?: if exists)? {_PLACE}",
        rf"create table(?: if not exists)? {_PLACE} {_COLUMNS}",
        rf"create temp table {_NAME} {_COLUMNS}",
        rf"create table {_PLACE} as (?P<query>.+)",
        rf"create temp table {_NAME} as (?P<query>.+)",
        rf"create view {_PLACE} as (?P<query>.+) with no schema binding",
        rf"create or replace function {_PLACE}\([^()]*(?:\(\d+\)[^()]*)*\) returns {_TYPE} "
        r"stable as \$\$ (?P<body>.+) \$\$ language sql",
        rf"insert into {_PLACE}(?: {_NAMES})? values {_ROW}(?:, {_ROW})*",
        rf"insert into {_PLACE}(?: {_NAMES})? (?P<query>(?:select|with)\b.+)",
        rf"delete from {_PLACE} where (?P<condition>.+)",
        rf"update {_PLACE} set [a-z_]+ = (?P<value>.+?) where (?P<condition>.+)",
        rf"alter table {_PLACE} rename to {_NAME}",
        rf"comment on table {_PLACE} is {_TEXT}",
        rf"set (?:timezone|datestyle|query_group) to {_TEXT}",
        r"set (?:statement_timeout|extra_float_digits) to \d+",
        rf"set search_path to {_NAME}",
        r"show (?:search_path|timezone)",
        rf"unload \((?P<quoted>{_TEXT})\) to {_TEXT} {_ROLE} format (?:csv header|parquet) "
        r"manifest verbose cleanpath parallel on maxfilesize \d+ mb",
        rf"copy {_PLACE} {_NAMES} from {_TEXT} {_ROLE} format csv gzip null as {_TEXT} "
        r"timeformat 'auto' dateformat 'auto' encoding utf8 compupdate off statupdate off",
    )
]
"""Everything that is no query: the texts of the engine, word for word but for names and values."""

_CATALOG = ("svv_columns", "svv_tables", "pg_class", "pg_namespace", "pg_description",
            "pg_attribute", "pg_database", "stv_sessions")  # fmt: skip

_OF_THE_LEADER = FUNCTIONS | frozenset(
    """
    current_database current_user version db_collation format_type pg_encoding_to_char
    has_database_privilege has_schema_privilege has_table_privilege
    """.split()
)
"""Functions of the leader node: a query has them that reads the catalog alone, or no table."""


def statement_problems(sql: str) -> list[str]:
    """Say what a statement that the engine would send has that Redshift does not.

    A statement is a query, or one of a list of forms, around a query that is judged by itself.
    """
    if re.match(r"(?:select|with)\b", sql):
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
        for token, after in zip(tokens, tokens[1:], strict=False)
        if token.text.lower() in ("from", "join")
    ]
    is_of_the_leader = all(name in _CATALOG for name in read) and bool(
        names & {*_CATALOG, *(_OF_THE_LEADER - FUNCTIONS)}
    )
    return problems(sql, _OF_THE_LEADER if is_of_the_leader else FUNCTIONS)
