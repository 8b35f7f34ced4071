"""Expressions put to an engine, many in one statement, and answers compared with what was said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb
from sqlglot import exp

from engagement.sql import types as kinds
from engagement.sql.dialect import bind, literal, parse
from engagement.sql.rendering import render
from engagement.warehouse.duckdb.types import athena_type
from engagement.warehouse.duckdb.udfs import register
from engagement.warehouse.registry import find_engine
from tests.sql.dialect_cases import (
    CASES,
    DIFFERENCES,
    FAILS,
    Difference,
    Empty,
    Null,
)
from tests.sql.dialect_many import patterns

Answer = tuple[Any, str]
"""A value, and Athena's name of its type."""

Run = Callable[[str], list[list[Answer]]]
"""Runs a statement and gives its rows; an error of the engine comes through."""

AS_OF = date(2026, 1, 31)
PARAMETERS = {"as_of": "date"}
_AT_ONCE = 60

Asked = tuple[str, exp.Expr, Any]
"""A case: what to call it, an expression with its parameters filled in, what was said."""


def expression(sql: str, **parameters: Any) -> exp.Expr:
    """An expression of the dialect, with its parameters filled in."""
    tree = bind(parse(f"select {sql}"), {"as_of": AS_OF, **parameters}).expressions[0]
    assert isinstance(tree, exp.Expr)
    return tree


def cases() -> list[Asked]:
    """The cases of every list."""
    return [(sql, expression(sql), value) for sql, value in CASES.items()]


def odd(run: Run, engine: str, sql: str, said: Mapping[Any, Any]) -> list[str]:
    """What an expression with a gap makes of each of many values, otherwise than was said.

    They come from rows, so that no engine works them out while it plans; NULL gives NULL.
    """
    given = said if sql.endswith("is null") else {**said, None: None}
    kind = next(kind_of(value) for value in said.values() if value is not None)
    value = expression(sql.replace(":1", f"cast(given as {_TYPES[kind_of(next(iter(said)))]})"))
    asked = list(given.items())
    found: list[str] = []
    for start in range(0, len(asked), _IN_AN_ARRAY):
        part = asked[start : start + _IN_AN_ARRAY]
        rows = exp.Unnest(
            expressions=[exp.Array(expressions=[literal(one) for one, _ in part])],
            alias=exp.TableAlias(this=exp.to_identifier("v"), columns=[exp.to_identifier("given")]),
            offset=exp.to_identifier("place"),
        )
        answers = run(
            render(
                exp.select(value).from_(rows).order_by("place"), find_engine(engine).rendering, {}
            )
        )
        found += [
            f"{sql} of {one!r}: {expected!r} was said, {row[0]!r} is the answer"
            for (one, expected), row in zip(part, answers, strict=True)
            if not agrees(row[0], Null(kind) if expected is None else expected)
        ]
    return found


_IN_AN_ARRAY = 250
"""Items that may be written out in an array on Trino, about."""

_TYPES = {"varchar": "varchar", "double": "double", "timestamp": "timestamp(3)"}


def pattern_cases() -> list[Asked]:
    """Patterns of all that is said to be read alike."""
    return [(sql, expression(sql), answer) for sql, answer in patterns()]


def portable_ways() -> list[Asked]:
    """What to write instead of each of the differences."""
    return [(item.instead, expression(item.instead), item.answer) for item in DIFFERENCES]


def answers(run: Run, engine: str, trees: Sequence[exp.Expr]) -> list[Answer]:
    """What the engine says to each of many expressions, asked together."""
    found: list[Answer] = []
    for start in range(0, len(trees), _AT_ONCE):
        part = trees[start : start + _AT_ONCE]
        columns = [exp.alias_(tree.copy(), f"c{n}") for n, tree in enumerate(part)]
        found += run(render(exp.select(*columns), find_engine(engine).rendering, {}))[0]
    return found


