"""The embedded engine: one DuckDB file.

DuckDB lets one process write a file and shuts the others out meanwhile, and a reader blocks a
writer too. So connections are short: each session opens the file, works, and closes it, results
are fetched whole, and whoever has to wait is told for whom.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
from duckdb.func import PythonUDFType
from sqlglot import exp

from engagement.landing.files import LandedFile, list_folder, sort_out
from engagement.landing.lines import SCHEMA, UnreadableFileError, read_bytes, split_lines
from engagement.settings import Settings
from engagement.warehouse import lease, strict_json
from engagement.warehouse.base import (
    FileLines,
    Finding,
    JsonColumn,
    Landing,
    Publication,
    R,
    Select,
    Session,
    StatementLog,
    T,
    WarehouseError,
    frame,
)
from engagement.warehouse.dialect import LOGICAL, WORK, Engine, Table, bind, parse, render

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

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = settings.path(settings.warehouse.duckdb.path)
        self._databases = settings.warehouse.databases.model_dump()
        self._landing = settings.path(settings.landing.location)
        self.log = StatementLog()

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
            with _Connection(self, read_only=True) as connection:
                yield _DuckDBSession(self, connection, token=None)
            return
        with lease.hold(self._path, "a notebook or script") as token:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _Connection(self, read_only=False) as connection:
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
                self._connection = duckdb.connect(str(path), read_only=self._read_only)
                break
            except duckdb.IOException as error:
                if "lock" not in str(error):
                    raise WarehouseError(f"{path} cannot be opened: {error}") from None
                who = re.search(r"\(PID (\d+)\)", str(error))
                name = f"process {who[1]}" if who else "another process"
                if time.monotonic() >= deadline:
                    raise WarehouseError(
                        f"{path.name} is held by {name}; waited {settings.wait_seconds:g} s "
                        "(warehouse.duckdb.wait_seconds). Close it there, or wait longer."
                    ) from None
                if not told:
                    logger.warning("waiting for %s, which holds %s", name, path.name)
                    told = True
                time.sleep(pause)
                pause = min(pause * 1.5, 0.5)
            except duckdb.ConnectionException:
                raise WarehouseError(
                    f"{path.name} is open in this process already: leave the block of the other "
                    "session first."
                ) from None
            except duckdb.Error as error:
                raise WarehouseError(
                    f"{path} cannot be opened as a DuckDB file: {_first_line(error)}"
                ) from None
        self._connection.execute("set timezone = 'UTC'")
        if settings.memory_limit:
            self._connection.execute(f"set memory_limit = '{settings.memory_limit}'")
        if settings.threads:
            self._connection.execute(f"set threads = {settings.threads}")
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()


class _DuckDBSession:
    """See :class:`engagement.warehouse.base.Session`."""

    def __init__(
        self, warehouse: DuckDBWarehouse, connection: duckdb.DuckDBPyConnection, token: str | None
    ) -> None:
        self._warehouse = warehouse
        self._connection = connection
        self._token = token
        if token is not None:
            # A database of its own, gone with the connection.
            connection.execute(f"attach ':memory:' as {WORK}")
        for name, function in _OWN_FUNCTIONS.items():
            connection.create_function(
                name, function, ["VARCHAR"], "VARCHAR", type=PythonUDFType.ARROW
            )

    # --- reading

    def query(
        self, select: Select, parameters: Mapping[str, Any] | None = None, *, label: str = "query"
    ) -> pd.DataFrame:
        sql = self._sql(select, parameters)
        started = time.perf_counter()
        try:
            result = frame(self._connection.sql(sql).to_arrow_table())
        except duckdb.Error as error:
            raise WarehouseError(f"{label}: {_first_line(error)}") from error
        self._warehouse.log.add(label, sql, len(result), started)
        return result

    def tables(self, database: str) -> list[str]:
        schema = self._warehouse._databases[database]
        rows = self._connection.execute(
            "select table_name from information_schema.tables "
            "where table_schema = ? and table_catalog = current_database() order by table_name",
            [schema],
        ).fetchall()
        return [row[0] for row in rows]

    def columns(self, table: Table) -> dict[str, str]:
        return {name: athena_type(kind) for name, kind in self._stored(table).items()}

    def _stored(self, table: Table) -> dict[str, str]:
        """Columns of a table with DuckDB's own types; empty where there is no such table."""
        try:
            rows = self._connection.execute(f"describe {self._physical(table)}").fetchall()
        except duckdb.CatalogException:
            return {}
        except duckdb.Error as error:
            raise WarehouseError(f"{table}: {_first_line(error)}") from error
        return {row[0]: row[1] for row in rows}

    def each(self, function: Callable[[int, T], R], items: Sequence[T]) -> list[R]:
        return [function(0, item) for item in items]

    # --- working tables

    def work(self, name: str, select: Select, parameters: Mapping[str, Any] | None = None) -> Table:
        table = Table(WORK, name)
        self._create(table, self._sql(select, parameters))
        return table

    def forget(self, *tables: Table) -> None:
        for table in tables:
            self._run(f"drop table if exists {self._physical(table)}", table.name)

    def _create(self, table: Table, sql: str) -> int:
        started = time.perf_counter()
        done = self._run(f"create or replace table {self._physical(table)} as {sql}", table.name)
        rows = int(done.fetchall()[0][0])
        self._warehouse.log.add(table.name, sql, rows, started)
        return rows

    def json_columns(
        self,
        name: str,
        source: Table,
        column: str,
        wanted: Mapping[str, JsonColumn],
        *,
        where: str | None = None,
        keep: bool = False,
    ) -> Table:
        text = _name(column)
        structures, places = _places(wanted)
        parsed = f"case when {_name(where)} then {text} end" if where else text
        inner = [
            f"json_transform({parsed}, {_text(json.dumps(structure, ensure_ascii=False))}) "
            f"as {_PARSED.format(number)}"
            for number, structure in enumerate(structures)
        ]
        hidden = [_PARSED.format(number) for number in range(len(structures))]
        hidden += [] if keep else [text]
        outer = [f"* exclude ({', '.join(hidden)})" if hidden else "*"]
        for alias, item in wanted.items():
            value = _value(places[alias], item, parsed)
            if item.kind == "json":
                value = f"case when json_type({value}) <> 'NULL' then cast({value} as varchar) end"
            outer.append(f"{value} as {_name(alias)}")
        table = Table(WORK, name)
        self._create(
            table,
            f"select {', '.join(outer)} from "
            f"(select {', '.join(['*', *inner])} from {self._physical(source)}) as parsed",
        )
        return table

    def json_paths(
        self, source: Table, column: str, groups: Sequence[str]
    ) -> list[tuple[tuple[Any, ...], tuple[str, ...], frozenset[str]]]:
        keys = "".join(f"{_name(group)}, " for group in groups)
        text, rows = _name(column), self._physical(source)
        deep = (
            f"length({text}) - length(replace(replace({text}, '{{', ''), '[', '')) > {_FLAT_ENOUGH}"
        )
        kinds: dict[tuple[tuple[Any, ...], tuple[str, ...]], set[str]] = {}
        structures = self._run(
            f"select {keys}json_structure({text}) from {rows} where not ({deep}) group by all",
            "json_paths",
        ).fetchall()
        for *group, structure in structures:
            for path, kind in _leaves(json.loads(structure)):
                kinds.setdefault((tuple(group), path), set()).add(kind)
        # json_structure gives up on deep texts; most of these are only long.
        for *group, record in self._run(
            f"select {keys}{text} from {rows} where {deep}", "json_paths"
        ).fetchall():
            for path, kind in strict_json.paths(record):
                kinds.setdefault((tuple(group), path), set()).add(kind)
        return [
            (group, path, frozenset(kinds[group, path]))
            for group, path in sorted(kinds, key=lambda key: (repr(key[0]), key[1]))
        ]

    # --- the landing

    def landing_lines(self, files: Sequence[LandedFile]) -> tuple[Table, list[FileLines]]:
        done: list[FileLines] = []
        schema = pa.schema([(_PARTITION, pa.string()), ("source_file", pa.string()), *SCHEMA])

        def tables() -> Iterator[pa.Table]:
            for file in files:
                try:
                    with (self._warehouse._landing / file.name).open("rb") as stream:
                        lines = split_lines(read_bytes(stream, file.name))
                except UnreadableFileError as error:
                    done.append(FileLines(file, error=str(error)))
                    continue
                except OSError as error:
                    done.append(FileLines(file, error=error.strerror or type(error).__name__))
                    continue
                done.append(FileLines(file, lines.lines, lines.blank_lines))
                rows = len(lines.batch)
                names = [file.received_at_utc_date] * rows, [file.name] * rows
                yield pa.Table.from_arrays(
                    [*(pa.array(name, pa.string()) for name in names), *lines.batch.columns],
                    schema=schema,
                )

        table = Table(WORK, "lines")
        reader = pa.RecordBatchReader.from_batches(schema, _gathered(tables()))
        self._connection.register("__landing_reader", reader)
        try:
            self._create(table, "select * from __landing_reader")
        finally:
            self._connection.unregister("__landing_reader")
        return table, done

    def locate(self, name: str, source: Table, cut: Callable[[str], Sequence[str]]) -> Table:
        del cut  # every line has its number already
        return self.work(name, exp.select("*").from_(source.node()))

    def landing_table(self, table: Table, location: str, columns: Mapping[str, str]) -> None:
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
    ) -> Publication:
        sql = self._sql(select, parameters)
        lease.check(self._warehouse._path, self._writable())
        started = time.perf_counter()
        # Outside: to ask for a table that there is not would end the transaction.
        is_new = not self._stored(table)
        self._run("begin transaction", str(table))
        try:
            if partitions is None or is_new:
                rows = self._replace(table, sql)
            else:
                rows = self._replace_partitions(table, sql, partitions)
            self._run("commit", str(table))
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._warehouse.log.add(str(table), sql, rows, started)
        return Publication(table, rows)

    def _replace(self, table: Table, sql: str) -> int:
        name = self._physical(table)
        if self._is_view(table):
            self._run(f"drop view {name}", str(table))
        done = self._run(f"create or replace table {name} as {sql}", str(table)).fetchall()
        # Types that Athena lacks are rare: found in what was made, not by planning it twice.
        narrowed = _narrowed(sql, self._stored(table))
        if narrowed != sql:
            done = self._run(f"create or replace table {name} as {narrowed}", str(table)).fetchall()
        return int(done[0][0])

    def _replace_partitions(self, table: Table, sql: str, partitions: Sequence[str]) -> int:
        name = self._physical(table)
        old = self.columns(table)
        sql = _narrowed(sql, self._described(sql, str(table)))
        for column, kind in self._described(sql, str(table)).items():
            if column not in old:
                self._run(f"alter table {name} add column {_name(column)} {kind}", str(table))
            elif athena_type(kind) != old[column]:
                self._run(
                    f"alter table {name} alter column {_name(column)} type {kind}", str(table)
                )
        marks = ", ".join(_text(day) for day in partitions) or "null"
        self._run(f"delete from {name} where {_PARTITION} in ({marks})", str(table)).fetchall()
        done = self._run(f"insert into {name} by name {sql}", str(table)).fetchall()
        return int(done[0][0])

    def drop(self, table: Table) -> None:
        lease.check(self._warehouse._path, self._writable())
        kind = "view" if self._is_view(table) else "table"
        self._run(f"drop {kind} if exists {self._physical(table)}", str(table)).fetchall()

    # --- inside

    def _writable(self) -> str:
        if self._token is None:
            raise WarehouseError("this session only reads: open it with session(write=True)")
        return self._token

    def _sql(self, select: Select, parameters: Mapping[str, Any] | None) -> str:
        query = parse(select) if isinstance(select, str) else select.copy()
        databases = {**self._warehouse._databases, WORK: WORK}
        return render(bind(query, parameters or {}, copy=False), "duckdb", databases, copy=False)

    def _run(self, sql: str, label: str) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(sql)
        except duckdb.Error as error:
            raise WarehouseError(f"{label}: {_first_line(error)}") from error

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
        database = WORK if table.database == WORK else self._schema(table)
        return exp.table_(table.name, db=database, quoted=True).sql("duckdb")


