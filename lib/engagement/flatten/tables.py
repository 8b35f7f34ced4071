"""One table per event type and name, made from ``events.events`` and the registry.

Only the dates that changed are made again; a table whose columns another type has now is made anew
as a whole, from the records' own texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import groupby

import pyarrow as pa
from sqlglot import exp

from engagement.flatten import crowded
from engagement.flatten.fields import TYPE_TABLES, Plans, Registered, merged_sources, table_of
from engagement.flatten.names import FIXED_TABLES, event_name
from engagement.flatten.schema import (
    DEFAULT_COLUMNS,
    PARTITION,
    Column,
    Path,
    Source,
    Unnamed,
    plan_columns,
    with_lists,
)
from engagement.sql.conversions import (
    BIGINT,
    DOUBLE,
    IS_INTEGRAL,
    LIST,
    TIMESTAMP,
    UNLISTED,
    VARCHAR,
    fitted_to,
    from_json,
    from_text,
)
from engagement.sql.dialect import Table, literal
from engagement.warehouse.json_values import JsonColumn
from engagement.warehouse.reading import KeptRecords, LaidOutRecords, LandingSession

EVENTS = Table("events", "events")
KEPT_TEXTS = Table("work", "kept_texts")

TIMES = ("received_at", "sent_at", "original_timestamp", "timestamp")
"""Default columns whose values may not fit."""


@dataclass(frozen=True)
class EventTable:
    """A table to be: where its rows come from, and its columns.

    ``kind`` is the event type, or ``tracks`` for the table of all tracks; ``events`` the names that
    go to it; ``days`` the received dates that hold any; ``columns`` those beside the default ones
    that hold a value, with their types.
    """

    name: str
    kind: str
    events: tuple[str, ...]
    days: frozenset[str]
    rows: int
    columns: tuple[tuple[Column, str], ...]
    unnamed: tuple[Unnamed, ...]

    @property
    def table(self) -> Table:
        """Its name in the warehouse."""
        return Table("events", self.name)

    def takes(self, one: Registered) -> bool:
        """Whether events of a type and name go to it."""
        kind = "track" if self.kind == "tracks" else self.kind
        return one.kind == kind and one.event in self.events

    @cached_property
    def definition(self) -> dict[str, str]:
        """All its columns with their types, in order."""
        of_tracks = {"event_text": VARCHAR, "event": VARCHAR}
        own = {column.name: kind for column, kind in self.columns}
        return {
            **DEFAULT_COLUMNS,
            **(of_tracks if self.kind in ("track", "tracks") else {}),
            **dict(sorted(own.items())),
            PARTITION: VARCHAR,
        }


def event_tables(known: Sequence[Registered], plans: Plans) -> list[EventTable]:
    """Work out the tables that all events ask for, in the order in which they are made."""
    tracks = [one for one in known if one.kind == "track"]
    wanted: list[tuple[str, str, list[Registered]]] = [("tracks", "tracks", tracks)]
    wanted += [
        (table, kind, [one for one in known if one.kind == kind])
        for kind, table in TYPE_TABLES.items()
    ]
    by_table: dict[str, list[Registered]] = {}
    for one in tracks:
        by_table.setdefault(table_of("track", one.event), []).append(one)
    by_table.pop("", None)
    wanted += [(table, "track", found) for table, found in sorted(by_table.items())]
    return [_event_table(*item, plans.get(item[0], {})) for item in wanted]


def _event_table(
    name: str, kind: str, known: Sequence[Registered], declared: Mapping[str, str]
) -> EventTable:
    sources = with_lists(kind, merged_sources(known), declared)
    columns, unnamed = plan_columns(
        name, kind, ((path, source.kinds) for path, source in sources.items()), declared
    )
    typed = []
    for column in columns:
        column.sources = [replace(sources[one.path], root=one.root) for one in column.sources]
        kind_of_column = column.type()
        if kind_of_column:
            typed.append((column, kind_of_column))
    typed, left = crowded.that_fit(typed, known)
    unnamed += [
        Unnamed(name, one.path, crowded.REASON) for column in left for one in column.sources
    ]
    events = tuple(sorted({one.event for one in known}))
    rows = sum(one.events for one in known)
    days = frozenset(day for one in known for day in one.days)
    return EventTable(name, kind, events, days, rows, tuple(typed), tuple(unnamed))


def holds_tracks(own: EventTable, tracks: EventTable) -> bool:
    """Whether the table of an event has all that ``tracks`` has of it, as ``tracks`` has it.

    It has not where a column has another type there, or gets values from other paths. A column
    that it lacks is NULL for all its events.
    """
    if own.kind != "track" or any(one.reason == crowded.REASON for one in own.unnamed):
        return False
    of_tracks = {column.name: (kind, column) for column, kind in tracks.columns}
    for column, kind in own.columns:
        if column.name in of_tracks:
            wanted, same = of_tracks[column.name]
            paths = {source.path for source in same.sources}
            if kind != wanted or any(source.path not in paths for source in column.sources):
                return False
    return True


# --- making a table -----------------------------------------------------------------------------


def publish(
    session: LandingSession,
    wanted: EventTable,
    rows: Table | None,
    days: Sequence[str] | None,
    held_by: Sequence[EventTable] = (),
) -> None:
    """Make a table's rows of some dates again, or all of them (``None``).

    They are made of ``rows``, and taken from other tables that hold them already.
    """
    parts: list[exp.Query] = [_held(wanted, own, days) for own in held_by]
    if rows:
        leaves = Leaves(wanted)
        table = session.json_columns(
            f"leaves_{wanted.name}", rows, "record", leaves.wanted(), lazy=True
        )
        parts.append(_select(wanted, table, leaves))
    whole = union(parts, by_name=bool(held_by))
    session.publish(wanted.table, whole, partitions=days, columns=wanted.definition)


def _held(wanted: EventTable, own: EventTable, days: Sequence[str] | None) -> exp.Select:
    """Rows of ``tracks`` that the table of an event holds, without columns that they lack.

    Fifty tables of eighty columns would be much to plan if each of them was named.
    """
    more = [exp.to_identifier(n, quoted=True) for n in own.definition if n not in wanted.definition]
    chosen = exp.Star(except_=more) if more else exp.Star()
    query = exp.Select(expressions=[chosen]).from_(own.table.node(), copy=False)
    if days is None:
        return query
    return query.where(exp.column(PARTITION).isin(*map(literal, days)), copy=False)


def publish_empty(session: LandingSession, wanted: EventTable) -> None:
    """Make a table that no event goes to."""
    session.publish_empty(wanted.table, wanted.definition)


def rows_kept(
    session: LandingSession,
    wanted: EventTable,
    days: Sequence[str] | None,
    mapping: Table,
    events: Sequence[str] | None = None,
) -> Table:
    """The kept events of a table on some dates, or on all (``None``), with their records.

    Where ``events`` are given, only those of the table that have one of these names.
    """
    query = _rows(wanted, EVENTS, mapping, events).select(
        exp.column("record", table="e"), copy=False
    )
    # Other dates hold none of its events: there is no need to look.
    dates = [literal(day) for day in sorted(wanted.days.intersection(days or wanted.days))]
    held = exp.column(PARTITION, table="e").isin(*dates) if dates else exp.false()
    query = query.where(held, copy=False)
    return session.readable(f"rows_{wanted.name}", query, _row_columns(wanted))


def _row_columns(wanted: EventTable) -> dict[str, str]:
    """What :func:`_rows` gives, and the records' texts."""
    own = {column.name for column, _ in wanted.columns}
    columns = {name: kind for name, kind in wanted.definition.items() if name not in own}
    return {**columns, "record": VARCHAR}


