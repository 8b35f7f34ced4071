"""What events were seen to hold, by table: as the registry says, or RudderStack's tables do.

Both give the same things, so that whoever tells of events and their properties need not ask.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from engagement.flatten import fields
from engagement.flatten.declared import declared_types
from engagement.flatten.discards import DISCARDS
from engagement.flatten.fields import TYPE_TABLES, Registered
from engagement.flatten.schema import DEFAULT_COLUMNS, PARTITION, Column, Path, Source
from engagement.flatten.tables import EventTable, event_tables
from engagement.settings import Settings
from engagement.sql.conversions import BIGINT, BOOLEAN, DOUBLE, from_text
from engagement.sql.dialect import Table, parse
from engagement.warehouse.loaded import LoadedWarehouse
from engagement.warehouse.protocol import Session, Warehouse

_NO_PROPERTIES = {*DEFAULT_COLUMNS, PARTITION, "uuid_ts", "event", "event_text"}
_COLUMNS_AT_ONCE = 300
_LONGEST_NAME = 63
_KINDS = {BIGINT: "integer", DOUBLE: "double", BOOLEAN: "boolean"}
_OTHER = "other"


@dataclass(frozen=True)
class Seen:
    """What is known of every event type and name, and the tables that they are in."""

    known: Sequence[Registered]
    tables: Sequence[EventTable]


def seen(warehouse: Warehouse, session: Session, settings: Settings) -> Seen:
    """Find out which tables of events there are, and which properties."""
    if isinstance(warehouse, LoadedWarehouse):
        return _loaded(session)
    known = fields.registered(session)
    return Seen(known, event_tables(known, declared_types(settings)))


def _loaded(session: Session) -> Seen:
    """Look at the tables that RudderStack made.

    A property is known by its column there, whatever it was called when it was sent. Those of the
    context are counted in ``tracks`` alone.
    """
    events: Counter[tuple[str, str]] = Counter()
    days: dict[tuple[str, str], set[str]] = {}
    if session.columns(fields.NAMES):
        names = fields.event_names(session)[[PARTITION, "type", "event", "events"]]
        for day, kind, event, count in names.itertuples(index=False):
            events[kind, event] += int(count)
            days.setdefault((kind, event), set()).add(day)
    discarded = {(table, column) for table, column, _ in discards(session)}
    given: dict[tuple[str, str], dict[Path, int]] = {key: {} for key in events}
    first_seen: dict[tuple[str, str], dict[Path, str]] = {key: {} for key in events}
    tables = []
    for name in session.tables("events"):
        if name in ("events", DISCARDS.name):
            continue
        table, own = _event_table(session, name, events, days, discarded)
        tables.append(table)
        if table.events:
            # The counts are the table's: they are noted with one of its events.
            first = ("track" if table.kind == "tracks" else table.kind, table.events[0])
            for path, (count, day) in own.items():
                given[first][path] = count
                first_seen[first][path] = day
    known = [
        Registered(*key, events[key], frozenset(days[key]), (), given[key], first_seen[key])
        for key in sorted(events)
    ]
    return Seen(known, tables)


def _event_table(
    session: Session,
    name: str,
    events: Mapping[tuple[str, str], int],
    days: Mapping[tuple[str, str], set[str]],
    discarded: set[tuple[str, str]],
) -> tuple[EventTable, dict[Path, tuple[int, str]]]:
    """A table, and of each property how many events have it and since when."""
    table = Table("events", name)
    columns = session.columns(table)
    kind = {one: kind for kind, one in TYPE_TABLES.items()}.get(name, "track")
    kind = "tracks" if name == "tracks" else kind
    of_kind = "track" if kind == "tracks" else kind
    own = sorted(
        event
        for one, event in events
        if one == of_kind
        and (kind == "tracks" or fields.table_of(one, event)[:_LONGEST_NAME] == name)
    )
    properties = [one for one in columns if one not in _NO_PROPERTIES]
    if kind != "tracks":
        properties = [one for one in properties if not one.startswith("context_")]
    rows, found = _counted(session, table, properties)
    made = []
    for one, type_ in columns.items():
        if one in _NO_PROPERTIES:
            continue
        sources = []
        if (name, one) in found:
            kinds = {_KINDS.get(type_, "string")}
            kinds |= {_OTHER} if (name, one) in discarded else set()
            sources = [Source((name, one), frozenset(kinds))]
        made.append((Column(one, None, sources), type_))
    of_days = frozenset(day for event in own for day in days[of_kind, event] if day)
    return EventTable(name, kind, tuple(own), of_days, rows, tuple(made), ()), found


def _counted(
    session: Session, table: Table, columns: Sequence[str]
) -> tuple[int, dict[Path, tuple[int, str]]]:
    """Rows of a table, and by column the values that are not NULL and the first date of one."""
    found: dict[Path, tuple[int, str]] = {}
    rows = 0
    for start in range(0, max(len(columns), 1), _COLUMNS_AT_ONCE):
        some = columns[start : start + _COLUMNS_AT_ONCE]
        asked = [exp.alias_(exp.Count(this=exp.Star()), "n")]
        for place, one in enumerate(some):
            value = exp.column(one, quoted=True)
            day = exp.Case().when(value.copy().is_(exp.null()).not_(), exp.column(PARTITION))
            asked.append(exp.alias_(exp.Count(this=value), f"n{place}"))
            asked.append(exp.alias_(exp.Min(this=day), f"d{place}"))
        query = exp.select(*asked).from_(table.node())
        row = session.query(query, label=f"properties of {table.name}").iloc[0]
        rows = int(row["n"])
        for place, one in enumerate(some):
            if int(row[f"n{place}"]):
                found[table.name, one] = int(row[f"n{place}"]), str(row[f"d{place}"])
    return rows, found


def discards(session: Session) -> list[tuple[str, str, int]]:
    """How many values did not fit, by table and column."""
    found = session.query(
        f"select table_name, column_name, count(*) as n from {DISCARDS} group by 1, 2",
        label="values that did not fit",
    )
    return [(table, column, int(n)) for table, column, n in found.itertuples(index=False)]


def misfits(
    warehouse: Warehouse, session: Session, settings: Settings, found: Seen
) -> dict[tuple[str, str], int]:
    """Values that are not of their column's declared type, by table and column.

    Where RudderStack chose the column's type, texts in it may be none of the declared type; models
    read them as NULL.
    """
    counts = {(table, column): n for table, column, n in discards(session)}
    if not isinstance(warehouse, LoadedWarehouse):
        return counts
    declared = declared_types(settings)
    for table in found.tables:
        kinds = {column.name: kind for column, kind in table.columns}
        odd = {
            name: wanted
            for name, wanted in declared.get(table.name, {}).items()
            if kinds.get(name) == "varchar" and wanted != "varchar"
        }
        for name, wanted in odd.items():
            fits = parse(f"select {from_text('x', wanted)}").expressions[0]
            value = exp.column(name, quoted=True)
            for node in list(fits.find_all(exp.Column)):
                node.replace(value.copy())
            query = exp.select(exp.alias_(exp.Count(this=exp.Star()), "n")).from_(
                table.table.node()
            )
            query = query.where(value.copy().is_(exp.null()).not_(), fits.is_(exp.null()))
            more = int(session.query(query, label=f"types of {table.name}")["n"].iloc[0])
            if more:
                counts[table.name, name] = counts.get((table.name, name), 0) + more
    return counts
