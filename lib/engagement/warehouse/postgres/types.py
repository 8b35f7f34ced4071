"""Types of columns: PostgreSQL's own, Athena's names of them, and Arrow's."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa

from engagement.warehouse.frames import arrow_type
from engagement.warehouse.loaded_views import quoted as quoted
from engagement.warehouse.loaded_views import text as text

_ATHENA_TYPES = {
    "bigint": "bigint",
    "integer": "integer",
    "smallint": "integer",
    "double precision": "double",
    "real": "double",
    "boolean": "boolean",
    "text": "varchar",
    "character varying": "varchar",
    "date": "date",
    "timestamp without time zone": "timestamp(3)",
    "timestamp with time zone": "timestamp(3)",
    "jsonb": "json",
    "json": "json",
    "numeric": "decimal",
}
_POSTGRES_TYPES = {
    "varchar": "text",
    "double": "double precision",
    "timestamp(3)": "timestamp",
    "json": "jsonb",
}


def athena_type(kind: str) -> str:
    """Athena's name of a type, as ``format_type`` writes it; ``decimal`` for a bare numeric."""
    if kind.endswith("[]"):
        return f"array({athena_type(kind[:-2])})"
    decimal = re.fullmatch(r"numeric\((\d+),(\d+)\)", kind)
    if decimal:
        return f"decimal({decimal[1]},{decimal[2]})"
    plain = re.sub(r"\(\d+\)", "", kind)
    return _ATHENA_TYPES.get(plain, plain)


def postgres_type(kind: str) -> str:
    """PostgreSQL's name of an Athena type."""
    array = re.fullmatch(r"array\((.+)\)", kind)
    if array:
        return f"{postgres_type(array[1])}[]"
    return _POSTGRES_TYPES.get(kind, kind)


def defined(columns: Mapping[str, str]) -> str:
    """Columns as a table's definition."""
    return ", ".join(f"{quoted(name)} {postgres_type(kind)}" for name, kind in columns.items())


def arrow_of(kind: str) -> pa.DataType:
    """Arrow's type of a column of results; a bare numeric's is found from its values."""
    array = re.fullmatch(r"array\((.+)\)", kind)
    if array:
        return pa.list_(arrow_of(array[1]))
    return arrow_type(kind) or pa.string()
