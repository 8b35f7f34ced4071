"""A session on Redshift: for as long as one piece of work takes, over any transport."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from engagement.sql.dialect import WORK, Table, bind, columns, confine, parse, tables
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.frames import appended, columns_of, frame
from engagement.warehouse.loaded_views import read_mark
from engagement.warehouse.protocol import Publication, Published, R, Select, T
from engagement.warehouse.redshift import catalog, sources
from engagement.warehouse.redshift.names import Names
from engagement.warehouse.redshift.publisher import Publisher
from engagement.warehouse.redshift.seeds import spooled
from engagement.warehouse.redshift.staging import Stage
from engagement.warehouse.redshift.statements import Statements, Words
from engagement.warehouse.redshift.temporary import Temporaries
from engagement.warehouse.redshift.typed import with_types
from engagement.warehouse.redshift.types import athena_type
from engagement.warehouse.unloading import Unloaded


class RedshiftSession:
    """See :class:`engagement.warehouse.protocol.Session`.

    Parameters
    ----------
    builder
        Opens a session of who builds, for what who only reads may not see; left out: this is it.
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
        builder: Callable[[], Statements] | None = None,
        token: str | None = None,
        lease_check: Callable[[], None] | None = None,
        stage: Stage | None = None,
    ) -> None:
        self._statements = statements
        self._words = words
        self._token = token
        self._stage = stage
        self._names = Names(databases)
        self._known: dict[Table, dict[str, str]] = {}
        self._seeds: dict[str, Table] = {}
        self._loaded = sources.States(builder or (lambda: statements))
        self._temporaries = Temporaries(statements, self._names, stage, self._forget)
        self._publisher = Publisher(
            statements,
            self._names,
            self._temporaries,
            storage,
            token=token,
            check=lease_check,
            columns=self.columns,
            forget=self._forget,
        )

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
        if table in self._known:
            return dict(self._known[table])
        if table.database == WORK:
            name = self._names.work.get(table.name)
            asked = catalog.temporary_columns(name) if name else None
        else:
            asked = catalog.columns(*self._names.place(table))
        rows = self._statements.rows(asked, str(table)) if asked else []
        found = {
            str(name): athena_type(str(kind), precision, scale)
            for name, kind, precision, scale in rows
        }
        if found and (self._token is not None or table.database == WORK):
            self._known[table] = found
        return dict(found)

    def _forget(self, table: Table) -> None:
        self._known.pop(table, None)

    def fetch(
        self, table: Table, columns: Sequence[str] | None = None, *, label: str
    ) -> pd.DataFrame:
        return self.query(columns_of(table, columns or self.columns(table)), label=label)

    def tables(self, database: str) -> list[str]:
        rows = self._statements.rows(
            catalog.tables(self._names.databases[database]), f"tables of {database}"
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
        return self._temporaries.make(name, self._sql(select, parameters))

    def rows(self, name: str, rows: pa.Table, columns: Mapping[str, str]) -> Table:
        return self._temporaries.fill(name, rows, columns)

    def release(self, *tables: Table) -> None:
        self._temporaries.release(*tables)

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
        self._publisher.allowed()
        sql = self._sql(select, parameters)
        return self._publisher.replace(
            table, sql, partitions=partitions, columns=columns, version=version
        )

    def publish_rows(
        self,
        table: Table,
        select: Select,
        *,
        key: str,
        among: Select,
        version: str | None = None,
    ) -> Publication:
        self._publisher.allowed()
        sql, keys = self._sql(select), self._sql(among)
        return self._publisher.replace_rows(table, sql, key, keys, version)

    def append(
        self, table: Table, rows: pa.Table, keep: Callable[[pa.Table], pa.Table]
    ) -> Publication:
        self._publisher.allowed()
        found = None
        kinds_now = self.columns(table)
        if kinds_now:
            sql = self._sql(columns_of(table, kinds_now))
            found = self._statements.query(sql, str(table)).arrow()
        old, kinds = appended(found, rows)
        work = self.rows(f"{table.name[:60]} rows", pa.concat_tables([keep(old), rows]), kinds)
        done = self.publish(table, columns_of(work, kinds), columns=kinds)
        self.release(work)
        return done

    def transaction(self) -> AbstractContextManager[None]:
        return self._publisher.transaction()

    def published(self, table: Table) -> Published | None:
        if self._names.pending is not None and table in self._names.pending:
            raise WarehouseError(f"{table} is published at the end of the transaction")
        found = self._statements.rows(catalog.comment(*self._names.place(table)), str(table))
        if not found or not found[0][0]:
            return None
        if view := read_mark(str(found[0][0])):
            return self._loaded.published(*view)
        return Published(str(found[0][0]), self._temporaries.counted(table))

    def drop(self, table: Table) -> None:
        self._publisher.allowed()
        self._publisher.drop(table)

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
        stage = self._staged()
        started = time.perf_counter()
        sql = self._sql(select, parameters)
        folder = stage.folder(name)
        self._statements.run(stage.unloading(sql, folder, kind, in_order=in_order), label)
        found = stage.written(folder)
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
        stage, name = self._staged(), f"pages/{secrets.token_hex(8)}"
        try:
            written = self.unload(
                select, parameters, name=name, kind="parquet", in_order=True, label=label
            )
            for page in stage.tables(written, rows):
                yield frame(page)
        finally:
            stage.empty(stage.folder(name))

    def _staged(self) -> Stage:
        if self._stage is None:
            raise WarehouseError(
                "nothing says where to unload to: warehouse.redshift.staging_location"
            )
        return self._stage

    # --- SQL

    def _sql(self, select: Select, parameters: Mapping[str, Any] | None = None) -> str:
        query = parse(select) if isinstance(select, str) else select
        if self._token is None:
            confine(query)
        tree = spooled(bind(query, parameters or {}), self._seed)
        tree = self._names.put(with_types(tree, self.columns))
        return self._words.write(tree, self._names.databases)

    def _seed(self, digest: str, rows: pa.Table, columns: Mapping[str, str]) -> Table:
        """The working table that stands for a long list of values, made once in a session."""
        if digest not in self._seeds:
            self._seeds[digest] = self.rows(f"values {digest}", rows, columns)
        return self._seeds[digest]
