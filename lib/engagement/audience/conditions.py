"""The condition of a segment as a text: what may be written after ``where``.

It is parsed as one condition and nothing else, checked against the warehouse's allow-list, and put
into the query as a tree. Its columns and the types of what it compares are checked against the
table before it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from sqlglot import exp, parse_one
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from engagement.messages import nearest
from engagement.sql.dialect import DialectError, check
from engagement.warehouse import Table

CUSTOMERS = Table("marts", "customer_360")

PARAMETERS = {"as_of": "date", "as_of_end": "timestamp(3)"}
"""What a condition may use as ``:name``, and its type: the day that the table stands for, and the
moment in UTC up to which it sees. Windows in hours count back from that moment."""

NUMBER, TEXT, TIME, YES_OR_NO = "a number", "text", "a date or time", "true or false"


def condition(where: str) -> exp.Expr:
    """Parse a condition: one expression that both engines read alike, without subqueries.

    Raises
    ------
    ValueError
        When it is no such expression: where, and what to write instead.
    """
    if not where.strip():
        raise ValueError("is empty; 'true' means everybody")
    try:
        tree = cast(exp.Expr, parse_one(where, read="athena", into=exp.Condition))
    except ParseError as error:
        raise ValueError(_syntax(error)) from None
    except SqlglotError as error:
        raise ValueError(str(error).splitlines()[0]) from None
    problems = sorted(set(_unwanted(tree)))
    try:
        check(tree, source="the condition", parameters=PARAMETERS)
    except DialectError as error:
        problems += [line.removeprefix("  - ") for line in str(error).splitlines()[1:]]
    if problems:
        raise ValueError("; ".join(problems))
    return tree


def _syntax(error: ParseError) -> str:
    if not error.errors:
        return "is no condition such as orders_30 > 0"
    first = error.errors[0]
    return (
        f"line {first.get('line')}, column {first.get('col')} near '{first.get('highlight')}': "
        "write one condition, such as orders_30 > 0 and country = 'US'"
    )


def _unwanted(tree: exp.Expr) -> Iterator[str]:
    for node in tree.walk():
        if isinstance(node, (exp.Query, exp.Table)):
            yield f"a subquery: only columns of {CUSTOMERS} can be used here"
        elif isinstance(node, (exp.Window, exp.AggFunc)) and not isinstance(
            node.parent, exp.Window
        ):
            yield f"{node.sql('athena')}: a condition is about one person, not about several rows"
        elif isinstance(node, exp.Column) and node.table:
            yield f"{node.sql('athena')}: write the column without a table, {node.name}"
        elif isinstance(node, exp.Placeholder) and str(node.this or "?") not in PARAMETERS:
            wanted = ", ".join(f":{name}" for name in PARAMETERS)
            yield f"the parameter '{node.sql('athena')}': there is only {wanted}"


def not_portable(tree: exp.Expr, columns: Mapping[str, str]) -> list[str]:
    """What only types can tell: the cast of a double, say."""
    people = exp.select(exp.true()).from_(CUSTOMERS.node()).where(tree)
    try:
        check(people, tables={str(CUSTOMERS): columns}, parameters=PARAMETERS)
    except DialectError as error:
        return [line.removeprefix("  - ") for line in str(error).splitlines()[1:]]
    return []


def no_column(name: str, columns: Mapping[str, str]) -> str:
    """A sentence for a column that the customer table lacks, with the nearest that it has."""
    return f"{CUSTOMERS} has no column '{name}'{nearest(name.lower(), columns)}"


def data_type(text: str) -> exp.DataType:
    """A type by Athena's name of it."""
    return exp.DataType.build(text, dialect="athena")


def family_of(kind: exp.DataType | None) -> str | None:
    """What a type holds, in words; ``None`` where that is nothing that can be compared."""
    if kind is None:
        return None
    if kind.is_type(*exp.DataType.NUMERIC_TYPES):
        return NUMBER
    if kind.is_type(*exp.DataType.TEXT_TYPES):
        return TEXT
    if kind.is_type(*exp.DataType.TEMPORAL_TYPES):
        return TIME
    if kind.is_type(exp.DataType.Type.BOOLEAN):
        return YES_OR_NO
    return None


def mistyped(tree: exp.Expr, columns: Mapping[str, str]) -> list[str]:
    """What Athena refuses and DuckDB guesses at: unlike things compared, no condition at all."""
    schema = MappingSchema({CUSTOMERS.database: {CUSTOMERS.name: dict(columns)}}, dialect="athena")
    select = exp.select(exp.true()).from_(CUSTOMERS.node()).where(tree.copy())
    tree = annotate_types(
        qualify(select, schema=schema, dialect="athena"), schema=schema, dialect="athena"
    )
    where = tree.find(exp.Where)
    if where is None:
        return []
    problems = []
    for node in where.walk():
        if isinstance(node, (exp.Where, exp.And, exp.Or, exp.Not)):
            operands = [part for part in (node.this, node.args.get("expression")) if part]
            problems += [
                f"{_plain(part)} is {family}, not a condition"
                for part in operands
                if (family := family_of(part.type)) not in (None, YES_OR_NO)
            ]
        else:
            problems += _unlike(node)
    return sorted(set(problems))


def _unlike(node: exp.Expr) -> list[str]:
    if isinstance(node, exp.Between):
        others = [node.args["low"], node.args["high"]]
    elif isinstance(node, exp.In):
        others = list(node.expressions)
    elif isinstance(node, (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like)):
        others = [node.expression]
    else:
        return []
    left = family_of(node.this.type)
    return [
        f"{_plain(node.this)} is {left}, {_plain(other)} is {right}"
        for other in others
        if left and (right := family_of(other.type)) and right != left
    ]


def _plain(node: exp.Expr) -> str:
    """An expression as it was written, without what qualifying added."""
    bare = node.copy()
    for column in bare.find_all(exp.Column):
        column.set("table", None)
    for name in bare.find_all(exp.Identifier):
        name.set("quoted", False)
    return bare.sql("athena")
