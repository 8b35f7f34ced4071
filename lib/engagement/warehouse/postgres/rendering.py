"""The dialect as PostgreSQL reads it.

The project's own functions, and what PostgreSQL lacks, are functions that the engine creates
(:mod:`.functions`); the connection's search path finds them before PostgreSQL's own.
"""

from __future__ import annotations

import re
from functools import cache

from sqlglot import exp

from engagement.sql import rewrites as trees
from engagement.sql.rendering import Rendering, filled, read_template
from engagement.warehouse.postgres.regex import postgres_pattern

FUNCTIONS: dict[str, str] = {
    "double_text": "f_double_text(@1)",
    "json_items": "f_json_items(@1)",
    "json_of": "f_json_of(@1)",
    "json_text": "f_json_text(@1, @2)",
    "local_time": "timezone(@2, timezone('UTC', @1))",
    "parse_bigint": "f_parse_bigint(@1)",
    "parse_date": "f_parse_date(@1)",
    "parse_double": "f_parse_double(@1)",
    "parse_timestamp": "f_parse_timestamp(@1)",
    "sha256_hex": "encode(sha256(convert_to(@1, 'UTF8')), 'hex')",
    "timestamp_text": "f_timestamp_text(@1)",
    "url_host": "f_url_host(@1)",
    "url_parameter": "f_url_parameter(@1, @2)",
}
"""The project's own functions in PostgreSQL's words; those for flattening alone are left out."""

_PARTS: dict[type[exp.Expr], str] = {
    exp.Year: "year",
    exp.Month: "month",
    exp.Day: "day",
    exp.Hour: "hour",
    exp.Minute: "minute",
    exp.Second: "second",
    exp.Quarter: "quarter",
    exp.WeekOfYear: "week",
    exp.YearOfWeek: "isoyear",
    exp.DayOfWeekIso: "isodow",
    exp.DayOfYear: "doy",
}

_TEMPLATES = {
    "day": "cast(cast(@1 as date) - cast(@2 as date) as bigint)",
    "millisecond": "f_milliseconds(@1, @2)",
    "filter": "case when @1 is not null then array(select __item from unnest(@1) "
    "with ordinality as __u(__item, __place) where @2 order by __place) end",
    "transform": "case when @1 is not null then array(select @2 from unnest(@1) "
    "with ordinality as __u(__item, __place) order by __place) end",
}

_REWRITTEN: tuple[type[exp.Expr], ...] = (
    exp.ArrayFilter, exp.ArrayToString, exp.ArraySize, exp.Bracket, exp.Cast, exp.CountIf,
    exp.DataType, exp.DateAdd, exp.DateDiff, exp.Extract, exp.Filter, exp.GenerateSeries,
    exp.Greatest, exp.Least, exp.Length, exp.Like, exp.Literal, exp.Lower, exp.RegexpExtract,
    exp.RegexpExtractAll, exp.RegexpLike, exp.RegexpReplace, exp.Round, exp.Select, exp.Split,
    exp.StrPosition, exp.Subquery, exp.Substring, exp.TimestampTrunc, exp.DateTrunc, exp.Transform,
    exp.TryCast, exp.Upper, exp.Window,
    *_PARTS,
)  # fmt: skip


@cache
def _template(key: str) -> exp.Expr:
    return read_template(_TEMPLATES[key], "postgres")


def _made(key: str, *arguments: exp.Expr) -> exp.Expr:
    return filled(_template(key), arguments)


def call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    """A call of a function by its name."""
    return exp.Anonymous(this=name, expressions=[one.copy() for one in arguments])


def _part(name: str, time: exp.Expr) -> exp.Expr:
    found = call("date_part", exp.Literal.string(name), time)
    return exp.cast(call("floor", found), "bigint")


def _whole(value: exp.Expr) -> exp.Expr:
    """A number as PostgreSQL's functions on texts take it."""
    if isinstance(value, exp.Literal):
        return value
    return exp.cast(exp.paren(value.copy()), "integer")


def _pattern(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Literal):
        return exp.Literal.string(postgres_pattern(node.name))
    # A pattern of a table, such as a seed of the team's.
    return call("f_pattern", node)


def _is_number(node: exp.Expr) -> bool:
    node = node.unnest()
    return isinstance(node, (exp.Null, exp.Literal, exp.Count, exp.RowNumber))


