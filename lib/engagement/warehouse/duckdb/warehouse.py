"""The embedded engine: one DuckDB file.

DuckDB lets one process write a file and shuts the others out meanwhile, and a reader blocks a
writer too. So connections are short: each session opens the file, works, and closes it, results
are fetched whole, and whoever has to wait is told for whom.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
from sqlglot import exp

from engagement import owner_only
from engagement.output import notices
from engagement.records.files import LandedFile, list_folder, sort_out
from engagement.records.lines import UnavailableFileError, UnreadableFileError, read_parts
from engagement.records.memory import Memory
from engagement.records.records import RecordGroup, Records
from engagement.settings import DuckDB, Settings
from engagement.sql.dialect import (
    LOGICAL,
    WORK,
    Engine,
    Table,
    bind,
    confine,
    parse,
    render,
)
from engagement.warehouse import lease
from engagement.warehouse.duckdb import fields, json_sql, udfs
from engagement.warehouse.duckdb import file as duckdb_file
from engagement.warehouse.duckdb import memory as machine
from engagement.warehouse.duckdb import records as duckdb_records
from engagement.warehouse.duckdb.json_sql import name_sql, text_sql
from engagement.warehouse.objects import FolderObjects
from engagement.warehouse.protocol import (
    FileLines,
    Finding,
    Forgotten,
    JsonColumn,
    Landing,
    Publication,
    Published,
    R,
    Select,
    Session,
    StatementLog,
    T,
    WarehouseError,
    appended,
    columns_of,
    frame,
    fresh_name,
    with_new_columns,
)

logger = logging.getLogger("engagement")

_PARTITION = "received_at_utc_date"

_ATHENA_TYPES = {
    "BIGINT": "bigint",
    "INTEGER": "integer",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "VARCHAR": "varchar",
    "JSON": "varchar",
    "DATE": "date",
    "TIMESTAMP": "timestamp(3)",
    "TIMESTAMP_MS": "timestamp(3)",
    "TIMESTAMP_S": "timestamp(3)",
    "BLOB": "varbinary",
}


class DuckDBWarehouse:
    """Tables in one local DuckDB file."""

    engine: Engine = "duckdb"
    batch_days: int = 1000
    rereads_tables = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = settings.path(settings.warehouse.duckdb.path)
        self._databases = settings.warehouse.databases.model_dump()
        self._landing = settings.path(settings.landing.location)
        self.log = StatementLog()
        self._memory_bytes = machine.memory_limit(settings)
        self.batch_bytes: int | None = min(_BATCH_BYTES, int(self._memory_bytes / 2 / _READING))

    def describe(self) -> str:
        """Name the engine and its version."""
        return f"DuckDB {duckdb.__version__}"

    def exists(self) -> bool:
        """Whether the file is there."""
        return self._path.exists()

    def landing_files(self) -> Landing:
        """List the landing folder, within the received dates of the settings."""
        wanted = self._settings.landing
        files, strays = sort_out(list_folder(self._landing), wanted.from_, wanted.to)
        return Landing(wanted.location, files, strays)

    @contextmanager
    def lease(self, holder: str) -> Iterator[str]:
        """Keep other runs from writing this file."""
        with lease.hold(self._path, holder) as token:
            yield token

    @contextmanager
    def session(self, *, write: bool = False) -> Iterator[Session]:
        """Open the file; writing holds the lease."""
        if not write:
            if not self.exists():
                raise WarehouseError(
                    f"There is no warehouse yet at {self._path}: run the notebooks first "
                    "('engagement run', or 01 and 02 by hand)."
                )
            with owner_only.umask(), _Connection(self, read_only=True) as connection:
                yield _DuckDBSession(self, connection, token=None)
            return
        with lease.hold(self._path, "a notebook or script") as token:
            owner_only.folder(self._path.parent)
            with owner_only.umask(), _Connection(self, read_only=False) as connection:
                self.log.may_have_written = True
                for schema in self._databases.values():
                    connection.execute(f'create schema if not exists "{schema}"')
                yield _DuckDBSession(self, connection, token=token)

    def render(self, select: Select, parameters: Mapping[str, Any] | None = None) -> str:
        """Show the SQL as DuckDB runs it."""
        query = parse(select) if isinstance(select, str) else select
        return render(bind(query, parameters or {}), "duckdb", self._databases, pretty=True)

    def query(self, select: Select, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Run one query and let go of the file."""
        with self.session() as session:
            return session.query(select, parameters)

    def findings(self) -> list[Finding]:
        """Nothing is needed but the file's folder."""
        return []

    def clean(self, keep_days: float | None = None, *, dry_run: bool = False) -> list[str]:
        """Nothing is left behind: DuckDB uses the room of what was replaced again."""
        del keep_days, dry_run
        return []

    def landed_objects(self, location: str | None = None) -> FolderObjects:
        """The files of the landing folder, or of another."""
        return FolderObjects(self._settings.path(location) if location else self._landing)

    def forget(self, holds: Callable[[str, bytes], bool]) -> Forgotten:
        """Write the file anew, without the blocks that were freed, and without what was spilled.

        A disk keeps no old versions.
        """
        del holds
        done = duckdb_file.rewrite(self._path)
        return Forgotten(
            {
                "bytes of the warehouse file": max(done.before - done.after, 0),
                "files that killed runs had spilled to disk": done.spilled,
            }
        )

    def start_over(self, kept: Collection[Table], *, dry_run: bool = False) -> list[str]:
        """Remove every table but some, for good; gives the names of those that go, or would.

        The caller holds the lease, and no session is open.
        """
        if not self.exists():
            return []
        with self.session(write=True) as session:
            assert isinstance(session, _DuckDBSession)  # noqa: S101 (for the type checker)
            every = [Table(one, name) for one in LOGICAL for name in session.tables(one)]
            gone = [table for table in every if table not in kept]
            if dry_run:
                return [str(table) for table in gone]
            for table in gone:
                session.drop(table)
            session._run(f"drop schema if exists {_STORAGE} cascade", "storage")
        if len(gone) == len(every):
            for end in ("", ".wal"):
                self._path.with_name(self._path.name + end).unlink(missing_ok=True)
            duckdb_file.remove_spilled(self._path)
        else:
            duckdb_file.rewrite(self._path)
        return [str(table) for table in gone]


