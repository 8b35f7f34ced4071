"""Rows written in a test, as a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlglot import exp

from engagement.sql.dialect import literal


def values_query(columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> exp.Select:
    """Rows as a query, typed, also when there is none."""
    typed = [
        exp.alias_(exp.cast(exp.column(name, table="v"), kind), name)
        for name, kind in columns.items()
    ]
    content = rows or [[None] * len(columns)]
    table = exp.Values(
        expressions=[exp.Tuple(expressions=[literal(cell) for cell in row]) for row in content],
        alias=exp.TableAlias(
            this=exp.to_identifier("v"), columns=[exp.to_identifier(name) for name in columns]
        ),
    )
    query = exp.Select(expressions=typed).from_(table, copy=False)
    return query if rows else query.where(exp.false())
