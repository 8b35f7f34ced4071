"""One SQL text, two engines: Athena's dialect, rendered for the engine in use.

Models are written in Athena's (Trino's) SQL. ``sqlglot`` parses them once into a tree; this module
checks the tree, fills in parameters as nodes (never as text), points the logical databases at
physical ones, and renders the tree for DuckDB or Athena.

Where the engines differ in silence there is one portable way to write a thing, and the check
refuses the others with a sentence that names it. A few functions that are not SQL at all, such as ``parse_timestamp``, are the project's
own: each has one definition per engine in :mod:`.functions`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar, cast

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from engagement.warehouse import functions

Engine = functions.Engine
FUNCTIONS = functions.FUNCTIONS

Q = TypeVar("Q", bound=exp.Expr)

LOGICAL = ("landing", "events", "marts")
"""The logical databases of every SQL text; ``work`` holds what one session alone can see."""

WORK = "work"


class DialectError(ValueError):
    """A SQL text that cannot be used, with where and what to write instead."""


@dataclass(frozen=True, order=True)
class Table:
    """A table's logical name, such as ``marts.sessions``."""

    database: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Table:
        """Read ``database.name``."""
        database, dot, name = text.partition(".")
        if not dot or not database or not name:
            raise DialectError(f"'{text}': write a table as database.name, such as marts.sessions")
        return cls(database, name)

    def __str__(self) -> str:
        return f"{self.database}.{self.name}"

    def node(self) -> exp.Table:
        """As a node of a SQL tree, quoted: the name may come from data."""
        return exp.table_(self.name, db=self.database, quoted=True)


# --- reading ------------------------------------------------------------------------------------


def parse(sql: str, *, source: str = "SQL") -> exp.Query:
    """Parse one query in Athena's dialect.

    Raises
    ------
    DialectError
        When the text is no single query: a syntax error (with line and column), several
        statements, or a statement that would change something.
    """
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="athena") if tree is not None]
    except (ParseError, TokenError) as error:
        raise DialectError(f"{source}: {_syntax_error(error)}") from None
    if len(trees) != 1:
        raise DialectError(f"{source}: one query is wanted, {len(trees)} statements were given")
    tree = trees[0]
    if not isinstance(tree, exp.Query):
        kind = tree.key.upper() if not isinstance(tree, exp.Command) else str(tree.this).upper()
        raise DialectError(f"{source}: only queries (SELECT, WITH) are accepted here, not {kind}")
    for node in tree.walk():
        # Where each name stood in the text: half of the time that copying a tree takes.
        node._meta = None
    return tree


def _syntax_error(error: ParseError | TokenError) -> str:
    if isinstance(error, ParseError) and error.errors:
        first = error.errors[0]
        near = f" near '{first['highlight']}'" if first.get("highlight") else ""
        description = re.sub(r" but got <Token.*", "", str(first.get("description", "")))
        return (
            f"line {first.get('line')}, column {first.get('col')}{near}: {description.rstrip('.')}"
        )
    # Compiled, sqlglot chains the first error as the context only.
    cause = str(error.__cause__ or error.__context__ or "")
    return cause if cause.startswith("Missing") else "a quote or a comment is not closed"


def tables(query: exp.Expr) -> set[Table]:
    """Tables that a query reads: every ``database.name`` in it (common table expressions have
    no database).
    """
    return {Table(node.db, node.name) for node in query.find_all(exp.Table) if node.db}


def typed(value: exp.Expr, kind: str) -> exp.Cast:
    """A node as a type that is given by Athena's name of it; the node is not copied."""
    return exp.Cast(this=value, to=_data_type(kind).copy())


@cache
def _data_type(kind: str) -> exp.DataType:
    return exp.DataType.build(kind, dialect="athena")


def literal(value: Any) -> exp.Expr:
    """A value as a node: text, number, decimal, boolean, date, timestamp or NULL.

    Decimals have up to 28 digits before the point and 10 after it. Times without a zone are UTC.
    """
    match value:
        case None:
            return exp.null()
        case bool():
            return exp.true() if value else exp.false()
        case int():
            return exp.Literal.number(value)
        case float() if math.isfinite(value):
            return typed(exp.Literal.string(repr(value)), "double")
        case Decimal() if value.is_finite():
            return typed(exp.Literal.string(f"{value:f}"), "decimal(38, 10)")
        case datetime():
            utc = value.astimezone(UTC) if value.tzinfo else value
            text = utc.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
            return typed(exp.Literal.string(text), "timestamp(3)")
        case date():
            return typed(exp.Literal.string(value.isoformat()), "date")
        case str():
            return exp.Literal.string(value)
    raise TypeError(f"no SQL literal for {type(value).__name__} {value!r}")


