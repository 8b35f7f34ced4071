"""The production engine: Athena over Glue and S3.

Every statement that writes makes new files, in a folder of its session, and a table over them in a
storage database. What others read is moved there afterwards, by one call on Glue; what a session
worked with goes when it ends. Nothing that a reader may be reading is ever written to.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property, partial
from queue import SimpleQueue
from typing import Any
from zlib import crc32

import boto3
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError
from sqlglot import exp

from engagement.aws import glue
from engagement.aws.s3 import Address, Bucket, problem
from engagement.records.files import LandedFile, partition_of, sort_out
from engagement.settings import Settings
from engagement.sql.dialect import (
    LOGICAL,
    WORK,
    Engine,
    Q,
    Table,
    bind,
    confine,
    literal,
    parse,
    render,
)
from engagement.warehouse.athena import cleanup, json_sql, preflight, setup
from engagement.warehouse.athena.estimate import Scans
from engagement.warehouse.athena.lease import S3Lease
from engagement.warehouse.athena.lines import LinesReader, records_query
from engagement.warehouse.athena.statements import (
    StatementFailedError,
    Statements,
    client_config,
    connect,
)
from engagement.warehouse.objects import S3Objects
from engagement.warehouse.protocol import (
    FileLines,
    Finding,
    Forgotten,
    JsonColumn,
    JsonField,
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
    arrow_type,
    columns_of,
    fields_table,
    fitted,
    frame,
    fresh_name,
    with_new_columns,
)

logger = logging.getLogger("engagement")

_PARTITION = "received_at_utc_date"
_LEASE = "lease.json"
_FILES = "tables/"
_RESULTS = "query-results/"

_PRIVATE = frozenset({"landing.erased", "landing.erasure_key", "landing.quarantine"})
"""Published tables that say who was erased, or hold the text of records that were set aside."""

_PRIVATE_WORK = frozenset(
    "broken_lines classified judged left_quarantine lines located records refused set_aside".split()
)
"""Working tables that hold the like."""

_PRIVATE_MARK = "private-"
"""Begins the names of their folders; no other's, since names of tables have no hyphen."""


def folder_name(name: str, of: str, number: int) -> str:
    """Name of the folder of a table's files; what readers may not read is known by it.

    Parameters
    ----------
    of
        The published table that it is made for; empty for a working table.
    """
    is_private = of in _PRIVATE or (not of and name in _PRIVATE_WORK)
    return f"{_PRIVATE_MARK if is_private else ''}{number:04d}_{_plain_name(name)}"


