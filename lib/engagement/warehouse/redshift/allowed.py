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
    getdate json_parse json_serialize lag last_value lead least left len listagg lower max min mod
    nullif ntile percent_rank rank regexp_count regexp_instr regexp_replace regexp_substr replace
    round row_number sha2 split_part split_to_array sqrt strpos substring sum trunc upper bool_and
    bool_or
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
"""How many arguments it takes to say that a pattern is PCRE: else it is POSIX, with no ``\\z``."""

_SINGLE_BACKSLASH = re.compile(r"(?<!\\)(?:\\\\)*\\(?![\\tnr'])")


def problems(sql: str, functions: frozenset[str] = FUNCTIONS) -> list[str]:
    """Say what a query has that Redshift does not, a sentence for each."""
    found = dict.fromkeys(_of_tokens(sqlglot.tokenize(sql, read="redshift"), functions))
    if _SINGLE_BACKSLASH.search(sql):
        found["a single backslash escapes what follows it in a text: two of them"] = None
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
    opened: list[str] = []
    for before, token, after in zip([None, *tokens], tokens, tokens[1:], strict=False):
        word = token.text.lower()
        if token.token_type == TokenType.L_PAREN:
            opened.append(before.text.lower() if before is not None else "")
        elif token.token_type == TokenType.R_PAREN and opened:
            opened.pop()
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
        elif word in ("varchar", "text") and _is_type(before, opened):
            if after.token_type != TokenType.L_PAREN:
                yield f"a bare {word} is varchar(256), and cuts: varchar(65535)"
        elif word in ("timestamp", "timestamptz") and after.token_type == TokenType.L_PAREN:
            yield "timestamp(n) is no type: timestamp"
        elif word == "distinct" and after.text.lower() == "from":
            yield "is distinct from: compare, and ask for NULL"
        elif word in ("~", "!~", "~*", "!~*"):
            yield f"{word} reads patterns as POSIX does: regexp_instr(x, p, 1, 1, 0, 'p') > 0"
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


def _is_type(before: Token | None, opened: list[str]) -> bool:
    """Whether a type comes next: after ``::``, or the ``as`` of a cast, not that of an alias."""
    word = before.text.lower() if before is not None else ""
    return word == "::" or (word == "as" and bool(opened) and opened[-1] in ("cast", "try_cast"))


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
        name = "regexp_substr" if isinstance(call, exp.RegexpExtract) else name
        if name in _REGULAR and not _is_pcre(call, _REGULAR[name]):
            yield f"{name}() of fewer arguments: say with 'p' that the pattern is PCRE"
    for both in tree.find_all(exp.Greatest, exp.Least):
        if not _is_guarded(both):
            yield f"{both.key}() passes NULLs over: case when no argument is NULL"
    for node in tree.find_all(exp.DataType):
        if node.this == exp.DataType.Type.ARRAY:
            yield "a type of arrays: super"


def _is_pcre(call: exp.Func, wanted: int) -> bool:
    """Whether a call's last argument, at its place, says that its pattern is PCRE."""
    given = [*([call.this] if isinstance(call.this, exp.Expr) else []), *call.expressions]
    if not isinstance(call, exp.Anonymous):
        given = [value for value in call.args.values() if isinstance(value, exp.Expr)]
    last = given[-1] if given else None
    return len(given) == wanted and isinstance(last, exp.Literal) and "p" in last.name


def _is_guarded(node: exp.Expr) -> bool:
    """Whether ``greatest`` or ``least`` is only reached where no argument is NULL."""
    branch = node.find_ancestor(exp.If)
    return branch is not None and any(
        isinstance(asked.expression, exp.Null) for asked in branch.this.find_all(exp.Is)
    )
