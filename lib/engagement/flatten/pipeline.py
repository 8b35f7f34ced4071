"""From landed lines to tables: every record kept, set aside as a duplicate, or quarantined.

The landing is read once. Its lines are cut into records, the records judged and deduplicated, and
the kept ones published as ``events.events``; from their texts come one table per event type and
name, each with the columns that its records ask for (:mod:`engagement.flatten.schema`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import pandas as pd
from sqlglot import exp

from engagement.flatten.names import FIXED_TABLES, table_name
from engagement.flatten.schema import (
    BIGINT,
    BOOLEAN,
    DEFAULT_COLUMNS,
    DOUBLE,
    NUMERIC_TEXT,
    PARTITION,
    TIMESTAMP,
    VARCHAR,
    Column,
    Path,
    Source,
    Unnamed,
    Values,
    plan_columns,
)
from engagement.landing.files import nothing_landed
from engagement.settings import Settings
from engagement.warehouse.base import FileLines, JsonColumn, Session, Warehouse
from engagement.warehouse.dialect import Table, literal

TYPE_TABLES = {
    "identify": "identifies",
    "page": "pages",
    "screen": "screens",
    "group": "groups",
    "alias": "aliases",
}

_ENVELOPE = {
    "message_id": ("messageId",),
    "type": ("type",),
    "event": ("event",),
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
}

_TOKEN = r'"[^"\\]*(?:\\.[^"\\]*)*"?|[}]\s*[{]|[^"}]+|[}]'  # noqa: S105 (a pattern)
_CUT = r"^[}]\s*[{]$"
_MARK = "\x1e"  # a control character: it stands in no valid JSON text


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

    def largest(self) -> str:
        """Name of the table of an event name that has most rows; of all tracks if there is none."""
        named = [t for t in self.tables if t.table.name not in FIXED_TABLES]
        chosen = max(named, key=lambda t: (t.rows, t.table.name), default=None)
        return str(chosen.table) if chosen else "events.tracks"


def duplicates_sql() -> str:
    """The query that tells first copies from duplicates, for reading."""
    return _sql("kept")


def flatten(warehouse: Warehouse, settings: Settings) -> FlattenReport:
    """Flatten the landing into tables.

    Raises
    ------
    LandingError
        When the landing does not exist or holds no file in the asked range of dates.
    """
    landing = warehouse.landing_files()
    if not landing.files:
        span = settings.landing
        raise nothing_landed(landing.location, len(landing.strays), span.from_, span.to)
    with warehouse.session(write=True) as session:
        files = _judge_records(session, settings, landing.files)
        session.publish(Table("events", "events"), _sql("events"))
        session.publish(Table("landing", "quarantine"), _sql("quarantine"))
        session.publish(Table("landing", "ledger"), _sql("ledger"))
        return _flatten_events(session, files)


def _sql(name: str) -> str:
    file = resources.files("engagement.flatten") / "sql" / f"{name}.sql"
    return file.read_text(encoding="utf-8")


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
    _, files = session.landing_lines(landed)
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
    records = session.work(
        "records", _sql("records"), {"token": _TOKEN, "cut": _CUT, "mark": _MARK}
    )
    session.json_columns(
        "envelope",
        records,
        "record",
        {name: JsonColumn(path, "string") for name, path in _ENVELOPE.items()},
        where="is_object",
        keep=True,
    )
    session.work("classified", _sql("classified"))
    keys = settings.landing.write_keys
    session.work(
        "kept",
        _sql("kept"),
        {
            "window_days": settings.duplicates.window_days,
            "every_source": not keys,
            "write_keys": keys,
        },
    )
    return files


# --- tables -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """The events of one table to be."""

    table: str
    kind: str
    paths: tuple[tuple[Path, frozenset[str]], ...]


def _flatten_events(session: Session, files: Sequence[FileLines]) -> FlattenReport:
    names = session.query(
        "select distinct event from work.kept where type = 'track' and not is_duplicate "
        "order by event",
        label="event names",
    )["event"]
    mapping = [(kind, None, table) for kind, table in TYPE_TABLES.items()]
    mapping += [("track", name, table_name(name)) for name in names]
    session.work(
        "mapping", values_query({"type": VARCHAR, "event": VARCHAR, "flat_table": VARCHAR}, mapping)
    )
    session.work("events", _sql("flat_events"))
    discards: list[exp.Query] = [_time_discards()]
    published: list[FlatTable] = []
    unnamed: list[Unnamed] = []
    for number, part in enumerate(_parts(session)):
        flat, dropped, misfits = _publish_part(session, part, number)
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


def _parts(session: Session) -> list[_Part]:
    seen = session.json_paths(Table("work", "events"), "record", ["kind", "flat_table"])
    paths: dict[tuple[str, str], list[tuple[Path, frozenset[str]]]] = {}
    tracks: dict[Path, frozenset[str]] = {}
    for (kind, table), path, kinds in seen:
        paths.setdefault((kind, table), []).append((path, kinds))
        if kind == "track":
            tracks[path] = tracks.get(path, frozenset()) | kinds
    parts = [_Part("tracks", "tracks", tuple(tracks.items()))]
    parts += [
        _Part(table, kind, tuple(paths.pop((kind, table), ())))
        for kind, table in TYPE_TABLES.items()
    ]
    parts += [
        _Part(table, kind, tuple(found)) for (kind, table), found in sorted(paths.items()) if table
    ]
    return parts


def _publish_part(
    session: Session, part: _Part, number: int
) -> tuple[FlatTable, list[Unnamed], list[exp.Query]]:
    columns, unnamed = plan_columns(part.table, part.kind, part.paths)
    source = session.work("part", _part_rows(part))
    exact: frozenset[Path] = frozenset()
    while True:
        leaves = _Leaves(columns, exact)
        table = session.json_columns(f"leaves_{number}", source, "record", leaves.wanted())
        types, inexact = leaves.types(session, table)
        if not inexact:
            break
        exact |= inexact
    published = session.publish(
        Table("events", part.table), _part_select(part, table, columns, leaves, types)
    )
    flat = FlatTable(published.table, published.rows, session.columns(published.table))
    return flat, unnamed, leaves.discards(part.table, table)


def _part_rows(part: _Part) -> exp.Select:
    events = Table("work", "events").node()
    kind = "track" if part.kind == "tracks" else part.kind
    query = exp.select("*").from_(events).where(exp.column("kind").eq(kind))
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
            chosen.append(exp.alias_(value, column.name, quoted=True))
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


def _union(queries: Sequence[exp.Query]) -> exp.Query:
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


def _time_discards() -> exp.Query:
    """Times of the default columns that were given and are none."""
    return _union(
        [
            exp.select(
                exp.alias_(
                    exp.case()
                    .when(exp.column("kind").eq("track"), "'tracks'")
                    .else_(exp.column("flat_table")),
                    "table_name",
                ),
                exp.alias_(exp.column("id"), "row_id"),
                exp.alias_(exp.Literal.string(name), "column_name"),
                exp.alias_(exp.column(f"raw_{name}"), "column_value"),
                exp.column("received_at"),
                exp.alias_(exp.Literal.string("not a timestamp"), "reason"),
                exp.column(PARTITION),
            )
            .from_(Table("work", "events").node())
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

    def types(self, session: Session, table: Table) -> tuple[dict[str, str], frozenset[Path]]:
        """Types of the columns that hold a value, and paths to be read again exactly."""
        types = {column.name: column.declared for column in self._columns if column.declared}
        open_columns = [column for column in self._columns if not column.declared]
        if not open_columns:
            return types, frozenset()
        counts: list[str] = []
        for column in open_columns:
            for source in column.sources:
                leaf, kind = self._leaves[column.name, source.path]
                counts += [
                    f"{sql} as {leaf}_{what}"
                    for what, sql in _counts(leaf, kind, source.kinds).items()
                ]
        row = session.query(
            f"select {', '.join(counts)} from {table}", label=f"types of {table.name}"
        ).iloc[0]
        inexact: set[Path] = set()
        for column in open_columns:
            values = Values()
            for source in column.sources:
                leaf, kind = self._leaves[column.name, source.path]
                counted = {
                    what: int(row[f"{leaf}_{what}"])
                    for what in _counts(leaf, kind, source.kinds)
                    if not pd.isna(row[f"{leaf}_{what}"])
                }
                values = values + Values(**counted)
                if kind == "double" and counted.get("largest_integer", 0) > 2**53:
                    inexact.add(source.path)
            kind_of_column = values.type()
            if kind_of_column == VARCHAR:
                inexact |= {
                    source.path
                    for source in column.sources
                    if self._leaves[column.name, source.path][1] == "double"
                }
            if kind_of_column:
                types[column.name] = kind_of_column
        return types, frozenset(inexact)

    def value(self, column: Column, kind: str) -> exp.Expr:
        values = [self._converted(column, source, kind) for source in reversed(column.sources)]
        if not values:
            return exp.cast(exp.null(), kind)
        return values[0] if len(values) == 1 else exp.func("coalesce", *values)

    def discards(self, table_name: str, table: Table) -> list[exp.Query]:
        """Values that were given and do not fit their declared column."""
        queries: list[exp.Query] = []
        for column in self._columns:
            if not column.declared or column.declared == VARCHAR:
                continue
            for source in column.sources:
                if source.kinds <= _FITTING[column.declared]:
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
        only_arrays = source.kinds == {"array"}
        return exp.maybe_parse(_conversion(leaf, leaf_kind, kind, only_arrays), dialect="athena")


_FITTING = {
    DOUBLE: {"integer", "double"},
    BIGINT: {"integer"},
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
    if kinds <= {"integer", "double"} and column.declared != VARCHAR:
        return "double"
    return "json"


_IS_INTEGRAL = "{d} = floor({d}) and abs({d}) < 9223372036854775808e0"


def _counts(leaf: str, kind: str, kinds: frozenset[str]) -> dict[str, str]:
    if kind == "string" and kinds == {"array"}:
        return {"arrays": f"count_if({leaf} not in ('[]', '[\"\"]'))"}
    if kind == "string":
        return {
            "strings": f"count(nullif({leaf}, ''))",
            "timestamps": f"count(parse_timestamp({leaf}))",
        }
    if kind == "integer":
        return {
            "integers": f"count({leaf})",
            "largest_integer": f"cast(max(abs({leaf})) as varchar)",
        }
    if kind == "double":
        return {
            "integers": f"count_if({leaf} = floor({leaf}))",
            "doubles": f"count_if({leaf} <> floor({leaf}))",
            "largest_integer": f"cast(max(case when {leaf} = floor({leaf}) and "
            f"abs({leaf}) < 1e30 then cast(abs({leaf}) as decimal(38, 0)) end) as varchar)",
        }
    if kind == "boolean":
        return {"booleans": f"count({leaf})"}
    of, text = f"json_kind({leaf})", f"json_scalar({leaf})"
    number = f"case when {of} in ('integer', 'double') then try_cast({leaf} as double) end"
    whole = f"{number} = floor({number})"
    return {
        "integers": f"count_if({whole})",
        "doubles": f"count_if({number} <> floor({number}))",
        "booleans": f"count_if({of} = 'boolean')",
        "strings": f"count_if({of} = 'string' and {text} <> '')",
        "timestamps": f"count_if({of} = 'string' and parse_timestamp({text}) is not null)",
        "arrays": f"count_if({of} = 'array' and {leaf} not in ('[]', '[\"\"]'))",
        "largest_integer": f"cast(max(case when {whole} then coalesce("
        f"abs(try_cast({leaf} as decimal(38, 0))), cast(1e30 as decimal(38, 0))) end) as varchar)",
    }


def _conversion(leaf: str, kind: str, target: str, only_arrays: bool) -> str:
    """SQL that turns a raw value into a column's type; NULL where it is blank or does not fit."""
    text, of = f"json_scalar({leaf})", f"json_kind({leaf})"
    match kind, target:
        case "string", "varchar" if only_arrays:
            return f"case when {leaf} not in ('[]', '[\"\"]') then {leaf} end"
        case "string", "varchar":
            return f"nullif({leaf}, '')"
        case "string", _:
            return _from_text(leaf, target)
        case (("integer" | "boolean"), "varchar"):
            return f"cast({leaf} as varchar)"
        case "integer", "bigint":
            return f"try_cast({leaf} as bigint)"
        case (("integer" | "double"), "double"):
            return f"cast({leaf} as double)"
        case "double", "bigint":
            return f"case when {_IS_INTEGRAL.format(d=leaf)} then cast({leaf} as bigint) end"
        case "boolean", "boolean":
            return leaf
        case "json", "varchar":
            number = f"try_cast({leaf} as double)"
            return f"""
                case {of}
                    when 'string' then nullif({text}, '')
                    when 'array' then case when {leaf} not in ('[]', '[""]') then {leaf} end
                    when 'boolean' then {leaf}
                    when 'integer' then case when {leaf} = '-0' then '0' else {leaf} end
                    when 'double' then case
                        when {_IS_INTEGRAL.format(d=number)}
                            then cast(cast({number} as bigint) as varchar)
                        else cast({number} as varchar)
                    end
                end
            """
        case "json", "boolean":
            return f"case when {of} = 'boolean' then {leaf} = 'true' end"
        case "json", _:
            numbers = _from_text(leaf, target)
            return f"""
                case
                    when {of} = 'string' then {_from_text(text, target)}
                    when {of} in ('integer', 'double') then {numbers}
                end
            """
    return f"cast(null as {target})"


def _from_text(text: str, target: str) -> str:
    number = f"try_cast({text} as double)"
    match target:
        case "timestamp(3)":
            return f"parse_timestamp({text})"
        case "double":
            return f"case when regexp_like({text}, '{NUMERIC_TEXT}') then {number} end"
        case "bigint":
            return (
                f"case when regexp_like({text}, '^[-+]?[0-9]{{1,18}}$') "
                f"then try_cast({text} as bigint) "
                f"when regexp_like({text}, '{NUMERIC_TEXT}') and {_IS_INTEGRAL.format(d=number)} "
                f"then cast({number} as bigint) end"
            )
    return f"cast(null as {target})"