def bind(query: Q, parameters: Mapping[str, Any], *, copy: bool = True) -> Q:
    """Fill in ``:name`` parameters as nodes; a tuple or list fills ``IN (:name)``.

    Parameters
    ----------
    copy
        Leave the tree that was given as it is; else it may be changed.

    Raises
    ------
    DialectError
        When the query uses a parameter that has no value.
    """
    bound = query.copy() if copy else query
    marks = list(bound.find_all(exp.Placeholder))
    missing = sorted({str(node.this) for node in marks} - parameters.keys())
    if missing:
        raise DialectError(f"no value for the parameter{'s' * (len(missing) > 1)} {missing}")
    for mark in marks:
        value = parameters[str(mark.this)]
        around = mark.parent
        if not isinstance(value, (tuple, list)):
            mark.replace(literal(value))
        elif isinstance(around, exp.In) and mark.arg_key == "expressions":
            items = [literal(item) for item in value] or [exp.null()]
            before = around.expressions
            at = next(i for i, item in enumerate(before) if item is mark)
            around.set("expressions", [*before[:at], *items, *before[at + 1 :]])
        else:
            raise DialectError(f"the parameter '{mark.this}' is a list: in (:{mark.this})")
    return bound


# --- the allow-list -----------------------------------------------------------------------------

ALLOWED = frozenset(
    """
    ABS AND ARG_MAX ARG_MIN ARRAY ARRAY_AGG ARRAY_JOIN ARRAY_SIZE ARRAY_TO_STRING
    AT_TIMEZONE BOOL_AND CASE CAST CEIL COALESCE CONCAT COUNT COUNT_IF CUME_DIST DATEDIFF
    DATE_ADD DATE_DIFF DATE_TRUNC DAY DAYOFWEEK_ISO DENSE_RANK ELEMENT_AT ENCODE EXP
    EXTRACT FIRST_VALUE FLOOR GENERATE_SERIES GREATEST HEX HOUR IF JSON_EXTRACT_SCALAR LAG
    LAST_VALUE LEAD LEAST LENGTH LN LOGICAL_AND LOGICAL_OR LOWER MAX MAX_BY MIN MIN_BY
    MONTH NOT NTILE NULLIF OR PARSE_JSON POWER RANK REGEXP_EXTRACT REGEXP_EXTRACT_ALL
    REGEXP_LIKE REGEXP_REPLACE ROUND ROW_NUMBER SHA256 SHA2_DIGEST SPLIT STR_POSITION
    SUBSTRING SUM TIMESTAMP_DIFF TIMESTAMP_TRUNC TO_HEX TRANSFORM TRY_CAST TS_OR_DS_ADD
    UNNEST UPPER WITH_TIMEZONE XOR YEAR
    """.split()
)
"""Functions that were seen to give the same result on both engines, by sqlglot's names."""

INSTEAD = {
    "AVG": "averages of doubles vary with the order of the rows: divide an exact sum, "
    "cast(sum(x) as double) / nullif(count(x), 0)",
    "MEDIAN": "Trino has no exact median: take the middle rows by row_number()",
    "APPROX_DISTINCT": "approximate results differ between runs: count(distinct x)",
    "APPROX_QUANTILE": "approximate results differ between runs: use row_number() and count()",
    "ANY_VALUE": "which value comes out is not defined: min(x) or first_value() with an order",
    "JSON_EXTRACT": "the engines print JSON differently: json_extract_scalar, or json_items",
    "CURRENT_TIMESTAMP": "a rerun would differ: use the parameter :as_of",
    "CURRENT_DATE": "a rerun would differ: use the parameter :as_of",
    "RAND": "a rerun would differ: order by a hash of the key",
    "TRIM": "Trino trims spaces only, but tabs differ: regexp_replace(x, '^\\s+|\\s+$', '')",
}


def check(query: exp.Expr, *, source: str = "SQL") -> None:
    """Refuse what the engines would answer differently.

    Raises
    ------
    DialectError
        Naming every construct that is not on the allow-list, and the portable way.
    """
    problems = sorted(set(_problems(query)))
    if problems:
        raise DialectError(f"{source}: not portable\n" + "\n".join(f"  - {p}" for p in problems))


def _problems(query: exp.Expr) -> Iterable[str]:
    for node in query.walk():
        if isinstance(node, exp.Anonymous):
            name = node.name.upper()
            if name.lower() not in FUNCTIONS and name not in ALLOWED:
                yield f"{name.lower()}(): {INSTEAD.get(name, 'not on the list of functions')}"
        elif isinstance(node, exp.Func) and not isinstance(node, exp.Connector):
            name = node.sql_name()
            if name not in ALLOWED:
                yield f"{name.lower()}(): {INSTEAD.get(name, 'not on the list of functions')}"
            yield from _argument_problems(node)
        elif isinstance(node, exp.Div):
            sides = (node.left.unnest(), node.right.unnest())
            if not any(_is_double(side) for side in sides):
                yield (
                    f"{node.sql('athena')}: write cast(… as double) on one side, since integers "
                    "and decimals divide differently"
                )
        elif isinstance(node, exp.DataType) and node.this in (
            exp.DataType.Type.FLOAT,
            exp.DataType.Type.TIMESTAMPTZ,
        ):
            yield f"{node.sql('athena').lower()}: use double, and timestamp(3) in UTC"
        else:
            yield from _clause_problems(node)