def _for_postgres(node: exp.Expr) -> exp.Expr:
    """What sqlglot's PostgreSQL writer leaves different from Trino."""
    kind = exp.DataType.Type
    match node:
        case exp.Select():
            return trees.ranked(node)
        case exp.Subquery():
            return trees.named(node)
        case exp.CountIf():
            return trees.counted_if(node)
        case exp.Filter():
            return trees.without_filter(node)
        case exp.Greatest() | exp.Least():
            return trees.null_if_any(node)
        case exp.DataType():
            if node.this in (kind.VARCHAR, kind.CHAR):
                return exp.DataType(this=kind.TEXT)
            if node.this == kind.TIMESTAMP and node.expressions:
                return exp.DataType(this=kind.TIMESTAMP)
        case exp.Literal():
            if not node.is_string and "e" in node.name.lower():
                return exp.cast(node.copy(), "double")
        case exp.TryCast():
            return _tried(node)
        case exp.Cast():
            if node.to.this == kind.BIGINT and not _is_number(node.this):
                return call("f_bigint", node.this)
            if node.to.this == kind.TIMESTAMP and not isinstance(
                node.this, (exp.Literal, exp.Null)
            ):
                return call("f_timestamp", node.this)
        case exp.Length():
            return exp.cast(node.copy(), "bigint")
        case exp.Window() if isinstance(node.this, exp.Ntile):
            return exp.cast(node.copy(), "bigint")
        case exp.Lower() | exp.Upper():
            return call(f"f_{node.key}", node.this)
        case exp.StrPosition():
            found = call("strpos", node.this, node.args["substr"])
            return exp.cast(found, "bigint")
        case exp.ArraySize():
            return exp.cast(call("cardinality", node.this), "bigint")
        case exp.Substring():
            length = node.args.get("length")
            arguments = [node.this, _whole(node.args["start"])]
            return call("substr", *arguments, *([_whole(length)] if length else []))
        case exp.Round():
            decimals = node.args.get("decimals")
            return call("round", node.this, *([_whole(decimals)] if decimals else []))
        case exp.Split():
            return call("f_split", node.this, node.expression)
        case exp.ArrayToString():
            return call("array_to_string", node.this, node.expression)
        case exp.Bracket():
            return call("f_element_at", node.this, _index(node))
        case exp.DateAdd():
            unit = exp.Literal.string(str(node.args["unit"].name).lower())
            return call("f_date_add", unit, exp.cast(node.expression.copy(), "bigint"), node.this)
        case exp.DateDiff():
            return _made(str(node.args["unit"].name).lower(), node.this, node.expression)
        case exp.TimestampTrunc() | exp.DateTrunc():
            unit = exp.Literal.string(str(node.args["unit"].name).lower())
            return call("date_trunc", unit, node.this)
        case exp.Extract():
            return _part(node.this.name.lower(), node.expression)
        case exp.RegexpLike():
            return call("f_regexp_like", node.this, _pattern(node.expression))
        case exp.RegexpExtract():
            group = node.args.get("group") or exp.Literal.number(0)
            return call("f_regexp_extract", node.this, _pattern(node.expression), group)
        case exp.RegexpExtractAll():
            group = node.args.get("group") or exp.Literal.number(0)
            return call("f_regexp_extract_all", node.this, _pattern(node.expression), group)
        case exp.RegexpReplace():
            return _replaced(node)
        case exp.GenerateSeries():
            ends = [node.args[key] for key in ("start", "end", "step") if node.args.get(key)]
            return call("f_sequence", *(exp.cast(end.copy(), "bigint") for end in ends))
        case exp.ArrayFilter() | exp.Transform():
            return _each(node)
        case exp.Like():
            has_escape = isinstance(node.parent, exp.Escape)
            if not has_escape and "\\" in node.expression.sql():
                return exp.Escape(this=node.copy(), expression=exp.Literal.string(""))
    if type(node) in _PARTS:
        return _part(_PARTS[type(node)], node.this)
    return node


def _tried(node: exp.TryCast) -> exp.Expr:
    target = node.to.sql("postgres").lower()
    decimal = re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", target)
    text = exp.cast(node.this.copy(), "text")
    if decimal:
        digits = (exp.Literal.number(decimal[1]), exp.Literal.number(decimal[2]))
        return exp.cast(call("f_try_decimal", text, *digits), target)
    name = {"double precision": "double", "int": "integer"}.get(target, target)
    return call(f"f_try_{name}", text)


def _index(node: exp.Bracket) -> exp.Expr:
    index: exp.Expr = node.expressions[0]
    if not node.args.get("offset"):
        # sqlglot counts from 0 where SQL does from 1.
        if isinstance(index, exp.Literal):
            return exp.Literal.number(int(index.name) + 1)
        return exp.Add(this=exp.paren(index.copy()), expression=exp.Literal.number(1))
    return index.copy()


def _replaced(node: exp.RegexpReplace) -> exp.Expr:
    by = node.args.get("replacement") or exp.Literal.string("")
    if isinstance(by, exp.Literal):
        marked = re.sub(r"\$([1-9])", r"\\\1", by.name).replace("$0", r"\&")
        by = exp.Literal.string(marked)
    return call("regexp_replace", node.this, _pattern(node.expression), by, exp.Literal.string("g"))


def _each(node: exp.Expr) -> exp.Expr:
    """``filter`` and ``transform`` of an array, as a query over its items."""
    function = node.expression
    name = function.expressions[0].name
    body = function.this.copy()
    for place in list(body.find_all(exp.Identifier)):
        if place.name == name and not isinstance(place.parent, (exp.Table, exp.Dot)):
            place.replace(exp.to_identifier("__item"))
    if isinstance(body, exp.Identifier):
        body = exp.column("__item")
    return _made("filter" if isinstance(node, exp.ArrayFilter) else "transform", node.this, body)


POSTGRES = Rendering("postgres", FUNCTIONS, _REWRITTEN, _for_postgres)
