"""From landed lines to tables: every record kept, set aside as a duplicate, or quarantined.

A run reads the files of the dates that are new or changed, each file once. Their records are judged
and compared with the copies received around them, and the kept ones published, date by date, as
partitions of ``events.events``. From their texts come one table per event type and name, each with
the columns that all records together ask for.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd
import pyarrow as pa
from sqlglot import exp

from engagement.flatten import erased, fields, increments, tables
from engagement.flatten.declared import declared_types as _plans
from engagement.flatten.fields import Registered
from engagement.flatten.increments import READ, TABLES, Plan
from engagement.flatten.names import FIXED_TABLES
from engagement.flatten.schema import DEFAULT_COLUMNS, PARTITION, Unnamed
from engagement.flatten.tables import EventTable
from engagement.flatten.users import IDENTIFIES, USERS, Users
from engagement.messages import counted
from engagement.privacy import shown
from engagement.records.files import LandingError, nothing_landed
from engagement.records.lines import cut_records
from engagement.settings import Settings
from engagement.sql.conversions import BIGINT, BOOLEAN, TIMESTAMP, VARCHAR
from engagement.sql.dialect import Table, literal, parse
from engagement.warehouse.protocol import (
    RAW_LINES,
    FileLines,
    JsonColumn,
    Session,
    Warehouse,
    columns_of,
)

MOST_COLUMNS = 200
"""A table with more columns than this is reported: some key may hold what is no name."""

_ENVELOPE = {
    name: JsonColumn(
        path, "text" if name in ("message_id", "event", "anonymous_id", "user_id") else "string"
    )
    for name, path in {
        "type": ("type",),
        "event": ("event",),
        "message_id": ("messageId",),
        "anonymous_id": ("anonymousId",),
        "user_id": ("userId",),
        "channel": ("channel",),
        "write_key": ("writeKey",),
        "request_ip": ("request_ip",),
        "context_ip": ("context", "ip"),
        "raw_received_at": ("receivedAt",),
        "raw_sent_at": ("sentAt",),
        "raw_original_timestamp": ("originalTimestamp",),
        "raw_timestamp": ("timestamp",),
    }.items()
}
"""What every record is asked for; ids and names may be anything, and are texts then."""

_TIMES = {
    "stated_received_at": "raw_received_at",
    "sent_at": "raw_sent_at",
    "original_timestamp": "raw_original_timestamp",
    "stated_timestamp": "raw_timestamp",
}
"""Which of these are times; the others are taken as they stand."""

_EVENT_COLUMNS = {
    **DEFAULT_COLUMNS,
    "type": VARCHAR,
    "event": VARCHAR,
    "write_key": VARCHAR,
    "source_file": VARCHAR,
    "record": VARCHAR,
    PARTITION: VARCHAR,
}
_KEPT = Table("work", "kept")
_KEPT_COLUMNS = {
    "record_number": BIGINT,
    **{name: kind for name, kind in _EVENT_COLUMNS.items() if name != "record"},
    "shape": BIGINT,
}
_FILES = Table("landing", "files")
_FILE_COLUMNS = {
    "file": VARCHAR,
    "bytes": BIGINT,
    "lines": BIGINT,
    "blank_lines": BIGINT,
    "error": VARCHAR,
    PARTITION: VARCHAR,
}
_DUPLICATE_COLUMNS = {
    "id": VARCHAR,
    "received_at": TIMESTAMP,
    "file": VARCHAR,
    PARTITION: VARCHAR,
}
_OTHER_COLUMNS = {
    "id": VARCHAR,
    "received_at": TIMESTAMP,
    PARTITION: VARCHAR,
    "was_duplicate": BOOLEAN,
}
_QUARANTINE_COLUMNS = {
    PARTITION: VARCHAR,
    "file": VARCHAR,
    "line_number": BIGINT,
    "reason": VARCHAR,
    "record": VARCHAR,
    "record_encoding": VARCHAR,
}
REASONS = Table("landing", "quarantine_reasons")
REASON_COLUMNS = {"reason": VARCHAR, "records": BIGINT, PARTITION: VARCHAR}
_LEDGER_COLUMNS = {
    PARTITION: VARCHAR,
    **dict.fromkeys(
        """
        files bytes lines blank_lines records events duplicates quarantined unreadable_files
        other_sources moved_received_at unbelieved_timestamps
        """.split(),
        BIGINT,
    ),
}


@dataclass(frozen=True)
class FlatTable:
    """A table of events: how many rows, and its columns with their types."""

    table: Table
    rows: int
    columns: dict[str, str]


@dataclass(frozen=True)
class Unreadable:
    """A file of the landing that could not be read, and why."""

    file: str
    error: str


@dataclass(frozen=True)
class FlattenReport:
    """What the tables of events hold after flattening.

    ``tables`` are the per-event tables in order of name; ``unreadable`` the files that could not
    be read and why; ``unnamed`` the paths that have no column; ``discards`` the values that did
    not fit a declared column; ``dropped`` tables of earlier runs that no event asks for any more;
    ``days_read`` the dates whose files were read this time, of ``bytes_read`` as they lie in the
    landing; ``bytes_scanned`` what the engine says of that, where it tells.
    """

    tables: tuple[FlatTable, ...]
    unreadable: tuple[Unreadable, ...]
    unnamed: tuple[Unnamed, ...]
    discards: int
    dropped: tuple[str, ...] = field(default=())
    days_read: tuple[str, ...] = field(default=())
    bytes_read: int = 0
    bytes_scanned: int | None = None

    def reading(self) -> str:
        """Say in a sentence what was read of the landing."""
        if not self.days_read:
            return "No landed file had to be read."
        said = (
            f"The files of {counted(len(self.days_read), 'date')} were read, each once: "
            f"{self.bytes_read / 1e6:,.1f} MB as they lie there."
        )
        if self.bytes_scanned is not None:
            said += (
                f" The engine counted {self.bytes_scanned / 1e6:,.1f} MB of raw data that it "
                "scanned for that, however many kinds of events there are."
            )
        return said

    def frame(self) -> pd.DataFrame:
        """One row per table: rows and number of columns, most rows first."""
        rows = [(str(t.table), t.rows, len(t.columns)) for t in self.tables]
        frame = pd.DataFrame(rows, columns=["table", "rows", "columns"])
        return frame.sort_values(["rows", "table"], ascending=[False, True], ignore_index=True)

    def unnamed_frame(self) -> pd.DataFrame:
        """One row per path without a column: table, path, why."""
        return shown(
            pd.DataFrame(
                [(u.table, ".".join(u.path), u.reason) for u in self.unnamed],
                columns=["table", "path", "why"],
            )
        )

    def wide(self) -> list[str]:
        """Names of the tables with more than :data:`MOST_COLUMNS` columns."""
        return [str(t.table) for t in self.tables if len(t.columns) > MOST_COLUMNS]

    def largest(self) -> str:
        """Name of the table of an event name that has most rows; of all tracks if there is none."""
        named = [t for t in self.tables if t.table.name not in FIXED_TABLES]
        chosen = max(named, key=lambda t: (t.rows, t.table.name), default=None)
        return str(chosen.table) if chosen else "events.tracks"


def duplicates_sql() -> str:
    """The query that tells first copies from duplicates, for reading."""
    return _text("copies")


@contextmanager
def _only_new_garbage() -> Iterator[None]:
    """Let garbage be collected after each group of dates, and what is there before be left alone.

    Trees of SQL have cycles and are made by the thousand. Left to itself, the collector would come
    every few statements, and look at all that was imported, too.
    """
    was_on = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()


@_only_new_garbage()
def flatten(
    warehouse: Warehouse, settings: Settings, *, only: Set[str] | None = None
) -> FlattenReport:
    """Take in what is new in the landing.

    Parameters
    ----------
    only
        Read no other received dates than these, and what an earlier run left unfinished.

    Raises
    ------
    LandingError
        When the landing does not exist or holds no file in the asked range of dates; or when the
        records of a day do not add up, before anything of that day was published.
    """
    plan = plan_run(warehouse, settings, some=only is not None).only(only)
    plans = _plans(settings)
    if plan.is_idle:
        with warehouse.session() as session:
            wanted = tables.event_tables(fields.registered(session), plans)
            return _report(session, wanted, (), ())
    before = len(warehouse.log.statements)
    with warehouse.session(write=True) as session:
        # Only who holds the lease knows what is to be done.
        plan = increments.plan(session, warehouse.landing_files(), settings).only(only)
        run = _Run(warehouse, session, settings, plans, plan)
        read, dropped = run.take_in()
        report = _report(session, run.wanted(), read, dropped)
    scanned = [
        statement.scanned_bytes
        for statement in warehouse.log.statements[before:]
        if statement.label == RAW_LINES and statement.scanned_bytes is not None
    ]
    return replace(
        report,
        bytes_read=sum(file.size for day in read for file in plan.files.get(day, ())),
        bytes_scanned=sum(scanned) if scanned else None,
    )


def plan_run(warehouse: Warehouse, settings: Settings, *, some: bool = False) -> Plan:
    """Find out what a run would do, without reading a file or changing anything.

    Parameters
    ----------
    some
        Only some dates are meant, which may have no file any more.

    Raises
    ------
    LandingError
        When the landing does not exist or holds no file in the asked range of dates.
    """
    landing = warehouse.landing_files()
    if not landing.files and not some:
        span = settings.landing
        raise nothing_landed(landing.location, landing.strays, span.from_, span.to)
    if not warehouse.exists():
        return increments.plan(None, landing, settings)
    with warehouse.session() as session:
        return increments.plan(session, landing, settings)


def tracking_plan(warehouse: Warehouse, settings: Settings) -> pd.DataFrame:
    """What every event was seen to hold: one row per table of events and property.

    Returns
    -------
    DataFrame
        ``table``; ``property``, its column; ``type``; ``first_seen``, a received date; ``given``,
        events that have a value there which is not null; ``share`` of the table's events that do.
        What all events have in their context stands at ``events.tracks`` alone.
    """
    with warehouse.session() as session:
        known = fields.registered(session)
    rows = []
    for table in tables.event_tables(known, _plans(settings)):
        own = [one for one in known if table.takes(one)]
        for column, kind in table.columns:
            of_context = column.name.startswith("context_") and table.kind != "tracks"
            if of_context or not column.sources:
                continue
            paths = [path for source in column.sources for path in (source.path, *source.inner)]
            given = sum(source.given(one.given) for one in own for source in column.sources)
            first = min(
                one.first_seen[path] for one in own for path in paths if path in one.first_seen
            )
            share = round(min(given / table.rows, 1.0), 4)
            rows.append((str(table.table), column.name, kind, first, given, share))
    names = ["table", "property", "type", "first_seen", "given", "share"]
    return pd.DataFrame(rows, columns=names).sort_values(names[:2], ignore_index=True)


@cache
def _text(name: str) -> str:
    file = resources.files("engagement.flatten") / "sql" / f"{name}.sql"
    return file.read_text(encoding="utf-8")


@cache
def _sql(name: str) -> exp.Query:
    return parse(_text(name), source=f"flatten/sql/{name}.sql")


def cut_line(line: str) -> list[str]:
    """The records of one line, as every engine cuts it."""
    return cut_records(line)


def values_query(columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> exp.Select:
    """Rows as a query, typed, also when there is none."""
    typed = [
        exp.alias_(exp.cast(exp.column(name, table="v"), kind), name)
        for name, kind in columns.items()
    ]
    content = rows or [[None] * len(columns)]
    table = exp.Values(
        expressions=[exp.Tuple(expressions=[literal(cell) for cell in row]) for row in content],
        alias=exp.TableAlias(
            this=exp.to_identifier("v"), columns=[exp.to_identifier(name) for name in columns]
        ),
    )
    query = exp.Select(expressions=typed).from_(table, copy=False)
    return query if rows else query.where(exp.false())


# --- reading ------------------------------------------------------------------------------------


class _Run:
    """One run of flattening, under way."""

    def __init__(
        self,
        warehouse: Warehouse,
        session: Session,
        settings: Settings,
        plans: Mapping[str, Mapping[str, str]],
        plan: Plan,
    ) -> None:
        self._warehouse = warehouse
        self._session = session
        self._settings = settings
        self._plans = plans
        self._plan = plan
        self._unread = sorted(plan.read)
        self._stages = {day: READ if day in plan.read else TABLES for day in plan.tables}
        self._is_clean = not plan.unfinished
        self._made: set[str] = set()
        self._touched: set[str] = set()
        self._just_read: set[str] = set()
        self._known: list[Registered] | None = None
        self._tables: list[EventTable] | None = None
        self._users = Users(session)

    def take_in(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Read the dates that are to be read, in order, in groups that fit into memory.

        What the dates of a group hold is published in one step where the engine can do that, and
        the tables that wait for all dates with the last of them.

        Returns
        -------
        tuple
            The dates that were read, and the tables that no event asks for any more.
        """
        session = self._session
        read: list[str] = []
        increments.note_unfinished(session, self._stages)
        while True:
            with session.together():
                if self._unread:
                    read += self._read_some()
                if not self._unread:
                    dropped = self._make_tables()
                    session.settle()
                    return tuple(read), dropped
            gc.collect()

    def _read_some(self) -> list[str]:
        """Read the next dates, and make their rows; gives these dates."""
        session = self._session
        days = increments.batches(
            self._unread,
            self._plan.files,
            self._warehouse.batch_bytes,
            self._warehouse.batch_days,
        )[0]
        # Tables whose rows of these dates may have to go.
        self._touched |= self._tables_of(days)
        turned = self._read(days)
        self._unread = sorted({*self._unread[len(days) :], *turned})
        self._stages.update(dict.fromkeys(turned, READ))
        self._stages.update(dict.fromkeys(days, TABLES))
        if self._unread:
            increments.note_unfinished(session, self._stages)
        self._touched |= self._tables_of(days)
        self._just_read |= set(days)
        self._make_of_read(days)
        return days

    def _tables_of(self, days: Sequence[str]) -> set[str]:
        """Tables that hold rows of some dates, by the registry."""
        if not days or not self._session.columns(fields.NAMES):
            return set()
        found = fields.event_names(self._session)
        names = found[found[PARTITION].isin(days)][["type", "event"]].drop_duplicates()
        return {fields.table_of(kind, event) for kind, event in names.itertuples(index=False)}

    def _read(self, days: Sequence[str]) -> list[str]:
        """Read the files of some dates; gives other dates that hold copies judged otherwise now."""
        session, settings = self._session, self._settings
        landed = [file for day in days for file in self._plan.files.get(day, ())]
        _, files = session.landing_records(landed, _ENVELOPE, _TIMES)
        session.rows("files", _file_rows(files), _FILE_COLUMNS)
        session.work("classified", _sql("classified"))
        erased.refuse(session, settings)
        keys = settings.landing.write_keys
        sources = {"every_source": not keys, "write_keys": keys}
        window = settings.duplicates.window_days
        has_others = self._find_others(days, window)
        session.work("copies", _sql("copies"), {"window_days": window, **sources})
        session.work("kept", _sql("kept"), sources, lazy=True)
        session.work("ledger", _sql("ledger"), sources)
        _reconcile(session)
        first_copies = columns_of(_KEPT, _KEPT_COLUMNS).where(exp.column("is_duplicate").not_())
        session.with_texts(tables.KEPT_TEXTS.name, first_copies, _KEPT_COLUMNS)
        self._publish_records(days)
        self._publish_registry(days)
        self._publish_ledger(days)
        unread = {one.file.name for one in files if one.is_unavailable}
        increments.note_versions(session, days, landed, self._plan.rules, unread)
        turned = self._turned(days) if has_others else []
        # What comes now needs the room.
        session.forget(*(Table("work", name) for name in ("classified", "copies", "others")))
        return turned

    def _find_others(self, days: Sequence[str], window: int) -> bool:
        """Collect copies that other dates hold; says whether there may be some after these."""
        session = self._session
        events, duplicates = Table("events", "events"), Table("landing", "duplicates")
        if not session.columns(events) or not session.columns(duplicates):
            rows = pa.table({name: pa.array([], pa.string()) for name in _OTHER_COLUMNS})
            session.rows("others", rows, _OTHER_COLUMNS)
            return False
        first, last = increments.around(days, window)
        values = {
            "first_day": first,
            "last_day": last,
            "days": tuple(days),
            "unread": tuple(self._unread),
        }
        session.work("others", _sql("others"), values)
        return True

    def _turned(self, days: Sequence[str]) -> list[str]:
        """Dates whose copies are judged otherwise, now that these dates were read."""
        found = self._session.query(
            "select distinct received_at_utc_date from work.copies where record_number is null "
            "and was_duplicate <> is_duplicate and received_at_utc_date > :first order by 1",
            {"first": min(days)},
            label="copies judged otherwise",
        )
        return list(found[PARTITION])

    def _publish_records(self, days: Sequence[str]) -> None:
        session = self._session
        session.publish(tables.EVENTS, _sql("events"), partitions=days, columns=_EVENT_COLUMNS)
        session.publish(
            Table("landing", "duplicates"),
            _sql("duplicates"),
            partitions=days,
            columns=_DUPLICATE_COLUMNS,
        )
        session.publish(
            tables.DISCARDS,
            tables.time_discards(),
            partitions=days,
            columns=tables.DISCARD_COLUMNS,
        )
        set_aside = session.work("set_aside", _sql("set_aside"))
        session.locate("located", set_aside, cut_line)
        session.publish(
            Table("landing", "quarantine"),
            _sql("quarantine"),
            partitions=days,
            columns=_QUARANTINE_COLUMNS,
        )
        session.publish(
            REASONS, _sql("quarantine_reasons"), partitions=days, columns=REASON_COLUMNS
        )

    def _publish_registry(self, days: Sequence[str]) -> None:
        session, self._known, self._tables = self._session, None, None
        kept = session.view(
            "kept_records",
            _sql("kept_records"),
            {
                "record_number": BIGINT,
                PARTITION: VARCHAR,
                "type": VARCHAR,
                "event": VARCHAR,
                "id": VARCHAR,
                "record": VARCHAR,
                "record_as_sent": VARCHAR,
                "shape": BIGINT,
            },
        )
        session.put_aside(
            parse(
                f"select received_at_utc_date, id, record from {kept} "
                "where record_as_sent is not null"
            ),
            days,
        )
        session.publish(
            fields.NAMES, _sql("event_names"), partitions=days, columns=fields.NAME_COLUMNS
        )
        found = fields.count_fields(session, kept, self._plans)
        rows = session.rows("fields", found, fields.FIELD_COLUMNS)
        session.publish(
            fields.FIELDS, f"select * from {rows}", partitions=days, columns=fields.FIELD_COLUMNS
        )

    def _publish_ledger(self, days: Sequence[str]) -> None:
        session = self._session
        session.publish(
            _FILES,
            "select * from work.files",
            partitions=days,
            columns=_FILE_COLUMNS,
        )
        session.publish(
            Table("landing", "ledger"),
            "select * from work.ledger",
            partitions=days,
            columns=_LEDGER_COLUMNS,
        )

    # --- tables

    def _make_of_read(self, days: Sequence[str]) -> None:
        """Make the rows of dates that were just read while their records are here.

        An engine may have no use for that. A table whose columns have other types now waits until
        all dates were read: then it is made anew.
        """
        session = self._session
        wanted = [table for table in self.wanted() if self._is_touched(table)]
        can_be_made = tables.lay_out(session, wanted)
        session.forget(_KEPT)
        if not can_be_made:
            return
        mapping, suspect = self._mapping(), self._suspect(wanted, days)
        self._users.note(days, wanted)

        def make(table: EventTable) -> list[exp.Query]:
            if not table.rows:
                tables.publish_empty(session, table)
                return []
            rows = tables.rows_just_read(session, table, mapping)
            misfits = []
            if table.name in suspect:
                misfits = tables.misfits(session, suspect[table.name], rows)
            if self._can_grow(table):
                held_by, others = self._held(table, days)
                if others:
                    rows = tables.rows_just_read(session, table, mapping, others)
                tables.publish(session, table, None if others == [] else rows, days, held_by)
            return misfits

        misfits = self._made_in_turn(make, wanted)
        self._publish_discards(misfits, days)
        self._made |= set(days)

    def _is_held(self, table: EventTable) -> bool:
        """Whether a table is made of others, which hold most of its rows."""
        return table.kind == "tracks" and self._warehouse.rereads_tables

    def _held(
        self, table: EventTable, days: Sequence[str] | None
    ) -> tuple[list[EventTable], list[str] | None]:
        """Tables that hold rows of one on some dates, or on all, and names of its other events.

        ``None`` in the place of names is all of its events: no table holds any.
        """
        if not self._is_held(table):
            return [], None
        names = {
            one.event
            for one in self._registered()
            if one.kind == "track" and (days is None or not one.days.isdisjoint(days))
        }
        held_by = [
            own
            for own in self.wanted()
            if not names.isdisjoint(own.events)
            and tables.holds_tracks(own, table)
            # What another type makes wait is not made yet.
            and self._session.columns(own.table) == own.definition
        ]
        others = names.difference(*(own.events for own in held_by))
        return held_by, sorted(others) if held_by else None

    def _made_in_turn(
        self, make: Callable[[EventTable], list[exp.Query]], chosen: Sequence[EventTable]
    ) -> list[exp.Query]:
        """Make tables, those that are made of others last; gives what did not fit."""
        last = [table for table in chosen if self._is_held(table)]
        first = [table for table in chosen if not self._is_held(table)]
        return [
            query for turn in (first, last) for query in tables.in_lanes(self._session, make, turn)
        ]

    def _suspect(self, chosen: Sequence[EventTable], days: Sequence[str]) -> dict[str, EventTable]:
        """Tables, by name, with columns that some value of these dates may not fit.

        They are those that the fields of these dates ask for.
        """
        maybe = [table for table in chosen if tables.suspects(table)]
        if not maybe:
            return {}
        if {day for one in self._registered() for day in one.days} <= set(days):
            found = self.wanted()
        else:
            known = fields.registered_on(self._session, days)
            of_them = [one for one in known if any(table.takes(one) for table in maybe)]
            found = tables.event_tables(of_them, self._plans)
        return {table.name: table for table in found if tables.suspects(table)}

    def _publish_discards(self, misfits: Sequence[exp.Query], days: Sequence[str]) -> None:
        # Of dates just read only times have been published, and nothing of an earlier run is left.
        if misfits or not self._just_read.issuperset(days):
            tables.publish_discards(self._session, misfits, days)

    def _make_tables(self) -> tuple[str, ...]:
        """Make the tables that the dates of this run touch; gives those that were dropped."""
        session, wanted, mapping = self._session, self.wanted(), self._mapping()
        days = sorted(self._stages.keys() - self._made)
        self._touched |= self._tables_of(days)

        def make(table: EventTable) -> list[exp.Query]:
            if not table.rows:
                tables.publish_empty(session, table)
                return []
            whole = not days or not self._can_grow(table)
            of = None if whole else days
            held_by, others = self._held(table, of)
            rows = None
            if others != []:
                rows = tables.rows_kept(session, table, of, mapping, others)
            tables.publish(session, table, rows, of, held_by)
            if not days or table.name not in suspect:
                return []
            rows = tables.rows_kept(session, table, days, mapping)
            return tables.misfits(session, suspect[table.name], rows)

        chosen = [
            table
            for table in wanted
            if (days and self._is_touched(table))
            or session.columns(table.table) != table.definition
        ]
        suspect = self._suspect(chosen, days) if days else {}
        self._users.note(days, chosen)
        misfits = self._made_in_turn(make, chosen)
        if days:
            self._publish_discards(misfits, days)
        remade = [table for table in wanted if table in chosen or self._is_touched(table)]
        for table in remade:
            if table.table == IDENTIFIES:
                self._users.publish(table)
        dropped = tables.drop_others(session, {table.name for table in wanted})
        increments.note_unfinished(session, {})
        return tuple(dropped)

    def _registered(self) -> list[Registered]:
        """What the registry holds now."""
        if self._known is None:
            self._known = fields.registered(self._session)
        return self._known

    def wanted(self) -> list[EventTable]:
        """The tables that this asks for."""
        if self._tables is None:
            self._tables = tables.event_tables(self._registered(), self._plans)
        return self._tables

    def _mapping(self) -> Table:
        return self._session.rows(
            "mapping",
            tables.mapping_rows(self._registered()),
            {"event": VARCHAR, "event_name": VARCHAR},
        )

    def _is_touched(self, table: EventTable) -> bool:
        """Whether rows of a table may change: all may, where an earlier run did not finish."""
        if not self._is_clean or table.name in self._touched:
            return True
        return table.kind == "tracks" and any(map(_is_of_tracks, self._touched))

    def _can_grow(self, table: EventTable) -> bool:
        """Whether a table's rows of other dates can stay: it gains columns at most."""
        old, new = self._session.columns(table.table), table.definition
        return all(new.get(name) == kind for name, kind in old.items())