def _clause_problems(node: exp.Expr) -> Iterable[str]:
    if isinstance(node, exp.AtTimeZone):
        yield f"{_start(node)}: the engines read times without a zone differently: local_time(…)"
    elif isinstance(node, exp.TableSample):
        yield "tablesample: a rerun would differ: order by a hash of the key"
    elif isinstance(node, exp.Bracket) and not node.args.get("safe"):
        yield f"{_start(node)}: past the end one engine fails: element_at(…)"
    elif isinstance(node, exp.Query) and (node.args.get("limit") or node.args.get("offset")):
        if not node.args.get("order"):
            yield f"{_start(node)}: which rows come out is not defined: add an order by the key"
    elif isinstance(node, exp.Distinct) and node.args.get("on"):
        yield "distinct on: Trino has none: row_number() = 1"


def _text(node: exp.Expr) -> str:
    return str(node.sql("athena"))


def _start(node: exp.Expr) -> str:
    text = _text(node)
    return text if len(text) <= 60 else text[:60] + " …"


def _argument_problems(node: exp.Func) -> Iterable[str]:
    if isinstance(node, _PATTERNED):
        pattern = node.args.get("expression")
        if isinstance(pattern, exp.Literal) and _LOOKS_AROUND.search(pattern.name):
            yield f"{_text(node)}: DuckDB's patterns have no look-around and no back-references"
    if isinstance(node, exp.ArrayAgg) and not isinstance(node.this, exp.Order):
        yield f"{_text(node)}: the order of the items is not defined: array_agg(x order by …)"
    if isinstance(node, exp.Sum) and _is_double(node.this.unnest()):
        yield f"{_text(node)}: sums of doubles vary from run to run: sum decimals"
    if isinstance(node, exp.Substring) and node.args["start"].name == "0":
        yield f"{_text(node)}: the first character is number 1"
    if isinstance(node, exp.Extract) and node.this.name.upper() not in _EXTRACTED:
        yield f"{_text(node)}: days of the week are counted differently: day_of_week(x)"
    if isinstance(node, exp.RegexpExtract):
        parent = node.parent
        if not (isinstance(parent, exp.Nullif) and parent.expression.name == ""):
            yield f"{_text(node)}: a miss is NULL or '': write nullif(regexp_extract(…), '')"
    if _is_date_shift(node) and not isinstance(node.parent, exp.Cast):
        yield f"{_text(node)}: one engine answers with a date, the other with a timestamp: cast it"
    if isinstance(node, exp.DateDiff):
        unit = node.text("unit").lower()
        if unit not in ("day", "millisecond"):
            yield f"{_text(node)}: date_diff only by 'day' (between dates) or 'millisecond'"
        elif unit == "day" and not all(
            isinstance(side, (exp.Cast, exp.Column, exp.Placeholder))
            for side in (node.this, node.expression)
        ):
            yield f"{_text(node)}: date_diff('day', …) takes dates: columns of type date, or casts"


_PATTERNED = (exp.RegexpExtract, exp.RegexpExtractAll, exp.RegexpLike, exp.RegexpReplace)
_LOOKS_AROUND = re.compile(r"\(\?<?[=!]|(?<!\\)(?:\\\\)*\\[1-9]")
_EXTRACTED = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"}


def _is_date_shift(node: exp.Expr) -> bool:
    return isinstance(node, (exp.DateAdd, exp.TimestampTrunc, exp.DateTrunc))


def _is_double(node: exp.Expr) -> bool:
    if isinstance(node, exp.Nullif):
        return _is_double(node.this)
    if isinstance(node, (exp.Mul, exp.Div, exp.Add, exp.Sub)):
        return _is_double(node.left.unnest()) or _is_double(node.right.unnest())
    return isinstance(node, exp.Cast) and node.to.this == exp.DataType.Type.DOUBLE


# --- the project's own functions ----------------------------------------------------------------


@cache
def _body(name: str, engine: Engine) -> exp.Expr:
    return _read_template(FUNCTIONS[name][engine], engine)


@cache
def _template(key: str) -> exp.Expr:
    return _read_template(_TEMPLATES[key], "duckdb")