def rows_just_read(
    records: LaidOutRecords,
    wanted: EventTable,
    mapping: Table,
    events: Sequence[str] | None = None,
) -> Table:
    """The kept events of a table (or some of them) among those just read, once laid out."""
    query = _rows(wanted, KEPT_TEXTS, mapping, events)
    kind = "track" if wanted.kind == "tracks" else wanted.kind
    named: dict[tuple[str, str], dict[str, str]] = {}
    for name in wanted.events if events is None else events:
        of_name = {"event_text": name, "event": event_name(name)}
        named[kind, name] = of_name if kind == "track" else {}
    return records.rows(f"rows_{wanted.name}", query, _row_columns(wanted), named)


def lay_out(records: KeptRecords, wanted: Sequence[EventTable]) -> LaidOutRecords | None:
    """Make ready for some tables to be made of the records just read; None if they cannot be."""
    return records.lay_out(len(wanted), _shared(wanted))


def _shared(wanted: Sequence[EventTable]) -> Iterator[JsonColumn]:
    """Values that more than half of some tables ask for, for engines that have a use for them."""
    asked = Counter(item for table in wanted for item in Leaves(table).wanted().values())
    yield from (item for item, tables in asked.items() if tables > len(wanted) / 2)


def _rows(
    wanted: EventTable, source: Table, mapping: Table, events: Sequence[str] | None
) -> exp.Select:
    """The columns of a table's events that all tables of their kind have."""
    kind = "track" if wanted.kind == "tracks" else wanted.kind
    is_mapped = False
    chosen: list[exp.Expr] = [
        exp.alias_(exp.column(name, table="e", quoted=True), name, quoted=True)
        for name in (*DEFAULT_COLUMNS, PARTITION)
    ]
    if kind == "track":
        chosen.append(exp.alias_(exp.column("event", table="e"), "event_text"))
        of_all = {event_name(event) for event in wanted.events}
        # Few tables are of events that are called otherwise here.
        is_mapped = len(of_all) > 1
        name = exp.column("event_name", table="m") if is_mapped else literal(of_all.pop())
        chosen.append(exp.alias_(name, "event"))
    query = exp.Select(expressions=chosen).from_(source.node().as_("e"), copy=False)
    query = query.where(exp.column("type", table="e").eq(kind), copy=False)
    if is_mapped:
        same = exp.column("event", table="e").eq(exp.column("event", table="m"))
        query = query.join(mapping.node().as_("m"), on=same, copy=False)
    if wanted.kind == "track":
        events = wanted.events if events is None else events
    if events is not None:
        names = map(literal, events)
        query = query.where(exp.column("event", table="e").isin(*names), copy=False)
    return query