class _Connection:
    """Open the file, waiting for whoever holds it; close it at the end."""

    def __init__(self, warehouse: DuckDBWarehouse, *, read_only: bool) -> None:
        self._warehouse = warehouse
        self._read_only = read_only

    def __enter__(self) -> duckdb.DuckDBPyConnection:
        settings = self._warehouse._settings.warehouse.duckdb
        path = self._warehouse._path
        deadline = time.monotonic() + settings.wait_seconds
        told = False
        pause = 0.02
        while True:
            try:
                self._connection = duckdb_file.opened(path, read_only=self._read_only)
                break
            except duckdb.IOException as error:
                if "Could not set lock" not in str(error):
                    raise WarehouseError(f"{path} cannot be opened: {_first_line(error)}") from None
                who = re.search(r"\(PID (\d+)\)", str(error))
                name = f"process {who[1]}" if who else "another process"
                if time.monotonic() >= deadline:
                    raise WarehouseError(
                        f"{path.name} is held by {name}; waited {settings.wait_seconds:g} s "
                        "(warehouse.duckdb.wait_seconds). Close it there, or wait longer."
                    ) from None
                if not told:
                    waiting = f"waiting for {name}, which holds {path.name}"
                    logger.warning(waiting)
                    notices.say_in_run(waiting)
                    told = True
                time.sleep(pause)
                pause = min(pause * 1.5, 0.5)
            except (duckdb.ConnectionException, duckdb.ResourceInUseException):
                raise _open_already(path) from None
            except duckdb.Error as error:
                raise WarehouseError(
                    f"{path} cannot be opened as a DuckDB file: {_first_line(error)}"
                ) from None
        if told:
            notices.done()
        if duckdb_file.is_confined(self._connection):  # it is the other session's, then
            self._connection.close()
            raise _open_already(path)
        try:
            self._set_up(settings)
        except BaseException:
            self._connection.close()
            raise
        return self._connection

    def _set_up(self, settings: DuckDB) -> None:
        self._connection.execute("set timezone = 'UTC'")
        if not self._read_only:
            # By itself DuckDB would write the last rows of every table anew with each small one.
            self._connection.execute(f"set checkpoint_threshold = '{_CHECKPOINT_AFTER}'")
            for name, value in _ALLOCATION.items():
                self._connection.execute(f"set {name} = '{value}'")
        _limit(self._connection, self._warehouse._memory_bytes)
        if settings.threads:
            self._connection.execute(f"set threads = {settings.threads}")
        if self._read_only:
            duckdb_file.confine(self._connection, [self._warehouse._landing])

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _open_already(path: Path) -> WarehouseError:
    return WarehouseError(
        f"{path.name} is open in this process already: leave the block of the other session first."
    )


@dataclass(frozen=True)
class _JustRead:
    """Rows of what :meth:`_DuckDBSession.with_texts` made: where they are, and what they have.

    They are in ``groups``, each with the texts that its rows have in common, beside ``columns``;
    and, where ``has_odd``, among the records that are in none, from where ``query`` takes them.
    """

    query: exp.Query
    columns: Sequence[str]
    groups: Sequence[tuple[RecordGroup, Mapping[str, str]]]
    has_odd: bool


