"""From landed lines to tables: every record kept, set aside as a duplicate, or quarantined.

A run reads the files of the dates that are new or changed, each file once. Their records are judged
and compared with the copies received around them, and the kept ones published, date by date, as
partitions of ``events.events``. From their texts come one table per event type and name, each with
the columns that all records together ask for.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import replace

import pandas as pd

from engagement.flatten import fields, increments, tables
from engagement.flatten.declared import declared_types
from engagement.flatten.increments import READ, TABLES, Plan
from engagement.flatten.ingest import Reader, text
from engagement.flatten.registry import Registry
from engagement.flatten.report import FlatTable, FlattenReport, report
from engagement.flatten.seen import discards as discarded
from engagement.flatten.seen import seen
from engagement.flatten.table_maker import TableMaker
from engagement.messages import counted
from engagement.records.files import nothing_landed
from engagement.settings import Settings
from engagement.warehouse.loaded import LoadedWarehouse
from engagement.warehouse.protocol import Warehouse
from engagement.warehouse.reading import (
    RAW_LINES,
    LandingSession,
    LandingWarehouse,
    landing_warehouse,
)


def duplicates_sql() -> str:
    """The query that tells first copies from duplicates, for reading."""
    return text("copies")


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
    """Ingest what is new in the landing.

    Where RudderStack loads the tables, nothing is to be done: the report tells what is there.

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
    if isinstance(warehouse, LoadedWarehouse):
        return _as_loaded(warehouse, settings)
    plan = plan_run(warehouse, settings, some=only is not None).only(only)
    plans = declared_types(settings)
    if plan.is_idle:
        with warehouse.session() as session:
            wanted = tables.event_tables(fields.registered(session), plans)
            return report(session, wanted, (), ())
    landing = landing_warehouse(warehouse)
    before = len(warehouse.log.statements)
    with landing.session(write=True) as session:
        # Only who holds the lease knows what is to be done.
        plan = increments.plan(session, landing.landing_files(whole=True), settings).only(only)
        registry = Registry(session, plans)
        read, dropped = _Run(landing, session, settings, registry, plan).ingest()
        made = report(session, registry.wanted(), read, dropped)
    scanned = [
        statement.scanned_bytes
        for statement in warehouse.log.statements[before:]
        if statement.label == RAW_LINES and statement.scanned_bytes is not None
    ]
    return replace(
        made,
        bytes_read=sum(file.size for day in read for file in plan.files.get(day, ())),
        bytes_scanned=sum(scanned) if scanned else None,
    )


def _as_loaded(warehouse: LoadedWarehouse, settings: Settings) -> FlattenReport:
    """Say what the tables hold that RudderStack made."""
    with warehouse.session(write=True) as session:
        # The views over its tables have the columns that these have now.
        found = seen(warehouse, session, settings)
        flat = [FlatTable(t.table, t.rows, session.columns(t.table)) for t in found.tables]
        discards = sum(n for _, _, n in discarded(session))
    return FlattenReport(
        tables=tuple(sorted(flat, key=lambda one: one.table)),
        unreadable=(),
        unnamed=(),
        discards=discards,
        words="No landed file had to be read: RudderStack flattens the events itself.",
    )


def what_to_do(warehouse: Warehouse, settings: Settings) -> str:
    """Say in a sentence what :func:`flatten` would do now.

    Raises
    ------
    LandingError
        When the landing does not exist or holds no file in the asked range of dates.
    """
    if isinstance(warehouse, LoadedWarehouse):
        where = warehouse.rudderstack_schema or "rudderstack_schema, which is not set"
        return f"nothing: RudderStack flattens the events itself, into the schema {where}."
    return "; ".join(plan_run(warehouse, settings).sentences())


def duplicates_as_run(warehouse: Warehouse) -> str:
    """The SQL that tells copies from first deliveries, as this engine runs it."""
    if isinstance(warehouse, LoadedWarehouse):
        return warehouse.copies_sql()
    values = {"window_days": 7, "every_source": True, "write_keys": []}
    return warehouse.render(duplicates_sql(), values)


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
    landing = landing_warehouse(warehouse).landing_files(whole=True)
    has_any = any(increments.in_range(f.received_at_utc_date, settings) for f in landing.files)
    if not has_any and not some:
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
        found = seen(warehouse, session, settings)
    rows = []
    for table in found.tables:
        own = [one for one in found.known if table.takes(one)]
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


class _Run:
    """One run of flattening, under way."""

    def __init__(
        self,
        warehouse: LandingWarehouse,
        session: LandingSession,
        settings: Settings,
        registry: Registry,
        plan: Plan,
    ) -> None:
        self._warehouse = warehouse
        self._session = session
        self._plan = plan
        self._unread = sorted(plan.read)
        self._stages = {day: READ if day in plan.read else TABLES for day in plan.tables}
        self._reader = Reader(session, settings, plan, registry)
        self._maker = TableMaker(
            session, registry, rereads=warehouse.rereads_tables, is_clean=not plan.unfinished
        )

    def ingest(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
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
            with session.transaction():
                if self._unread:
                    read += self._read_some()
                if not self._unread:
                    self._warehouse.log.about("making the tables of all dates")
                    dropped = self._maker.make_all(self._stages.keys())
                    session.finish()
                    self._warehouse.log.about("")
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
        span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
        left = counted(len(self._unread), "date")
        self._warehouse.log.about(f"reading {span}; {left} left")
        # Tables whose rows of these dates may have to go.
        self._maker.touch(days)
        kept, turned = self._reader.read(days, self._unread)
        self._unread = sorted({*self._unread[len(days) :], *turned})
        self._stages.update(dict.fromkeys(turned, READ))
        self._stages.update(dict.fromkeys(days, TABLES))
        if self._unread:
            increments.note_unfinished(session, self._stages)
        self._maker.touch(days)
        self._maker.make_of_read(kept, days)
        return days