def _select(wanted: EventTable, table: Table, leaves: Leaves) -> exp.Select:
    if leaves.are_values:
        # Eighty names would be much to plan, for each of fifty tables.
        return exp.Select(expressions=[exp.Star()]).from_(table.node(), copy=False)
    chosen: dict[str, exp.Expr] = {name: quoted(name) for name in wanted.definition}
    for column, kind in wanted.columns:
        value = leaves.value(column, kind)
        if value != chosen[column.name]:
            chosen[column.name] = exp.alias_(value, column.name, quoted=True, copy=False)
    source: exp.Expr = table.node()
    if leaves.latest:
        more = [exp.alias_(value, name, copy=False) for name, value in leaves.latest.items()]
        source = exp.Select(expressions=[exp.Star(), *more]).from_(source, copy=False)
        source = source.subquery("placed", copy=False)
    # Built from a list: adding to a query one column at a time copies it each time.
    return exp.Select(expressions=list(chosen.values())).from_(source, copy=False)


def quoted(name: str) -> exp.Column:
    """A column, whatever its name is."""
    return exp.column(name, quoted=True)


class Leaves:
    """The raw values of a table's columns, one working column per source.

    A value that is read as its column has it gets that column's name; ``are_values`` tells whether
    all are. Those of ``as_given`` can be converted into texts, whether they fit a column or not.
    ``latest`` are columns that what :meth:`value` gave reads, too: places of the latest values.
    """

    def __init__(self, wanted: EventTable, *, as_given: bool = False) -> None:
        self._leaves: dict[tuple[str, Path], tuple[str, str]] = {}
        self._places: dict[tuple[str, Path], str] = {}
        self.latest: dict[str, exp.Expr] = {}
        self._wanted: dict[str, JsonColumn] = {}
        self.are_values = all(column.sources for column, _ in wanted.columns)
        for column, kind in wanted.columns:
            for source in column.sources:
                read_as = _leaf_kind(column, source, kind, as_given)
                leaf = column.name
                if as_given or not _is_value(column, read_as, kind):
                    leaf, self.are_values = f"__c{len(self._leaves)}", False
                self._leaves[column.name, source.path] = leaf, read_as
                self._wanted[leaf] = JsonColumn(source.path, read_as, source.kinds)
            for rivals in [] if as_given else _by_root(column):
                for source in rivals if len(rivals) > 1 else ():
                    place = self._places[column.name, source.path] = f"__p{len(self._places)}"
                    since = _in_common([one.path for one in rivals])
                    self._wanted[place] = JsonColumn(source.path, "place", since=since)

    def wanted(self) -> dict[str, JsonColumn]:
        """Working columns by name, with where each value is in a record."""
        return self._wanted

    def value(self, column: Column, kind: str) -> exp.Expr:
        """A column's value: of its sources the last that is not blank."""
        values = [self._latest(column, rivals, kind) for rivals in reversed(_by_root(column))]
        if not values:
            return exp.cast(exp.null(), kind)
        if len(values) == 1:
            return values[0]
        return exp.Coalesce(this=values[0], expressions=values[1:])

    def _latest(self, column: Column, rivals: Sequence[Source], kind: str) -> exp.Expr:
        """The value that stands last in its record, of sources of one root."""
        if len(rivals) == 1:
            return self.converted(column, rivals[0], kind)
        given = [self.converted(column, source, kind) for source in rivals]
        places = [quoted(self._places[column.name, source.path]) for source in rivals]
        found: list[exp.Expr] = [
            exp.Coalesce(
                this=exp.case().when(value.is_(exp.null()).not_(), place),
                expressions=[exp.Literal.string("")],
            )
            for value, place in zip(given, places, strict=True)
        ]
        while len(found) > 1:
            # An engine takes so many arguments and no more.
            found = [
                exp.Greatest(this=some[0], expressions=some[1:]) if some[1:] else some[0]
                for some in (
                    found[at : at + _MOST_ARGUMENTS] for at in range(0, len(found), _MOST_ARGUMENTS)
                )
            ]
        # Under a name of its own: an engine may write it anew for each place it is compared with.
        latest = f"__l{len(self.latest)}"
        self.latest[latest] = found[0]
        chosen = exp.Case(this=quoted(latest))
        for value, place in zip(given, places, strict=True):
            chosen = chosen.when(place.copy(), value.copy(), copy=False)
        return chosen

    def converted(self, column: Column, source: Source, kind: str) -> exp.Expr:
        """The value of one source as a type; NULL where it is blank or does not fit."""
        leaf, leaf_kind = self._leaves[column.name, source.path]
        if leaf_kind in ("text", LIST, kind, fitted_to(kind)):
            return exp.column(leaf, quoted=True)
        return parsed(_conversion(leaf_kind, kind, source.kinds == {"array"}), leaf)

    def unlisted(self, column: Column, source: Source) -> exp.Expr:
        """What was given and is no list, or holds what is none of its members; else NULL."""
        return quoted(self._leaves[column.name, source.path][0])


