"""Rows that are here, on their way into a table: a few by INSERT, many by way of S3 and COPY."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.redshift.types import LONGEST_TEXT, literal, quoted, redshift_type

_NULL_MARK = "\\N"


def inserts(
    table: str, rows: pa.Table, columns: Mapping[str, str], most_bytes: int
) -> Iterator[str]:
    """Statements that insert all rows, none longer than so many bytes.

    The first row of each says every cell's type, by which Redshift reads the others.
    """
    head = f"insert into {table} ({', '.join(map(quoted, columns))}) values "
    kinds = list(columns.values())
    parts: list[str] = []
    size = len(head.encode())
    for row in _rows(rows, columns):
        written = _tuple(row, kinds, whole=not parts)
        more = len(written.encode()) + 2
        if parts and size + more > most_bytes:
            yield head + ", ".join(parts)
            written = _tuple(row, kinds, whole=True)
            parts, size = [], len(head.encode())
            more = len(written.encode()) + 2
        parts.append(written)
        size += more
    if parts:
        yield head + ", ".join(parts)


def _rows(rows: pa.Table, columns: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(rows.column(name).to_pylist() for name in columns), strict=True)


def _tuple(row: Sequence[Any], kinds: Sequence[str], *, whole: bool) -> str:
    cells = []
    for cell, kind in zip(row, kinds, strict=True):
        written = literal(cell)
        if kind == "json" and cell is not None:
            cells.append(f"json_parse({written})")  # a cast would make a text of it
            continue
        is_plain = kind in ("varchar", "bigint", "integer", "boolean") or cell is None
        if (whole or not is_plain) and not (isinstance(cell, float) and kind == "double"):
            written = f"cast({written} as {redshift_type(kind)})"
        cells.append(written)
    return f"({', '.join(cells)})"


def can_be_copied(columns: Mapping[str, str]) -> bool:
    """Whether COPY reads all of these types from CSV; JSON and arrays are of one it may not."""
    return not any(kind == "json" or kind.startswith("array") for kind in columns.values())


def csv_file(rows: pa.Table, columns: Mapping[str, str]) -> tuple[bytes, str]:
    """The rows as a compressed CSV file without a header, and what a NULL is in it.

    Redshift reads an empty field as an empty text, so a NULL needs a mark, which is no text of the
    rows. The same rows give the same bytes.

    Raises
    ------
    WarehouseError
        When a value cannot be written, such as a list or a text that is too long.
    """
    mark = _unused_mark(rows, columns)
    raw = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, compresslevel=6) as zipped,
        io.TextIOWrapper(zipped, encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        for row in _rows(rows, columns):
            writer.writerow([mark if cell is None else _cell(cell) for cell in row])
    return raw.getvalue(), mark


def _unused_mark(rows: pa.Table, columns: Mapping[str, str]) -> str:
    texts: set[str] = set()
    for name in columns:
        column = rows.column(name)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            written = pc.replace_substring(column, "\0", "")
            texts |= set(written.filter(pc.starts_with(written, _NULL_MARK)).to_pylist())
    mark = _NULL_MARK
    while mark in texts:
        mark += "N"
    return mark


def _cell(cell: Any) -> str:
    match cell:
        case bool():
            return "true" if cell else "false"
        case int() | Decimal():
            return str(cell)
        case datetime():
            moment = cell.astimezone(UTC).replace(tzinfo=None) if cell.tzinfo else cell
            return moment.isoformat(sep=" ", timespec="milliseconds")
        case date():
            return cell.isoformat()
        case float():
            return repr(cell)
        case str():
            if len(cell.encode()) > LONGEST_TEXT:
                raise WarehouseError(f"a text is longer than {LONGEST_TEXT:,} bytes")
            return cell.replace("\0", "")
    raise WarehouseError(f"a {type(cell).__name__} cannot be written into a file for COPY")
