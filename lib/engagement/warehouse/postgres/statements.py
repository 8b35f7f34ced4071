"""Statements on one connection: run, timed, logged, and their errors in words."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pyarrow as pa

from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.frames import arrow_type
from engagement.warehouse.postgres.types import arrow_of, athena_type
from engagement.warehouse.statements import StatementLog

Connection = psycopg.Connection[tuple[Any, ...]]

_LONGEST = 300


def first_line(error: Exception) -> str:
    """What PostgreSQL says, without the statement that it repeats."""
    return (str(error).strip().split("\n")[0] or type(error).__name__)[:_LONGEST]


class Statements:
    """Runs SQL on a connection that commits each statement, unless a transaction is open.

    Attributes
    ----------
    log
        What ran.
    """

    def __init__(self, connection: Connection, log: StatementLog) -> None:
        self.connection = connection
        self.log = log
        self._kinds: dict[tuple[int, int], str] = {}

    def run(self, sql: str, label: str) -> psycopg.Cursor[tuple[Any, ...]]:
        """Run a statement; after an error the session goes on.

        Raises
        ------
        WarehouseError
            That begins with the label.
        """
        started = time.perf_counter()
        try:
            with self.log.running(label), self.connection.transaction():
                return self.connection.execute(sql.encode())
        except psycopg.Error as error:
            self.log.add(label, sql, 0, started, failed=True)
            raise WarehouseError(f"{label}: {first_line(error)}") from None

    def copied(self, copying: str, columns: Sequence[Sequence[Any]], label: str) -> None:
        """Run a COPY from here, with values column by column."""
        try:
            with (
                self.connection.transaction(),
                self.connection.cursor() as cursor,
                cursor.copy(copying.encode()) as copy,
            ):
                for row in zip(*columns, strict=True):
                    copy.write_row(row)
        except psycopg.Error as error:
            raise WarehouseError(f"{label}: {first_line(error)}") from None

    def rows(self, sql: str, label: str) -> list[tuple[Any, ...]]:
        """The rows of a query, which is not logged."""
        return self.run(sql, label).fetchall()

    def arrow(self, sql: str, label: str) -> pa.Table:
        """The result of a query, logged."""
        started = time.perf_counter()
        cursor = self.run(sql, label)
        described = cursor.description or []
        rows = cursor.fetchall()
        self.log.add(label, sql, len(rows), started)
        kinds = [self._kind(one.type_code, one._fmod) for one in described]
        columns: Sequence[Sequence[Any]] = (
            list(zip(*rows, strict=True)) if rows else [[] for _ in kinds]
        )
        arrays = [_array(cells, kind) for cells, kind in zip(columns, kinds, strict=True)]
        return pa.Table.from_arrays(arrays, names=[one.name for one in described])

    def _kind(self, oid: int, modifier: int) -> str:
        if (oid, modifier) not in self._kinds:
            found = self.rows(f"select format_type({oid}, {modifier})", "types")
            self._kinds[oid, modifier] = athena_type(found[0][0])
        return self._kinds[oid, modifier]

    @contextmanager
    def transaction(self, label: str) -> Iterator[None]:
        """Let all that is done within be there at once, or not at all."""
        try:
            with self.connection.transaction():
                yield
        except psycopg.Error as error:
            raise WarehouseError(f"{label}: {first_line(error)}") from None


def _array(cells: Sequence[Any], kind: str) -> pa.Array:
    if kind == "decimal":
        scale = max((-int(c.as_tuple().exponent) for c in cells if c is not None), default=0)
        return pa.array(cells, pa.decimal128(38, min(max(scale, 0), 37)))
    if kind == "json" or (arrow_type(kind) is None and not kind.startswith("array(")):
        return pa.array([None if c is None else str(c) for c in cells], pa.string())
    if kind == "array(json)":
        return pa.array(
            [None if c is None else [None if i is None else str(i) for i in c] for c in cells],
            pa.list_(pa.string()),
        )
    return pa.array(cells, arrow_of(kind))
