"""What can be told of a query without running it, and of columns by their types."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from sqlglot import exp

from engagement.aws import glue
from engagement.warehouse.frames import arrow_type

ROWS, VERSION = "engagement.rows", "engagement.version"
"""Table parameters: how many rows a table has, and which version it is."""

MOST_PARTITIONS = 100
"""A statement writes at most so many partitions."""


def about(project: str, rows: int, version: str | None) -> dict[str, str]:
    """Parameters of a table that is published; without a version it gets one of its own."""
    return {glue.OWNER: project, ROWS: str(rows), VERSION: version or secrets.token_hex(16)}


_MOST_ROWS_HERE = 500_000
"""A table of so many rows is read and written here where that saves a statement."""

_PLAIN = {"varchar", "bigint", "double", "boolean", "timestamp(3)", "decimal(38,0)"}


def arrow_schema(columns: Mapping[str, str]) -> pa.Schema:
    """Arrow's types of columns, by their Athena types."""
    return pa.schema([(name, arrow_type(kind)) for name, kind in columns.items()])


def is_small(table: Mapping[str, Any]) -> bool:
    """Whether a table is of this project, without partitions, and small enough to be read here."""
    rows = table.get("Parameters", {}).get(ROWS)
    return (
        rows is not None
        and int(rows) <= _MOST_ROWS_HERE
        and not table.get("PartitionKeys")
        and bool(glue.location(table))
        and are_plain(glue.columns(table).values())
    )


def are_plain(kinds: Iterable[str]) -> bool:
    """Whether columns of these types can be read and written here."""
    return all(kind.replace(" ", "") in _PLAIN for kind in kinds)


def quote(name: str) -> str:
    """A name as it is quoted in a statement."""
    return str(exp.to_identifier(name, quoted=True).sql("trino"))


def day_groups(days: Sequence[str]) -> list[Sequence[str]]:
    """Dates in groups of which each is one statement's."""
    return [days[at : at + MOST_PARTITIONS] for at in range(0, len(days), MOST_PARTITIONS)]


def only_source(query: exp.Query) -> exp.Table | None:
    """The one table of a query that neither joins, groups, orders nor limits."""
    if not isinstance(query, exp.Select):
        return None
    used = {key for key, value in query.args.items() if value}
    if not used <= {"expressions", "from_", "from", "where"}:
        return None
    source = query.args.get("from_") or query.args.get("from")
    if source is None or not isinstance(source.this, exp.Table) or source.this.args.get("joins"):
        return None
    return source.this


def is_star(query: exp.Query) -> bool:
    """Whether a query gives all columns of what it reads."""
    chosen = query.expressions
    return (
        len(chosen) == 1 and isinstance(chosen[0], exp.Star) and not chosen[0].args.get("except_")
    )


def plain_columns(query: exp.Query) -> list[str]:
    """Names of a query's columns where it only picks some; empty where it does more."""
    if not isinstance(query, exp.Select) or only_source(query) is None:
        return []
    if not all(isinstance(chosen, exp.Column) for chosen in query.expressions):
        return []
    return [chosen.name for chosen in query.expressions]


def lists_as_json(tree: exp.Query, names: Sequence[str], lists: set[str]) -> exp.Query:
    """A query whose arrays come as JSON: Athena's own text of an array cannot be read back."""

    def as_json(value: exp.Expr) -> exp.Expr:
        return exp.Anonymous(
            this="json_format", expressions=[exp.cast(value, exp.DataType.build("json"))]
        )

    if isinstance(tree, exp.Select) and not any(e.is_star for e in tree.expressions):
        tree = tree.copy()
        tree.set(
            "expressions",
            [
                exp.alias_(as_json(e.unalias().copy()), name, quoted=True) if name in lists else e
                for e, name in zip(tree.expressions, names, strict=True)
            ],
        )
        return tree
    chosen: list[exp.Expr] = []
    for name in names:
        value: exp.Expr = exp.column(name, quoted=True)
        chosen.append(exp.alias_(as_json(value), name, quoted=True) if name in lists else value)
    return exp.Select(expressions=chosen).from_(tree.subquery("listed"), copy=False)


def list_type(values: Sequence[list[Any] | None]) -> pa.DataType:
    """Arrow's type of lists, by what they hold."""
    members = [item for value in values if value for item in value if item is not None]
    if members and all(isinstance(item, bool) for item in members):
        return pa.list_(pa.bool_())
    if members and all(isinstance(item, int) for item in members):
        return pa.list_(pa.int64())
    if members and all(isinstance(item, (int, float)) for item in members):
        return pa.list_(pa.float64())
    return pa.list_(pa.string())