_MOST_ARGUMENTS = 100


def _by_root(column: Column) -> list[list[Source]]:
    """The sources of a column, those of one root together."""
    return [list(some) for _, some in groupby(column.sources, lambda source: source.root)]


def _in_common(paths: Sequence[Path]) -> int:
    """How many keys some paths begin with that are the same in all of them."""
    depth = 0
    for keys in zip(*paths, strict=False):
        if len(set(keys)) > 1:
            break
        depth += 1
    return depth


def _is_value(column: Column, read_as: str, kind: str) -> bool:
    """Whether a column is what is read, and may have its name while others still have theirs."""
    is_read = len(column.sources) == 1 and read_as in ("text", LIST, kind, fitted_to(kind))
    # Working columns may be called so.
    return is_read and column.name != "record" and not column.name.startswith("__")


# --- sets of rows ---------------------------------------------------------------------------------

_MOST_PARTS = 32


def union(queries: Sequence[exp.Query], *, by_name: bool = False) -> exp.Query:
    """All rows of some queries; of many, as a union of unions, since engines limit its depth.

    ``by_name``, for engines that can: NULL stands in columns that one of them lacks.
    """
    whole = list(queries)
    while len(whole) > _MOST_PARTS:
        groups = [whole[at : at + _MOST_PARTS] for at in range(0, len(whole), _MOST_PARTS)]
        whole = [
            exp.select("*").from_(_chain(group, by_name).subquery("part", copy=False), copy=False)
            for group in groups
        ]
    return _chain(whole, by_name)


