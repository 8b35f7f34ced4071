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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
from sqlglot import exp

from engagement.landing.files import LandedFile, list_folder, sort_out
from engagement.landing.lines import SCHEMA, UnreadableFileError, read_bytes, split_lines
from engagement.settings import Settings
from engagement.warehouse import lease
from engagement.warehouse.base import (
    FileLines,
    JsonColumn,
    Landing,
    Publication,
    Select,
    Session,
    StatementLog,
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
        rows = self._connection.execute(
            "select column_name, data_type from information_schema.columns "
            "where table_schema = ? and table_name = ? and table_catalog = ? "
            "order by ordinal_position",
            [self._schema(table), table.name, self._catalog(table)],
        ).fetchall()
        return {name: athena_type(kind) for name, kind in rows}

    # --- working tables

    def work(self, name: str, select: Select, parameters: Mapping[str, Any] | None = None) -> Table:
        table = Table(WORK, name)
        self._create(table, self._sql(select, parameters))
        return table

    def _create(self, table: Table, sql: str) -> None:
        started = time.perf_counter()
        rows = self._run(f"create or replace table {self._physical(table)} as {sql}", table.name)
        self._warehouse.log.add(table.name, sql, rows.fetchall()[0][0], started)

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
        shape, places = _json_shape(wanted)
        text: exp.Expr = exp.column(column, quoted=True)
        if where:
            text = exp.case().when(exp.column(where, quoted=True), text)
        inner = exp.select("*").from_(source.node())
        hidden = [] if keep else [column]
        if shape:
            structure = exp.Literal.string(json.dumps(shape, ensure_ascii=False))
            parsed = exp.func("json_transform", text, structure)
            inner = inner.select(exp.alias_(parsed, "__parsed"))
            hidden.append("__parsed")
        names = [exp.to_identifier(hide, quoted=True) for hide in hidden]
        outer = exp.select(exp.Star(except_=names)).from_(inner.subquery("parsed", copy=False))
        for alias, place in places.items():
            value = place.value(column)
            if wanted[alias].kind == "json":
                value = exp.case().when(exp.func("json_type", value.copy()).neq("NULL"), value)
                value = exp.cast(value, "varchar")
            outer.select(exp.alias_(value, alias, quoted=True), copy=False)
        table = Table(WORK, name)
        self._create(table, outer.sql("duckdb"))
        return table

    def json_paths(
        self, source: Table, column: str, groups: Sequence[str]
    ) -> list[tuple[tuple[Any, ...], tuple[str, ...], frozenset[str]]]:
        keys = ", ".join(f'"{group}"' for group in groups)
        text = exp.column(column, quoted=True).sql("duckdb")
        rows = self._run(
            f"select {keys}, json_structure({text}), count(*) "
            f"from {self._physical(source)} group by all",
            "json_paths",
        ).fetchall()
        kinds: dict[tuple[tuple[Any, ...], tuple[str, ...]], set[str]] = {}
        for *group, structure, _ in rows:
            for path, kind in _leaves(json.loads(structure)):
                kinds.setdefault((tuple(group), path), set()).add(kind)
        self._look_closer(source, column, groups, kinds)
        return [
            (group, path, frozenset(kinds[group, path]))
            for group, path in sorted(kinds, key=lambda key: (repr(key[0]), key[1]))
            if kinds[group, path]
        ]

    def _look_closer(
        self,
        source: Table,
        column: str,
        groups: Sequence[str],
        kinds: dict[tuple[tuple[Any, ...], tuple[str, ...]], set[str]],
    ) -> None:
        """Say what stands where json_structure says JSON: mostly an empty object, no value at all.

        It says so too where one object has a key twice, with values of two kinds.
        """
        keys = ", ".join(f'"{group}"' for group in groups)
        text = exp.column(column, quoted=True).sql("duckdb")
        for path in sorted({path for (_, path), found in kinds.items() if "mixed" in found}):
            pointer = exp.Literal.string(_pointer(path)).sql("duckdb")
            value = f"json_extract({text}, {pointer})"
            rows = self._run(
                f"select distinct {keys}, json_type({value}) from {self._physical(source)} "
                f"where {value} is not null",
                "json_paths",
            ).fetchall()
            for *group, kind in rows:
                found = kinds.get((tuple(group), path))
                if found is not None:
                    found.discard("mixed")
                    if kind not in ("OBJECT", "NULL"):
                        found.add("array" if kind == "ARRAY" else _STRUCTURES[kind])

    # --- the landing

    def landing_lines(self, files: Sequence[LandedFile]) -> tuple[Table, list[FileLines]]:
        done: list[FileLines] = []
        schema = pa.schema([(_PARTITION, pa.string()), ("source_file", pa.string()), *SCHEMA])

        def batches() -> Iterator[pa.RecordBatch]:
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
                yield pa.record_batch(
                    [
                        pa.array([file.received_at_utc_date] * rows, pa.string()),
                        pa.array([file.name] * rows, pa.string()),
                        *lines.batch.columns,
                    ],
                    schema=schema,
                )

        table = Table(WORK, "lines")
        reader = pa.RecordBatchReader.from_batches(schema, batches())
        self._connection.register("__landing_reader", reader)
        try:
            self._create(table, "select * from __landing_reader")
        finally:
            self._connection.unregister("__landing_reader")
        return table, done

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
        sql = self._narrow(self._sql(select, parameters), str(table))
        name = self._physical(table)
        lease.check(self._warehouse._path, self._writable())
        started = time.perf_counter()
        self._run("begin transaction", str(table))
        try:
            if partitions is None or not self.columns(table):
                self._run(f"drop view if exists {name}", str(table)) if self._is_view(
                    table
                ) else None
                self._run(f"create or replace table {name} as {sql}", str(table)).fetchall()
                rows = self._count(name)
            else:
                rows = self._replace_partitions(table, sql, partitions)
            self._run("commit", str(table))
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._warehouse.log.add(str(table), sql, rows, started)
        return Publication(table, rows)

    def _replace_partitions(self, table: Table, sql: str, partitions: Sequence[str]) -> int:
        name = self._physical(table)
        old = self.columns(table)
        for column, kind in self._described(sql, str(table)).items():
            quoted = exp.to_identifier(column, quoted=True).sql("duckdb")
            if column not in old:
                self._run(f"alter table {name} add column {quoted} {kind}", str(table))
            elif athena_type(kind) != old[column]:
                self._run(f"alter table {name} alter column {quoted} type {kind}", str(table))
        marks = ", ".join(exp.Literal.string(day).sql("duckdb") for day in partitions) or "null"
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
        query = parse(select) if isinstance(select, str) else select
        databases = {**self._warehouse._databases, WORK: WORK}
        return render(bind(query, parameters or {}), "duckdb", databases)

    def _run(self, sql: str, label: str) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(sql)
        except duckdb.Error as error:
            raise WarehouseError(f"{label}: {_first_line(error)}") from error

    def _described(self, sql: str, label: str) -> dict[str, str]:
        rows = self._run(f"describe {sql}", label).fetchall()
        return {row[0]: row[1] for row in rows}

    def _narrow(self, sql: str, label: str) -> str:
        """Give sums of bigints and JSON values the type that they have on Athena."""
        casts = {"HUGEINT": "bigint", "JSON": "varchar", "TIMESTAMP_MS": "timestamp"}
        casts["TIMESTAMP_S"] = "timestamp"
        described = self._described(sql, label)
        changed = {name: casts[kind] for name, kind in described.items() if kind in casts}
        if not changed:
            return sql
        replaced = ", ".join(
            f"cast({quoted} as {kind}) as {quoted}"
            for quoted, kind in (
                (exp.to_identifier(name, quoted=True).sql("duckdb"), kind)
                for name, kind in changed.items()
            )
        )
        return f"select * replace ({replaced}) from ({sql})"

    def _count(self, name: str) -> int:
        return int(self._run(f"select count(*) from {name}", name).fetchall()[0][0])

    def _is_view(self, table: Table) -> bool:
        found = self._connection.execute(
            "select 1 from information_schema.tables where table_schema = ? and table_name = ? "
            "and table_type = 'VIEW' and table_catalog = current_database()",
            [self._schema(table), table.name],
        ).fetchall()
        return bool(found)

    def _schema(self, table: Table) -> str:
        return "main" if table.database == WORK else self._warehouse._databases[table.database]

    def _catalog(self, table: Table) -> str:
        if table.database == WORK:
            return WORK
        return str(self._connection.execute("select current_database()").fetchall()[0][0])

    def _physical(self, table: Table) -> str:
        if table.database not in (*LOGICAL, WORK):
            raise WarehouseError(f"{table}: the databases are {', '.join(LOGICAL)}")
        database = WORK if table.database == WORK else self._schema(table)
        return exp.table_(table.name, db=database, quoted=True).sql("duckdb")


def athena_type(kind: str) -> str:
    """Athena's name of a DuckDB type; for types that Athena lacks, DuckDB's in lower case."""
    if kind.endswith("[]"):
        return f"array({athena_type(kind[:-2])})"
    return _ATHENA_TYPES.get(kind, kind.lower().replace(" ", ""))


def _first_line(error: Exception) -> str:
    """What DuckDB says, without the statement that it repeats: that may be pages long."""
    said = str(error).split("\n\nLINE")[0].strip() or type(error).__name__
    return " ".join(line.strip() for line in said.splitlines()[:3])


# --- JSON ---------------------------------------------------------------------------------------

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
    "JSON": "mixed",
}


