"""Rows that are here, on their way into a table: a few by INSERT, many by way of S3 and COPY."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from engagement.warehouse.redshift.types import literal, quoted, redshift_type

NULL_MARK = "\\N"
"""What a NULL is in the files that are copied: Redshift reads an empty field as an empty text."""


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
        is_plain = kind in ("varchar", "bigint", "integer", "boolean") or cell is None
        if (whole or not is_plain) and not (isinstance(cell, float) and kind == "double"):
            written = f"cast({written} as {redshift_type(kind)})"
        cells.append(written)
    return f"({', '.join(cells)})"


def csv_file(rows: pa.Table, columns: Mapping[str, str]) -> bytes:
    """The rows as a compressed CSV file without a header, as :func:`copying` reads it.

    The same rows give the same bytes.
    """
    raw = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, compresslevel=6) as zipped,
        io.TextIOWrapper(zipped, encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        for row in _rows(rows, columns):
            writer.writerow([_cell(cell) for cell in row])
    return raw.getvalue()


def _cell(cell: Any) -> str:
    match cell:
        case None:
            return NULL_MARK
        case bool():
            return "true" if cell else "false"
        case datetime():
            moment = cell.astimezone(UTC).replace(tzinfo=None) if cell.tzinfo else cell
            return moment.isoformat(sep=" ", timespec="milliseconds")
        case date():
            return cell.isoformat()
        case float():
            return repr(cell)
    return str(cell).replace("\0", "")