_BATCH_BYTES = 8_000_000


def _gathered(tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    """Batches of some size: of a batch for each of many small files, most time would be waiting."""
    waiting: list[pa.Table] = []
    size = 0
    for table in tables:
        waiting.append(table)
        size += table.nbytes
        if size >= _BATCH_BYTES:
            yield from pa.concat_tables(waiting).combine_chunks().to_batches()
            waiting, size = [], 0
    if waiting:
        yield from pa.concat_tables(waiting).combine_chunks().to_batches()


def athena_type(kind: str) -> str:
    """Athena's name of a DuckDB type; for types that Athena lacks, DuckDB's in lower case."""
    if kind.endswith("[]"):
        return f"array({athena_type(kind[:-2])})"
    return _ATHENA_TYPES.get(kind, kind.lower().replace(" ", ""))


def _first_line(error: Exception) -> str:
    """What DuckDB says, without the statement that it repeats: that may be pages long."""
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
        f"cast({_name(name)} as {kind}) as {_name(name)}" for name, kind in changed.items()
    )
    return f"select * replace ({replaced}) from ({sql})"


def _name(identifier: str) -> str:
    return str(exp.to_identifier(identifier, quoted=True).sql("duckdb"))


def _text(value: str) -> str:
    return str(exp.Literal.string(value).sql("duckdb"))


