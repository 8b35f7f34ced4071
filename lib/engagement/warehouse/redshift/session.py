"""A session on Redshift: for as long as one piece of work takes, over any transport."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
from sqlglot import exp

from engagement.records.files import PARTITION
from engagement.sql.dialect import LOGICAL, WORK, Table, bind, columns, confine, parse, tables
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.frames import (
    appended,
    columns_of,
    frame,
    fresh_name,
    with_new_columns,
)
from engagement.warehouse.loaded_views import read_mark
from engagement.warehouse.protocol import Publication, Published, R, Select, T
from engagement.warehouse.redshift import catalog, lease, sources, uploads
from engagement.warehouse.redshift.seeds import spooled
from engagement.warehouse.redshift.staging import Stage
from engagement.warehouse.redshift.statements import Statements, Words
from engagement.warehouse.redshift.typed import with_types
from engagement.warehouse.redshift.types import athena_type, defined, quoted, text
from engagement.warehouse.unloading import Unloaded

_LONGEST_NAME = 127
_MANY_ROWS = 10_000
"""From so many rows on, what is here goes by way of S3, where a staging location is named."""


class RedshiftSession:
    """See :class:`engagement.warehouse.protocol.Session`.

    Parameters
    ----------
    lease_check
        Makes sure that the lease is still this session's; ``None`` in one that only reads.
    token
        The lease's, which what publishes asks for in its own transaction.
    stage
        Where files are staged in S3, if the parameters say so.
    """

    def __init__(
        self,
        statements: Statements,
        words: Words,
        databases: Mapping[str, str],
        storage: str,
        *,
        token: str | None = None,
        lease_check: Callable[[], None] | None = None,
        stage: Stage | None = None,
    ) -> None:
        self._statements = statements
        self._run = statements.run
        self._words = words
        self._databases = dict(databases)
        self._storage = storage
        self._token = token
        self._lease_check = lease_check
        self._stage = stage
        self._own = secrets.token_hex(4)
        self._work: dict[str, str] = {}
        self._seeds: dict[str, Table] = {}
        self._columns: dict[Table, dict[str, str]] = {}
        self._pending: dict[Table, list[str]] | None = None
        self._loaded = sources.States(statements)

    # --- reading

    def query(
        self, select: Select, parameters: Mapping[str, Any] | None = None, *, label: str = "query"
    ) -> pd.DataFrame:
        query = parse(select) if isinstance(select, str) else select
        found = self._statements.query(self._sql(query, parameters), label)
        # Redshift has one type for arrays and JSON: the query says which a column is.
        arrays: list[str] = []
        if "json" in found.kinds:
            known = {str(one): self.columns(one) for one in tables(query)}
            kinds = columns(query, known)
            arrays = [name for name, kind in kinds.items() if kind.startswith("array(")]
        return frame(found.arrow(arrays))

    def columns(self, table: Table) -> dict[str, str]:
        if table in self._columns:
            return dict(self._columns[table])
        if table.database == WORK:
            name = self._work.get(table.name)
            asked = catalog.temporary_columns(name) if name else None
        else:
            asked = catalog.columns(*self._place(table))
        rows = self._statements.rows(asked, str(table)) if asked else []
        found = {
            str(name): athena_type(str(kind), precision, scale)
            for name, kind, precision, scale in rows
        }
        if found and (self._token is not None or table.database == WORK):
            self._columns[table] = found
        return dict(found)

    def fetch(
        self, table: Table, columns: Sequence[str] | None = None, *, label: str
    ) -> pd.DataFrame:
        return self.query(columns_of(table, columns or self.columns(table)), label=label)

    def tables(self, database: str) -> list[str]:
        rows = self._statements.rows(
            catalog.tables(self._databases[database]), f"tables of {database}"
        )
        return sorted(str(name) for name, _ in rows if not str(name).startswith("fresh "))

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
        started = time.perf_counter()
        sql = self._sql(select, parameters)
        physical = self._new_name(name)
        self._run(f"create temp table {quoted(physical)} as {sql}", name)
        table = self._now(name, physical)
        rows = self._counted(quoted(physical), name)
        self._statements.logged(name, sql, rows, started)
        return table

    def rows(self, name: str, rows: pa.Table, columns: Mapping[str, str]) -> Table:
        started = time.perf_counter()
        physical = self._new_name(name)
        self._run(f"create temp table {quoted(physical)} ({defined(columns)})", name)
        if self._stage is not None and rows.num_rows >= _MANY_ROWS:
            content = uploads.csv_file(rows, columns)
            with self._stage.put(f"{physical}.csv.gz", content) as source:
                statement = self._stage.copying(quoted(physical), list(columns), source)
                self._run(statement, name)
        else:
            statement = f"insert into {quoted(physical)}"
            most = min(self._statements.transport.most_bytes, 500_000) - 1_000
            for one in uploads.inserts(quoted(physical), rows, columns, most):
                self._run(one, name)
        self._statements.logged(name, statement, rows.num_rows, started)
        return self._now(name, physical)

    def release(self, *tables: Table) -> None:
        for table in tables:
            physical = self._work.pop(table.name, None)
            self._columns.pop(table, None)
            if physical is not None:
                self._run(f"drop table if exists {quoted(physical)}", table.name)

    def _new_name(self, name: str) -> str:
        """A name that no other session's temporary table has, nor an earlier one of this one."""
        end = f" {self._own}{secrets.token_hex(2)}"
        return name[: _LONGEST_NAME - len(end)] + end

    def _now(self, name: str, physical: str) -> Table:
        """Let a temporary table be what a name stands for; the one before it goes."""
        before = self._work.get(name)
        table = Table(WORK, name)
        self._work[name] = physical
        self._columns.pop(table, None)
        if before is not None:
            self._run(f"drop table if exists {quoted(before)}", name)
        return table

    def _counted(self, physical: str, label: str) -> int:
        return int(self._statements.rows(f"select count(*) as n from {physical}", label)[0][0])

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
        started = time.perf_counter()
        sql, label = self._sql(select, parameters), str(table)
        old = self.columns(table) if partitions is not None else {}
        fresh = self._fresh(table)
        self._run(f"drop table if exists {fresh}", label)
        if partitions is not None and old:
            rows = self._with_others(table, fresh, sql, partitions, old, columns)
        elif columns is not None:
            self._run(f"create table {fresh} ({defined(columns)})", label)
            self._insert(fresh, sql, columns, label)
            rows = self._counted(fresh, label)
        else:
            self._run(f"create table {fresh} as {sql}", label)
            rows = self._counted(fresh, label)
        self._swap(table, version)
        self._statements.logged(label, sql, rows, started)
        return Publication(table, rows)

    def _with_others(
        self,
        table: Table,
        fresh: str,
        sql: str,
        partitions: Sequence[str],
        old: Mapping[str, str],
        columns: Mapping[str, str] | None,
    ) -> int:
        """The new rows of some dates, and the others' as they are, in a table beside."""
        label = str(table)
        beside = self._new_name(f"{table.name[:60]}_partitions")
        self._run(f"create temp table {quoted(beside)} as {sql}", label)
        kept_in = self._now(f"{table.name} partitions", beside)
        new = dict(columns or self.columns(kept_in))
        merged = with_new_columns(old, new)
        self._run(f"create table {fresh} ({defined(merged)})", label)
        marks = ", ".join(map(text, partitions))
        others = f" where {PARTITION} not in ({marks})" if partitions else ""
        stay = {name: kind for name, kind in merged.items() if name in old}
        for source, names in ((self._physical(table) + others, stay), (quoted(beside), new)):
            chosen = ", ".join(map(quoted, names))
            self._insert(fresh, f"select {chosen} from {source}", names, label)
        rows = self._counted(quoted(beside), label)
        self.release(kept_in)
        return rows

    def _insert(self, fresh: str, sql: str, columns: Mapping[str, str], label: str) -> None:
        self._run(f"insert into {fresh} ({', '.join(map(quoted, columns))}) {sql}", label)

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
        keys = self.work(f"{table.name[:60]} keys", among)
        new = self.work(f"{table.name[:60]} rows", select)
        columns, fresh = self.columns(table), self._fresh(table)
        self._run(f"drop table if exists {fresh}", label)
        self._run(f"create table {fresh} ({defined(columns)})", label)
        chosen = ", ".join(map(quoted, columns))
        gone = f"{quoted(key)} in (select * from {self._physical(keys)})"
        old = f"{self._physical(table)} where {quoted(key)} is null or not {gone}"
        self._insert(fresh, f"select {chosen} from {old}", columns, label)
        self._insert(fresh, f"select * from {self._physical(new)}", columns, label)
        rows = self._counted(self._physical(new), label)
        self._swap(table, version)
        self._statements.logged(label, sql, rows, started)
        self.release(keys, new)
        return Publication(table, rows)

    def append(
        self, table: Table, rows: pa.Table, keep: Callable[[pa.Table], pa.Table]
    ) -> Publication:
        self._check_lease()
        found = None
        kinds_now = self.columns(table)
        if kinds_now:
            sql = self._sql(columns_of(table, kinds_now))
            found = self._statements.query(sql, str(table)).arrow()
        old, kinds = appended(found, rows)
        work = self.rows(f"{table.name[:60]}_rows", pa.concat_tables([keep(old), rows]), kinds)
        done = self.publish(table, columns_of(work, kinds), columns=kinds)
        self.release(work)
        return done

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold back all that takes effect, and let it at the end, in one transaction."""
        if self._pending is not None:
            yield
            return
        self._check_lease()
        self._pending = {}
        done = False
        try:
            yield
            done = True
        finally:
            pending, self._pending = self._pending, None
            self._columns = {t: k for t, k in self._columns.items() if t not in pending}
            if done and pending:
                self._together([sql for one in pending.values() for sql in one], "all at once")

    def _swap(self, table: Table, version: str | None) -> None:
        """Let what was built beside a table take its place, with its version."""
        schema, name = self._place(table)
        place = f"{quoted(schema)}.{quoted(name)}"
        statements = [
            *self._dropping(table),
            f"alter table {self._fresh(table)} rename to {quoted(name)}",
            f"comment on table {place} is {text(version or secrets.token_hex(16))}",
        ]
        self._columns.pop(table, None)
        if self._pending is not None:
            self._pending[table] = statements
        else:
            self._together(statements, str(table))

    def _together(self, statements: Sequence[str], label: str) -> None:
        guard = lease.guard(self._storage, str(self._token))
        try:
            self._statements.together([guard, *statements], label)
        except WarehouseError:
            self._check_lease()  # a lease that is gone is the reason, if it is
            raise

    def _dropping(self, table: Table) -> list[str]:
        schema, name = self._place(table)
        found = self._statements.rows(catalog.kind(schema, name), str(table))
        if not found:
            return []
        what = "view" if "VIEW" in str(found[0][0]).upper() else "table"
        return [f"drop {what} {quoted(schema)}.{quoted(name)}"]

    def published(self, table: Table) -> Published | None:
        if self._pending is not None and table in self._pending:
            raise WarehouseError(f"{table} is published at the end of the transaction")
        found = self._statements.rows(catalog.comment(*self._place(table)), str(table))
        if not found or not found[0][0]:
            return None
        if view := read_mark(str(found[0][0])):
            return self._loaded.published(*view)
        return Published(str(found[0][0]), self._counted(self._physical(table), str(table)))

    def drop(self, table: Table) -> None:
        self._check_lease()
        statements = self._dropping(table)
        self._columns.pop(table, None)
        if statements:
            self._together(statements, str(table))

    # --- large results

    def can_unload(self) -> bool:
        return self._stage is not None

    def unload(
        self,
        select: Select,
        parameters: Mapping[str, Any] | None = None,
        *,
        name: str,
        kind: Literal["csv", "parquet"] = "csv",
        in_order: bool = False,
        label: str,
    ) -> Unloaded:
        if self._stage is None:
            raise WarehouseError(
                "nothing says where to unload to: warehouse.redshift.staging_location"
            )
        started = time.perf_counter()
        sql = self._sql(select, parameters)
        folder = self._stage.folder(name)
        self._run(self._stage.unloading(sql, folder, kind, in_order=in_order), label)
        found = self._stage.written(folder)
        self._statements.logged(label, sql, found.rows, started)
        return found

    def unloaded_pages(
        self,
        select: Select,
        parameters: Mapping[str, Any] | None = None,
        *,
        rows: int,
        label: str,
    ) -> Iterator[pd.DataFrame]:
        name = f"pages/{secrets.token_hex(8)}"
        try:
            written = self.unload(
                select, parameters, name=name, kind="parquet", in_order=True, label=label
            )
            if self._stage is not None:
                for page in self._stage.tables(written, rows):
                    yield frame(page)
        finally:
            if self._stage is not None:
                self._stage.empty(self._stage.folder(name))

    # --- names

    def _place(self, table: Table) -> tuple[str, str]:
        if table.database not in LOGICAL:
            raise WarehouseError(f"{table}: the databases are {', '.join(LOGICAL)}")
        pending = self._pending is not None and table in self._pending
        name = fresh_name(table) if pending else table.name
        return self._databases[table.database], name

    def _physical(self, table: Table) -> str:
        if table.database == WORK:
            return quoted(self._work.get(table.name, table.name))
        return ".".join(map(quoted, self._place(table)))

    def _fresh(self, table: Table) -> str:
        return f"{quoted(self._databases[table.database])}.{quoted(fresh_name(table))}"

    def _sql(self, select: Select, parameters: Mapping[str, Any] | None = None) -> str:
        query = parse(select) if isinstance(select, str) else select
        if self._token is None:
            confine(query)
        tree = spooled(bind(query, parameters or {}), self._seed)
        tree = with_types(tree, self.columns)
        for node in list(tree.find_all(exp.Table)):
            if node.db:
                self._named(node)
        return self._words.write(tree, self._databases)

    def _named(self, node: exp.Table) -> None:
        """Put a temporary table, or one that waits for its transaction, in place of its name."""
        table = Table(node.db, node.name)
        if table.database == WORK:
            if table.name not in self._work:
                raise WarehouseError(f"there is no working table {table}")
            physical: str = self._work[table.name]
        elif self._pending is not None and table in self._pending:
            physical = fresh_name(table)
        else:
            return
        if not node.alias:
            node.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
        node.set("this", exp.to_identifier(physical, quoted=True))
        if table.database == WORK:
            node.set("db", None)

    def _seed(self, digest: str, rows: pa.Table, columns: Mapping[str, str]) -> Table:
        """The working table that stands for a long list of values, made once in a session."""
        if digest not in self._seeds:
            self._seeds[digest] = self.rows(f"values {digest}", rows, columns)
        return self._seeds[digest]

    def _check_lease(self) -> None:
        if self._lease_check is None:
            raise WarehouseError("this session only reads: open it with session(write=True)")
        self._lease_check()
