"""Types of columns: DuckDB's own, and Athena's names of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from sqlglot import exp

from engagement.warehouse.duckdb.json_sql import name_sql

_ATHENA_TYPES = {
    "BIGINT": "bigint",
    "INTEGER": "integer",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "VARCHAR": "varchar",
    "JSON": "varchar",
    "DATE": "date",
    "TIMESTAMP": "timestamp(3)",
    "TIMESTAMP_MS": "timestamp(3)",
    "TIMESTAMP_S": "timestamp(3)",
    "BLOB": "varbinary",
}

_COMPRESSED = {"id": "uncompressed", "record": "zstd"}
"""How some columns of texts are compressed. Ids of messages are random: there is nothing to find in
them, and to look for it takes time with every table. Whole records are the long texts they are."""


def defined(columns: Mapping[str, str]) -> str:
    """Columns as a table's definition."""
    return ", ".join(
        f"{name_sql(column)} {duckdb_type(kind)}"
        # A property may have such a name, and be a number.
        + (f" using compression {_COMPRESSED[column]}" if _is_compressed(column, kind) else "")
        for column, kind in columns.items()
    )


def _is_compressed(column: str, kind: str) -> bool:
    return column in _COMPRESSED and kind == "varchar"


def athena_types(columns: Mapping[str, str]) -> dict[str, str]:
    """Columns with Athena's names of their DuckDB types."""
    return {name: athena_type(kind) for name, kind in columns.items()}


def athena_type(kind: str) -> str:
    """Athena's name of a DuckDB type; for types that Athena lacks, DuckDB's in lower case."""
    if kind.endswith("[]"):
        return f"array({athena_type(kind[:-2])})"
    return _ATHENA_TYPES.get(kind, kind.lower().replace(" ", ""))


_NARROWER = {
    "HUGEINT": "bigint",
    "JSON": "varchar",
    "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_S": "timestamp",
}


def narrowed(sql: str, types: Mapping[str, str]) -> str:
    """Give sums of bigints and JSON values the type that they have on Athena."""
    changed = {name: _NARROWER[kind] for name, kind in types.items() if kind in _NARROWER}
    if not changed:
        return sql
    replaced = ", ".join(
        f"cast({name_sql(name)} as {kind}) as {name_sql(name)}" for name, kind in changed.items()
    )
    return f"select * replace ({replaced}) from ({sql})"


@cache
def duckdb_type(kind: str) -> str:
    """DuckDB's name of an Athena type."""
    return str(exp.DataType.build(kind, dialect="trino").sql("duckdb")).replace(
        "TIMESTAMP_MS", "TIMESTAMP"
    )
