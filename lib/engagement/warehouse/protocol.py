"""The one interface to an engine: query, look around, publish, read the landing.

A ``Warehouse`` is opened from the settings by :func:`engagement.warehouse.open_warehouse` and holds
no connection. Work happens in a ``Session``: a short one that only reads, or one that may publish,
which needs the project's lease. Tables are named logically (``marts.sessions``); SQL is a query in
Athena's dialect, as a text or as a sqlglot tree.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import pandas as pd
import pyarrow as pa
from sqlglot import exp

from engagement import owner_only
from engagement.errors import FailedError
from engagement.privacy import masked
from engagement.records.files import PARTITION, LandedFile
from engagement.sql.conversions import READ_THROUGH, as_text
from engagement.sql.dialect import Engine, Table

if TYPE_CHECKING:
    from engagement.warehouse.objects import LandedObjects

T = TypeVar("T")
R = TypeVar("R")


class WarehouseError(FailedError):
    """Something the warehouse could not do, with what to do about it.

    An engine repeats the value that it could not use; personal data in it is masked.
    """

    def __init__(self, message: str) -> None:
        super().__init__(masked(message))


class LeaseHeldError(WarehouseError):
    """Another run holds the warehouse."""


@dataclass(frozen=True)
class Statement:
    """One statement that an engine ran.

    ``rows`` came out of it or went into a table; ``seconds`` is wall time; ``scanned_bytes``,
    ``usd`` and ``query_id`` are known on Athena only. ``started_at`` (UTC, as text) and
    ``notebook`` are filled in when it is kept.
    """

    label: str
    sql: str
    rows: int
    seconds: float
    scanned_bytes: int | None = None
    usd: float | None = None
    query_id: str | None = None
    status: Literal["done", "failed"] = "done"
    started_at: str = ""
    notebook: str = ""


@dataclass
class StatementLog:
    """What ran through one warehouse object, in order.

    With a ``path``, each statement is also written there, as a line of JSON, for the processes of
    one run to see what all of them have cost. ``notebook`` is whose statements these are, and
    ``may_have_written`` whether a session was opened that may publish.
    """

    statements: list[Statement] = field(default_factory=list)
    path: Path | None = None
    notebook: str = ""
    may_have_written: bool = False

    def add(self, label: str, sql: str, rows: int, started: float, *, failed: bool = False) -> None:
        """Keep a statement; ``started`` is a ``time.perf_counter()``."""
        seconds = time.perf_counter() - started
        self.keep(Statement(label, sql, rows, seconds, status="failed" if failed else "done"))

    def keep(self, statement: Statement) -> None:
        """Keep a statement whose cost may be known; it has just ended."""
        began = datetime.now(UTC) - timedelta(seconds=statement.seconds)
        statement = replace(
            statement,
            started_at=statement.started_at or began.isoformat(timespec="milliseconds"),
            notebook=statement.notebook or self.notebook,
            label=masked(statement.label),
            sql=masked(statement.sql),
        )
        self.statements.append(statement)
        if self.path is not None:
            line = json.dumps({**asdict(statement), "seconds": round(statement.seconds, 3)})
            with owner_only.opened(self.path, "a", encoding="utf-8") as file:
                file.write(line + "\n")

    def kept(self) -> list[Statement]:
        """Every statement of the run that this log belongs to, whichever process ran it."""
        if self.path is None or not self.path.exists():
            return list(self.statements)
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return [Statement(**json.loads(line)) for line in lines]

    def frame(self) -> pd.DataFrame:
        """One row per statement: label, rows, seconds; what it scanned and cost, where known."""
        frame = pd.DataFrame(
            [(s.label, s.rows, round(s.seconds, 3)) for s in self.statements],
            columns=["statement", "rows", "seconds"],
        )
        if any(s.usd is not None for s in self.statements):
            frame["megabytes_scanned"] = [
                round((s.scanned_bytes or 0) / 1_000_000, 3) for s in self.statements
            ]
            frame["usd"] = [round(s.usd or 0.0, 6) for s in self.statements]
        return frame


@dataclass(frozen=True)
class Publication:
    """A table that was published, and how many rows it now holds in what was replaced.

    All of its rows count where an engine made the whole table again in one statement, as Athena
    does with tables that have no partitions of their own and a query whose columns it was told.
    """

    table: Table
    rows: int


@dataclass(frozen=True)
class Published:
    """What is published of a table: which version, and how many rows it has."""

    version: str
    rows: int


Select = str | exp.Query


class Session(Protocol):
    """A connection, for as long as one piece of work takes."""

    def query(
        self, select: Select, parameters: Mapping[str, Any] | None = None, *, label: str = "query"
    ) -> pd.DataFrame:
        """Run a query and fetch the whole result."""
        ...

    def columns(self, table: Table) -> dict[str, str]:
        """Column names and Athena types of a table, in order; empty where there is none."""
        ...

    def fetch(
        self, table: Table, columns: Sequence[str] | None = None, *, label: str
    ) -> pd.DataFrame:
        """Fetch all rows of a small table of ``landing`` or ``work``, of all its columns or some.

        Where its files can be read as they are, that takes no statement.
        """
        ...

    def tables(self, database: str) -> list[str]:
        """Names of the tables of a logical database, sorted."""
        ...

    def each(self, function: Callable[[int, T], R], items: Sequence[T]) -> list[R]:
        """Apply a function to items, several at once where the engine allows it.

        It is also given the number of a lane: no two calls are in one lane at once. Results come
        in the order of the items; the first error ends it.
        """
        ...

    def work(
        self,
        name: str,
        select: Select,
        parameters: Mapping[str, Any] | None = None,
        *,
        lazy: bool = False,
    ) -> Table:
        """Materialise a query as ``work.<name>``, which this session alone can see.

        A ``lazy`` one may be run wherever the table is read, if that takes the engine less.
        """
        ...

    def forget(self, *tables: Table) -> None:
        """Let go of working tables that nothing will read again."""
        ...

    def view(self, name: str, select: Select, columns: Mapping[str, str]) -> Table:
        """Let ``work.<name>`` stand for a query, which runs wherever the table is read.

        ``columns`` are the names and types that it gives.
        """
        ...

    def rows(self, name: str, rows: pa.Table, columns: Mapping[str, str]) -> Table:
        """Make rows that are here ``work.<name>``, with these Athena types."""
        ...

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
        """Take values out of a column of JSON texts, each text parsed once.

        No object in the texts gives a key twice: see :meth:`readable`.

        ``work.<name>`` gets every column of ``source`` and one per entry of ``wanted``; the texts
        themselves only with ``keep``. ``where`` names a boolean column: texts for which it is not
        true are not parsed, and give NULLs. A ``lazy`` table is a view: for one reader alone.
        """
        ...

    def json_fields(
        self,
        source: Table,
        column: str,
        groups: Sequence[str],
        looked_into: Callable[[tuple[Any, ...], tuple[str, ...]], bool],
        within: Collection[str] | None = None,
    ) -> pa.Table:
        """Find every path of scalars and arrays in a column of JSON objects, and count its values.

        ``source`` selects from the records that were read last, and keeps their ``record_number``
        and ``shape``. The values themselves are looked at where ``looked_into``, asked with the
        group and the path, says so; it says the same of all dates. Paths that begin with none of
        the keys ``within`` may be left out.

        Returns
        -------
        Table
            The columns ``groups``; ``path``, a JSON array of keys; :data:`FIELD_COUNTS`, values
            that are not null by kind; :data:`FIELD_LOOKS`, see :class:`JsonValues`, NULL where
            nobody looked. In no order.
        """
        ...

    def publish_empty(self, table: Table, columns: Mapping[str, str]) -> None:
        """Publish a table of events with these columns, typed as Athena does, and no rows."""
        ...

    def with_texts(self, name: str, rows: Select, columns: Mapping[str, str]) -> Table:
        """Let ``work.<name>`` stand for some of the records that were read last, with their texts.

        ``rows`` selects ``columns`` from working tables, among them ``record_number`` and
        ``shape``; beside these there are ``record`` and ``record_as_sent`` then.
        """
        ...

    def lay_out(self, readers: int, shared: Iterable[JsonColumn]) -> bool:
        """Make ready for tables to be made of what :meth:`with_texts` made last.

        ``readers`` tables will be made, of which many ask for the ``shared`` values. False where
        an engine rather reads ``events.events`` for them.
        """
        ...

    def just_read(
        self,
        name: str,
        kept: exp.Query,
        columns: Mapping[str, str],
        events: Mapping[tuple[str, str], Mapping[str, str]],
    ) -> Table:
        """Let ``work.<name>`` stand for some of the records that were laid out.

        ``kept`` selects ``columns``, but for ``record``, from what :meth:`with_texts` made: nothing
        but :meth:`json_columns` reads it, and takes values out of the texts in ``record``.
        ``events`` are the types and names that such records have (those without a name have
        ``''``), with columns in which all of them have one text. The other columns are called as in
        what :meth:`with_texts` made, and it is all records of these types and names that are meant.
        """
        ...

    def readable(self, name: str, events: exp.Query, columns: Mapping[str, str]) -> Table:
        """Let ``work.<name>`` stand for kept events whose ``record`` can be taken apart.

        Some engines read of a key given twice only the first value: for such records, the text
        that was put aside by :meth:`put_aside` stands in ``record``. ``events`` selects from
        ``events.events``, and has the columns ``id`` and ``received_at_utc_date``.
        """
        ...

    def put_aside(self, kept: exp.Query, partitions: Sequence[str]) -> None:
        """Keep, for these dates, texts that are read in the place of the records as sent.

        ``kept`` gives ``received_at_utc_date, id, record`` of records that give a key twice.
        """
        ...

    def landing_records(
        self,
        files: Sequence[LandedFile],
        envelope: Mapping[str, JsonColumn],
        times: Mapping[str, str],
    ) -> tuple[Table, list[FileLines]]:
        """Read files record by record, losing nothing.

        ``work.records`` gets a row per record: ``record_number`` (any, unique), the partition,
        ``source_file``, ``line_number`` (NULL where the engine cannot tell), ``record`` (with the
        last of the values of a key given twice), ``record_as_sent`` (where that differs),
        ``record_encoding`` (``base64`` where it is no UTF-8), ``verdict`` (``object``, ``twice``,
        ``value``, ``too_deep``, ``not_json``, ``not_utf8``), ``is_object`` and ``shape`` (the
        engine's own). ``work.envelope`` has the same rows with the values of ``envelope``, of which
        the first two are the type and the name of an event, and all are ``string`` or ``text``;
        and with ``times``, each by the name of the text that ``parse_timestamp`` reads for it. A
        file that cannot be read gives no record, and says why. What was read before is gone.
        """
        ...

    def locate(self, name: str, source: Table, cut: Callable[[str], Sequence[str]]) -> Table:
        """Fill in the line numbers of records, where reading their files did not tell them.

        ``work.<name>`` gets the rows of ``source``, a table of records with ``source_file,
        line_number, record, record_encoding``; ``cut`` takes a line apart into its records.
        """
        ...

    def landing_table(self, table: Table, location: str, columns: Mapping[str, str]) -> None:
        """Create or replace the external JSON table that people read the landing through."""
        ...

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
        """Replace a table, or its partitions of these received dates, in one step.

        A reader sees the old rows or the new ones, never a mixture and never a gap. ``columns``
        are the names and types that the query gives, where they are known: they need not be found
        out then. A column that the other partitions lack is NULL there. ``version`` is what
        :meth:`published` tells of the table from then on; left out, it is one of its own.
        """
        ...

    def publish_rows(
        self,
        table: Table,
        select: Select,
        *,
        key: str,
        among: Select,
        version: str | None = None,
    ) -> Publication:
        """Replace the rows of a table whose ``key`` is one of some, in one step.

        ``among`` gives these keys, none of them NULL, and is run more than once; ``select`` the
        columns of the table for them. All other rows stay, a NULL key's among them.
        """
        ...

    def together(self) -> AbstractContextManager[None]:
        """Publish all that is published within in one step, where the engine can do that.

        Either all of it is there when the block was left, or, after an error, nothing. Elsewhere
        each table is published for itself, in order.
        """
        ...

    def settle(self) -> None:
        """Say that with this step all is published that a run has to publish.

        An engine may have something to tidy up with it.
        """
        ...

    def append(
        self, table: Table, rows: pa.Table, keep: Callable[[pa.Table], pa.Table]
    ) -> Publication:
        """Add rows that are here to a small table, in one step and without a statement.

        ``keep`` says which of the table's rows stay; they come with the columns of ``rows``, NULL
        where the table lacks one. Texts, bigints, doubles and timestamps (of milliseconds) only.
        """
        ...

    def published(self, table: Table) -> Published | None:
        """Tell which version of a table is published, without reading it; ``None`` if none is."""
        ...

    def drop(self, table: Table) -> None:
        """Remove a table; no error where there is none."""
        ...


def fresh_name(table: Table) -> str:
    """Name under which a table is made that is to take another's place.

    There is a blank in it: no table that an event asks for is called so.
    """
    return f"fresh {table.name}"


RAW_LINES = "lines"
"""Label of the statement that reads landed files, where an engine has one."""

KINDS = ("integer", "double", "boolean", "string", "array", "object")
"""Kinds of JSON values."""


@dataclass(frozen=True)
class JsonColumn:
    """A value to take out of a JSON text.

    ``kind`` is one of: ``string`` (the text of a string; other scalars as JSON prints them),
    ``integer`` (decimal(38,0)), ``double``, ``boolean``, ``json`` (the value's JSON text; NULL
    where it is absent or null), ``text`` (what a column of texts gets of it), ``bigint`` (an
    integer, where there are no others), ``timestamp(3)`` (the time that a string says, where there
    are strings alone), ``list`` and ``unlisted`` (what is a list of objects, and what is none: see
    :mod:`engagement.sql.conversions`), ``place`` (a text that says where the value stands in its
    record: the later one of two has the greater, if their paths share the first ``since`` keys; of
    a key given twice it is the first place) and what
    :func:`~engagement.sql.conversions.fitted_to` gives. ``only`` are the kinds of the values that
    stand there, where that is known: an engine may then read them more simply.
    """

    path: tuple[str, ...]
    kind: str
    only: frozenset[str] = frozenset(KINDS)
    since: int = 0

    def opened(self) -> list[tuple[str, ...]]:
        """Paths of the objects whose keys say where the value stands, if that is what is wanted."""
        depths = range(self.since, len(self.path)) if self.kind == "place" else ()
        return [self.path[:depth] for depth in depths]

    def through(self) -> tuple[JsonColumn, str]:
        """How it is read, and SQL over that, as ``leaf``, which makes of it what is wanted."""
        if self.kind == "text":
            kind, sql = as_text(self.only)
        else:
            kind, sql = READ_THROUGH.get(self.kind, (self.kind, "leaf"))
        return replace(self, kind=kind), sql


@dataclass(frozen=True)
class JsonValues:
    """What a look at the values of one path has found.

    ``fractions`` are numbers that are no integers, ``texts`` strings that are not empty, of which
    ``timestamps`` read as such; ``lists`` arrays that are neither ``[]`` nor ``[""]``.
    ``largest_integer`` is the size of the largest integer, or of the largest number that has no
    fraction, and at most :data:`LARGEST`.
    """

    fractions: int = 0
    texts: int = 0
    timestamps: int = 0
    lists: int = 0
    largest_integer: int = 0


LARGEST = 2**63
"""Integers from here on are not told apart: none of them is a bigint."""


FIELD_COUNTS = ("integers", "doubles", "booleans", "strings", "arrays", "objects")
FIELD_LOOKS = ("fractions", "texts", "timestamps", "lists", "largest_integer")
"""Columns of a table of fields."""


@dataclass(frozen=True)
class JsonField:
    """The values of one path in the JSON texts of one group, counted by kind.

    ``objects`` are empty ones: the paths of others lead on. NULLs are not counted. ``values`` is
    there if they were looked into.
    """

    group: tuple[Any, ...]
    path: tuple[str, ...]
    integers: int = 0
    doubles: int = 0
    booleans: int = 0
    strings: int = 0
    arrays: int = 0
    objects: int = 0
    values: JsonValues | None = None


def path_text(path: tuple[str, ...]) -> str:
    """A path as it stands in tables: a JSON array of keys."""
    return json.dumps(path, ensure_ascii=False, separators=(",", ":"))


def fields_table(fields: Sequence[JsonField], groups: Sequence[str]) -> pa.Table:
    """Fields as the table that :meth:`Session.json_fields` gives."""
    columns: dict[str, pa.Array] = {
        name: pa.array([one.group[place] for one in fields]) for place, name in enumerate(groups)
    }
    columns["path"] = pa.array([path_text(one.path) for one in fields], pa.string())
    for name in FIELD_COUNTS:
        columns[name] = pa.array([getattr(one, name) for one in fields], pa.int64())
    for name in FIELD_LOOKS:
        looks = [one.values and getattr(one.values, name) for one in fields]
        columns[name] = pa.array(looks, pa.uint64())
    return pa.table(columns)


@dataclass(frozen=True)
class FileLines:
    """How reading one landed file went: its lines, or why it cannot be read.

    ``is_unavailable`` where it cannot be read now: it may be what it was the next time.
    """

    file: LandedFile
    lines: int = 0
    blank_lines: int = 0
    error: str | None = None
    is_unavailable: bool = False

    @classmethod
    def unavailable(cls, file: LandedFile, reason: str) -> FileLines:
        """Say of a file that it cannot be read now."""
        return cls(file, error=f"{reason}; the next run tries again", is_unavailable=True)


@dataclass(frozen=True)
class Finding:
    """One thing that a run needs and that was tried; ``hint`` says what is missing."""

    name: str
    ok: bool
    found: str
    hint: str = ""


class Warehouse(Protocol):
    """An engine that holds the tables."""

    engine: Engine
    log: StatementLog
    batch_bytes: int | None
    batch_days: int
    """How much of the landing is taken in at a time: bytes of events, and dates."""
    rereads_tables: bool
    """Whether to read a published table takes less than to find its values in records again."""

    def describe(self) -> str:
        """Say in a few words what this is and where, without anything secret."""
        ...

    def exists(self) -> bool:
        """Whether anything was ever published."""
        ...

    def session(self, *, write: bool = False) -> AbstractContextManager[Session]:
        """Open a session; one that may publish holds the lease while it lasts."""
        ...

    def lease(self, holder: str) -> AbstractContextManager[str]:
        """Keep other runs out while the block lasts; gives the lease's token."""
        ...

    def landing_files(self) -> Landing:
        """List the landing, within the received dates of the settings, without reading it."""
        ...

    def render(self, select: Select, parameters: Mapping[str, Any] | None = None) -> str:
        """Show the SQL as this engine runs it."""
        ...

    def query(self, select: Select, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Run one query in a session of its own."""
        ...

    def findings(self) -> Iterable[Finding]:
        """Try one by one what a run needs of this engine, without changing any table."""
        ...

    def clean(self, keep_days: float | None = None, *, dry_run: bool = False) -> list[str]:
        """Remove what no table needs since a while, by default that of the settings.

        Says what was removed, or with ``dry_run`` what would be.
        """
        ...

    def landed_objects(self, location: str | None = None) -> LandedObjects:
        """The landed files, or those of another place, as objects that can be written again."""
        ...

    def forget(self, holds: Callable[[str, bytes], bool]) -> Forgotten:
        """Remove for good what the tables no longer hold: freed blocks, old files and versions.

        The caller holds the lease, and no session is open. ``holds`` tells, from its name and its
        bytes, whether an old version of a landed file has to go.
        """
        ...


@dataclass(frozen=True)
class Forgotten:
    """What was removed for good of what tables no longer hold, and what could not be.

    ``removed`` counts by kind of thing; ``left`` names each thing with the reason.
    """

    removed: Mapping[str, int]
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Landing:
    """What lies in the landing: files by partition, and objects that belong to none."""

    location: str
    files: tuple[LandedFile, ...]
    strays: tuple[str, ...]


def columns_of(table: Table, names: Iterable[str]) -> exp.Select:
    """The query for some columns of a table."""
    return exp.select(*(exp.column(name, quoted=True) for name in names)).from_(table.node())


def with_new_columns(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """Columns and types of a table some of whose partitions are replaced.

    What the new rows have comes in their order and with their types; what only other partitions
    have comes after it, but before the partition's date where that is last.
    """
    # Engines write ``decimal(38,0)``: with a blank it is no other type, for which all is made anew.
    new = {name: kind.replace(" ", "") for name, kind in new.items()}
    extra = {name: kind for name, kind in old.items() if name not in new}
    names = list(new)
    if names and names[-1] == PARTITION:
        return {name: new[name] for name in names[:-1]} | extra | {PARTITION: new[PARTITION]}
    return new | extra


def frame(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as a DataFrame whose types say what the columns hold.

    bigint becomes Int64, boolean ``boolean``, varchar ``str``, double float64, decimal Python
    ``Decimal``, date ``datetime.date``, timestamp ``datetime64[ms]``, arrays Python lists. Types
    depend on the columns alone, never on the rows: empty results have them too.

    Raises
    ------
    WarehouseError
        When two columns have the same name.
    """
    twice = [name for name, times in Counter(table.column_names).items() if times > 1]
    if twice:
        raise WarehouseError(
            f"the query gives several columns the name '{twice[0]}': name each one, with 'as'"
        )
    fields = []
    for field_ in table.schema:
        if pa.types.is_timestamp(field_.type):
            fields.append(pa.field(field_.name, pa.timestamp("ms")))
        elif pa.types.is_integer(field_.type):
            fields.append(pa.field(field_.name, pa.int64()))
        else:
            fields.append(field_)
    table = table.cast(pa.schema(fields), safe=False)
    mapping = {
        pa.int64(): pd.Int64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
        pa.string(): pd.StringDtype(na_value=float("nan")),
        pa.large_string(): pd.StringDtype(na_value=float("nan")),
    }
    result: pd.DataFrame = table.to_pandas(types_mapper=mapping.get, date_as_object=True)
    for name in table.column_names:
        if pa.types.is_list(table.schema.field(name).type):
            lists = [None if v is None else list(v) for v in result[name]]
            result[name] = pd.Series(lists, index=result.index, dtype=object)
    return result


_ARROW_TYPES = {
    "varchar": pa.string(),
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp(3)": pa.timestamp("ms"),
}


def arrow_type(kind: str) -> pa.DataType | None:
    """Arrow's type of a column of rows that are here, by its Athena type; ``None`` where none is.

    What :meth:`Session.rows` takes: plain values and decimals, no arrays.
    """
    decimal = re.fullmatch(r"decimal\((\d+), ?(\d+)\)", kind)
    if decimal:
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    return _ARROW_TYPES.get(kind)


_APPENDED = {
    pa.string(): "varchar",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.timestamp("ms"): "timestamp(3)",
}


def appended(old: pa.Table | None, rows: pa.Table) -> tuple[pa.Table, dict[str, str]]:
    """A small table's rows with the columns of those that come to it, and these columns' types."""
    kinds = {column.name: _APPENDED[column.type] for column in rows.schema}
    if old is None:
        return rows.slice(0, 0), kinds
    return fitted(old, rows.schema), kinds


def fitted(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows with the columns and types of a schema, NULL where they have none."""
    columns = [
        rows.column(column.name).cast(column.type)
        if column.name in rows.column_names
        else pa.nulls(rows.num_rows, column.type)
        for column in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


@contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """Measure a block's wall time in seconds."""
    started = time.perf_counter()
    yield lambda: time.perf_counter() - started