def _leaves(structure: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    match structure:
        case dict():
            for key, inner in structure.items():
                yield from _leaves(inner, (*path, key))
        case list():
            yield path, "array"
        case "NULL":
            pass
        case str():
            yield path, _STRUCTURES[structure]


def _pointer(path: tuple[str, ...]) -> str:
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path)


class _Place:
    """Where a wanted value is found: in the parsed struct, or by a pointer into the text."""

    def __init__(self, path: tuple[str, ...], kind: str, *, in_struct: bool) -> None:
        self._path = path
        self._kind = kind
        self._in_struct = in_struct

    def value(self, column: str) -> exp.Expr:
        if self._in_struct:
            node: exp.Expr = exp.column("__parsed", quoted=True)
            for part in self._path:
                node = exp.func("struct_extract", node, exp.Literal.string(part))
            return node
        pointer = exp.Literal.string(_pointer(self._path))
        found = exp.Anonymous(
            this="json_extract", expressions=[exp.column(column, quoted=True), pointer]
        )
        return exp.func("json_transform", found, exp.Literal.string(json.dumps(_KINDS[self._kind])))


def _json_shape(
    wanted: Mapping[str, JsonColumn],
) -> tuple[dict[str, Any], dict[str, _Place]]:
    """Build the structure that one ``json_transform`` reads, and say where each value stands.

    A struct cannot hold an empty key, two keys that differ in case only, or a path that is a
    value and an object at once: those values are read by a pointer each.
    """
    shape: dict[str, Any] = {}
    places: dict[str, _Place] = {}
    for alias, item in sorted(wanted.items(), key=lambda pair: pair[1].path):
        in_struct = _insert(shape, item.path, _KINDS[item.kind])
        places[alias] = _Place(item.path, item.kind, in_struct=in_struct)
    return shape, {alias: places[alias] for alias in wanted}


def _insert(shape: dict[str, Any], path: tuple[str, ...], kind: str) -> bool:
    here = shape
    new: list[tuple[dict[str, Any], str]] = []
    for depth, key in enumerate(path):
        last = depth == len(path) - 1
        twin = next((other for other in here if other.lower() == key.lower()), None)
        if not key or (
            twin is not None and (twin != key or last or not isinstance(here[key], dict))
        ):
            for parent, name in reversed(new):
                if not parent[name]:
                    del parent[name]
            return False
        if last:
            here[key] = kind
        else:
            if key not in here:
                here[key] = {}
                new.append((here, key))
            here = here[key]
    return True
