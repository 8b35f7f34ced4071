"""A session on PostgreSQL: one connection, for as long as one piece of work takes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pandas as pd
import pyarrow as pa

from engagement.records.files import PARTITION
from engagement.sql.dialect import LOGICAL, WORK, Table, bind, confine, parse
from engagement.sql.rendering import render
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.frames import (
    appended,
    columns_of,
    frame,
    fresh_name,
    with_new_columns,
)
from engagement.warehouse.loaded_views import read_mark
from engagement.warehouse.postgres import lease, sources
from engagement.warehouse.postgres.rendering import POSTGRES
from engagement.warehouse.postgres.statements import Connection, Statements
from engagement.warehouse.postgres.types import athena_type, defined, postgres_type, quoted, text
from engagement.warehouse.protocol import Publication, Published, R, Select, T
from engagement.warehouse.statements import StatementLog

_TEMPORARY = "pg_temp"

_COLUMNS = """
    select a.attname, format_type(a.atttypid, a.atttypmod)
    from pg_attribute as a where a.attrelid = to_regclass({name}) and a.attnum > 0
    and not a.attisdropped order by a.attnum
"""
_TABLES = """
    select c.relname from pg_class as c join pg_namespace as s on s.oid = c.relnamespace
    where s.nspname = {schema} and c.relkind in ('r', 'v', 'm', 'p', 'f') order by c.relname
