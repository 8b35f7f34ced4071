"""From landed lines to tables: every record kept, set aside as a duplicate, or quarantined.

The landing is read once. Its lines are cut into records, the records judged and deduplicated, and
the kept ones published as ``events.events``; from their texts come one table per event type and
name, each with the columns that its records ask for (:mod:`engagement.flatten.schema`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd
from sqlglot import exp

from engagement.flatten.names import FIXED_TABLES, column_name, table_name
from engagement.flatten.schema import (
    DEFAULT_COLUMNS,
    PARTITION,
    Column,
    Path,
    Source,
    Unnamed,
    Values,
    plan_columns,
)
from engagement.landing.files import LandingError, nothing_landed
from engagement.landing.lines import cut_records
from engagement.settings import Settings
from engagement.warehouse.base import FileLines, JsonColumn, Session, Warehouse
from engagement.warehouse.dialect import Table, literal, parse
from engagement.warehouse.values import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    IS_INTEGRAL,
    TIMESTAMP,
    VARCHAR,
    from_json,
    from_text,
)

TYPE_TABLES = {
    "identify": "identifies",
    "page": "pages",
    "screen": "screens",
    "group": "groups",
    "alias": "aliases",
}

_PLANNED = {"string": VARCHAR, "timestamp": TIMESTAMP}
"""Athena's names for the types of a tracking plan that it calls otherwise."""

MOST_COLUMNS = 200
"""A table with more columns than this is reported: some key may hold what is no name."""

_ENVELOPE = {
    "json_message_id": ("messageId",),
    "type": ("type",),
    "json_event": ("event",),
    "json_anonymous_id": ("anonymousId",),
    "json_user_id": ("userId",),
    "channel": ("channel",),
    "write_key": ("writeKey",),
    "request_ip": ("request_ip",),
    "context_ip": ("context", "ip"),
    "raw_received_at": ("receivedAt",),
    "raw_sent_at": ("sentAt",),
    "raw_original_timestamp": ("originalTimestamp",),
    "raw_timestamp": ("timestamp",),
}

# Spelled out, since the engines differ in what \s and a dot stand for.
_SEAM = r"[}][ \t]*[{]"
_TOKEN = rf'"[^"\\]*(?:\\[^\n][^"\\]*)*"?|{_SEAM}|[^"}}]+|[}}]'
_CUT = f"^{_SEAM}$"
_MARK = "\x1e"


@dataclass(frozen=True)
class FlatTable:
    """A table that was published: how many rows, and its columns with their types."""

    table: Table
    rows: int
    columns: dict[str, str]


