"""Working tables: temporary ones, which a session alone sees and which end with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pyarrow as pa

from engagement.sql.dialect import WORK, Table
from engagement.warehouse.redshift import uploads
from engagement.warehouse.redshift.names import Names
from engagement.warehouse.redshift.staging import Stage
from engagement.warehouse.redshift.statements import Statements
from engagement.warehouse.redshift.types import defined, quoted

MANY_ROWS = 10_000
"""From so many rows on, what is here goes by way of S3, where a staging location is named."""

_MOST_BYTES = 500_000


class Temporaries:
    """The temporary tables of one session.

    Parameters
    ----------
    forget
        Is told of a table whose columns are others now.
    """

    def __init__(
        self,
        statements: Statements,
        names: Names,
        stage: Stage | None,
        forget: Callable[[Table], None],
    ) -> None:
        self._statements = statements
        self._names = names
        self._stage = stage
        self._forget = forget

    def make(self, name: str, sql: str, *, logged: bool = True) -> Table:
        """Make a query's rows a working table."""
        started = time.perf_counter()
        physical = self._names.unused(name)
        self._statements.run(f"create temp table {quoted(physical)} as {sql}", name)
        table = self._now(name, physical)
        if logged:
            rows = self.counted(table)
            self._statements.logged(name, sql, rows, started)
        return table

    def fill(self, name: str, rows: pa.Table, columns: Mapping[str, str]) -> Table:
        """Make rows that are here a working table, with these Athena types."""
        started = time.perf_counter()
        physical = self._names.unused(name)
        place = quoted(physical)
        self._statements.run(f"create temp table {place} ({defined(columns)})", name)
        is_many = rows.num_rows >= MANY_ROWS and uploads.can_be_copied(columns)
        if self._stage is not None and is_many:
            content, mark = uploads.csv_file(rows, columns)
            with self._stage.put(f"{physical}.csv.gz", content) as source:
                told = self._stage.copying(place, list(columns), source, mark)
                self._statements.run(told, name)
        else:
            told = f"insert into {place}"
            most = min(self._statements.transport.most_bytes, _MOST_BYTES) - 1_000
            for one in uploads.inserts(place, rows, columns, most):
                self._statements.run(one, name)
        self._statements.logged(name, told, rows.num_rows, started)
        return self._now(name, physical)

    def counted(self, table: Table) -> int:
        """How many rows a table has."""
        return self._statements.count(self._names.physical(table), str(table))

    def release(self, *tables: Table) -> None:
        """Let go of working tables."""
        for table in tables:
            physical = self._names.work.pop(table.name, None)
            self._forget(table)
            if physical is not None:
                self._statements.run(f"drop table if exists {quoted(physical)}", table.name)

    def _now(self, name: str, physical: str) -> Table:
        """Let a temporary table be what a name stands for; the one before it goes."""
        before = self._names.work.get(name)
        table = Table(WORK, name)
        self._names.work[name] = physical
        self._forget(table)
        if before is not None:
            self._statements.run(f"drop table if exists {quoted(before)}", name)
        return table
