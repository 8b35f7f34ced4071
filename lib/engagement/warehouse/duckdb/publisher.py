"""Publishing on DuckDB: each table in one transaction, or several of them in one."""

from __future__ import annotations

import secrets
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlglot import exp

from engagement.records.files import PARTITION as _PARTITION
from engagement.sql.dialect import WORK, Table
from engagement.warehouse.duckdb import file as duckdb_file
from engagement.warehouse.duckdb.json_sql import name_sql, text_sql
from engagement.warehouse.duckdb.statements import Statements
from engagement.warehouse.duckdb.tables import Tables
from engagement.warehouse.duckdb.types import athena_type, defined, narrowed
from engagement.warehouse.frames import fresh_name, with_new_columns
from engagement.warehouse.protocol import Publication, Published, Select

STORAGE = "storage"
_SETTLED = f"{STORAGE}.settled"
"""Counts how often :meth:`Publisher.finish` was asked for."""

GATHERED = 8
"""Rows of so many dates, if one group can hold them, are put together: each table's once in so many
runs. Each of these dates came with a group of its own.

DuckDB's own merging writes up to three full groups again to save one, of all tables at once.
"""


class Publisher:
    """Replaces tables of the warehouse.

    Parameters
    ----------
    check
        Raises where this session may not publish: it only reads, or its lease is gone.
    """

    def __init__(self, statements: Statements, tables: Tables, check: Callable[[], None]) -> None:
        self._statements = statements
        self._tables = tables
        self._check = check
        self._run = statements.run

    def publish(
        self,
        table: Table,
        select: Select,
        parameters: Mapping[str, Any] | None = None,
        *,
        partitions: Sequence[str] | None = None,
        columns: Mapping[str, str] | None = None,
        version: str | None = None,
    ) -> Publication:
        """Replace a table, or its partitions of these dates."""
        sql = self._tables.sql(select, parameters)
        self._check()
        started = time.perf_counter()
        old = self._tables.columns(table)
        # Each thread ends each part of a union with a group of rows that is not full, and what is
        # small is compressed again with the next checkpoint.
        threads = 1 if isinstance(select, exp.SetOperation) else None
        with self._statements.at_most(threads), self._statements.transaction(str(table)):
            if partitions is None or not old:
                rows = self._replace(table, sql, old, columns)
            else:
                rows = self._replace_partitions(table, sql, partitions, old, columns)
            self._mark(table, version)
        self._statements.log.add(str(table), sql, rows, started)
        return Publication(table, rows)

    def publish_rows(
        self,
        table: Table,
        select: Select,
        *,
        key: str,
        among: Select,
        version: str | None = None,
    ) -> Publication:
        """Replace the rows of a table whose ``key`` is one of some."""
        sql, keys = self._tables.sql(select), self._tables.sql(among)
        self._check()
        started = time.perf_counter()
        name = self._tables.physical(table)
        # They are few: to share them out would take longer.
        with self._statements.at_most(1), self._statements.transaction(str(table)):
            gone = f"delete from {name} where {name_sql(key)} in ({keys})"
            self._run(gone, str(table)).fetchall()
            done = self._run(f"insert into {name} by name {sql}", str(table)).fetchall()
            self._mark(table, version)
        rows = int(done[0][0])
        self._statements.log.add(str(table), sql, rows, started)
        return Publication(table, rows)

    def _mark(self, table: Table, version: str | None) -> None:
        mark = text_sql(version or secrets.token_hex(16))
        self._run(f"comment on table {self._tables.physical(table)} is {mark}", str(table))

    def _replace(
        self,
        table: Table,
        sql: str,
        old: Mapping[str, str],
        columns: Mapping[str, str] | None,
    ) -> int:
        name = self._tables.physical(table)
        # To look among the views takes longer than to make a small table.
        if old and self._tables.is_view(table):
            self._run(f"drop view {name}", str(table))
        self._tables.made(table)
        if columns is not None:
            self._run(f"create or replace table {name} ({defined(columns)})", str(table))
            done = self._run(f"insert into {name} by name {sql}", str(table)).fetchall()
            return int(done[0][0])
        done = self._run(f"create or replace table {name} as {sql}", str(table)).fetchall()
        # Types that Athena lacks are rare: found in what was made, not by planning it twice.
        plain = narrowed(sql, self._tables.stored(table))
        if plain != sql:
            done = self._run(f"create or replace table {name} as {plain}", str(table)).fetchall()
        return int(done[0][0])

    def _replace_partitions(
        self,
        table: Table,
        sql: str,
        partitions: Sequence[str],
        old: Mapping[str, str],
        columns: Mapping[str, str] | None,
    ) -> int:
        name = self._tables.physical(table)
        if columns is None:
            sql = narrowed(sql, self._statements.described(sql, str(table)))
            columns = {
                column: athena_type(kind)
                for column, kind in self._statements.described(sql, str(table)).items()
            }
        merged = with_new_columns(old, columns)
        marks = ", ".join(text_sql(day) for day in partitions) or "null"
        if merged == dict(old):
            self._run(f"delete from {name} where {_PARTITION} in ({marks})", str(table)).fetchall()
            done = self._run(f"insert into {name} by name {sql}", str(table)).fetchall()
            return int(done[0][0])
        self._tables.made(table)
        kept = f"select * from {name} where {_PARTITION} not in ({marks})"
        fresh = exp.table_(fresh_name(table), db=self._tables.schema(table), quoted=True)
        made = fresh.sql("duckdb")
        self._run(f"create or replace table {made} ({defined(merged)})", str(table))
        self._run(f"insert into {made} by name {kept}", str(table)).fetchall()
        done = self._run(f"insert into {made} by name {sql}", str(table)).fetchall()
        self._run(f"drop table {name}", str(table))
        self._run(f"alter table {made} rename to {name_sql(table.name)}", str(table))
        return int(done[0][0])

    def published(self, table: Table) -> Published | None:
        """Which version of a table is published."""
        rows = self._run(
            "select comment from duckdb_tables() where database_name = current_database() "
            f"and schema_name = {text_sql(self._tables.schema(table))} "
            f"and table_name = {text_sql(table.name)}",
            "what is published",
        ).fetchall()
        if not rows or not rows[0][0]:
            return None
        counted = self._run(
            f"select count(*) from {self._tables.physical(table)}", "rows"
        ).fetchall()
        return Published(str(rows[0][0]), int(counted[0][0]))

    def drop(self, table: Table) -> None:
        """Remove a table or a view."""
        self._check()
        kind = "view" if self._tables.is_view(table) else "table"
        self._tables.gone(table)
        self._run(f"drop {kind} if exists {self._tables.physical(table)}", str(table)).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Publish all that is published within in one step."""
        with self._statements.transaction("all at once"):
            yield
            self._check()

    def finish(self) -> None:
        """Let the next commit write everything into the file, and gather rows of several dates."""
        label = "checkpoint with the next commit"
        self._run(f"create schema if not exists {STORAGE}", label)
        self._run(f"create sequence if not exists {_SETTLED}", label)
        times = self._run(f"select nextval('{_SETTLED}')", label).fetchall()[0][0]
        for table in sorted(self._tables.there(), key=str) if times > 1 else ():
            is_its_turn = not (times + zlib.crc32(str(table).encode())) % GATHERED
            if (
                is_its_turn
                and _PARTITION in self._tables.columns(table)
                and not self._tables.is_view(table)
            ):
                self._gather(table)
        # A commit that ends with a checkpoint writes nothing into the log before.
        self._run("set checkpoint_threshold = '0B'", label)

    def _gather(self, table: Table) -> None:
        """Write the rows of the dates before the last one anew: they share a group of rows then."""
        name, label = self._tables.physical(table), f"{table}, rows of several dates"
        dates = self._run(
            f"select {_PARTITION}, count(*) from {name} group by 1 order by 1 desc "
            f"limit {GATHERED} offset 1",
            label,
        ).fetchall()
        rows = sum(count for _, count in dates)
        if len(dates) < GATHERED or rows > duckdb_file.ROW_GROUP:
            return
        chosen = f"{_PARTITION} between {text_sql(dates[-1][0])} and {text_sql(dates[0][0])}"
        moved = self._tables.physical(Table(WORK, "gathered"))
        with self._statements.transaction(label):
            self._run(f"create or replace temp table {moved} as from {name} where {chosen}", label)
            self._run(f"delete from {name} where {chosen}", label).fetchall()
            self._run(f"insert into {name} from {moved}", label).fetchall()
            self._run(f"drop table {moved}", label)
