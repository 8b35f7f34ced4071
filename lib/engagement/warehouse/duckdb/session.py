"""A session on DuckDB: one connection, for as long as one piece of work takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pyarrow as pa
from sqlglot import exp

from engagement.records.files import PARTITION as _PARTITION
from engagement.records.files import LandedFile
from engagement.records.lines import UnavailableFileError, UnreadableFileError, read_parts
from engagement.records.memory import Memory
from engagement.settings import ROOT
from engagement.sql.dialect import WORK, Table, confine, parse
from engagement.warehouse import lease
from engagement.warehouse.duckdb import json_sql, udfs
from engagement.warehouse.duckdb.connection import limit_memory
from engagement.warehouse.duckdb.json_sql import name_sql, text_sql
from engagement.warehouse.duckdb.place import Place
from engagement.warehouse.duckdb.publisher import STORAGE, Publisher
from engagement.warehouse.duckdb.statements import Statements
from engagement.warehouse.duckdb.tables import Tables
from engagement.warehouse.duckdb.types import duckdb_type
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.frames import appended, columns_of, frame
from engagement.warehouse.json_values import JsonColumn
from engagement.warehouse.protocol import Publication, Published, R, Select, T
from engagement.warehouse.reading import FileLines
from engagement.warehouse.statements import StatementLog

if TYPE_CHECKING:
    from engagement.warehouse.duckdb.landed import DuckDBRecords

_PUT_ASIDE = f"{STORAGE}.texts_put_aside"
"""Of records that give a key twice, the text that DuckDB's JSON functions read right."""