def _plain_name(name: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", name.lower())[:_LONGEST_NAME]


def made_for(label: str) -> str:
    """The published table that a statement makes, from its label; empty for a working table."""
    name = label.partition(",")[0]
    return name if "." in name else ""


_LONGEST_NAME = 60
_ROWS, _VERSION = "engagement.rows", "engagement.version"

MOST_PARTITIONS = 100
"""A statement writes at most so many partitions."""

_LAID_OUT = Table(WORK, "kept_by_name")
_TEXTS = ("record", "record_as_sent")
_PLACE, _PLACES = "__place", 64
"""What a run keeps is laid out by type and name in so many partitions."""

_USUAL_DEPTH = 4
"""How many keys lead to a value in most events, at most."""

_MANY_READERS = 5
"""For fewer tables, laying out costs a statement more than it saves."""

_MOST_ROWS_HERE = 500_000
"""A table of so many rows is read and written here where that saves a statement."""

_PARTITIONED = "events"
"""The logical database whose tables are large: their files are kept by received date. Those of the
others are small: they are made again as a whole."""


class AthenaWarehouse:
    """Tables in Glue databases, their files in S3."""

    engine: Engine = "athena"
    batch_bytes: int | None = None
    batch_days: int = MOST_PARTITIONS
    rereads_tables = False

    def __init__(self, settings: Settings) -> None:
        athena = settings.warehouse.athena
        if athena is None:
            raise WarehouseError("warehouse.engine: athena needs a section 'warehouse.athena'")
        self.settings = settings
        self.athena = athena
        self.databases = settings.warehouse.databases.model_dump()
        self.storage = athena.storage_database or f"{settings.project.replace('-', '_')}_storage"
        self.data = Address.parse(athena.data_location, folder=True)
        self.landing = Address.parse(settings.landing.location, folder=True)
        self._is_prepared = False
        self.files = self.data / _FILES
        self.output = athena.output_location or str(self.data / _RESULTS)
        self.log = StatementLog()
        self._clients: dict[str, Any] = {}

    @cached_property
    def _boto(self) -> boto3.session.Session:
        try:
            return boto3.session.Session(region_name=self.athena.region)
        except BotoCoreError as error:  # a profile that there is not, say
            raise problem("AWS cannot be reached", error) from error

    def client(self, service: str) -> Any:
        """A boto3 client that retries what AWS throttles; to make one takes a while."""
        made = self._clients.get(service)
        if made is None:
            config = client_config(self.athena)
            made = self._boto.client(service, config=config)  # type: ignore[call-overload]
        return self._clients.setdefault(service, made)

    @cached_property
    def bucket(self) -> Bucket:
        """S3."""
        return Bucket(self.client("s3"))

    @cached_property
    def catalog(self) -> glue.Catalog:
        """Glue."""
        return glue.Catalog(self.client("glue"), self.settings.project)

    @cached_property
    def statements(self) -> Statements:
        """Athena."""
        connection = connect(self._boto, self.athena, self.output)
        scans = Scans(self.catalog, self.bucket, self.files)
        return Statements(connection, self.bucket, self.athena, self.log, scans.estimate)

    @cached_property
    def s3_lease(self) -> S3Lease:
        """The lease of this project's tables."""
        return S3Lease(self.bucket.client, self.data / _LEASE, self.athena.lease_seconds)

    def describe(self) -> str:
        """Name the engine and its region."""
        return f"Athena in {self.athena.region}, workgroup {self.athena.workgroup}"

    def exists(self) -> bool:
        """Whether anything was ever published."""
        return any(self.catalog.tables(self.databases[name]) for name in LOGICAL)

    def landing_files(self) -> Landing:
        """List the landing, within the received dates of the settings."""
        wanted = self.settings.landing
        listing = ((f.name, f.size, f.tag) for f in self.bucket.listing(self.landing))
        files, strays = sort_out(listing, wanted.from_, wanted.to)
        return Landing(wanted.location, files, strays)

    @contextmanager
    def lease(self, holder: str) -> Iterator[str]:
        """Keep other runs from writing these tables."""
        with self.s3_lease.hold(holder) as token:
            yield token

    @contextmanager
    def session(self, *, write: bool = False) -> Iterator[Session]:
        """Open a session; writing holds the lease."""
        if not write:
            if not self.catalog.has_database(self.databases["landing"]):
                raise WarehouseError(
                    "There is no warehouse yet in Glue: run the notebooks first "
                    "('engagement run', or 01 and 02 by hand)."
                )
            yield _AthenaSession(self, token=None)
            return
        with self.s3_lease.hold("a notebook or script") as token:
            self.log.may_have_written = True
            self._prepare()
            session = _AthenaSession(self, token=token)
            try:
                yield session
            finally:
                session.close()

    def _prepare(self) -> None:
        """Make sure, once a process, of what tables are written with."""
        if not self._is_prepared:
            setup.ensure_workgroup(self)
            for name in (*self.databases.values(), self.storage):
                self.catalog.ensure_database(name)
            self._is_prepared = True

    def findings(self) -> Iterator[Finding]:
        """Try one by one what a run needs on AWS."""
        return preflight.findings(self)

    def clean(self, keep_days: float | None = None, *, dry_run: bool = False) -> list[str]:
        """Remove files that nothing points at any more, after the grace period."""
        days = self.athena.keep_days if keep_days is None else keep_days
        return setup.clean(self, days, dry_run=dry_run)

    def landed_objects(self, location: str | None = None) -> S3Objects:
        """The objects of the landing, or of another place."""
        at = Address.parse(location, folder=True) if location else self.landing
        return S3Objects(self.bucket, at)

    def forget(self, holds: Callable[[str, bytes], bool]) -> Forgotten:
        """Remove superseded tables, old versions of objects, and kept results of queries."""
        return cleanup.forget(self, holds)

    def render(self, select: Select, parameters: Mapping[str, Any] | None = None) -> str:
        """Show the SQL as Athena runs it."""
        query = parse(select) if isinstance(select, str) else select
        return render(bind(query, parameters or {}), "athena", self.databases, pretty=True)

    def query(self, select: Select, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Run one query in a session of its own."""
        query = parse(select) if isinstance(select, str) else select
        confine(query)
        with self.session() as session:
            return session.query(query, parameters)


@dataclass
class _Work:
    """What ``work.<name>`` stands for: a table of the storage database, or a part of one.

    ``filter`` selects rows, or ``view`` is a query that is run wherever the table is read;
    ``columns`` are filled in when they are first asked for; ``uploaded`` are its rows where they
    came from here and are few.
    """

    physical: str
    folder: Address
    rows: int
    filter: exp.Expr | None = None
    hidden: frozenset[str] = frozenset()
    columns: dict[str, str] = field(default_factory=dict)
    view: exp.Query | None = None
    uploaded: pa.Table | None = None


class _AthenaSession:
    """See :class:`engagement.warehouse.protocol.Session`."""

    def __init__(self, warehouse: AthenaWarehouse, token: str | None) -> None:
        self._warehouse = warehouse
        self._token = token
        self._id = f"{datetime.now(UTC):%Y%m%dt%H%M%S}_{secrets.token_hex(3)}"
        self._work: dict[str, _Work] = {}
        self._made: list[str] = []
        self._folders: dict[str, Address] = {}
        self._adopted: set[str] = set()
        self._columns: dict[Table, dict[str, str]] = {}
        self._numbering = threading.Lock()
        self._number = 0
        self._shared: dict[JsonColumn, str] = {}
        self._texts: Table | None = None
        self._ready: dict[str, Mapping[JsonColumn, str]] = {}

    def close(self) -> None:
        """Remove what the session worked with; what was published stays.

        Where that fails, it is only said: what the session itself failed for is to be told.
        """
        try:
            self._warehouse.catalog.drop(self._warehouse.storage, self._made)
            for key, folder in self._folders.items():
                if key not in self._adopted:
                    self._warehouse.bucket.empty(folder)
        except WarehouseError as error:
            logger.warning("'engagement clean' will remove what is left behind: %s", error)

    def each(self, function: Callable[[int, T], R], items: Sequence[T]) -> list[R]:
        lanes: SimpleQueue[int] = SimpleQueue()
        for lane in range(self._warehouse.athena.concurrency):
            lanes.put(lane)

        def in_a_lane(item: T) -> R:
            lane = lanes.get()
            try:
                return function(lane, item)
            finally:
                lanes.put(lane)

        with ThreadPoolExecutor(self._warehouse.athena.concurrency) as pool:
            running = [pool.submit(in_a_lane, item) for item in items]
            try:
                return [future.result() for future in running]
            finally:
                for future in running:
                    future.cancel()

    # --- reading

    def query(
        self, select: Select, parameters: Mapping[str, Any] | None = None, *, label: str = "query"
    ) -> pd.DataFrame:
        tree = self.tree(select, parameters)
        table, outcome = self._warehouse.statements.query(self.sql(tree), label)
        lists = [n for n, (_, kind, *_) in enumerate(outcome.columns) if kind == "array"]
        if lists:
            names = [name for name, *_ in outcome.columns]
            again = _lists_as_json(tree, names, {names[n] for n in lists})
            table, _ = self._warehouse.statements.query(self.sql(again), label)
            for place in lists:
                texts = table.column(place).to_pylist()
                values = [None if text is None else json.loads(text) for text in texts]
                table = table.set_column(
                    place, names[place], pa.array(values, type=_list_type(values))
                )
        return frame(table)

    def fetch(
        self, table: Table, columns: Sequence[str] | None = None, *, label: str
    ) -> pd.DataFrame:
        if table.database == WORK:
            work = self._work[table.name]
            is_whole = work.view is None and work.filter is None
            kinds, files = self.columns(table), str(work.folder) if is_whole else ""
        else:
            found = self._warehouse.catalog.table(self._database(table), table.name)
            if found is None:
                raise WarehouseError(f"{table} is gone; was it dropped meanwhile?")
            kinds, files = glue.columns(found), glue.location(found)
        chosen = {name: kinds[name] for name in columns or kinds}
        if not files or not _are_plain(chosen.values()):
            return self.query(columns_of(table, chosen), label=label)
        return frame(self._rows_of_files(Address.parse(files, folder=True), chosen))

    def _rows_of_files(self, folder: Address, kinds: Mapping[str, str]) -> pa.Table:
        """All rows of a small table without partitions, from its files."""
        schema = _schema(kinds)
        rows = self._warehouse.bucket.parquet(folder, schema.names)
        return schema.empty_table() if rows is None else rows.select(schema.names).cast(schema)

    def tables(self, database: str) -> list[str]:
        return list(self._warehouse.catalog.tables(self._warehouse.databases[database]))

    def columns(self, table: Table) -> dict[str, str]:
        if table.database == WORK:
            work = self._work.get(table.name)
            if work is None:
                return {}
            return {n: kind for n, kind in self._columns_of(work).items() if n not in work.hidden}
        if table not in self._columns:
            found = self._warehouse.catalog.table(self._database(table), table.name)
            self._columns[table] = glue.columns(found) if found else {}
        return dict(self._columns[table])

    # --- working tables

    def work(
        self,
        name: str,
        select: Select,
        parameters: Mapping[str, Any] | None = None,
        *,
        lazy: bool = False,
    ) -> Table:
        del lazy  # a table is planned once
        bound = self.tree(select, parameters)
        part = self._part_of_work(bound)
        self._work[name] = part if part is not None else self.create(name, self.sql(bound))
        return Table(WORK, name)

    def forget(self, *tables: Table) -> None:
        for table in tables:
            # Its files go when the session ends: another name may stand for the same.
            self._work.pop(table.name, None)

    def _part_of_work(self, query: exp.Query) -> _Work | None:
        """Tell a query that only picks rows of a working table: it needs no table of its own."""
        source = _only_source(query)
        if source is None or source.db != WORK or not _is_star(query):
            return None
        work = self._work.get(source.name)
        where = query.args.get("where")
        if work is None or work.view is not None:
            return None
        if where is not None and (
            work.filter is not None
            or work.hidden
            or where.find(exp.Query)
            or any(column.table for column in where.find_all(exp.Column))
        ):
            return None
        condition = work.filter if where is None else where.this
        return _Work(work.physical, work.folder, work.rows, condition, work.hidden, work.columns)

    def create(
        self, name: str, sql: str, label: str | None = None, *, by: str | None = None
    ) -> _Work:
        """Make a table of the storage database from a query, in partitions of its last column."""
        try:
            return self._create_as(name, sql, label or name, by)
        except StatementFailedError as error:
            if not _REFUSED_TYPE.search(error.reason):
                raise
            plain = self._with_plain_types(sql, name)
            return self._create_as(name, plain, label or name, by)

    def _create_as(self, name: str, sql: str, label: str, by: str | None) -> _Work:
        made: list[tuple[str, Address]] = []

        def statement() -> str:
            # A failed attempt may leave files: each has a folder of its own.
            physical, folder = self._place(name, of=made_for(label))
            made.append((physical, folder))
            target = exp.table_(physical, db=self._warehouse.storage, quoted=True).sql("trino")
            at = exp.Literal.string(str(folder)).sql("trino")
            parts = f", partitioned_by = array['{by}']" if by else ""
            codec = self._warehouse.athena.compression
            return (
                f"create table {target} with (format = 'PARQUET', write_compression = '{codec}', "
                f"external_location = {at}{parts}) as\n{sql}"
            )

        outcome = self._warehouse.statements.write(statement, label)
        physical, folder = made[-1]
        return _Work(physical, folder, outcome.rows)

    def _with_plain_types(self, sql: str, label: str) -> str:
        """Cast what a table cannot hold: JSON, other timestamps, NULLs of no type."""
        _, outcome = self._warehouse.statements.query(
            f"select * from (\n{sql}\n) limit 0", f"types of {label}"
        )
        chosen = []
        for name, kind, *_ in outcome.columns:
            quoted = exp.to_identifier(name, quoted=True).sql("trino")
            if kind == "json":
                chosen.append(f"json_format({quoted}) as {quoted}")
            elif kind.startswith("timestamp"):
                chosen.append(f"cast({quoted} as timestamp(3)) as {quoted}")
            elif kind == "unknown":
                chosen.append(f"cast({quoted} as integer) as {quoted}")
            elif kind == "char":
                chosen.append(f"cast({quoted} as varchar) as {quoted}")
            else:
                chosen.append(quoted)
        return f"select {', '.join(chosen)} from (\n{sql}\n)"

    def _place(self, name: str, *, of: str = "") -> tuple[str, Address]:
        """Name and folder of a new table; ``of`` is the published one that it is made for."""
        with self._numbering:
            self._number += 1
            number = self._number
        plain = _plain_name(name)
        physical = f"w_{self._id}_{number:04d}_{plain}"
        folder = self._warehouse.files / f"{self._id}/{folder_name(name, of, number)}/"
        self._made.append(physical)
        self._folders[folder.key] = folder
        return physical, folder

    def upload(
        self, name: str, rows: pa.Table, columns: Mapping[str, str], *, of: Table | None = None
    ) -> Table:
        """Make rows that are here a working table; ``of`` is the table that they will be."""
        physical, folder = self._place(name, of=str(of or ""))
        buffer = pa.BufferOutputStream()
        pq.write_table(rows, buffer, compression=self._warehouse.athena.compression)
        self._warehouse.bucket.write(folder / "rows.parquet", buffer.getvalue().to_pybytes())
        self._warehouse.catalog.put(
            self._warehouse.storage,
            glue.external_table(physical, str(folder), columns, glue.PARQUET),
            is_new=True,
        )
        self._work[name] = _Work(physical, folder, rows.num_rows, columns=dict(columns))
        return Table(WORK, name)

    # --- JSON

    def view(self, name: str, select: Select, columns: Mapping[str, str]) -> Table:
        query = self.tree(select, None)
        self._ready.pop(name, None)
        self._work[name] = _Work("", self._warehouse.files, 0, columns=dict(columns), view=query)
        return Table(WORK, name)

    def rows(self, name: str, rows: pa.Table, columns: Mapping[str, str]) -> Table:
        own = rows.select(list(columns)).cast(_schema(columns))
        table = self.upload(name, own, columns)
        self._work[name].uploaded = own
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
        through = {n: kind for n, kind in self.columns(source).items() if keep or n != column}
        there = self._ready.get(source.name, {})
        read = {alias: item.through() for alias, item in wanted.items()}
        query = json_sql.columns_query(
            source.node(),
            list(through),
            column,
            {alias: raw for alias, (raw, _) in read.items()},
            where,
            ready={alias: there[raw] for alias, (raw, _) in read.items() if raw in there},
            over={alias: sql for alias, (_, sql) in read.items() if sql != "leaf"},
        )
        if lazy:
            given = {alias: json_sql.TYPES[item.kind] for alias, item in wanted.items()}
            return self.view(name, self.physical(query), through | given)
        self._work[name] = self.create(name, self.sql(query))
        return Table(WORK, name)

    def json_fields(
        self,
        source: Table,
        column: str,
        groups: Sequence[str],
        looked_into: Callable[[tuple[Any, ...], tuple[str, ...]], bool],
        within: Collection[str] | None = None,
    ) -> pa.Table:
        found: list[JsonField] = []
        rows: exp.Expr = source.node()
        depth = _USUAL_DEPTH
        while True:
            query = json_sql.fields_query(rows, column, groups, depth, within)
            table, _ = self._warehouse.statements.query(self.sql(query), "fields of events")
            fields, deeper = json_sql.fields(table, len(groups), looked_into)
            found += [one for one in fields if one.group not in deeper]
            if not deeper:
                return fields_table(found, groups)
            # Few events nest so deep: only their groups are looked at again.
            rows = json_sql.rows_of(source.node(), groups, sorted(deeper, key=repr))
            depth = max(3 * _USUAL_DEPTH, 2 * depth)

    def readable(self, name: str, events: exp.Query, columns: Mapping[str, str]) -> Table:
        # Athena's own reader takes the last value of a key given twice.
        return self.view(name, events, columns)

    def put_aside(self, kept: exp.Query, partitions: Sequence[str]) -> None:
        del kept, partitions  # see readable

    # --- the landing

    def landing_records(
        self,
        files: Sequence[LandedFile],
        envelope: Mapping[str, JsonColumn],
        times: Mapping[str, str],
    ) -> tuple[Table, list[FileLines]]:
        work, done = LinesReader(self._warehouse, self).read(files)
        self._work["lines"] = work
        self._work["records"] = self.create("records", self.sql(records_query()))
        records = Table(WORK, "records")
        texts = self.json_columns(
            "envelope_texts", records, "record", envelope, where="is_object", keep=True, lazy=True
        )
        read = [
            exp.alias_(exp.func("parse_timestamp", exp.column(text)), name)
            for name, text in times.items()
        ]
        query = exp.select("*", *read).from_(texts.node())
        columns = {**self.columns(texts), **dict.fromkeys(times, "timestamp(3)")}
        self.view("envelope", query, columns)
        return records, done

    def with_texts(self, name: str, rows: Select, columns: Mapping[str, str]) -> Table:
        own = self.tree(rows, None).subquery("k", copy=False)
        number = exp.column("record_number", table="k").eq(exp.column("record_number", table="r"))
        chosen = [exp.column(column, table="k", quoted=True) for column in columns]
        chosen += [exp.column(column, table="r") for column in _TEXTS]
        query = exp.Select(expressions=chosen).from_(own, copy=False)
        query = query.join(Table(WORK, "records").node().as_("r"), on=number, copy=False)
        self._texts = self.view(name, query, {**columns, **dict.fromkeys(_TEXTS, "varchar")})
        return self._texts

    def _texts_as_read(self) -> Table:
        """What was given its texts, without those that were sent otherwise."""
        if self._texts is None:
            raise WarehouseError("no records were given their texts in this session")
        columns = {n: kind for n, kind in self.columns(self._texts).items() if n != _TEXTS[1]}
        return self.view("texts_as_read", columns_of(self._texts, columns), columns)

    def lay_out(self, readers: int, shared: Iterable[JsonColumn]) -> bool:
        """Lay the records out by type and name, so that a table of events reads its own alone."""
        if readers < _MANY_READERS:
            return False
        raw = dict.fromkeys(item.through()[0] for item in shared)
        ready = {item: f"__s{place}" for place, item in enumerate(raw)}
        values = {name: item for item, name in ready.items()}
        whole = self._texts_as_read()
        taken = self.json_columns("kept_values", whole, "record", values, keep=True, lazy=True)
        key = "crc32(to_utf8(type || '/' || coalesce(event, '')))"
        rows = self.sql(exp.select("*").from_(taken.node()))
        sql = f"select *, {key} % {_PLACES} as {_PLACE} from (\n{rows}\n) as kept_values"
        self._work[_LAID_OUT.name] = self.create("kept_by_name", sql, by=_PLACE)
        self._shared = ready
        return True

    def just_read(
        self,
        name: str,
        kept: exp.Query,
        columns: Mapping[str, str],
        events: Mapping[tuple[str, str], Mapping[str, str]],
    ) -> Table:
        source = exp.Select(expressions=[exp.Star()]).from_(_LAID_OUT.node(), copy=False)
        places = {crc32(f"{kind}/{event}".encode()) % _PLACES for kind, event in events}
        if len(places) < _PLACES // 2:
            source = source.where(exp.column(_PLACE).isin(*map(literal, sorted(places))))
        query = kept.copy()
        for node in list(query.find_all(exp.Table)):
            if Table(node.db, node.name) == self._texts:
                node.replace(source.subquery(node.alias, copy=False))
        wanted = [one for one in query.expressions if one.alias_or_name in columns]
        wanted += [exp.column(n, quoted=True) for n in ("record", *self._shared.values())]
        query.set("expressions", wanted)
        table = self.view(name, query, columns)
        self._ready[name] = self._shared
        return table

    def locate(self, name: str, source: Table, cut: Callable[[str], Sequence[str]]) -> Table:
        work = self._work[source.name]
        if work.rows:
            work = LinesReader(self._warehouse, self).locate(source, cut)
        self._work[name] = work
        return Table(WORK, name)

    def landing_table(self, table: Table, location: str, columns: Mapping[str, str]) -> None:
        self._writable()
        at = Address.parse(location, folder=True)
        wanted = glue.external_table(
            table.name,
            str(at),
            dict.fromkeys(columns, "varchar"),
            glue.json_serde(columns),
            partition_keys={_PARTITION: "varchar"},
            parameters=self.projection(at),
            description="The landing, for reading by people: lossy, as such tables are.",
        )
        there = self._warehouse.catalog.table(self._database(table), table.name)
        if there is None or not glue.is_as(there, wanted):
            self._warehouse.catalog.put(
                self._database(table), wanted, is_new=there is None, seen=there
            )
        self._columns.pop(table, None)

    def projection(self, at: Address) -> dict[str, str]:
        """Partition projection on the received date, from the first day that landed."""
        wanted = self._warehouse.settings.landing
        folders = self._warehouse.bucket.folders(at)
        days = sorted(day for name in folders if (day := partition_of(f"{name}/x")))
        first = wanted.from_.isoformat() if wanted.from_ else (days or ["2020-01-01"])[0]
        last = wanted.to.isoformat() if wanted.to else "NOW"
        if last == "NOW" and days and days[-1] > date.today().isoformat():  # noqa: DTZ011
            last = days[-1]
        return {
            "projection.enabled": "true",
            f"projection.{_PARTITION}.type": "date",
            f"projection.{_PARTITION}.format": "yyyy-MM-dd",
            f"projection.{_PARTITION}.range": f"{first},{last}",
            f"projection.{_PARTITION}.interval": "1",
            f"projection.{_PARTITION}.interval.unit": "DAYS",
            "storage.location.template": f"{at}{_PARTITION}=${{{_PARTITION}}}/",
        }

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
        token = self._writable()
        query = self.tree(select, parameters)
        old = self._warehouse.catalog.table(self._database(table), table.name)
        if table.database == _PARTITIONED and _PARTITION in self._given(query, columns):
            return self._publish_partitions(table, query, old, partitions, columns, version)
        if partitions is not None and old is not None:
            work, rows = self._with_other_partitions(table, query, old, partitions, columns)
            shown = list(self._columns_of(work))
        elif adopted := self._adoptable(query):
            # The working table's files are the result already: no statement is needed.
            work, rows = adopted, adopted.rows
            shown = _plain_columns(query) or list(self._columns_of(work))
        else:
            work = self.create(table.name, self.sql(query), str(table))
            rows, shown = work.rows, list(self._columns_of(work))
        kinds = self._columns_of(work)
        description = glue.external_table(
            table.name,
            str(work.folder),
            {name: kinds[name] for name in shown},
            glue.PARQUET,
            parameters=self._about(work.rows, version) | {"classification": "parquet"},
        )
        self._warehouse.s3_lease.check(token)
        # Before the pointer moves: whatever happens then, its files stay.
        self._adopted.add(work.folder.key)
        self._warehouse.catalog.put(
            self._database(table), description, is_new=old is None, seen=old
        )
        self._columns.pop(table, None)
        self._note_superseded(old)
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
        columns = self.columns(table)
        names = [exp.column(name, quoted=True) for name in columns]
        new = exp.select(*names).from_(self.tree(select, None).subquery("new"))
        own = exp.column(key, quoted=True)
        is_among = exp.In(this=own, query=self.tree(among, None).subquery())
        kept = (
            exp.select(*names)
            .from_(table.node())
            .where(exp.or_(own.is_(exp.null()), is_among.not_()))
        )
        whole = exp.union(new, kept, distinct=False)
        return self.publish(table, whole, columns=columns, version=version)

    def _about(self, rows: int, version: str | None) -> dict[str, str]:
        return {
            glue.OWNER: self._warehouse.settings.project,
            _ROWS: str(rows),
            _VERSION: version or secrets.token_hex(16),
        }

    def _given(self, query: exp.Query, columns: Mapping[str, str] | None) -> Sequence[str]:
        """Names of a query's columns, as far as they can be told without running it."""
        if columns is not None:
            return list(columns)
        source = _only_source(query)
        if source is not None and source.db == WORK and _is_star(query):
            return list(self.columns(Table(WORK, source.name)))
        return [name for name in query.named_selects if name != "*"]

    # --- partitions

    def _publish_partitions(
        self,
        table: Table,
        query: exp.Query,
        old: Mapping[str, Any] | None,
        partitions: Sequence[str] | None,
        columns: Mapping[str, str] | None,
        version: str | None,
    ) -> Publication:
        """Publish a table whose files are kept by received date.

        Partitions are objects of their own in Glue and cannot be moved together. So a new physical
        table gets the new ones and the old ones that stay, and the view that carries the name is
        replaced, in one call.
        """
        token, catalog, storage = self._writable(), self._warehouse.catalog, self._warehouse.storage
        before = glue.physical(old) if old else ""
        kept = catalog.dates(storage, before) if before else {}
        if partitions is None:
            replaced = set(kept)
        else:
            replaced = set(partitions)
            kept = {day: at for day, at in kept.items() if day not in replaced}
        work = self._write_partitions(table, query, partitions, columns)
        shown = self._columns_of(work)
        if partitions is not None:
            there = glue.columns(old) if old else {}
            merged = with_new_columns(there, shown)
            catalog.put(storage, glue.partitioned(catalog, storage, work.physical, merged))
            catalog.add_partitions(storage, work.physical, merged, kept)
            shown = merged
        self._warehouse.s3_lease.check(token)
        self._show(table, work, shown, version, old)
        setup.mark_partitions(self._warehouse, before, replaced if partitions else None)
        return Publication(table, work.rows)

    def _show(
        self,
        table: Table,
        work: _Work,
        shown: Mapping[str, str],
        version: str | None,
        old: Mapping[str, Any] | None,
    ) -> None:
        """Let a table's name stand for a physical table with partitions, in one call."""
        # Before the view is replaced: whatever happens then, files and physical table stay.
        self._adopted.add(work.folder.key)
        self._made.remove(work.physical)
        self._warehouse.catalog.put(
            self._database(table),
            glue.view(
                table.name,
                f"select {', '.join(_quote(name) for name in shown)} "
                f"from {_quote(self._warehouse.storage)}.{_quote(work.physical)}",
                self._database(table),
                shown,
                parameters=self._about(work.rows, version) | {glue.PHYSICAL: work.physical},
            ),
            is_new=old is None,
            seen=old,
        )
        self._columns.pop(table, None)

    def publish_empty(self, table: Table, columns: Mapping[str, str]) -> None:
        """Publish a table of events without a statement: nothing has to be computed."""
        token = self._writable()
        old = self._warehouse.catalog.table(self._database(table), table.name)
        physical, folder = self._place(table.name, of=str(table))
        own = {name: kind for name, kind in columns.items() if name != _PARTITION}
        self._warehouse.catalog.put(
            self._warehouse.storage,
            glue.external_table(
                physical, str(folder), own, glue.PARQUET, partition_keys={_PARTITION: "varchar"}
            ),
            is_new=True,
        )
        self._warehouse.s3_lease.check(token)
        self._show(table, _Work(physical, folder, 0), columns, None, old)
        setup.mark_partitions(self._warehouse, glue.physical(old) if old else "", None)

    def _write_partitions(
        self,
        table: Table,
        query: exp.Query,
        partitions: Sequence[str] | None,
        columns: Mapping[str, str] | None,
    ) -> _Work:
        """Write a query's rows as partitions of a new physical table, so many a statement."""
        names = columns or dict.fromkeys(self._given(query, None), "")
        order = [*(name for name in names if name != _PARTITION), _PARTITION]

        def some(days: Sequence[str] | None) -> str:
            if days is None and query.named_selects == order:
                return self.sql(query)
            chosen: list[exp.Expr] = [exp.column(name, quoted=True) for name in order]
            part = exp.Select(expressions=chosen).from_(query.subquery("whole"), copy=False)
            if days is not None:
                part = part.where(exp.column(_PARTITION, quoted=True).isin(*days))
            return self.sql(part)

        groups = _groups(self._all_days() if partitions is None else sorted(partitions))
        if len(groups) < 2:
            return self.create(table.name, some(None), str(table), by=_PARTITION)
        work = self.create(table.name, some(groups[0]), str(table), by=_PARTITION)
        for days in groups[1:]:
            target = f"{_quote(self._warehouse.storage)}.{_quote(work.physical)}"
            sql = f"insert into {target}\n{some(days)}"
            outcome = self._warehouse.statements.write(partial(str, sql), str(table))
            work.rows += outcome.rows
        return work

    def _all_days(self) -> list[str]:
        """Received dates that the events of this warehouse have."""
        events = self._warehouse.catalog.table(self._warehouse.databases["events"], "events")
        physical = glue.physical(events) if events else ""
        return sorted(self._warehouse.catalog.dates(self._warehouse.storage, physical))

    def _note_superseded(self, table: Mapping[str, Any] | None) -> None:
        at = glue.location(table) if table else ""
        if at.startswith(str(self._warehouse.files)):
            folder = Address.parse(at, folder=True)
            setup.mark_superseded(self._warehouse, folder)

    def _columns_of(self, work: _Work) -> dict[str, str]:
        if not work.columns:
            found = self._warehouse.catalog.table(self._warehouse.storage, work.physical)
            if found is None:
                raise WarehouseError(
                    f"{work.physical} is gone; was 'engagement clean' run meanwhile?"
                )
            work.columns = glue.columns(found)
        return work.columns

    def _adoptable(self, query: exp.Query) -> _Work | None:
        """The working table whose files a query's result already is."""
        source = _only_source(query)
        if source is None or source.db != WORK or query.args.get("where") is not None:
            return None
        work = self._work.get(source.name)
        if work is None or work.filter is not None or work.hidden or work.view is not None:
            return None
        return work if _is_star(query) or _plain_columns(query) else None

    def _with_other_partitions(
        self,
        table: Table,
        query: exp.Query,
        before: Mapping[str, Any],
        partitions: Sequence[str],
        columns: Mapping[str, str] | None,
    ) -> tuple[_Work, int]:
        """Make the whole table again: new rows of some partitions, the old ones of the others."""
        own, old = fresh_name(table), glue.columns(before)
        fresh = self._adoptable(query)
        if fresh is not None and fresh.uploaded is not None and _is_small(before):
            kinds = _schema(self._columns_of(fresh))
            # Where a type changes, the engine is to say what becomes of the old values.
            if all(field in kinds for field in _schema(old) if field.name in kinds.names):
                return self._with_uploaded(table, fresh.uploaded, fresh, before, partitions)
        if fresh is None and columns is not None:
            self.view(own, query, columns)
        else:
            fresh = fresh or self.create(f"{table.name}_new", self.sql(query), f"{table}, new rows")
            self._work[own] = fresh
        new = self.columns(Table(WORK, own))
        kinds = with_new_columns(old, new)
        names = list(kinds)

        def side(there: Mapping[str, str], node: exp.Table) -> exp.Select:
            values: list[exp.Expr] = []
            for n in names:
                value: exp.Expr = exp.column(n, quoted=True) if n in there else exp.null()
                if there.get(n) != kinds[n]:
                    value = exp.cast(value, exp.DataType.build(kinds[n], dialect="trino"))
                values.append(exp.alias_(value, n, quoted=True))
            return exp.Select(expressions=values).from_(node, copy=False)

        kept = side(old, table.node())
        if partitions:
            kept = kept.where(exp.column(_PARTITION, quoted=True).isin(*partitions).not_())
        whole = exp.union(side(new, Table(WORK, own).node()), kept, distinct=False)
        work = self.create(table.name, self.sql(whole), str(table))
        return work, fresh.rows if fresh is not None else work.rows

    def _with_uploaded(
        self,
        table: Table,
        rows: pa.Table,
        fresh: _Work,
        before: Mapping[str, Any],
        partitions: Sequence[str],
    ) -> tuple[_Work, int]:
        """Do so here, without a statement: new rows that came from here, and few old ones."""
        kinds = with_new_columns(glue.columns(before), self._columns_of(fresh))
        at = Address.parse(glue.location(before), folder=True)
        old = self._rows_of_files(at, glue.columns(before))
        replaced = pc.is_in(old.column(_PARTITION), pa.array(partitions, pa.string()))
        schema = _schema(kinds)
        sides = [fitted(side, schema) for side in (rows, old.filter(pc.invert(replaced)))]
        whole = self.upload(f"{table.name}_whole", pa.concat_tables(sides), kinds, of=table)
        return self._work[whole.name], fresh.rows

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def settle(self) -> None:
        pass

    def append(
        self, table: Table, rows: pa.Table, keep: Callable[[pa.Table], pa.Table]
    ) -> Publication:
        self._writable()
        found = self._warehouse.catalog.table(self._database(table), table.name)
        at = Address.parse(glue.location(found), folder=True) if found else None
        old, kinds = appended(self._warehouse.bucket.parquet(at) if at else None, rows)
        work = self.upload(
            f"{table.name}_rows", pa.concat_tables([keep(old), rows]), kinds, of=table
        )
        return self.publish(table, columns_of(work, kinds))

    def published(self, table: Table) -> Published | None:
        found = self._warehouse.catalog.table(self._database(table), table.name)
        about = found.get("Parameters", {}) if found else {}
        if _VERSION not in about:
            return None
        return Published(about[_VERSION], int(about.get(_ROWS, 0)))

    def drop(self, table: Table) -> None:
        self._warehouse.s3_lease.check(self._writable())
        before = self._warehouse.catalog.table(self._database(table), table.name)
        self._warehouse.catalog.drop(self._database(table), [table.name])
        self._note_superseded(before)
        if before and glue.physical(before):
            setup.mark_partitions(self._warehouse, glue.physical(before), None)
        self._columns.pop(table, None)

    # --- inside

    def _writable(self) -> str:
        if self._token is None:
            raise WarehouseError("this session only reads: open it with session(write=True)")
        return self._token

    def _database(self, table: Table) -> str:
        if table.database not in LOGICAL:
            raise WarehouseError(f"{table}: the databases are {', '.join(LOGICAL)}")
        return str(self._warehouse.databases[table.database])

    def tree(self, select: Select, parameters: Mapping[str, Any] | None) -> exp.Query:
        return bind(parse(select) if isinstance(select, str) else select, parameters or {})

    def sql(self, query: exp.Query) -> str:
        return render(self.physical(query), "athena", self._warehouse.databases, copy=False)

    def physical(self, query: Q) -> Q:
        """A query that names the tables behind the working ones."""
        tree = query.copy()
        for node in list(tree.find_all(exp.Table)):
            if node.db == WORK:
                node.replace(self._work_node(node))
        return tree

    def _work_node(self, node: exp.Table) -> exp.Expr:
        work = self._work.get(node.name)
        if work is None:
            raise WarehouseError(f"there is no work.{node.name} in this session")
        alias = node.alias or node.name
        if work.view is not None:
            name = exp.to_identifier(alias, quoted=True)
            return self.physical(work.view).subquery(name, copy=False)
        physical = exp.table_(work.physical, db=self._warehouse.storage, quoted=True)
        if work.filter is None and not work.hidden:
            physical.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
            return physical
        shown: list[exp.Expr] = [exp.Star()]
        if work.hidden:
            shown = [exp.column(n, quoted=True) for n in self.columns(Table(WORK, node.name))]
        inner = exp.Select(expressions=shown).from_(physical, copy=False)
        if work.filter is not None:
            inner = inner.where(work.filter.copy(), copy=False)
        return inner.subquery(exp.to_identifier(alias, quoted=True), copy=False)


_PLAIN = {"varchar", "bigint", "double", "boolean", "timestamp(3)", "decimal(38,0)"}


def _schema(columns: Mapping[str, str]) -> pa.Schema:
    """Arrow's types of columns, by their Athena types."""
    return pa.schema([(name, arrow_type(kind)) for name, kind in columns.items()])


def _is_small(table: Mapping[str, Any]) -> bool:
    """Whether a table is of this project, without partitions, and small enough to be read here."""
    rows = table.get("Parameters", {}).get(_ROWS)
    return (
        rows is not None
        and int(rows) <= _MOST_ROWS_HERE
        and not table.get("PartitionKeys")
        and bool(glue.location(table))
        and _are_plain(glue.columns(table).values())
    )


def _are_plain(kinds: Iterable[str]) -> bool:
    """Whether columns of these types can be read and written here."""
    return all(kind.replace(" ", "") in _PLAIN for kind in kinds)


def _quote(name: str) -> str:
    return str(exp.to_identifier(name, quoted=True).sql("trino"))


def _groups(days: Sequence[str]) -> list[Sequence[str]]:
    return [days[at : at + MOST_PARTITIONS] for at in range(0, len(days), MOST_PARTITIONS)]


_REFUSED_TYPE = re.compile(
    r"[Uu]nsupported (?:Hive )?type|timestamp precision|Column type is unknown|type not supported"
    r"|Unsupported type: |NOT_SUPPORTED"
)


def _only_source(query: exp.Query) -> exp.Table | None:
    """The one table of a query that neither joins, groups, orders nor limits."""
    if not isinstance(query, exp.Select):
        return None
    used = {key for key, value in query.args.items() if value}
    if not used <= {"expressions", "from_", "from", "where"}:
        return None
    source = query.args.get("from_") or query.args.get("from")
    if source is None or not isinstance(source.this, exp.Table) or source.this.args.get("joins"):
        return None
    return source.this


def _is_star(query: exp.Query) -> bool:
    chosen = query.expressions
    return (
        len(chosen) == 1 and isinstance(chosen[0], exp.Star) and not chosen[0].args.get("except_")
    )


def _plain_columns(query: exp.Query) -> list[str]:
    """Names of a query's columns where it only picks some; empty where it does more."""
    if not isinstance(query, exp.Select) or _only_source(query) is None:
        return []
    if not all(isinstance(chosen, exp.Column) for chosen in query.expressions):
        return []
    return [chosen.name for chosen in query.expressions]


def _lists_as_json(tree: exp.Query, names: Sequence[str], lists: set[str]) -> exp.Query:
    """A query whose arrays come as JSON: Athena's own text of an array cannot be read back."""

    def as_json(value: exp.Expr) -> exp.Expr:
        return exp.Anonymous(
            this="json_format", expressions=[exp.cast(value, exp.DataType.build("json"))]
        )

    if isinstance(tree, exp.Select) and not any(e.is_star for e in tree.expressions):
        tree = tree.copy()
        tree.set(
            "expressions",
            [
                exp.alias_(as_json(e.unalias().copy()), name, quoted=True) if name in lists else e
                for e, name in zip(tree.expressions, names, strict=True)
            ],
        )
        return tree
    chosen: list[exp.Expr] = []
    for name in names:
        value: exp.Expr = exp.column(name, quoted=True)
        chosen.append(exp.alias_(as_json(value), name, quoted=True) if name in lists else value)
    return exp.Select(expressions=chosen).from_(tree.subquery("listed"), copy=False)


def _list_type(values: Sequence[list[Any] | None]) -> pa.DataType:
    members = [item for value in values if value for item in value if item is not None]
    if members and all(isinstance(item, bool) for item in members):
        return pa.list_(pa.bool_())
    if members and all(isinstance(item, int) for item in members):
        return pa.list_(pa.int64())
    if members and all(isinstance(item, (int, float)) for item in members):
        return pa.list_(pa.float64())
    return pa.list_(pa.string())


__all__ = ["AthenaWarehouse"]