def _is_of_tracks(name: str) -> bool:
    return name not in fields.TYPE_TABLES.values()


def _file_rows(files: Sequence[FileLines]) -> pa.Table:
    rows = [
        (f.file.name, f.file.size, f.lines, f.blank_lines, f.error, f.file.received_at_utc_date)
        for f in files
    ]
    kinds = {VARCHAR: pa.string(), BIGINT: pa.int64()}
    return pa.table(
        {
            name: pa.array([row[place] for row in rows], kinds[kind])
            for place, (name, kind) in enumerate(_FILE_COLUMNS.items())
        }
    )


def _reconcile(session: Session) -> None:
    columns = [PARTITION, "records", "events", "duplicates", "quarantined"]
    ledger = session.fetch(Table("work", "ledger"), columns, label="reconciliation")
    parts = ledger["events"] + ledger["duplicates"] + ledger["quarantined"]
    wrong = ledger[ledger["records"] != parts].sort_values(PARTITION)
    if not wrong.empty:
        day = wrong.iloc[0]
        raise LandingError(
            f"the records of {counted(len(wrong), 'day')} do not add up, first {day.iloc[0]}: "
            f"{day.iloc[1]} records, but {day.iloc[2]} events, {day.iloc[3]} duplicates and "
            f"{day.iloc[4]} in quarantine. Nothing was published; this is a mistake in the "
            "project: please report it."
        )


# --- the report ---------------------------------------------------------------------------------


def _report(
    session: Session,
    wanted: Sequence[EventTable],
    days_read: Sequence[str],
    dropped: Sequence[str],
) -> FlattenReport:
    counts = session.query(
        f"select (select count(*) from {USERS}) as users, "
        f"(select count(*) from {tables.DISCARDS}) as discards",
        label="users and discards",
    ).iloc[0]
    files = session.fetch(_FILES, ["file", "error"], label="unreadable files")
    unreadable = files[files["error"].notna()].sort_values("file")
    flat = [FlatTable(table.table, table.rows, table.definition) for table in wanted]
    columns = session.columns(USERS)
    flat.append(FlatTable(USERS, int(counts["users"]), columns))
    unnamed = [one for table in wanted for one in table.unnamed]
    return FlattenReport(
        tables=tuple(sorted(flat, key=lambda one: one.table)),
        unreadable=tuple(Unreadable(*row) for row in unreadable.itertuples(index=False)),
        unnamed=tuple(sorted(unnamed, key=lambda one: (one.table, one.path))),
        discards=int(counts["discards"]),
        dropped=tuple(dropped),
        days_read=tuple(days_read),
    )
