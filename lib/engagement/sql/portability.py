"""What may be written in a model: every part of its tree is on a list, and the engines agree on it.

:mod:`.features` names the parts of a tree as :mod:`.allowed` lists them; :func:`problems` says
which are not listed, and where a listed one is written in a way that the engines would answer
differently, with what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sqlglot import exp

from engagement.sql import regex
from engagement.sql.allowed import (
    CASTS,
    DATE,
    DECIMAL,
    DOUBLE,
    FUNCTIONS,
    INSTEAD,
    INSTEAD_OF_NODES,
    INTEGER,
    JSON,
    NULL,
    RANKINGS,
    TIMESTAMP,
    UNKNOWN,
    VARCHAR,
    Kind,
)
from engagement.sql.features import LISTED, features_of, origin_of
from engagement.sql.types import Kinds, Tables, of_node, read, start

_CALENDAR = frozenset({"day", "week", "month", "quarter", "year"})
_CLOCK = frozenset({"hour", "minute", "second", "millisecond"})
_EXTRACTED = frozenset({"year", "quarter", "month", "week", "day", "hour", "minute", "second"})
_MATCHING = (exp.RegexpExtract, exp.RegexpExtractAll, exp.RegexpLike, exp.RegexpReplace)
_TIME_TEXT = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d{1,3})?")
_DATE_TEXT = re.compile(r"\d{4}-\d{2}-\d{2}")
_JSON_PATH = re.compile(r"\$(\.[A-Za-z_][A-Za-z0-9_]*)+")


def problems(
    tree: exp.Expr,
    tables: Tables | None = None,
    parameters: Mapping[str, str] | None = None,
    *,
    every_type_known: bool = True,
) -> list[str]:
    """Say what in a tree the engines would answer differently, each problem once.

    Parameters
    ----------
    tables
        Types of the columns of every table that the tree reads, by ``database.name``. Without
        them the types of columns are not known, and what depends on them alone is let through.
    parameters
        Types of the parameters.
    every_type_known
        ``False`` where ``tables`` lacks some: what is of no known type is then let through.
    """
    kinds = read(tree, tables, parameters)
    checker = _Checker(kinds, is_typed=tables is not None and every_type_known)
    found: set[str] = set()
    if tables is not None:
        found.update(kinds.problems)
    for node in tree.walk():
        if type(node) not in _SILENT:
            found.update(checker.of(node))
    return sorted(found)


_SILENT: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.Alias,
        exp.Column,
        exp.CTE,
        exp.DataTypeParam,
        exp.From,
        exp.Identifier,
        exp.Order,
        exp.Paren,
        exp.Table,
        exp.TableAlias,
        exp.Var,
        exp.Where,
    }
)
"""Nodes that are neither a feature nor looked at by a rule: most of a tree."""


# --- how it is written --------------------------------------------------------------------------


class _Checker:
    """The rules for one tree."""

    def __init__(self, kinds: Kinds, *, is_typed: bool) -> None:
        self._kinds = kinds
        self._is_typed = is_typed

    def of(self, node: exp.Expr) -> Iterator[str]:
        if type(node) in INSTEAD_OF_NODES:
            yield INSTEAD_OF_NODES[type(node)]
            return
        for feature in features_of(node, self._kinds):
            if feature.startswith("!"):
                if feature.endswith("()"):
                    yield f"{feature[1:]}: {INSTEAD[feature[1:-2]]}"
            elif feature not in LISTED and not feature.startswith("cast "):
                yield f"{feature}: not on the list"
        yield from self._unexpected(node)
        match node:
            case exp.DataType():
                yield from _type_problems(node)
            case exp.Cast():
                yield from self._cast(node)
            case exp.Div():
                yield from self._division(node)
            case exp.Window():
                yield from _window_problems(node)
            case exp.Query():
                yield from _query_problems(node)
            case exp.Is() if not isinstance(node.expression, exp.Null):
                yield f"{start(node)}: it would be left out: coalesce(x, false)"
            case exp.Join() if node.args.get("using"):
                yield f"{start(node)}: write on a.x = b.x"
            case exp.Ordered():
                yield from _order_problems(node)
            case exp.Sum():
                yield from self._sum(node)
            case exp.Round() if node.args.get("decimals"):
                if self._kinds.of(node.this) not in (DOUBLE, UNKNOWN):
                    yield (
                        f"{start(node)}: the engines keep different digits: "
                        "cast(x as decimal(18, 2)) rounds"
                    )
            case exp.ArrayAgg() if not isinstance(node.this, exp.Order):
                yield f"{start(node)}: items in no order: array_agg(x order by …)"
            case exp.Bracket():
                yield from _item_problems(node)
            case exp.Substring():
                yield from _substring_problems(node)
            case exp.Split() if _is_empty_text(node.expression):
                yield f"{start(node)}: what to split at is empty"
            case exp.Replace() if _is_empty_text(node.expression):
                yield f"{start(node)}: what is replaced is empty, which one engine takes for a gap"
            case exp.ArrayToString() if isinstance(node.expression, exp.Null):
                yield f"{start(node)}: nothing to join with"
            case exp.GenerateSeries():
                yield from _series_problems(node)
            case exp.Anonymous() if node.name.lower() == "json_text":
                yield from _path_problems(node)
            case (
                exp.DateDiff()
                | exp.DateAdd()
                | exp.DateTrunc()
                | exp.TimestampTrunc()
                | exp.Extract()
            ):
                yield from self._time(node)
        if isinstance(node, _MATCHING):
            yield from _pattern_problems(node)

    def _unexpected(self, node: exp.Expr) -> Iterator[str]:
        """Arguments that are not on the list: sqlglot drops some of them without a word."""
        signature = FUNCTIONS.get(type(node))
        if signature is None or (isinstance(node, exp.If) and isinstance(node.parent, exp.Case)):
            return
        for key, given in node.args.items():
            if given not in (None, False, []) and key not in signature.arguments:
                yield f"{start(node)}: {signature.name}() is not used with '{key}' here"

    def _cast(self, node: exp.Cast) -> Iterator[str]:
        target = of_node(node.to)
        if isinstance(node.this, exp.Literal) and node.this.is_string and target in _WRITTEN:
            if not _WRITTEN[target].fullmatch(node.this.name):
                yield f"{start(node)}: write {_FORMS[target]}"
            return
        origin = origin_of(node, self._kinds)
        if (origin, target) in CASTS or target == UNKNOWN:
            return
        if origin == UNKNOWN:
            if self._is_typed:
                yield f"{start(node)}: what is cast is of no known type here"
            return
        yield f"{start(node)}: {_CASTS_INSTEAD.get((origin, target), 'no such cast on the list')}"

    def _division(self, node: exp.Div) -> Iterator[str]:
        sides = (node.left.unnest(), node.right.unnest())
        if DOUBLE not in {self._kinds.of(side) for side in (node.left, node.right)}:
            yield (
                f"{start(node)}: write cast(… as double) on one side, since integers and decimals "
                "divide differently"
            )
        if not _is_never_zero(sides[1]):
            yield f"{start(node)}: by 0 it is no number: divide by nullif(…, 0)"

    def _sum(self, node: exp.Sum) -> Iterator[str]:
        if self._is_typed and self._kinds.of(node.this) == UNKNOWN:
            yield f"{start(node)}: what is summed is of no known type here: cast it"

    def _time(self, node: exp.Func) -> Iterator[str]:
        unit = (node.text("unit") or node.this.name).lower()
        if isinstance(node, exp.Extract):
            if unit not in _EXTRACTED:
                yield f"{start(node)}: counted differently: day_of_week(x), day_of_year(x)"
            return
        if isinstance(node, exp.DateDiff):
            yield from self._distance(node, unit)
            return
        kind = self._kinds.of(node.this)
        if unit not in (_CALENDAR if kind == DATE else _CALENDAR | _CLOCK):
            yield f"{start(node)}: the unit '{unit}' does not go with {kind}"
        if kind != TIMESTAMP and not isinstance(node.parent, exp.Cast):
            yield (
                f"{start(node)}: of a date one engine makes a date, the other a timestamp: "
                "cast(… as date)"
            )

    def _distance(self, node: exp.DateDiff, unit: str) -> Iterator[str]:
        wanted = {"day": DATE, "millisecond": TIMESTAMP}.get(unit)
        if wanted is None:
            yield (
                f"{start(node)}: one engine counts whole units, the other boundaries: "
                "date_diff by 'day' between dates, or by 'millisecond' between timestamps"
            )
            return
        for side in (node.this, node.expression):
            kind = self._kinds.of(side)
            if kind == UNKNOWN and unit == "day" and not isinstance(side, _NAMED):
                kind = "of no known type"
            if kind not in (wanted, NULL, UNKNOWN) or (kind == UNKNOWN and self._is_typed):
                yield (
                    f"{start(node)}: by '{unit}' it takes {wanted}s, and {start(side)} is {kind}: "
                    f"cast(… as {'date' if wanted == DATE else 'timestamp(3)'})"
                )


_NAMED = (exp.Column, exp.Placeholder, exp.Cast)
_WRITTEN = {DATE: _DATE_TEXT, TIMESTAMP: _TIME_TEXT}
_FORMS = {
    DATE: "date '2026-01-05', or parse_date(x)",
    TIMESTAMP: "timestamp '2026-01-05 10:00:00.000', with up to three digits of a second, or "
    "parse_timestamp(x)",
}
_BY_PARSING = "what counts as one differs (blanks, underscores, 5.0): {}(x)"
_CASTS_INSTEAD: dict[tuple[Kind, Kind], str] = {
    (DOUBLE, INTEGER): "a half goes up or to the even number: cast(round(x) as bigint)",
    (DOUBLE, DECIMAL): "rounded by its binary value or by its text: "
    "cast(double_text(x) as decimal(18, 6))",
    (DOUBLE, VARCHAR): "doubles are printed differently: double_text(x)",
    (TIMESTAMP, VARCHAR): "times are printed differently: timestamp_text(t)",
    (VARCHAR, INTEGER): _BY_PARSING.format("parse_bigint"),
    (VARCHAR, DOUBLE): _BY_PARSING.format("parse_double"),
    (VARCHAR, DECIMAL): "what counts as one differs (blanks, underscores): "
    "cast(double_text(parse_double(x)) as decimal(18, 6))",
    (VARCHAR, DATE): _BY_PARSING.format("parse_date"),
    (VARCHAR, TIMESTAMP): _BY_PARSING.format("parse_timestamp"),
    (VARCHAR, "boolean"): "what counts as true differs (yes): lower(x) in ('true', '1')",
    (JSON, VARCHAR): "the engines print JSON differently: json_text(x, '$.key')",
    (INTEGER, "boolean"): "x <> 0",
}


def _type_problems(node: exp.DataType) -> Iterator[str]:
    kind = of_node(node)
    digits = [item.name for item in node.expressions if isinstance(item, exp.DataTypeParam)]
    is_literal = isinstance(node.parent, exp.Cast) and isinstance(node.parent.this, exp.Literal)
    problem = None
    if node.this in (exp.DataType.Type.FLOAT, exp.DataType.Type.TIMESTAMPTZ):
        problem = "use double, and timestamp(3) in UTC"
    elif kind == UNKNOWN:
        problem = "not on the list of types"
    elif kind == DECIMAL and len(digits) != 2:
        problem = "the engines add different digits: decimal(18, 2)"
    elif kind == VARCHAR and digits:
        problem = "one engine cuts texts to that length: varchar, and substr(x, 1, n)"
    elif kind == TIMESTAMP and digits != ["3"] and not is_literal:
        problem = "columns are timestamp(3)"
    if problem:
        yield f"{node.sql('athena').lower()}: {problem}"


def _is_never_zero(divisor: exp.Expr) -> bool:
    if isinstance(divisor, exp.Cast):
        return _is_never_zero(divisor.this.unnest())
    if isinstance(divisor, exp.Nullif):
        return divisor.expression.name in ("0", "0e0", "0.0")
    if isinstance(divisor, exp.Mul):
        return _is_never_zero(divisor.left.unnest()) and _is_never_zero(divisor.right.unnest())
    return isinstance(divisor, exp.Literal) and float(divisor.name) != 0


def _window_problems(node: exp.Window) -> Iterator[str]:
    inner = node.this
    if isinstance(inner, exp.Filter):
        yield f"{start(node)}: Athena has no filter over a window: sum(case when … then x end)"
    if isinstance(inner, exp.AggFunc) and isinstance(inner.this, exp.Distinct):
        yield f"{start(node)}: Athena has no distinct over a window: count in a subquery"
    if type(inner) in RANKINGS and not node.args.get("order"):
        yield f"{start(node)}: rows come in no order of their own: order by the key"


def _query_problems(node: exp.Expr) -> Iterator[str]:
    if (node.args.get("limit") or node.args.get("offset")) and not node.args.get("order"):
        yield f"{start(node)}: which rows come out is not defined: add an order by the key"
    distinct = node.args.get("distinct")
    if isinstance(distinct, exp.Distinct) and distinct.args.get("on"):
        yield "distinct on: Athena has none: row_number() = 1"


def _order_problems(node: exp.Ordered) -> Iterator[str]:
    """An expression over a name that the select gives anew: the engines take different ones."""
    query = node.find_ancestor(exp.Query, exp.Window, exp.AggFunc)
    if not isinstance(query, exp.Select) or isinstance(node.this, (exp.Column, exp.Literal)):
        return
    given = {
        item.alias.lower()
        for item in query.expressions
        if isinstance(item, exp.Alias) and item.this.name.lower() != item.alias.lower()
    }
    for column in node.this.find_all(exp.Column):
        if not column.table and column.name.lower() in given:
            yield (
                f"order by {start(node.this)}: one engine takes '{column.name}' for the table's "
                "column, the other for the one given here: order by a column of the select"
            )


def _item_problems(node: exp.Bracket) -> Iterator[str]:
    if not node.args.get("safe"):
        yield f"{start(node)}: past the end one engine fails: element_at(…)"
    elif not _is_number(node.expressions[0], at_least=1):
        yield f"{start(node)}: element_at() takes a number from 1: there is no item 0"


def _substring_problems(node: exp.Substring) -> Iterator[str]:
    length = node.args.get("length")
    if not _is_number(node.args["start"], at_least=1):
        yield (
            f"{start(node)}: the first character is number 1, and before it the engines count "
            "differently: give a number from 1, or use regexp_extract"
        )
    if length is not None and not _is_number(length, at_least=0):
        yield f"{start(node)}: a length below 0 means different things: give a number from 0"


def _series_problems(node: exp.GenerateSeries) -> Iterator[str]:
    ends = [node.args.get(key) for key in ("start", "end")]
    step = node.args.get("step")
    rises = all(isinstance(end, exp.Literal) for end in ends) and float(ends[0].name) <= float(  # type: ignore[union-attr]
        ends[1].name  # type: ignore[union-attr]
    )
    if not rises or (step is not None and not _is_number(step, at_least=1)):
        yield (
            f"{start(node)}: downwards one engine counts on, and dates become timestamps: "
            "sequence(0, 99) of numbers, and a condition on them"
        )


def _path_problems(node: exp.Anonymous) -> Iterator[str]:
    path = node.expressions[1] if len(node.expressions) > 1 else None
    if not isinstance(path, exp.Literal) or not _JSON_PATH.fullmatch(path.name):
        yield f"{start(node)}: the path is a text of plain keys, '$.a.b'"


def _pattern_problems(node: exp.Func) -> Iterator[str]:
    pattern = node.args.get("expression")
    many = isinstance(node, (exp.RegexpReplace, exp.RegexpExtractAll))
    if isinstance(pattern, exp.Literal):
        problem = regex.problem(pattern.name, replaces=many)
        if problem:
            yield f"{start(node)}: {problem}"
    elif not isinstance(pattern, exp.Placeholder) and not (
        isinstance(node, exp.RegexpLike) and isinstance(pattern, exp.Column)
    ):
        yield f"{start(node)}: the pattern is a text of its own, or in regexp_like a seed's column"
    if isinstance(node, exp.RegexpReplace):
        replacement = node.args.get("replacement")
        if isinstance(replacement, exp.Literal):
            problem = regex.replacement_problem(replacement.name)
            if problem:
                yield f"{start(node)}: {problem}"
        elif replacement is not None:
            yield f"{start(node)}: what to replace by is a text of its own, with $1 for a group"
    if isinstance(node, exp.RegexpExtract):
        parent = node.parent
        if not (isinstance(parent, exp.Nullif) and _is_empty_text(parent.expression)):
            yield f"{start(node)}: a miss is NULL or '': write nullif(regexp_extract(…), '')"


def _is_empty_text(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Literal) and node.is_string and node.name == ""


def _is_number(node: exp.Expr | None, *, at_least: int) -> bool:
    return (
        isinstance(node, exp.Literal)
        and not node.is_string
        and node.name.isdigit()
        and int(node.name) >= at_least
    )