@dataclass(frozen=True)
class FlattenReport:
    """What flattening did.

    ``tables`` are the per-event tables in order of name; ``unreadable`` the files that could not
    be read and why; ``unnamed`` the paths that have no column; ``discards`` the values that did
    not fit a declared column; ``dropped`` tables of earlier runs that no event asks for any more.
    """

    tables: tuple[FlatTable, ...]
    unreadable: tuple[FileLines, ...]
    unnamed: tuple[Unnamed, ...]
    discards: int
    dropped: tuple[str, ...] = field(default=())

    def frame(self) -> pd.DataFrame:
        """One row per table: rows and number of columns, most rows first."""
        rows = [(str(t.table), t.rows, len(t.columns)) for t in self.tables]
        frame = pd.DataFrame(rows, columns=["table", "rows", "columns"])
        return frame.sort_values(["rows", "table"], ascending=[False, True], ignore_index=True)

    def unnamed_frame(self) -> pd.DataFrame:
        """One row per path without a column: table, path, why."""
        return pd.DataFrame(
            [(u.table, ".".join(u.path), u.reason) for u in self.unnamed],
            columns=["table", "path", "why"],
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
    return _text("kept")


def flatten(warehouse: Warehouse, settings: Settings) -> FlattenReport:
    """Flatten the landing into tables.

    Raises
    ------
    LandingError
        When the landing does not exist or holds no file in the asked range of dates; or when the
        records of a day do not add up, before anything was published.
    """
    landing = warehouse.landing_files()
    if not landing.files:
        span = settings.landing
        raise nothing_landed(landing.location, len(landing.strays), span.from_, span.to)
    with warehouse.session(write=True) as session:
        files = _judge_records(session, settings, landing.files)
        session.publish(Table("events", "events"), _sql("events"))
        set_aside = session.work("set_aside", _sql("set_aside"))
        session.locate("located", set_aside, cut_line)
        session.publish(Table("landing", "quarantine"), _sql("quarantine"))
        session.publish(Table("landing", "ledger"), "select * from work.ledger")
        return _flatten_events(session, settings, files)


@cache
def _text(name: str) -> str:
    file = resources.files("engagement.flatten") / "sql" / f"{name}.sql"
    return file.read_text(encoding="utf-8")


@cache
def _sql(name: str) -> exp.Query:
    return parse(_text(name), source=f"flatten/sql/{name}.sql")


def cut_line(line: str) -> list[str]:
    """The records of one line, as ``records.sql`` cuts it."""
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


# --- records ------------------------------------------------------------------------------------


def _judge_records(session: Session, settings: Settings, landed: Sequence[Any]) -> list[FileLines]:
    lines, files = session.landing_lines(landed)
    session.publish(
        Table("landing", "files"),
        values_query(
            {
                PARTITION: VARCHAR,
                "file": VARCHAR,
                "bytes": BIGINT,
                "lines": BIGINT,
                "blank_lines": BIGINT,
                "error": VARCHAR,
            },
            [
                (
                    f.file.received_at_utc_date,
                    f.file.name,
                    f.file.size,
                    f.lines,
                    f.blank_lines,
                    f.error,
                )
                for f in files
            ],
        ),
    )
    patterns = {"token": _TOKEN, "cut": _CUT, "seam": _SEAM, "mark": _MARK}
    records = session.work("records", _sql("records"), patterns)
    session.forget(lines)
    read = session.json_columns(
        "envelope",
        records,
        "record",
        {
            name: JsonColumn(path, "json" if name.startswith("json_") else "string")
            for name, path in _ENVELOPE.items()
        },
        where="is_object",
    )
    session.work("classified", _classified())
    session.forget(read)
    keys = settings.landing.write_keys
    sources = {"every_source": not keys, "write_keys": keys}
    session.work("kept", _sql("kept"), {"window_days": settings.duplicates.window_days, **sources})
    session.work("ledger", _sql("ledger"), sources)
    _reconcile(session)
    return files


def _classified() -> exp.Query:
    """The query of classified.sql, whose ids are strings or, in canonical text, numbers."""
    query = _sql("classified").copy()
    for node in list(query.find_all(exp.Column)):
        if node.name.startswith("json_"):
            node.replace(exp.paren(_parsed(from_json("leaf", VARCHAR), node.name), copy=False))
    return query


def _reconcile(session: Session) -> None:
    wrong = session.query(
        "select received_at_utc_date, records, events, duplicates, quarantined from work.ledger "
        "where records <> events + duplicates + quarantined order by 1",
        label="reconciliation",
    )
    if not wrong.empty:
        day = wrong.iloc[0]
        raise LandingError(
            f"the records of {len(wrong)} days do not add up, first {day.iloc[0]}: {day.iloc[1]} "
            f"records, but {day.iloc[2]} events, {day.iloc[3]} duplicates and {day.iloc[4]} in "
            "quarantine. Nothing was published; this is a mistake in the project: please report it."
        )


# --- tables -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """The events of one table to be."""

    table: str
    kind: str
    paths: tuple[tuple[Path, frozenset[str]], ...]


def _flatten_events(
    session: Session, settings: Settings, files: Sequence[FileLines]
) -> FlattenReport:
    names = session.query(
        "select distinct event from work.kept where type = 'track' and not is_duplicate "
        "order by event",
        label="event names",
    )["event"]
    mapping = [(kind, "", table) for kind, table in TYPE_TABLES.items()]
    mapping += [("track", name, table_name(name)) for name in names]
    session.work(
        "mapping", values_query({"type": VARCHAR, "event": VARCHAR, "flat_table": VARCHAR}, mapping)
    )
    events = session.work("events", _sql("flat_events"))
    session.forget(Table("work", "records"))
    plan = _plan(settings)
    discards: list[exp.Query] = [_time_discards()]
    published: list[FlatTable] = []
    unnamed: list[Unnamed] = []

    def publish(lane: int, part: _Part) -> _Published:
        return _publish_part(session, part, lane, plan.get(part.table, {}))

    for flat, dropped, misfits in session.each(publish, _parts(session, events)):
        published.append(flat)
        unnamed.extend(dropped)
        discards.extend(misfits)
    users = session.publish(Table("events", "users"), _users(session))
    published.append(FlatTable(users.table, users.rows, session.columns(users.table)))
    discarded = session.publish(Table("events", "discards"), _union(discards))
    gone = _drop_others(session, {flat.table.name for flat in published})
    return FlattenReport(
        tables=tuple(sorted(published, key=lambda flat: flat.table)),
        unreadable=tuple(f for f in files if f.error),
        unnamed=tuple(sorted(unnamed, key=lambda u: (u.table, u.path))),
        discards=discarded.rows,
        dropped=tuple(gone),
    )


def _plan(settings: Settings) -> dict[str, dict[str, str]]:
    """Declared types of the tracking plan, by table and column."""
    plan: dict[str, dict[str, str]] = {}
    for event, columns in settings.tracking_plan.items():
        table = event if event in FIXED_TABLES else table_name(event)
        plan.setdefault(table, {}).update(
            {column_name(name): _PLANNED.get(kind, kind) for name, kind in columns.items()}
        )
    return plan


def _parts(session: Session, events: Table) -> list[_Part]:
    seen = session.json_paths(events, "record", ["type", "flat_table"])
    paths: dict[tuple[str, str], dict[Path, frozenset[str]]] = {}
    tracks: dict[Path, frozenset[str]] = {}
    for (kind, table), path, kinds in seen:
        paths.setdefault((kind, table), {})[path] = kinds
        if kind == "track":
            tracks[path] = tracks.get(path, frozenset()) | kinds
    parts = [_Part("tracks", "tracks", _values_of(tracks))]
    parts += [
        _Part(table, kind, _values_of(paths.pop((kind, table), {})))
        for kind, table in TYPE_TABLES.items()
    ]
    parts += [
        _Part(table, kind, _values_of(found))
        for (kind, table), found in sorted(paths.items())
        if table
    ]
    return parts


def _values_of(paths: Mapping[Path, frozenset[str]]) -> tuple[tuple[Path, frozenset[str]], ...]:
    """The paths that hold a value; those that lead to an object in other records say so."""
    inner = {path[:depth] for path in paths for depth in range(1, len(path))}
    return tuple(
        (path, kinds | {"object"} if path in inner else kinds)
        for path, kinds in paths.items()
        if kinds != {"object"}
    )


_Published = tuple[FlatTable, list[Unnamed], list[exp.Query]]


def _publish_part(session: Session, part: _Part, lane: int, plan: Mapping[str, str]) -> _Published:
    columns, unnamed = plan_columns(part.table, part.kind, part.paths, plan)
    source = session.work(f"part_{lane}", _part_rows(part))
    exact: frozenset[Path] = frozenset()
    while True:
        leaves = _Leaves(columns, exact)
        table = session.json_columns(f"leaves_{part.table}", source, "record", leaves.wanted())
        found = leaves.look(session, table)
        if not found.inexact:
            break
        exact |= found.inexact
    published = session.publish(
        Table("events", part.table), _part_select(part, table, columns, leaves, found.types)
    )
    flat = FlatTable(published.table, published.rows, session.columns(published.table))
    discards = leaves.discards(part.table, table, found.misfits)
    if not discards:
        session.forget(table)
    return flat, unnamed, discards


def _part_rows(part: _Part) -> exp.Select:
    kind = "track" if part.kind == "tracks" else part.kind
    query = exp.select("*").from_(Table("work", "events").node()).where(exp.column("type").eq(kind))
    if part.kind != "tracks":
        query = query.where(exp.column("flat_table").eq(part.table))
    return query


def _part_select(
    part: _Part, table: Table, columns: list[Column], leaves: _Leaves, types: dict[str, str]
) -> exp.Select:
    chosen: list[exp.Expr] = [_quoted(name) for name in DEFAULT_COLUMNS]
    if part.kind in ("track", "tracks"):
        chosen.append(exp.alias_(exp.column("event"), "event_text"))
        chosen.append(exp.alias_(exp.column("flat_table"), "event"))
    for column in sorted(columns, key=lambda c: c.name):
        if column.name in types:
            value = leaves.value(column, types[column.name])
            chosen.append(exp.alias_(value, column.name, quoted=True, copy=False))
    chosen.append(exp.column(PARTITION))
    # Built from a list: adding to a query one column at a time copies it each time.
    return exp.Select(expressions=chosen).from_(table.node(), copy=False)


def _quoted(name: str) -> exp.Column:
    return exp.column(name, quoted=True)


def _drop_others(session: Session, wanted: set[str]) -> list[str]:
    fixed = FIXED_TABLES - {"accounts"}
    gone = [name for name in session.tables("events") if name not in wanted | fixed]
    for name in gone:
        session.drop(Table("events", name))
    return gone


_MOST_PARTS = 32


def _union(queries: Sequence[exp.Query]) -> exp.Query:
    """All rows of some queries; of many, as a union of unions, since engines limit its depth."""
    whole = list(queries)
    while len(whole) > _MOST_PARTS:
        groups = [whole[at : at + _MOST_PARTS] for at in range(0, len(whole), _MOST_PARTS)]
        whole = [
            exp.select("*").from_(_chain(group).subquery("part", copy=False), copy=False)
            for group in groups
        ]
    return _chain(whole)


def _chain(queries: Sequence[exp.Query]) -> exp.Query:
    union = queries[0]
    for query in queries[1:]:
        union = exp.union(union, query, distinct=False, copy=False)
    return union


def _users(session: Session) -> exp.Query:
    """One row per user id: the latest non-null value of every column of identifies."""
    columns = session.columns(Table("events", "identifies"))
    latest = [name for name in columns if name not in ("id", "user_id", "received_at", PARTITION)]
    # One row per user remains; each column looks for its own latest value.
    window = exp.Window(
        partition_by=[_quoted("user_id")],
        order=exp.Order(
            expressions=[
                exp.Ordered(this=_quoted("received_at"), desc=True),
                exp.Ordered(this=_quoted("id"), desc=True),
            ]
        ),
    )
    whole = window.copy()
    whole.set(
        "spec",
        exp.WindowSpec(
            kind="ROWS",
            start="UNBOUNDED",
            start_side="PRECEDING",
            end="UNBOUNDED",
            end_side="FOLLOWING",
        ),
    )

    def newest(name: str) -> exp.Expr:
        over = whole.copy()
        over.set("this", exp.IgnoreNulls(this=exp.FirstValue(this=_quoted(name))))
        return exp.alias_(over, name, quoted=True)

    number = window.copy()
    number.set("this", exp.RowNumber())
    inner = (
        exp.select(exp.alias_(_quoted("user_id"), "id", quoted=True))
        .select(*(newest(name) for name in latest))
        .select(_quoted("received_at"), _quoted(PARTITION), exp.alias_(number, "nth"))
        .from_(Table("events", "identifies").node())
        .where(exp.column("user_id").is_(exp.null()).not_())
    )
    names = ["id", *latest, "received_at", PARTITION]
    return (
        exp.select(*(_quoted(name) for name in names))
        .from_(inner.subquery("newest"))
        .where(exp.column("nth").eq(1))
    )


def _name_of_type() -> exp.Expr:
    """Name of the table of an event's type, in SQL."""
    case = exp.case()
    for kind, table in {"track": "tracks", **TYPE_TABLES}.items():
        case = case.when(exp.column("type").eq(kind), exp.Literal.string(table))
    return case


def _time_discards() -> exp.Query:
    """Times of the default columns that were given and are none."""
    return _union(
        [
            exp.select(
                exp.alias_(
                    _name_of_type(),
                    "table_name",
                ),
                exp.alias_(exp.column("id"), "row_id"),
                exp.alias_(exp.Literal.string(name), "column_name"),
                exp.alias_(exp.column(f"raw_{name}"), "column_value"),
                exp.column("received_at"),
                exp.alias_(exp.Literal.string("not a timestamp"), "reason"),
                exp.column(PARTITION),
            )
            .from_(Table("work", "kept").node())
            .where(exp.column("is_duplicate").not_())
            .where(exp.func("nullif", exp.column(f"raw_{name}"), "''").is_(exp.null()).not_())
            .where(
                exp.Anonymous(this="parse_timestamp", expressions=[exp.column(f"raw_{name}")]).is_(
                    exp.null()
                )
            )
            for name in ("received_at", "sent_at", "original_timestamp", "timestamp")
        ]
    )


# --- values -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """What was found in a table's values.

    ``types`` of the columns that hold a value; ``inexact`` paths whose numbers are to be read
    again, as text; ``misfits`` the working columns that hold a value that their column does not.
    """

    types: dict[str, str]
    inexact: frozenset[Path] = frozenset()
    misfits: frozenset[str] = frozenset()


class _Leaves:
    """The raw values of a table's columns, one working column per source.

    ``exact`` are paths whose numbers a double cannot hold: they are read as JSON text.
    """

    def __init__(self, columns: list[Column], exact: frozenset[Path]) -> None:
        self._columns = columns
        self._leaves: dict[tuple[str, Path], tuple[str, str]] = {}
        for column in columns:
            for source in column.sources:
                kind = "json" if source.path in exact else _leaf_kind(column, source)
                self._leaves[column.name, source.path] = (f"c{len(self._leaves)}", kind)

    def wanted(self) -> dict[str, JsonColumn]:
        return {leaf: JsonColumn(path, kind) for (_, path), (leaf, kind) in self._leaves.items()}

    def look(self, session: Session, table: Table) -> _Found:
        """Look at the values, in one query or, where some may all be timestamps, in two."""
        asked: list[exp.Expr] = []
        for column, source, leaf, kind in self._all():
            wanted = (
                self._misfits(column, source) if column.declared else _asked(kind, source.kinds)
            )
            asked += [_named(_parsed(sql, leaf), leaf, what) for what, sql in wanted.items()]
        found = _answers(session, table, asked, "values")
        asked = [
            _named(_parsed(sql, leaf), leaf, what)
            for leaf in [leaf for leaf, what in found if what == "start"]
            if _MAY_BE_TIMESTAMP.match(str(found[leaf, "start"]))
            for what, sql in _TIMESTAMPS.items()
        ]
        found |= _answers(session, table, asked, "timestamps")
        return self._found(found)

    def _all(self) -> Iterator[tuple[Column, Source, str, str]]:
        for column in self._columns:
            for source in column.sources:
                yield column, source, *self._leaves[column.name, source.path]

    def _found(self, found: Mapping[tuple[str, str], Any]) -> _Found:
        types = {column.name: column.declared for column in self._columns if column.declared}
        values: dict[str, Values] = {}
        inexact: set[Path] = set()
        misfits: set[str] = set()
        doubles: dict[str, set[Path]] = {}
        for column, source, leaf, kind in self._all():
            if column.declared:
                if found.get((leaf, "misfits")):
                    misfits.add(leaf)
                continue
            seen = _values(leaf, kind, found)
            values[column.name] = values.get(column.name, Values()) + seen
            if kind == "double":
                doubles.setdefault(column.name, set()).add(source.path)
                # From there on two integers may be one double.
                if seen.largest_integer >= 2**53:
                    inexact.add(source.path)
        for name, seen in values.items():
            kind_of_column = seen.type()
            if kind_of_column:
                types[name] = kind_of_column
            if kind_of_column == VARCHAR:
                inexact |= doubles.get(name, set())
        return _Found(types, frozenset(inexact), frozenset(misfits))

    def _misfits(self, column: Column, source: Source) -> dict[str, str]:
        declared = column.declared
        if not declared or declared == VARCHAR or source.kinds <= _FITTING[declared]:
            return {}
        _, kind = self._leaves[column.name, source.path]
        arrays = source.kinds == {"array"}
        given = _conversion(kind, VARCHAR, arrays)
        fitting = _conversion(kind, declared, arrays)
        return {"misfits": f"count_if(({given}) is not null and ({fitting}) is null)"}

    def value(self, column: Column, kind: str) -> exp.Expr:
        values = [self._converted(column, source, kind) for source in reversed(column.sources)]
        if not values:
            return exp.cast(exp.null(), kind)
        if len(values) == 1:
            return values[0]
        return exp.Coalesce(this=values[0], expressions=values[1:])

    def discards(self, table_name: str, table: Table, misfits: frozenset[str]) -> list[exp.Query]:
        """Values that were given and do not fit their declared column."""
        queries: list[exp.Query] = []
        for column in self._columns:
            for source in column.sources:
                leaf, _ = self._leaves[column.name, source.path]
                if not column.declared or leaf not in misfits:
                    continue
                given = self._converted(column, source, VARCHAR)
                queries.append(
                    exp.select(
                        exp.alias_(exp.Literal.string(table_name), "table_name"),
                        exp.alias_(exp.column("id"), "row_id"),
                        exp.alias_(exp.Literal.string(column.name), "column_name"),
                        exp.alias_(given, "column_value"),
                        exp.column("received_at"),
                        exp.alias_(exp.Literal.string(f"not a {column.declared}"), "reason"),
                        exp.column(PARTITION),
                    )
                    .from_(table.node())
                    .where(given.copy().is_(exp.null()).not_())
                    .where(self._converted(column, source, column.declared).is_(exp.null()))
                )
        return queries

    def _converted(self, column: Column, source: Source, kind: str) -> exp.Expr:
        leaf, leaf_kind = self._leaves[column.name, source.path]
        return _parsed(_conversion(leaf_kind, kind, source.kinds == {"array"}), leaf)


@cache
def _tree(sql: str) -> exp.Expr:
    return exp.maybe_parse(sql, dialect="athena")


def _parsed(sql: str, leaf: str) -> exp.Expr:
    """A SQL text over ``leaf`` as a tree over a working column."""
    tree = _tree(sql).copy()
    for node in tree.find_all(exp.Column):
        node.this.set("this", leaf)
    return tree


def _named(value: exp.Expr, leaf: str, what: str) -> exp.Expr:
    return exp.alias_(value, f"{leaf}_{what}", copy=False)


def _answers(
    session: Session, table: Table, asked: list[exp.Expr], label: str
) -> dict[tuple[str, str], Any]:
    """Run aggregates named ``<leaf>_<what>``; by leaf and what, those that are not NULL."""
    if not asked:
        return {}
    query = exp.Select(expressions=asked).from_(table.node(), copy=False)
    row = session.query(query, label=f"{label} of {table.name}").iloc[0]
    answers = {}
    for name, value in row.items():
        leaf, _, what = str(name).partition("_")
        if not pd.isna(value):
            answers[leaf, what] = value
    return answers


_FITTING = {
    DOUBLE: {"integer", "double"},
    BIGINT: set[str](),
    BOOLEAN: {"boolean"},
    TIMESTAMP: set[str](),
}


def _leaf_kind(column: Column, source: Source) -> str:
    kinds = source.kinds
    if kinds <= {"string"} or kinds <= {"array"}:
        return "string"
    if kinds <= {"integer"}:
        return "integer"
    if kinds <= {"boolean"}:
        return "boolean"
    if kinds <= {"integer", "double"} and column.declared in (None, DOUBLE):
        return "double"
    return "json"


_MAY_BE_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]")

_TIMESTAMPS = {
    "strings": "count(nullif(leaf, ''))",
    "timestamps": "count(parse_timestamp(leaf))",
}


def _asked(kind: str, kinds: frozenset[str]) -> dict[str, str]:
    """What to ask of a raw value, called ``leaf``, of a column without a declared type."""
    if kind == "string" and kinds == {"array"}:
        return {"arrays": "count_if(leaf not in ('[]', '[\"\"]'))"}
    if kind == "string":
        # Where all are timestamps, the last in order is one; few columns are such.
        return {"start": "substr(max(leaf), 1, 11)"}
    if kind == "integer":
        return {"largest": "cast(max(abs(leaf)) as varchar)"}
    if kind == "double":
        return {
            "doubles": "count_if(leaf <> floor(leaf))",
            "largest": "cast(max(case when leaf = floor(leaf) then "
            "cast(least(abs(leaf), 1e30) as decimal(38, 0)) end) as varchar)",
        }
    if kind == "boolean":
        return {}
    of, text = "json_kind(leaf)", "json_scalar(leaf)"
    number = f"case when {of} in ('integer', 'double') then try_cast(leaf as double) end"
    whole = f"{number} = floor({number})"
    return {
        "doubles": f"count_if({number} <> floor({number}))",
        "booleans": f"count_if({of} = 'boolean')",
        "strings": f"count_if({of} = 'string' and {text} <> '')",
        "timestamps": f"count_if({of} = 'string' and parse_timestamp({text}) is not null)",
        "arrays": f"count_if({of} = 'array' and leaf not in ('[]', '[\"\"]'))",
        "largest": f"cast(max(case when {whole} then coalesce("
        f"abs(try_cast(leaf as decimal(38, 0))), cast(1e30 as decimal(38, 0))) end) as varchar)",
    }


def _values(leaf: str, kind: str, found: Mapping[tuple[str, str], Any]) -> Values:
    """What the answers say about one raw value."""
    if kind == "boolean":
        return Values(booleans=1)
    counts = {
        what: int(found.get((leaf, what), 0))
        for what in ("doubles", "booleans", "strings", "timestamps", "arrays")
    }
    if found.get((leaf, "start")) and (leaf, "strings") not in found:
        counts["strings"] = 1
    largest = found.get((leaf, "largest"))
    return Values(**counts, integers=int(largest is not None), largest_integer=int(largest or 0))


def _conversion(kind: str, target: str, only_arrays: bool) -> str:
    """SQL that turns a raw value, called ``leaf``, into a column's type.

    NULL where it is blank or does not fit.
    """
    match kind, target:
        case "string", "varchar" if only_arrays:
            return "case when leaf not in ('[]', '[\"\"]') then leaf end"
        case "string", "varchar":
            return "nullif(leaf, '')"
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
