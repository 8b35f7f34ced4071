"""Types of columns and values: Redshift's own, Athena's names of them, and Arrow's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.frames import arrow_type

TEXT = "varchar(65535)"

LONGEST_TEXT = 65_535
"""Bytes of a text: Redshift counts bytes, not letters."""

_ATHENA_TYPES = {
    **dict.fromkeys(("bigint", "int8", "oid"), "bigint"),
    **dict.fromkeys(("integer", "int4", "int"), "integer"),
    **dict.fromkeys(("smallint", "int2"), "integer"),
    **dict.fromkeys(("double precision", "float8", "real", "float4", "float"), "double"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(
        ("character varying", "varchar", "text", "character", "bpchar", "char", "name", "unknown"),
        "varchar",
    ),
    "date": "date",
    **dict.fromkeys(
        ("timestamp without time zone", "timestamp with time zone", "timestamp", "timestamptz"),
        "timestamp(3)",
    ),
    "super": "json",
}
_REDSHIFT_TYPES = {
    "varchar": TEXT,
    "double": "double precision",
    "timestamp(3)": "timestamp",
    "json": "super",
}


def quoted(name: str) -> str:
    """A name as Redshift reads it."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text as Redshift reads it, where a backslash marks what follows it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def athena_type(kind: str, precision: int | None = None, scale: int | None = None) -> str:
    """Athena's name of a type as the catalog, a result or the Data API calls it.

    ``decimal`` for a number whose digits nothing says.
    """
    kind = kind.strip().lower()
    digits = re.fullmatch(r"(?:numeric|decimal)\((\d+),\s*(\d+)\)", kind)
    if digits:
        return f"decimal({digits[1]},{digits[2]})"
    plain = re.sub(r"\s*\([\d,\s]+\)", "", kind)
    if plain in ("numeric", "decimal"):
        return f"decimal({precision},{scale or 0})" if precision else "decimal"
    return _ATHENA_TYPES.get(plain, plain)


def redshift_type(kind: str) -> str:
    """Redshift's name of an Athena type."""
    return "super" if kind.startswith("array(") else _REDSHIFT_TYPES.get(kind, kind)


def defined(columns: Mapping[str, str]) -> str:
    """Columns as a table's definition."""
    return ", ".join(f"{quoted(name)} {redshift_type(kind)}" for name, kind in columns.items())


def literal(value: Any) -> str:
    """A value as an INSERT has it.

    Raises
    ------
    WarehouseError
        When a text is longer than Redshift's longest, or there is no such literal.
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return str(value)
        case float():
            # A cast: nan and the infinities have no other form.
            return f"cast('{value!r}' as double precision)"
        case datetime():
            value = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            return f"'{value.isoformat(sep=' ', timespec='milliseconds')}'"
        case date():
            return f"'{value.isoformat()}'"
        case str():
            if len(value.encode()) > LONGEST_TEXT:
                raise WarehouseError(f"a text is longer than {LONGEST_TEXT:,} bytes")
            return text(value.replace("\0", ""))
    raise WarehouseError(f"a {type(value).__name__} cannot be written into a statement")


def arrow(kind: str, cells: Sequence[Any]) -> pa.Array:
    """A column of a result, with the type that Athena gives it.

    Times are UTC and have milliseconds. What JSON there is (SUPER) is its text.
    """
    if kind.startswith("timestamp"):
        return pa.array([_milliseconds(cell) for cell in cells], pa.timestamp("ms"))
    if kind == "decimal":
        scale = max((-int(c.as_tuple().exponent) for c in cells if c is not None), default=0)
        return pa.array(cells, pa.decimal128(38, min(max(scale, 0), 37)))
    if kind.startswith("array("):
        return pa.array([_list(cell) for cell in cells], pa.list_(pa.string()))
    found = arrow_type(kind)
    if found is None:
        return pa.array([None if c is None else str(c) for c in cells], pa.string())
    return pa.array(cells, found)


def _milliseconds(cell: datetime | None) -> datetime | None:
    if cell is None:
        return None
    if cell.tzinfo is not None:
        cell = cell.astimezone(UTC).replace(tzinfo=None)
    return cell.replace(microsecond=cell.microsecond // 1000 * 1000)


def _list(cell: Any) -> Any:
    """The items of a SUPER that is an array, each as its text; NULL for any other."""
    found = json.loads(cell) if isinstance(cell, str) else cell
    if not isinstance(found, list):
        return None
    return [
        one if one is None or isinstance(one, str) else json.dumps(one, ensure_ascii=False)
        for one in found
    ]