"""


class PostgresSession:
    """See :class:`engagement.warehouse.protocol.Session`.

    Parameters
    ----------
    token
        The lease's; ``None`` in a session that only reads.
    builder
        Opens a connection of who builds, for what the role that only reads may not see; left out:
        this is it.
    """

    def __init__(
        self,
        connection: Connection,
        databases: Mapping[str, str],
        storage: str,
        log: StatementLog,
        token: str | None,
        builder: Callable[[], Connection] | None = None,
    ) -> None:
        self._connection = connection
        self._databases = {**databases, WORK: _TEMPORARY}
        self._storage = storage
        self._token = token
        self._statements = Statements(connection, log)
        self._run = self._statements.run
        self._is_within = False
        self._loaded = sources.States(builder or (lambda: connection))

    # --- reading

    def query(
        self, select: Select, parameters: Mapping[str, Any] | None = None, *, label: str = "query"
    ) -> pd.DataFrame:
        if self._token is None:
            select = parse(select) if isinstance(select, str) else select
            confine(select)
        return frame(self._statements.arrow(self._sql(select, parameters), label))

    def columns(self, table: Table) -> dict[str, str]:
        sql = _COLUMNS.format(name=text(self._physical(table)))
        return {name: athena_type(kind) for name, kind in self._statements.rows(sql, str(table))}

    def fetch(
        self, table: Table, columns: Sequence[str] | None = None, *, label: str
    ) -> pd.DataFrame:
        return self.query(columns_of(table, columns or self.columns(table)), label=label)

    def tables(self, database: str) -> list[str]:
        sql = _TABLES.format(schema=text(self._databases[database]))
        return [name for (name,) in self._statements.rows(sql, f"tables of {database}")]

    def map(self, function: Callable[[int, T], R], items: Sequence[T]) -> list[R]:
        return [function(0, item) for item in items]

    # --- working tables

    def work(
        self,
        name: str,
        select: Select,
        parameters: Mapping[str, Any] | None = None,
        *,
        lazy: bool = False,
    ) -> Table:
        del lazy
        if self._token is None:
            select = parse(select) if isinstance(select, str) else select
            confine(select)
        table = Table(WORK, name)
        with self._own():
            self._make(table, self._physical(table), self._sql(select, parameters), temporary=True)
            self._run(f"analyze {self._physical(table)}", name)
        return table

    @contextmanager
    def _own(self) -> Iterator[None]:
        """Let a session that only reads make a working table: nobody else sees it."""
        if self._token is not None or self._is_within:
            yield
            return
        self._is_within = True
        self._connection.execute(b"set default_transaction_read_only = off")
        try:
            yield
        finally:
            self._is_within = False
            self._connection.execute(b"set default_transaction_read_only = on")

    def rows(self, name: str, rows: pa.Table, columns: Mapping[str, str]) -> Table:
        with self._own():
            return self._filled(name, rows, columns)

    def _filled(self, name: str, rows: pa.Table, columns: Mapping[str, str]) -> Table:
        table = Table(WORK, name)
        physical = self._physical(table)
        started = time.perf_counter()
        self._run(f"drop table if exists {physical}", name)
        self._run(f"create temporary table {quoted(name)} ({defined(columns)})", name)
        names = ", ".join(map(quoted, columns))
        copying = f"copy {physical} ({names}) from stdin"
        self._statements.copied(copying, [rows.column(one).to_pylist() for one in columns], name)
        self._run(f"analyze {physical}", name)
        self._statements.log.add(name, copying, rows.num_rows, started)
        return table

    def release(self, *tables: Table) -> None:
        with self._own():
            for table in tables:
                self._run(f"drop table if exists {self._physical(table)}", table.name)

    def _make(self, table: Table, physical: str, sql: str, *, temporary: bool) -> int:
        """Make a table of a query; gives the number of its rows."""
        started = time.perf_counter()
        if temporary and self.columns(table):
            # It may be made from the one whose place it takes.
            beside = f"{_TEMPORARY}.{quoted(fresh_name(table))}"
            self._run(f"drop table if exists {beside}", table.name)
            rows = self._created(f"temporary table {quoted(fresh_name(table))}", sql, table.name)
            self._run(f"drop table {physical}", table.name)
            self._run(f"alter table {beside} rename to {quoted(table.name)}", table.name)
        else:
            what = f"temporary table {quoted(table.name)}" if temporary else f"table {physical}"
            rows = self._created(what, sql, table.name if temporary else str(table))
        self._statements.log.add(table.name if temporary else str(table), sql, rows, started)
        return rows

    def _created(self, what: str, sql: str, label: str) -> int:
        return max(self._run(f"create {what} as {sql}", label).rowcount, 0)

    # --- publishing

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
        self._check_lease()
        sql = self._sql(select, parameters)
        old = self.columns(table)
        if partitions is not None and old:
            rows = self._replace_partitions(table, sql, partitions, old, columns)
        else:
            rows = self._replace(table, sql, columns)
        self._mark(table, version)
        return Publication(table, rows)

    def _replace(self, table: Table, sql: str, columns: Mapping[str, str] | None) -> int:
        """Build a table beside the old one, then let it take its place."""
        started = time.perf_counter()
        fresh = self._fresh(table)
        self._run(f"drop table if exists {fresh}", str(table))
        if columns is None:
            rows = self._created(f"table {fresh}", sql, str(table))
        else:
            self._run(f"create table {fresh} ({defined(columns)})", str(table))
            rows = self._inserted(fresh, sql, columns, str(table))
        self._statements.log.add(str(table), sql, rows, started)
        self._swap(table, fresh)
        return rows

    def _inserted(self, into: str, sql: str, columns: Mapping[str, str], label: str) -> int:
        names = ", ".join(map(quoted, columns))
        chosen = ", ".join(
            f"cast({quoted(name)} as {postgres_type(kind)})" for name, kind in columns.items()
        )
        done = self._run(f"insert into {into} ({names}) select {chosen} from ({sql}) as q", label)
        return max(done.rowcount, 0)

    def _swap(self, table: Table, fresh: str) -> None:
        self._run(f"analyze {fresh}", str(table))
        with self._statements.transaction(str(table)):
            self._check_lease()
            self._drop(table)
            self._run(f"alter table {fresh} rename to {quoted(table.name)}", str(table))

    def _replace_partitions(
        self,
        table: Table,
        sql: str,
        partitions: Sequence[str],
        old: Mapping[str, str],
        columns: Mapping[str, str] | None,
    ) -> int:
        started = time.perf_counter()
        beside = self.work(f"{table.name[:40]}_partitions", "select 1 as a")
        self._make(beside, self._physical(beside), sql, temporary=True)
        new = dict(columns or self.columns(beside))
        merged = with_new_columns(old, new)
        marks = ", ".join(map(text, partitions)) or "null"
        chosen = f"select {', '.join(map(quoted, new))} from {self._physical(beside)}"
        name, label = self._physical(table), str(table)
        if merged == {key: kind.replace(" ", "") for key, kind in old.items()}:
            with self._statements.transaction(label):
                self._check_lease()
                self._run(f"delete from {name} where {PARTITION} in ({marks})", label)
                rows = self._inserted(name, chosen, new, label)
        else:
            fresh = self._fresh(table)
            self._run(f"drop table if exists {fresh}", label)
            self._run(f"create table {fresh} ({defined(merged)})", label)
            stay = {key: kind for key, kind in merged.items() if key in old}
            kept = f"select * from {name} where {PARTITION} not in ({marks})"
            if not partitions:
                kept = f"select * from {name}"
            self._inserted(fresh, kept, stay, label)
            rows = self._inserted(fresh, chosen, new, label)
            self._swap(table, fresh)
        self._statements.log.add(label, sql, rows, started)
        self.release(beside)
        return rows

    def publish_rows(
        self,
        table: Table,
        select: Select,
        *,
        key: str,
        among: Select,
        version: str | None = None,
    ) -> Publication:
        self._check_lease()
        started = time.perf_counter()
        sql, label = self._sql(select), str(table)
        keys = self.work(f"{table.name[:40]}_keys", among)
        fresh = self.work(f"{table.name[:40]}_rows", select)
        columns, name = self.columns(table), self._physical(table)
        picked = f"{quoted(key)} in (select * from {self._physical(keys)})"
        with self._statements.transaction(label):
            self._check_lease()
            self._run(f"delete from {name} where {picked}", label)
            rows = self._inserted(name, f"select * from {self._physical(fresh)}", columns, label)
        self._mark(table, version)
        self._statements.log.add(label, sql, rows, started)
        self.release(keys, fresh)
        return Publication(table, rows)

    def append(
        self, table: Table, rows: pa.Table, keep: Callable[[pa.Table], pa.Table]
    ) -> Publication:
        self._check_lease()
        found = None
        if self.columns(table):
            whole = f"select * from {self._physical(table)}"
            found = self._statements.arrow(whole, str(table))
        old, kinds = appended(found, rows)
        work = self.rows(f"{table.name[:40]}_rows", pa.concat_tables([keep(old), rows]), kinds)
        done = self.publish(table, columns_of(work, kinds), columns=kinds)
        self.release(work)
        return done

    def transaction(self) -> AbstractContextManager[None]:
        return self._all_at_once()

    @contextmanager
    def _all_at_once(self) -> Iterator[None]:
        with self._statements.transaction("all at once"):
            yield
            self._check_lease()

    def _mark(self, table: Table, version: str | None) -> None:
        mark = text(version or secrets.token_hex(16))
        self._run(f"comment on table {self._physical(table)} is {mark}", str(table))

    def published(self, table: Table) -> Published | None:
        name = text(self._physical(table))
        found = self._statements.rows(
            f"select obj_description(to_regclass({name}), 'pg_class')", str(table)
        )[0][0]
        if not found:
            return None
        if view := read_mark(found):
            return self._loaded.published(*view)
        counted = self._statements.rows(f"select count(*) from {self._physical(table)}", str(table))
        return Published(str(found), int(counted[0][0]))

    def drop(self, table: Table) -> None:
        self._check_lease()
        self._drop(table)

    def _drop(self, table: Table) -> None:
        physical = self._physical(table)
        kind = self._statements.rows(
            f"select relkind from pg_class where oid = to_regclass({text(physical)})", str(table)
        )
        if kind:
            self._run(
                f"drop {'view' if kind[0][0] in ('v', b'v') else 'table'} {physical}", str(table)
            )

    # --- names

    def _physical(self, table: Table) -> str:
        if table.database not in (*LOGICAL, WORK):
            raise WarehouseError(f"{table}: the databases are {', '.join(LOGICAL)}")
        schema = self._databases[table.database]
        return f"{schema if schema == _TEMPORARY else quoted(schema)}.{quoted(table.name)}"

    def _fresh(self, table: Table) -> str:
        return f"{quoted(self._databases[table.database])}.{quoted(fresh_name(table))}"

    def _sql(self, select: Select, parameters: Mapping[str, Any] | None = None) -> str:
        query = parse(select) if isinstance(select, str) else select
        return render(bind(query, parameters or {}), POSTGRES, self._databases, copy=False)

    def _check_lease(self) -> None:
        if self._token is None:
            raise WarehouseError("this session only reads: open it with session(write=True)")
        lease.check(self._connection, self._storage, self._token)