def wrong(run: Run, engine: str, cases: Sequence[Asked]) -> list[str]:
    """What an engine answers otherwise than was said: a line for each such case."""
    try:
        found: list[Any] = answers(run, engine, [tree for _, tree, _ in cases])
    except Exception:  # noqa: BLE001 (each engine has its own)
        found = [one_by_one(run, engine, tree) for _, tree, _ in cases]
    return [
        f"{name}: {expected!r} was said, {answer!r} is the answer"
        for (name, _, expected), answer in zip(cases, found, strict=True)
        if not agrees(answer, expected)
    ]


def one_by_one(run: Run, engine: str, tree: exp.Expr) -> Answer | str:
    """What an engine says to one expression; its complaint, where it does not answer."""
    try:
        return run(render(exp.select(tree.copy()), find_engine(engine).rendering, {}))[0][0]
    except Exception as error:  # noqa: BLE001 (each engine has its own)
        return str(error).partition("\n")[0]


def differs(run: Run, engine: str, item: Difference) -> str | None:
    """Say where an engine answers a form, rendered by sqlglot alone, otherwise than was said."""
    expected = item.trino if engine == "athena" else item.duckdb
    written = expression(item.form).sql("trino" if engine == "athena" else engine)
    try:
        answer: Answer | str = run(f"select {written}")[0][0]
    except Exception as error:  # noqa: BLE001 (each engine has its own)
        answer = str(error).partition("\n")[0]
    is_so = isinstance(answer, str) if expected is FAILS else agrees(answer, expected)
    return None if is_so else f"{item.form}: {expected!r} was said, {answer!r} is the answer"


def agrees(answer: Answer | str, expected: Any) -> bool:
    """Whether an answer is what was said: its value, its type, and the digits of decimals."""
    if isinstance(answer, str):
        return False
    value, kind = answer
    if isinstance(expected, Null):
        return value is None and kinds.of_type(kind) == expected.kind
    if isinstance(expected, Empty):
        return value == [] and kinds.of_type(kind) == kinds.array_of(expected.kind)
    said = kind_of(expected)
    is_kind = kinds.of_type(kind) == said or (said == "array(null)" and kind.startswith("array("))
    return same(value, expected) and is_kind


def same(value: Any, expected: Any) -> bool:
    """Equal, and of the same type; decimals also in their digits."""
    if isinstance(expected, list):
        return (
            isinstance(value, list)
            and len(value) == len(expected)
            and all(map(same, value, expected))
        )
    if type(value) is not type(expected):
        return False
    return str(value) == str(expected) if isinstance(value, Decimal) else bool(value == expected)


def kind_of(value: Any) -> str:
    """The kind that a Python value stands for."""
    match value:
        case Null() | Empty():
            return value.kind if isinstance(value, Null) else kinds.array_of(value.kind)
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "double"
        case Decimal():
            return "decimal"
        case datetime():
            return "timestamp"
        case date():
            return "date"
        case str():
            return "varchar"
        case list():
            inner = {kind_of(item) for item in value if item is not None}
            return kinds.array_of(inner.pop() if inner else "null")
    raise TypeError(type(value))


def on_duckdb() -> Run:
    """A DuckDB in memory."""
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    register(connection)

    def run(sql: str) -> list[list[Answer]]:
        done = connection.execute(sql)
        types = [_athena(str(column[1])) for column in done.description]
        return [list(zip(row, types, strict=True)) for row in done.fetchall()]

    return run


@contextmanager
def on_trino(host: str, port: int) -> Iterator[Run]:
    """A Trino that runs already."""
    import trino

    with trino.dbapi.connect(host=host, port=port, user="dialect", timezone="UTC") as connection:

        def run(sql: str) -> list[list[Answer]]:
            cursor = connection.cursor()
            rows = cursor.execute(sql).fetchall()
            types = [str(column[1]) for column in cursor.description]
            return [list(zip(row, types, strict=True)) for row in rows]

        yield run


def _athena(kind: str) -> str:
    return athena_type(kind.replace("HUGEINT", "BIGINT"))