# --- JSON ---------------------------------------------------------------------------------------


def _verdicts(texts: pa.Array) -> pa.Array:
    return pa.array([strict_json.verdict(text) for text in texts.to_pylist()], pa.string())


def _last_wins(texts: pa.Array) -> pa.Array:
    return pa.array([strict_json.last_wins(text) for text in texts.to_pylist()], pa.string())


_OWN_FUNCTIONS = {"engagement_json_verdict": _verdicts, "engagement_json_last_wins": _last_wins}
"""Functions that DuckDB lacks, by the names that ``dialect.FUNCTIONS`` gives them."""

_PARSED = "__parsed_{}"
_FLAT_ENOUGH = 100
"""Brackets in a text up to which it is surely not too deep for json_structure (128 levels)."""

_STRUCT_DEPTH = 32
"""Levels of a path up to which it is read through a struct; deeper ones by a pointer."""

_KINDS = {
    "string": "VARCHAR",
    "integer": "HUGEINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "json": "JSON",
}
_STRUCTURES = {
    "BIGINT": "integer",
    "UBIGINT": "integer",
    "DOUBLE": "double",
    "VARCHAR": "string",
    "BOOLEAN": "boolean",
}


def _leaves(structure: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Paths and kinds of what json_structure describes."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), structure)]
    while waiting:
        path, inner = waiting.pop()
        match inner:
            case dict():
                waiting.extend(((*path, key), value) for key, value in inner.items())
            case list():
                yield path, "array"
            case "JSON":
                yield path, "object"
            case "NULL":
                pass
            case str():
                yield path, _STRUCTURES[inner]


def _places(
    wanted: Mapping[str, JsonColumn],
) -> tuple[list[_Structure], dict[str, int | None]]:
    """Spread paths over structures that one ``json_transform`` each can read.

    A structure cannot hold two keys that differ in case only, nor one path as a value and as an
    object: the later one goes into another structure. No structure holds an empty key or one with
    a NUL in it; these, and very deep ones, are read by a pointer each (``None``).
    """
    structures: list[_Structure] = []
    places: dict[str, int | None] = {}
    for alias, item in sorted(wanted.items(), key=lambda pair: pair[1].path):
        if len(item.path) > _STRUCT_DEPTH or not all(key and "\0" not in key for key in item.path):
            places[alias] = None
            continue
        number = next((n for n, s in enumerate(structures) if s.fits(item.path)), len(structures))
        if number == len(structures):
            structures.append(_Structure())
        structures[number].put(item.path, _KINDS[item.kind])
        places[alias] = number
    return structures, places


class _Structure(dict[str, Any]):
    """A structure for ``json_transform``: keys with a type or a structure each."""

    def __init__(self) -> None:
        super().__init__()
        self._lower: set[str] = set()

    def fits(self, path: tuple[str, ...]) -> bool:
        here: Any = self
        for key in path:
            if not isinstance(here, _Structure):
                return False
            if key not in here:
                return key.lower() not in here._lower
            here = here[key]
        return False

    def put(self, path: tuple[str, ...], kind: str) -> None:
        here = self
        for key in path[:-1]:
            if key not in here:
                here[key] = _Structure()
                here._lower.add(key.lower())
            here = here[key]
        here[path[-1]] = kind
        here._lower.add(path[-1].lower())


def _value(place: int | None, item: JsonColumn, text: str) -> str:
    if place is not None:
        value = _PARSED.format(place)
        for key in item.path:
            value = f"struct_extract({value}, {_text(key)})"
        return value
    pointer = _text(_pointer(item.path))
    kind = _text(json.dumps(_KINDS[item.kind]))
    value = f"json_transform(json_extract({text}, {pointer}), {kind})"
    # A pointer's number may also count the items of an array, which no path leads into.
    objects = [
        f"json_type({text}, {_text(_pointer(item.path[:depth]))}) = 'OBJECT'"
        for depth, key in enumerate(item.path)
        if key.isdecimal()
    ]
    return f"case when {' and '.join(objects)} then {value} end" if objects else value


def _pointer(path: tuple[str, ...]) -> str:
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path)