class DuckDBSession:
    """See :class:`engagement.warehouse.reading.LandingSession`."""

    def __init__(
        self,
        place: Place,
        connection: duckdb.DuckDBPyConnection,
        log: StatementLog,
        token: str | None,
    ) -> None:
        self._place = place
        self._token = token
        self._connection = connection
        self._statements = Statements(connection, log)
        self._tables = Tables(connection, place.databases, reads_only=token is None)
        self._publisher = Publisher(self._statements, self._tables, self._check_lease)
        self._statements.rolled_back = self._tables.reset
        self._landed: DuckDBRecords | None = None
        self._run = self._statements.run
        self._memory, self._passing = Memory(), Memory()
        udfs.register(connection)

    # --- reading

    def query(
        self, select: Select, parameters: Mapping[str, Any] | None = None, *, label: str = "query"
    ) -> pd.DataFrame:
        if self._token is None:
            select = parse(select) if isinstance(select, str) else select
            confine(select)
        return frame(self._statements.arrow(self._tables.sql(select, parameters), label))

    def fetch(
        self, table: Table, columns: Sequence[str] | None = None, *, label: str
    ) -> pd.DataFrame:
        return self.query(columns_of(table, columns or self.columns(table)), label=label)

    def tables(self, database: str) -> list[str]:
        return self._tables.listed(database)

    def columns(self, table: Table) -> dict[str, str]:
        return self._tables.columns(table)

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
        if lazy:
            return self._tables.view(name, self._tables.sql(select, parameters))
        table = Table(WORK, name)
        self._create(table, self._tables.sql(select, parameters))
        return table

    def release(self, *tables: Table) -> None:
        for table in tables:
            if not self._tables.views.pop(table.name, None):
                self._run(f"drop table if exists {self._tables.physical(table)}", table.name)

    def _create(self, table: Table, sql: str) -> int:
        started = time.perf_counter()
        made = f"create or replace temp table {self._tables.physical(table)} as {sql}"
        done = self._run(made, table.name)
        rows = int(done.fetchall()[0][0])
        self._statements.log.add(table.name, sql, rows, started)
        return rows

    def view(self, name: str, select: Select, columns: Mapping[str, str]) -> Table:
        del columns
        return self._tables.view(name, self._tables.sql(select))

    def rows(self, name: str, rows: pa.Table, columns: Mapping[str, str]) -> Table:
        table = Table(WORK, name)
        chosen = ", ".join(
            f"cast({name_sql(column)} as {duckdb_type(kind)}) as {name_sql(column)}"
            for column, kind in columns.items()
        )
        with self._statements.known("__rows", rows):
            self._create(table, f"select {chosen} from __rows")
        return table

    def json_columns(
        self,
        name: str,
        source: Table,
        column: str,
        wanted: Mapping[str, JsonColumn],
        *,
        where: str | None = None,
        keep: bool = False,
        lazy: bool = False,
    ) -> Table:
        values_sql = self._tables.just_read.get(source.name)
        if values_sql is not None:
            sql = values_sql(wanted)
        else:
            sql = json_sql.columns_sql(self._tables.physical(source), column, wanted, where, keep)
        if lazy:
            return self._tables.view(name, sql)
        table = Table(WORK, name)
        self._create(table, sql)
        return table

    def readable(self, name: str, events: exp.Query, columns: Mapping[str, str]) -> Table:
        if not self._has_put_aside():
            return self.view(name, events, columns)
        text = self._tables.sql(events)
        return self._tables.view(
            name,
            f"select e.* replace (coalesce(p.record, e.record) as record) from ({text}) as e "
            f"left join {_PUT_ASIDE} as p on e.{_PARTITION} = p.{_PARTITION} and e.id = p.id",
        )

    def put_aside(self, kept: exp.Query, partitions: Sequence[str]) -> None:
        sql = self._tables.sql(kept)
        rows = self._run(f"select count(*) from ({sql})", "texts put aside").fetchall()[0][0]
        if not rows and not self._has_put_aside():
            return
        self._check_lease()
        marks = ", ".join(text_sql(day) for day in partitions) or "null"
        columns = f"{_PARTITION} varchar, id varchar, record varchar"
        with self._statements.transaction("texts put aside"):
            for statement in (
                f"create schema if not exists {STORAGE}",
                f"create table if not exists {_PUT_ASIDE} ({columns})",
                f"delete from {_PUT_ASIDE} where {_PARTITION} in ({marks})",
                f"insert into {_PUT_ASIDE} by name {sql}",
            ):
                self._run(statement, "texts put aside").fetchall()

    def _has_put_aside(self) -> bool:
        rows = self._run(
            "select estimated_size from duckdb_tables() where schema_name = "
            f"'{STORAGE}' and database_name = current_database()",
            "texts put aside",
        ).fetchall()
        return any(row[0] for row in rows)

    # --- the landing

    def read_records(
        self,
        files: Sequence[LandedFile],
        envelope: Mapping[str, JsonColumn],
        times: Mapping[str, str],
    ) -> DuckDBRecords:
        # What reads lines is compiled, and slow to import for a session that reads none.
        from engagement.records.records import Records
        from engagement.warehouse.duckdb import records as duckdb_records
        from engagement.warehouse.duckdb.landed import DuckDBRecords

        if self._landed is not None:
            self._landed.release()
            self._memory.clear()
        paths = {name: item.path for name, item in envelope.items()}
        records = Records(paths, times, self._memory, self._passing)
        opened: list[tuple[LandedFile, int]] = []
        failed: dict[str, FileLines] = {}
        most = self._place.most_file_megabytes
        for file in files:
            try:
                with (self._place.landing / file.name).open("rb") as stream:
                    parts = read_parts(stream, file.name, most)
                    number = records.read(parts, file.received_at_utc_date, file.name)
                opened.append((file, number))
            except UnavailableFileError as error:
                failed[file.name] = FileLines.unavailable(file, str(error))
            except UnreadableFileError as error:
                failed[file.name] = FileLines(file, error=str(error))
            except OSError as error:
                said = error.strerror or type(error).__name__
                failed[file.name] = FileLines.unavailable(file, said)
        rows = records.finish()
        limit_memory(
            self._statements.connection, self._place.memory_bytes - self._place.reading_bytes
        )
        self._landed = DuckDBRecords(self._statements, self._tables, records, rows, self._passing)
        self._statements.prepare = self._landed.prepare
        self._tables.view("records", duckdb_records.records_sql([*envelope, *times]))
        texts = duckdb_records.envelope_sql(records, envelope)
        self._tables.view("envelope", duckdb_records.times_sql(texts, times))
        lines = {file.name: records.lines(number) for file, number in opened}
        self._landed.files = [
            failed.get(file.name)
            or FileLines(file, lines[file.name].lines, lines[file.name].blank_lines)
            for file in files
        ]
        return self._landed

    def locate(self, name: str, source: Table, cut: Callable[[str], Sequence[str]]) -> Table:
        del cut  # every line has its number already
        return self.work(name, exp.select("*").from_(source.node()))

    def landing_table(self, table: Table, location: str, columns: Mapping[str, str]) -> None:
        self._tables.made(table)
        pattern = str(ROOT / Path(location).expanduser() / f"{_PARTITION}=*" / "**")
        spec = ", ".join(
            f"{exp.Literal.string(name).sql('duckdb')}: 'VARCHAR'" for name in columns.values()
        )
        shown = ", ".join(
            f'"{raw}" as {exp.to_identifier(name, quoted=True).sql("duckdb")}'
            for name, raw in columns.items()
        )
        self._run(
            f"create or replace view {self._tables.physical(table)} as select {shown}, "
            f"cast({_PARTITION} as varchar) as {_PARTITION} from read_json("
            f"{exp.Literal.string(pattern).sql('duckdb')}, format = 'newline_delimited', "
            f"columns = {{{spec}}}, ignore_errors = true, hive_partitioning = true, "
            f"maximum_object_size = 67108864)",
            str(table),
        ).fetchall()

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
        return self._publisher.publish(
            table, select, parameters, partitions=partitions, columns=columns, version=version
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
        return self._publisher.publish_rows(table, select, key=key, among=among, version=version)

    def publish_empty(self, table: Table, columns: Mapping[str, str]) -> None:
        chosen = [
            exp.alias_(exp.cast(exp.null(), kind), n, quoted=True) for n, kind in columns.items()
        ]
        self.publish(table, exp.select(*chosen).where(exp.false()))

    def append(
        self, table: Table, rows: pa.Table, keep: Callable[[pa.Table], pa.Table]
    ) -> Publication:
        self._writable()
        found = None
        if self.columns(table):
            whole = f"select * from {self._tables.physical(table)}"
            found = self._connection.sql(whole).to_arrow_table()
        old, kinds = appended(found, rows)
        rows_ = pa.concat_tables([keep(old), rows])
        work = Table(WORK, f"{table.name}_rows")
        with self._statements.known("__appended", rows_):
            self._create(work, f"select * from {name_sql('__appended')}")
        return self.publish(table, columns_of(work, kinds))

    def published(self, table: Table) -> Published | None:
        return self._publisher.published(table)

    def drop(self, table: Table) -> None:
        self._publisher.drop(table)

    def drop_storage(self) -> None:
        """Remove what no logical database shows."""
        self._run(f"drop schema if exists {STORAGE} cascade", "storage")

    def transaction(self) -> AbstractContextManager[None]:
        return self._publisher.transaction()

    def finish(self) -> None:
        self._publisher.finish()

    def _writable(self) -> str:
        if self._token is None:
            raise WarehouseError("this session only reads: open it with session(write=True)")
        return self._token

    def _check_lease(self) -> None:
        lease.check(self._place.path, self._writable())