def _chain(queries: Sequence[exp.Query], by_name: bool) -> exp.Query:
    chained: exp.Query = queries[0]
    for query in queries[1:]:
        chained = exp.Union(this=chained, expression=query, distinct=False, by_name=by_name)
    return chained


def drop_others(session: LandingSession, wanted: set[str]) -> list[str]:
    """Remove tables that no event asks for any more; gives their names."""
    fixed = FIXED_TABLES - {"accounts"}
    gone = [name for name in session.tables("events") if name not in wanted | fixed]
    for name in gone:
        session.drop(Table("events", name))
    return gone


# --- values -------------------------------------------------------------------------------------


@cache
def _tree(sql: str) -> exp.Expr:
    tree: exp.Expr = exp.maybe_parse(sql, dialect="athena")
    for node in tree.walk():
        # Where it stood in the text, which each copy would take along.
        node.meta.clear()
    return tree


def parsed(sql: str, leaf: str) -> exp.Expr:
    """A SQL text over ``leaf`` as a tree over a working column."""
    tree = _tree(sql).copy()
    for node in tree.find_all(exp.Column):
        node.this.set("this", leaf)
    return tree


def _leaf_kind(column: Column, source: Source, target: str, as_given: bool) -> str:
    """How a raw value is read: as what it is, or, where it may be several things, as JSON."""
    kinds = source.kinds
    if column.is_list and not kinds <= {"array"}:
        return UNLISTED if as_given else LIST
    if target == VARCHAR:
        return "text"
    if not as_given:
        if target == TIMESTAMP and kinds <= {"string"}:
            return TIMESTAMP
        if target == BIGINT and kinds <= {"integer"}:
            return BIGINT
    if kinds <= {"string"} or kinds <= {"array"}:
        return "string"
    if kinds <= {"integer"}:
        return "integer"
    if kinds <= {"boolean"}:
        return "boolean"
    if kinds <= {"integer", "double"}:
        if column.declared == DOUBLE:
            return "double"
        # From there on two integers may be one double.
        if not column.declared and source.values.largest_integer < 2**53:
            return "double"
    return "json" if as_given else fitted_to(target)


def _conversion(kind: str, target: str, only_arrays: bool) -> str:
    """SQL that turns a raw value, called ``leaf``, into a column's type.

    NULL where it is blank or does not fit.
    """
    match kind, target:
        case "string", "varchar":
            return "leaf"
        case "string", _:
            return f"cast(null as {target})" if only_arrays else from_text("leaf", target)
        case (("integer" | "boolean"), "varchar"):
            return "cast(leaf as varchar)"
        case "integer", "bigint":
            return "try_cast(leaf as bigint)"
        case (("integer" | "double"), "double"):
            return "cast(leaf as double)"
        case "double", "bigint":
            return f"case when {IS_INTEGRAL.format(d='leaf')} then cast(leaf as bigint) end"
        case "boolean", "boolean":
            return "leaf"
        case "json", _:
            return from_json("leaf", target)
    return f"cast(null as {target})"


def mapping_rows(known: Sequence[Registered]) -> pa.Table:
    """What the column ``event`` says of each event's name."""
    names = sorted({one.event for one in known if one.kind == "track"})
    return pa.table(
        {
            "event": pa.array(names, pa.string()),
            "event_name": pa.array([event_name(name) for name in names], pa.string()),
        }
    )


def in_lanes(
    session: LandingSession,
    function: Callable[[EventTable], list[exp.Query]],
    items: Sequence[EventTable],
) -> Iterator[exp.Query]:
    """Make tables, several at once where the engine allows it; gives what did not fit."""
    for queries in session.map(lambda _, item: function(item), items):
        yield from queries
