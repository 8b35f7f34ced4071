"""What only an engine does that reads a landing itself: records, their JSON values, their places.

An engine over tables that RudderStack loads needs none of this. :func:`landing_warehouse` gives
those that have it. Reading gives objects, one per step, and each has what can be done next:
:class:`LandedRecords` were read, :class:`KeptRecords` are those of them that stay, and
:class:`LaidOutRecords` are ready for tables to be made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
from sqlglot import exp

from engagement.records.files import LandedFile, LandingError
from engagement.sql.dialect import Table
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.json_values import JsonColumn
from engagement.warehouse.loaded import LoadedWarehouse
from engagement.warehouse.objects import LandedObjects
from engagement.warehouse.protocol import Select, Session, Warehouse

RAW_LINES = "lines"
"""Label of the statement that reads landed files, where an engine has one."""


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
class Landing:
    """What lies in the landing: files by partition, and objects that belong to none."""

    location: str
    files: tuple[LandedFile, ...]
    strays: tuple[str, ...]


@dataclass(frozen=True)
class Purged:
    """What was removed for good of what tables no longer hold, and what could not be.

    ``removed`` counts by kind of thing; ``left`` names each thing with the reason.
    """

    removed: Mapping[str, int]
    left: tuple[str, ...] = ()


class LaidOutRecords(Protocol):
    """Kept records from which tables of events can be made."""

    def rows(
        self,
        name: str,
        kept: exp.Query,
        columns: Mapping[str, str],
        events: Mapping[tuple[str, str], Mapping[str, str]],
    ) -> Table:
        """Let ``work.<name>`` stand for some of them.

        ``kept`` selects ``columns``, but for ``record``, from :attr:`KeptRecords.table`: nothing
        but :meth:`LandingSession.json_columns` reads it, and takes values out of the texts in
        ``record``. ``events`` are the types and names that such records have (those without a name
        have ``''``), with columns in which all of them have one text. The other columns are called
        as in that table, and all records of these types and names are meant.
        """
        ...


class KeptRecords(Protocol):
    """Those of the records that stay, with their texts.

    Attributes
    ----------
    table
        Beside the columns that were asked for it has ``record`` and ``record_as_sent``.
    """

    table: Table

    def lay_out(self, readers: int, shared: Iterable[JsonColumn]) -> LaidOutRecords | None:
        """Make ready for tables of events to be made of them.

        ``readers`` tables will be made, of which many ask for the ``shared`` values. ``None`` where
        an engine rather reads ``events.events`` for them.
        """
        ...


class LandedRecords(Protocol):
    """Records of landed files; they last until the session reads others.

    Attributes
    ----------
    table
        ``work.records``, a row per record: ``record_number`` (any, unique), the partition,
        ``source_file``, ``line_number`` (NULL where the engine cannot tell), ``record`` (with the
        last of the values of a key given twice), ``record_as_sent`` (where that differs),
        ``record_encoding`` (``base64`` where it is no UTF-8), ``verdict`` (``object``, ``twice``,
        ``value``, ``too_deep``, ``not_json``, ``not_utf8``), ``is_object`` and ``shape`` (the
        engine's own).
    envelope
        ``work.envelope``, the same rows with the values that were asked for.
    files
        How reading each file went. One that cannot be read gives no record, and says why.
    """

    table: Table
    envelope: Table
    files: Sequence[FileLines]

    def json_fields(
        self,
        source: Table,
        column: str,
        groups: Sequence[str],
        looked_into: Callable[[tuple[Any, ...], tuple[str, ...]], bool],
        within: Collection[str] | None = None,
    ) -> pa.Table:
        """Find every path of scalars and arrays in a column of JSON objects, and count its values.

        ``source`` selects from these records, and keeps their ``record_number`` and ``shape``. The
        values themselves are looked at where ``looked_into``, asked with the group and the path,
        says so; it says the same of all dates. Paths that begin with none of the keys ``within``
        may be left out.

        Returns
        -------
        Table
            The columns ``groups``; ``path``, a JSON array of keys;
            :data:`~.json_values.FIELD_COUNTS`, values that are not null by kind;
            :data:`~.json_values.FIELD_LOOKS`, see :class:`~.json_values.JsonValues`, NULL where
            nobody looked. In no order.
        """
        ...

    def with_texts(self, name: str, rows: Select, columns: Mapping[str, str]) -> KeptRecords:
        """Let ``work.<name>`` stand for some of them, with their texts.

        ``rows`` selects ``columns`` from working tables, among them ``record_number`` and
        ``shape``.
        """
        ...


class LandingSession(Session, Protocol):
    """A session of an engine that reads the landing."""

    # --- the landing

    def read_records(
        self,
        files: Sequence[LandedFile],
        envelope: Mapping[str, JsonColumn],
        times: Mapping[str, str],
    ) -> LandedRecords:
        """Read files record by record, losing nothing. What was read before is gone.

        Of the values of ``envelope`` the first two are the type and the name of an event, and all
        are ``string`` or ``text``; ``times`` are read too, each by the name of the text that
        ``parse_timestamp`` reads for it.
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

    # --- kept records

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

    # --- tables

    def view(self, name: str, select: Select, columns: Mapping[str, str]) -> Table:
        """Let ``work.<name>`` stand for a query, which runs wherever the table is read.

        ``columns`` are the names and types that it gives.
        """
        ...

    def publish_empty(self, table: Table, columns: Mapping[str, str]) -> None:
        """Publish a table of events with these columns, typed as Athena does, and no rows."""
        ...

    def finish(self) -> None:
        """Mark this as the last step that a run publishes; an engine may tidy up with it."""
        ...


@runtime_checkable
class LandingWarehouse(Warehouse, Protocol):
    """A warehouse that reads the landing itself."""

    batch_bytes: int | None
    batch_days: int
    """How much of the landing is read at a time: bytes of events, and dates."""
    rereads_tables: bool
    """Whether to read a published table takes less than to find its values in records again."""

    def session(self, *, write: bool = False) -> AbstractContextManager[LandingSession]:
        """Open a session; one that may publish holds the lease while it lasts."""
        ...

    def landing_files(self, *, whole: bool = False) -> Landing:
        """List the landing without reading it.

        Within the received dates of the settings, or the ``whole`` of it.
        """
        ...

    def landed_days(self) -> list[str]:
        """Received dates of which something has landed, sorted: no file is listed or read.

        Raises
        ------
        LandingError
            When the landing does not exist, or cannot be listed.
        """
        ...

    def landed_objects(self, location: str | None = None) -> LandedObjects:
        """The landed files, or those of another place, as objects that can be written again."""
        ...

    def purge(self, holds: Callable[[str, bytes], bool]) -> Purged:
        """Remove for good what the tables no longer hold: freed blocks, old files and versions.

        The caller holds the lease, and no session is open. ``holds`` tells, from its name and its
        bytes, whether an old version of a landed file has to go.
        """
        ...


def landing_warehouse(warehouse: Warehouse) -> LandingWarehouse:
    """The warehouse as one that reads the landing itself.

    Raises
    ------
    WarehouseError
        When its engine does not: RudderStack loads its tables.
    """
    if not isinstance(warehouse, LandingWarehouse):
        raise WarehouseError(
            f"{warehouse.describe()} reads no landing: its tables of events are loaded by "
            "RudderStack, and what works on landed files has nothing to do here"
        )
    return warehouse


def what_landed(warehouse: Warehouse) -> frozenset[tuple[str, str]]:
    """Names and tags of all landed files; none where the landing is not there yet.

    Of tables that RudderStack loads, their names and versions.
    """
    if isinstance(warehouse, LoadedWarehouse):
        with warehouse.session() as session:
            tables = [Table("events", name) for name in session.tables("events")]
            found = [(str(table), session.published(table)) for table in tables]
        return frozenset((name, there.version) for name, there in found if there)
    try:
        files = landing_warehouse(warehouse).landing_files().files
    except LandingError:
        return frozenset()
    return frozenset((file.name, file.tag) for file in files)