class _DuckDBSession:
    """See :class:`engagement.warehouse.protocol.Session`."""

    def __init__(
        self, warehouse: DuckDBWarehouse, connection: duckdb.DuckDBPyConnection, token: str | None
    ) -> None:
        self._warehouse = warehouse
        self._connection = connection
        self._token = token
        self._is_together = False
        self._read: Records | None = None
        self._memory, self._passing = Memory(), Memory()
        self._asked: list[duckdb_records.Asked] = []
        self._ready: set[int] = set()
        self._kept: pa.Table | None = None
        self._texts = Table(WORK, "")
        self._just_read: dict[str, _JustRead] = {}
        self._odd_events: set[tuple[str, str]] = set()
        self._views: dict[str, str] = {}
        # Stands for a view's text until it is put in: no name or value of an event may be like it.
        self._secret = secrets.token_hex(8)
        self._columns: dict[Table, dict[str, str]] = {}
        self._there: set[Table] | None = None
        self._threads = self._most_threads = int(
            connection.execute("select current_setting('threads')").fetchall()[0][0]
        )
        udfs.register(connection)

    # --- reading

    def query(
        self, select: Select, parameters: Mapping[str, Any] | None = None, *, label: str = "query"
    ) -> pd.DataFrame:
        if self._token is None:
            select = parse(select) if isinstance(select, str) else select
            confine(select)
        return frame(self._arrow(self._sql(select, parameters), label))

    def _arrow(self, sql: str, label: str) -> pa.Table:
        started = time.perf_counter()
        try:
            found = self._connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            self._warehouse.log.add(label, sql, 0, started, failed=True)
            raise WarehouseError(f"{label}: {_first_line(error)}") from None
        self._warehouse.log.add(label, sql, len(found), started)
        return found

    def fetch(
        self, table: Table, columns: Sequence[str] | None = None, *, label: str
    ) -> pd.DataFrame:
        return self.query(columns_of(table, columns or self.columns(table)), label=label)

    def tables(self, database: str) -> list[str]:
        schema = self._warehouse._databases[database]
        rows = self._connection.execute(
            "select table_name from information_schema.tables "
            "where table_schema = ? and table_catalog = current_database() order by table_name",
            [schema],
        ).fetchall()
        return [row[0] for row in rows]

    def columns(self, table: Table) -> dict[str, str]:
        if table.database == WORK:
            return _athena_types(self._stored(table))
        # Who only reads asks about a few tables, and is in no transaction.
        is_there = self._token is None or table in self._tables_there()
        if table not in self._columns:
            self._columns[table] = _athena_types(self._stored(table)) if is_there else {}
        return dict(self._columns[table])

    def _tables_there(self) -> set[Table]:
        """The tables and views that there are; asked once, and with the columns of all tables.

        To describe what there is not would be an error, which ends a transaction.
        """
        if self._there is None:
            of = {name: database for database, name in self._warehouse._databases.items()}
            views = self._connection.execute(_VIEWS).fetchall()
            # What a view gives may have changed with what it reads.
            tables = [
                row for row in self._connection.execute(_COLUMNS).fetchall() if row[:2] not in views
            ]
            stored: dict[Table, dict[str, str]] = {}
            for schema, name, column, kind in tables:
                if schema in of:
                    stored.setdefault(Table(of[schema], name), {})[column] = kind
            self._columns |= {table: _athena_types(kinds) for table, kinds in stored.items()}
            self._there = stored.keys() | {Table(of[s], name) for s, name in views if s in of}
        return self._there

    def _made(self, table: Table) -> None:
        """Take note of a table that is there, with other columns than before."""
        self._tables_there().add(table)
        self._columns.pop(table, None)

    def _stored(self, table: Table) -> dict[str, str]:
        """Columns of a table with DuckDB's own types; empty where there is no such table."""
        try:
            rows = self._connection.execute(f"describe from {self._physical(table)}").fetchall()
        except duckdb.CatalogException:
            return {}
        except duckdb.Error as error:
            raise WarehouseError(f"{table}: {_first_line(error)}") from None
        return {row[0]: row[1] for row in rows}

    def each(self, function: Callable[[int, T], R], items: Sequence[T]) -> list[R]:
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
            return self._view(name, self._sql(select, parameters))
        table = Table(WORK, name)
        self._create(table, self._sql(select, parameters))
        return table

    def forget(self, *tables: Table) -> None:
        for table in tables:
            if not self._views.pop(table.name, None):
                self._run(f"drop table if exists {self._physical(table)}", table.name)

    def _create(self, table: Table, sql: str) -> int:
        started = time.perf_counter()
        made = f"create or replace temp table {self._physical(table)} as {sql}"
        done = self._run(made, table.name)
        rows = int(done.fetchall()[0][0])
        self._warehouse.log.add(table.name, sql, rows, started)
        return rows

    def view(self, name: str, select: Select, columns: Mapping[str, str]) -> Table:
        del columns
        return self._view(name, self._sql(select, None))

    def _view(self, name: str, sql: str) -> Table:
        # A subquery of whatever reads it: a view would be planned once more for itself.
        self._views[name] = sql
        self._just_read.pop(name, None)
        return Table(WORK, name)

    def rows(self, name: str, rows: pa.Table, columns: Mapping[str, str]) -> Table:
        table = Table(WORK, name)
        chosen = ", ".join(
            f"cast({name_sql(column)} as {_duckdb_type(kind)}) as {name_sql(column)}"
            for column, kind in columns.items()
        )
        with self._known("__rows", rows):
            self._create(table, f"select {chosen} from __rows")
        return table

    @contextmanager
    def _known(self, name: str, rows: pa.Table) -> Iterator[None]:
        """Let statements read rows that are here."""
        self._connection.register(name, rows)
        try:
            yield
        finally:
            # After an error there is nothing to be done within a transaction.
            with suppress(duckdb.TransactionException):
                self._connection.unregister(name)

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
        just_read = self._just_read.get(source.name)
        if just_read is not None:
            sql = self._values_sql(just_read, wanted)
        else:
            sql = json_sql.columns_sql(self._physical(source), column, wanted, where, keep)
        if lazy:
            return self._view(name, sql)
        table = Table(WORK, name)
        self._create(table, sql)
        return table

    def json_fields(
        self,
        source: Table,
        column: str,
        groups: Sequence[str],
        looked_into: Callable[[tuple[Any, ...], tuple[str, ...]], bool],
        within: Collection[str] | None = None,
    ) -> pa.Table:
        del within  # all paths have been found already
        rows, read = self._physical(source), self._read_last()
        return fields.json_fields(
            self._run, self._arrow, rows, column, groups, read, looked_into, self._ask
        )

    def _read_last(self) -> Records:
        if self._read is None:
            raise WarehouseError("no records were read in this session")
        return self._read

    def publish_empty(self, table: Table, columns: Mapping[str, str]) -> None:
        chosen = [
            exp.alias_(exp.cast(exp.null(), kind), n, quoted=True) for n, kind in columns.items()
        ]
        self.publish(table, exp.select(*chosen).where(exp.false()))

    def lay_out(self, readers: int, shared: Iterable[JsonColumn]) -> bool:
        del readers, shared  # their values have been found already
        self._odd_events = set()
        if duckdb_records.needs_texts(self._read_last()):
            found = self._run(duckdb_records.odd_events_sql(), "odd events")
            self._odd_events = set(found.fetchall())
        return True

    def with_texts(self, name: str, rows: Select, columns: Mapping[str, str]) -> Table:
        found = self._arrow(self._sql(rows, None), name).select(list(columns))
        self._kept, self._texts = self._read_last().with_texts(found), Table(WORK, name)
        self._connection.register(duckdb_records.KEPT, self._kept)
        return self._view(name, f"select * from {duckdb_records.KEPT}")

    def just_read(
        self,
        name: str,
        kept: exp.Query,
        columns: Mapping[str, str],
        events: Mapping[tuple[str, str], Mapping[str, str]],
    ) -> Table:
        groups = []
        for group in self._read_last().groups:
            # Only tracks have names; what else stands there is no name.
            same = events.get((group.kind, group.event if group.kind == "track" else ""))
            if same is not None:
                groups.append((group, same))
        same_names = {column for same in events.values() for column in same}
        own = [column for column in columns if column not in (*same_names, "record")]
        has_odd = not self._odd_events.isdisjoint(events)
        self._views.pop(name, None)
        self._just_read[name] = _JustRead(kept, own, groups, has_odd)
        return Table(WORK, name)

    def _values_sql(self, rows: _JustRead, wanted: Mapping[str, JsonColumn]) -> str:
        """The query for rows just read and values that their texts hold."""
        parts = [
            duckdb_records.values_sql(group, rows.columns, same, wanted, self._ask)
            for group, same in rows.groups
        ]
        if rows.has_odd or not parts:
            views = {**self._views, self._texts.name: f"select * from {duckdb_records.ODD}"}
            odd = self._sql(rows.query.select("record as __text"), None, views)
            parts.append(json_sql.columns_sql(f"({odd})", "__text", wanted, None, keep=False))
        return " union all by name ".join(parts)

    def readable(self, name: str, events: exp.Query, columns: Mapping[str, str]) -> Table:
        if not self._has_put_aside():
            return self.view(name, events, columns)
        text = self._sql(events, None)
        return self._view(
            name,
            f"select e.* replace (coalesce(p.record, e.record) as record) from ({text}) as e "
            f"left join {_PUT_ASIDE} as p on e.{_PARTITION} = p.{_PARTITION} and e.id = p.id",
        )

    def put_aside(self, kept: exp.Query, partitions: Sequence[str]) -> None:
        sql = self._sql(kept, None)
        rows = self._run(f"select count(*) from ({sql})", "texts put aside").fetchall()[0][0]
        if not rows and not self._has_put_aside():
            return
        lease.check(self._warehouse._path, self._writable())
        marks = ", ".join(text_sql(day) for day in partitions) or "null"
        columns = f"{_PARTITION} varchar, id varchar, record varchar"
        with self._transaction("texts put aside"):
            for statement in (
                f"create schema if not exists {_STORAGE}",
                f"create table if not exists {_PUT_ASIDE} ({columns})",
                f"delete from {_PUT_ASIDE} where {_PARTITION} in ({marks})",
                f"insert into {_PUT_ASIDE} by name {sql}",
            ):
                self._run(statement, "texts put aside").fetchall()

    def _has_put_aside(self) -> bool:
        rows = self._run(
            "select estimated_size from duckdb_tables() where schema_name = "
            f"'{_STORAGE}' and database_name = current_database()",
            "texts put aside",
        ).fetchall()
        return any(row[0] for row in rows)

    # --- the landing

    def landing_records(
        self,
        files: Sequence[LandedFile],
        envelope: Mapping[str, JsonColumn],
        times: Mapping[str, str],
    ) -> tuple[Table, list[FileLines]]:
        self._forget_read()
        paths = {name: item.path for name, item in envelope.items()}
        records = Records(paths, times, self._memory, self._passing)
        opened: list[tuple[LandedFile, int]] = []
        failed: dict[str, FileLines] = {}
        most = self._warehouse._settings.landing.most_file_megabytes
        for file in files:
            try:
                with (self._warehouse._landing / file.name).open("rb") as stream:
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
        table = records.finish()
        self._read = records
        in_python = int(_READING * (self._warehouse.batch_bytes or 0))
        _limit(self._connection, self._warehouse._memory_bytes - in_python)
        self._connection.register(duckdb_records.RECORDS, table)
        self._view("records", duckdb_records.records_sql([*envelope, *times]))
        texts = duckdb_records.envelope_sql(records, envelope)
        self._view("envelope", duckdb_records.times_sql(texts, times))
        lines = {file.name: records.lines(number) for file, number in opened}
        done = [
            failed.get(file.name)
            or FileLines(file, lines[file.name].lines, lines[file.name].blank_lines)
            for file in files
        ]
        return Table(WORK, "records"), done

    def _forget_read(self) -> None:
        """Let go of what was read before: it takes as much memory as its files."""
        if self._read is None:
            return
        self._make_ready(set())
        self._connection.unregister(duckdb_records.RECORDS)
        if self._kept is not None:
            self._connection.unregister(duckdb_records.KEPT)
        self._read, self._kept, self._just_read, self._asked = None, None, {}, []
        self._memory.clear()

    def _ask(self, asked: duckdb_records.Asked) -> str:
        """Make a note of columns that a statement will read; gives the name of their table."""
        self._asked.append(asked)
        return duckdb_records.values_table(len(self._asked) - 1)

    def _make_ready(self, wanted: set[int]) -> None:
        """Let the connection know columns that were asked for, in the place of others."""
        if wanted and wanted <= self._ready:
            return
        for number in self._ready:
            self._connection.unregister(duckdb_records.values_table(number))
        self._passing.clear()
        self._ready = wanted
        for number in wanted:
            table = self._asked[number].table(self._kept)
            self._connection.register(duckdb_records.values_table(number), table)

    def locate(self, name: str, source: Table, cut: Callable[[str], Sequence[str]]) -> Table:
        del cut  # every line has its number already
        return self.work(name, exp.select("*").from_(source.node()))

    def landing_table(self, table: Table, location: str, columns: Mapping[str, str]) -> None:
        self._made(table)
        pattern = str(self._warehouse._settings.path(location) / f"{_PARTITION}=*" / "**")
        spec = ", ".join(
            f"{exp.Literal.string(name).sql('duckdb')}: 'VARCHAR'" for name in columns.values()
        )
        shown = ", ".join(
            f'"{raw}" as {exp.to_identifier(name, quoted=True).sql("duckdb")}'
            for name, raw in columns.items()
        )
        self._run(
            f"create or replace view {self._physical(table)} as select {shown}, "
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
        sql = self._sql(select, parameters)
        lease.check(self._warehouse._path, self._writable())
        started = time.perf_counter()
        old = self.columns(table)
        # Each thread ends each part of a union with a group of rows that is not full, and what is
        # small is compressed again with the next checkpoint.
        threads = 1 if isinstance(select, exp.SetOperation) else self._most_threads
        with self._at_most(threads), self._transaction(str(table)):
            if partitions is None or not old:
                rows = self._replace(table, sql, old, columns)
            else:
                rows = self._replace_partitions(table, sql, partitions, old, columns)
            self._mark(table, version)
        self._warehouse.log.add(str(table), sql, rows, started)
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
        sql, keys = self._sql(select, None), self._sql(among, None)
        lease.check(self._warehouse._path, self._writable())
        started = time.perf_counter()
        name = self._physical(table)
        # They are few: to share them out would take longer.
        with self._at_most(1), self._transaction(str(table)):
            gone = f"delete from {name} where {name_sql(key)} in ({keys})"
            self._run(gone, str(table)).fetchall()
            done = self._run(f"insert into {name} by name {sql}", str(table)).fetchall()
            self._mark(table, version)
        rows = int(done[0][0])
        self._warehouse.log.add(str(table), sql, rows, started)
        return Publication(table, rows)

    def _mark(self, table: Table, version: str | None) -> None:
        mark = text_sql(version or secrets.token_hex(16))
        self._run(f"comment on table {self._physical(table)} is {mark}", str(table))

    @contextmanager
    def _at_most(self, threads: int) -> Iterator[None]:
        before, self._most_threads = self._most_threads, threads
        try:
            yield
        finally:
            self._most_threads = before

    @contextmanager
    def together(self) -> Iterator[None]:
        with self._transaction("all at once"):
            self._is_together = True
            try:
                yield
                lease.check(self._warehouse._path, self._writable())
            finally:
                self._is_together = False

    def settle(self) -> None:
        label = "checkpoint with the next commit"
        self._run(f"create schema if not exists {_STORAGE}", label)
        self._run(f"create sequence if not exists {_SETTLED}", label)
        times = self._run(f"select nextval('{_SETTLED}')", label).fetchall()[0][0]
        for table in sorted(self._tables_there(), key=str) if times > 1 else ():
            is_its_turn = not (times + zlib.crc32(str(table).encode())) % _GATHERED
            if is_its_turn and _PARTITION in self.columns(table) and not self._is_view(table):
                self._gather(table)
        # A commit that ends with a checkpoint writes nothing into the log before.
        self._run("set checkpoint_threshold = '0B'", label)

    def _gather(self, table: Table) -> None:
        """Write the rows of the dates before the last one anew: they share a group of rows then."""
        name, label = self._physical(table), f"{table}, rows of several dates"
        dates = self._run(
            f"select {_PARTITION}, count(*) from {name} group by 1 order by 1 desc "
            f"limit {_GATHERED} offset 1",
            label,
        ).fetchall()
        rows = sum(count for _, count in dates)
        if len(dates) < _GATHERED or rows > duckdb_file.ROW_GROUP:
            return
        chosen = f"{_PARTITION} between {text_sql(dates[-1][0])} and {text_sql(dates[0][0])}"
        moved = self._physical(Table(WORK, "gathered"))
        with self._transaction(label):
            self._run(f"create or replace temp table {moved} as from {name} where {chosen}", label)
            self._run(f"delete from {name} where {chosen}", label).fetchall()
            self._run(f"insert into {name} from {moved}", label).fetchall()
            self._run(f"drop table {moved}", label)

    @contextmanager
    def _transaction(self, label: str) -> Iterator[None]:
        if self._is_together:
            yield
            return
        self._run("begin transaction", label)
        try:
            yield
            self._run("commit", label)
        except BaseException:
            # Where the disk is full nothing can be rolled back either; the reason is what counts.
            with suppress(duckdb.Error):
                self._connection.execute("rollback")
            self._there, self._columns = None, {}
            raise

    def _replace(
        self,
        table: Table,
        sql: str,
        old: Mapping[str, str],
        columns: Mapping[str, str] | None,
    ) -> int:
        name = self._physical(table)
        # To look among the views takes longer than to make a small table.
        if old and self._is_view(table):
            self._run(f"drop view {name}", str(table))
        self._made(table)
        if columns is not None:
            self._run(f"create or replace table {name} ({_defined(columns)})", str(table))
            done = self._run(f"insert into {name} by name {sql}", str(table)).fetchall()
            return int(done[0][0])
        done = self._run(f"create or replace table {name} as {sql}", str(table)).fetchall()
        # Types that Athena lacks are rare: found in what was made, not by planning it twice.
        narrowed = _narrowed(sql, self._stored(table))
        if narrowed != sql:
            done = self._run(f"create or replace table {name} as {narrowed}", str(table)).fetchall()
        return int(done[0][0])

    def _replace_partitions(
        self,
        table: Table,
        sql: str,
        partitions: Sequence[str],
        old: Mapping[str, str],
        columns: Mapping[str, str] | None,
    ) -> int:
        name = self._physical(table)
        if columns is None:
            sql = _narrowed(sql, self._described(sql, str(table)))
            columns = {
                column: athena_type(kind)
                for column, kind in self._described(sql, str(table)).items()
            }
        merged = with_new_columns(old, columns)
        marks = ", ".join(text_sql(day) for day in partitions) or "null"
        if merged == dict(old):
            self._run(f"delete from {name} where {_PARTITION} in ({marks})", str(table)).fetchall()
            done = self._run(f"insert into {name} by name {sql}", str(table)).fetchall()
            return int(done[0][0])
        self._made(table)
        kept = f"select * from {name} where {_PARTITION} not in ({marks})"
        fresh = exp.table_(fresh_name(table), db=self._schema(table), quoted=True)
        made = fresh.sql("duckdb")
        self._run(f"create or replace table {made} ({_defined(merged)})", str(table))
        self._run(f"insert into {made} by name {kept}", str(table)).fetchall()
        done = self._run(f"insert into {made} by name {sql}", str(table)).fetchall()
        self._run(f"drop table {name}", str(table))
        self._run(f"alter table {made} rename to {name_sql(table.name)}", str(table))
        return int(done[0][0])

    def append(
        self, table: Table, rows: pa.Table, keep: Callable[[pa.Table], pa.Table]
    ) -> Publication:
        self._writable()
        found = (
            self._connection.sql(f"select * from {self._physical(table)}").to_arrow_table()
            if self.columns(table)
            else None
        )
        old, kinds = appended(found, rows)
        whole = pa.concat_tables([keep(old), rows])
        work = Table(WORK, f"{table.name}_rows")
        with self._known("__appended", whole):
            self._create(work, f"select * from {name_sql('__appended')}")
        return self.publish(table, columns_of(work, kinds))

    def published(self, table: Table) -> Published | None:
        rows = self._run(
            "select comment from duckdb_tables() where database_name = current_database() "
            f"and schema_name = {text_sql(self._schema(table))} "
            f"and table_name = {text_sql(table.name)}",
            "what is published",
        ).fetchall()
        if not rows or not rows[0][0]:
            return None
        counted = self._run(f"select count(*) from {self._physical(table)}", "rows").fetchall()
        return Published(str(rows[0][0]), int(counted[0][0]))

    def drop(self, table: Table) -> None:
        lease.check(self._warehouse._path, self._writable())
        kind = "view" if self._is_view(table) else "table"
        self._tables_there().discard(table)
        self._columns.pop(table, None)
        self._run(f"drop {kind} if exists {self._physical(table)}", str(table)).fetchall()

    # --- inside

    def _writable(self) -> str:
        if self._token is None:
            raise WarehouseError("this session only reads: open it with session(write=True)")
        return self._token

    def _sql(
        self,
        select: Select,
        parameters: Mapping[str, Any] | None,
        views: Mapping[str, str] | None = None,
    ) -> str:
        query = parse(select) if isinstance(select, str) else select.copy()
        views = self._views if views is None else views
        databases = {**self._warehouse._databases, WORK: _TEMPORARY}
        places: dict[str, str] = {}
        for node in query.find_all(exp.Table):
            if node.db == WORK and node.name in views:
                place = f"__view {self._secret} {len(places)}"
                places[name_sql(place)] = f"({views[node.name]})"
                node.set("db", None)
                node.set("this", exp.to_identifier(place, quoted=True))
        sql = render(bind(query, parameters or {}, copy=False), "duckdb", databases, copy=False)
        for place, view in places.items():
            sql = sql.replace(place, view)
        return sql

    def _run(self, sql: str, label: str) -> duckdb.DuckDBPyConnection:
        started = time.perf_counter()
        # To change it takes longer than what is so little.
        threads = self._threads if sql.startswith(_LITTLE) else self._most_threads
        if self._read and duckdb_records.READ in sql:
            self._make_ready(duckdb_records.values_named(sql, len(self._asked)))
            # What was just read is one piece, which one thread goes through: others would wait.
            threads = 1
        try:
            if threads != self._threads:
                self._connection.execute(f"set threads = {threads}")
                self._threads = threads
            return self._connection.execute(sql)
        except duckdb.Error as error:
            self._warehouse.log.add(label, sql, 0, started, failed=True)
            raise WarehouseError(f"{label}: {_first_line(error)}") from None

    def _described(self, sql: str, label: str) -> dict[str, str]:
        rows = self._run(f"describe {sql}", label).fetchall()
        return {row[0]: row[1] for row in rows}

    def _is_view(self, table: Table) -> bool:
        found = self._connection.execute(
            "select 1 from duckdb_views() where schema_name = ? and view_name = ? "
            "and database_name = current_database()",
            [self._schema(table), table.name],
        ).fetchall()
        return bool(found)

    def _schema(self, table: Table) -> str:
        return "main" if table.database == WORK else self._warehouse._databases[table.database]

    def _physical(self, table: Table) -> str:
        if table.database not in (*LOGICAL, WORK):
            raise WarehouseError(f"{table}: the databases are {', '.join(LOGICAL)}")
        if table.database == WORK and table.name in self._views:
            return f"({self._views[table.name]})"
        database = _TEMPORARY if table.database == WORK else self._schema(table)
        return exp.table_(table.name, db=database, quoted=True).sql("duckdb")


_CHECKPOINT_AFTER = "1GB"

_LITTLE = ("comment on ", "delete from ", "drop ")
"""How statements begin for which it does not matter how many threads there are."""

_TEMPORARY = "temp"
"""Where DuckDB has what goes with a connection, and may be written beside the file's tables."""

_VIEWS = """
    select schema_name, view_name from duckdb_views() where database_name = current_database()
"""

_COLUMNS = """
    select schema_name, table_name, column_name, data_type from duckdb_columns()
    where database_name = current_database() order by schema_name, table_name, column_index
"""

_BATCH_BYTES = 780_000_000
"""Bytes of files that are read at once: more would not make reading faster."""

_READING = 3.0
"""Bytes that Python takes for each of these, for the text and where its values are."""

_PYTHON_BYTES = 500_000_000
"""What Python takes besides, with what a notebook holds."""


def _limit(connection: duckdb.DuckDBPyConnection, most_bytes: int) -> None:
    """Let DuckDB use what Python leaves it of so many bytes."""
    limit = most_bytes - min(_PYTHON_BYTES, most_bytes // 2)
    connection.execute(f"set memory_limit = '{limit}B'")


_ALLOCATION = {
    "block_allocator_memory": "2GB",
    "allocator_flush_threshold": "100GB",
    "allocator_bulk_deallocation_flush_threshold": "100GB",
}
"""A connection that writes uses the memory of a block again, where DuckDB would give it back to the
system each time, and pay a page fault for every 4 kB of the next. Addresses are reserved; memory is
taken as blocks need it."""

_STORAGE = "storage"
_SETTLED = f"{_STORAGE}.settled"
"""Counts how often :meth:`_DuckDBSession.settle` was asked for."""

_GATHERED = 8
"""Rows of so many dates, if one group can hold them, are put together: each table's once in so many
runs. Each of these dates came with a group of its own.

DuckDB's own merging writes up to three full groups again to save one, of all tables at once.
"""

_PUT_ASIDE = f"{_STORAGE}.texts_put_aside"
"""Of records that give a key twice, the text that DuckDB's JSON functions read right."""


_COMPRESSED = {"id": "uncompressed", "record": "zstd"}
"""How some columns of texts are compressed. Ids of messages are random: there is nothing to find in
them, and to look for it takes time with every table. Whole records are the long texts they are."""


def _defined(columns: Mapping[str, str]) -> str:
    """Columns as a table's definition."""
    return ", ".join(
        f"{name_sql(column)} {_duckdb_type(kind)}"
        # A property may have such a name, and be a number.
        + (f" using compression {_COMPRESSED[column]}" if _is_compressed(column, kind) else "")
        for column, kind in columns.items()
    )


def _is_compressed(column: str, kind: str) -> bool:
    return column in _COMPRESSED and kind == "varchar"


def _athena_types(columns: Mapping[str, str]) -> dict[str, str]:
    return {name: athena_type(kind) for name, kind in columns.items()}


def athena_type(kind: str) -> str:
    """Athena's name of a DuckDB type; for types that Athena lacks, DuckDB's in lower case."""
    if kind.endswith("[]"):
        return f"array({athena_type(kind[:-2])})"
    return _ATHENA_TYPES.get(kind, kind.lower().replace(" ", ""))


def _first_line(error: Exception) -> str:
    """What DuckDB says, without the statement that it repeats: that may be pages long."""
    if isinstance(error, duckdb.PermissionException):
        return (
            "a session that only reads sees the warehouse's tables and the landing of the "
            "parameters (landing.location), no other file and no address"
        )
    said = str(error).split("\n\nLINE")[0].strip() or type(error).__name__
    return " ".join(line.strip() for line in said.splitlines()[:3])


_NARROWER = {
    "HUGEINT": "bigint",
    "JSON": "varchar",
    "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_S": "timestamp",
}


def _narrowed(sql: str, types: Mapping[str, str]) -> str:
    """Give sums of bigints and JSON values the type that they have on Athena."""
    changed = {name: _NARROWER[kind] for name, kind in types.items() if kind in _NARROWER}
    if not changed:
        return sql
    replaced = ", ".join(
        f"cast({name_sql(name)} as {kind}) as {name_sql(name)}" for name, kind in changed.items()
    )
    return f"select * replace ({replaced}) from ({sql})"


@cache
def _duckdb_type(kind: str) -> str:
    return str(exp.DataType.build(kind, dialect="trino").sql("duckdb")).replace(
        "TIMESTAMP_MS", "TIMESTAMP"
    )