def _read_template(text: str, engine: Engine) -> exp.Expr:
    """A text in which ``@1`` stands for the first argument, as a tree."""
    return sqlglot.parse_one(re.sub(r"@(\d)", r"__arg_\1", text), read=engine)


def _filled(template: exp.Expr, arguments: Sequence[exp.Expr]) -> exp.Expr:
    """A copy of a template with copies of the arguments in their places."""
    body = template.copy()
    for place in list(body.find_all(exp.Column)):
        if place.name.startswith("__arg_"):
            filled = exp.paren(arguments[int(place.name[-1]) - 1].copy(), copy=False)
            if place is body:
                body = filled
            else:
                place.replace(filled)
    return body


def _expand(tree: Q, engine: Engine) -> Q:
    """Put the definitions of the project's own functions in place of their calls."""
    calls = [node for node in tree.find_all(exp.Anonymous) if node.name.lower() in FUNCTIONS]
    # Inner calls first: they are found after the outer ones, and are arguments of these.
    for call in reversed(calls):
        body = _filled(_body(call.name.lower(), engine), call.expressions)
        whole = exp.paren(body, copy=False)
        if call is tree:
            return cast(Q, whole)
        call.replace(whole)
    return tree


# --- rendering ----------------------------------------------------------------------------------


def render(
    query: exp.Expr,
    engine: Engine,
    databases: Mapping[str, str],
    *,
    pretty: bool = False,
    copy: bool = True,
) -> str:
    """Render a tree for an engine.

    Parameters
    ----------
    databases
        Physical name of each logical database.
    pretty
        For reading: one clause a line.
    copy
        Leave the tree that was given as it is; else it may be changed.
    """
    tree = query.copy() if copy else query
    for table in tree.find_all(exp.Table):
        if table.db in databases:
            table.set("db", exp.to_identifier(databases[table.db], quoted=True))
    if engine == "duckdb":
        for node in reversed(list(tree.find_all(*_REWRITTEN))):
            written = _for_duckdb(node)
            if node is tree:
                tree = written
            elif written is not node:
                node.replace(written)
    # Last, since their definitions are in the engine's own words already.
    tree = _expand(tree, engine)
    return tree.sql(dialect=engine, pretty=pretty, copy=False)


_REWRITTEN = (
    exp.ArgMax,
    exp.ArgMin,
    exp.ArrayToString,
    exp.CountIf,
    exp.DataType,
    exp.JSONExtractScalar,
    exp.RegexpReplace,
    exp.Upper,
)

_TEMPLATES = {
    # DuckDB's own is NULL where all of the items are.
    "array_join": "array_to_string(list_filter(@1, lambda i: i is not null), @2)",
    # DuckDB's own knows a capital of this letter, which is no capital of it on Athena.
    "upper": "array_to_string(list_transform(str_split(@1, 'ß'), lambda s: upper(s)), 'ß')",
}


def _for_duckdb(node: exp.Expr) -> exp.Expr:
    """What sqlglot's DuckDB writer leaves different from Trino."""
    if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.TIMESTAMP:
        return exp.DataType.build("timestamp", dialect="duckdb")
    if isinstance(node, exp.Upper):
        return _filled(_template("upper"), [node.this])
    if isinstance(node, exp.ArrayToString) and not node.args.get("null"):
        return _filled(_template("array_join"), [node.this, node.expression])
    if isinstance(node, (exp.ArgMax, exp.ArgMin)):
        # DuckDB's own passes over rows whose first argument is NULL.
        name = "arg_max_null" if isinstance(node, exp.ArgMax) else "arg_min_null"
        return exp.Anonymous(this=name, expressions=[node.this, node.expression])
    if isinstance(node, exp.CountIf):
        # DuckDB's own is NULL over no rows.
        found = exp.Case(ifs=[exp.If(this=node.this, true=exp.Literal.number(1))])
        return exp.Count(this=found)
    if isinstance(node, exp.RegexpReplace) and isinstance(
        node.args.get("replacement"), exp.Literal
    ):
        replacement = node.args["replacement"]
        replacement.replace(exp.Literal.string(re.sub(r"\$(\d)", r"\\\1", replacement.name)))
    if isinstance(node, exp.JSONExtractScalar):
        # A text that is no JSON has no such value; DuckDB's own would stop the whole query.
        text = exp.TryCast(this=node.this, to=exp.DataType.build("json", dialect="duckdb"))
        whole = exp.Anonymous(this="json_extract", expressions=[text, node.expression])
        scalar = exp.Anonymous(
            this="json_extract_string", expressions=[whole.copy(), exp.Literal.string("$")]
        )
        kind = exp.Anonymous(this="json_type", expressions=[whole])
        return exp.case().when(kind.isin("OBJECT", "ARRAY").not_(), scalar)
    return node
