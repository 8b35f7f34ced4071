"""Views over the tables that RudderStack loads, as the models' sources read tables of events.

Every engine over such tables makes these views; what it writes in its own way is in :class:`Words`.
RudderStack appends by default: an event that was sent twice is there twice. A row is left out if
another of its id was received before it, within the days of ``duplicates.window_days``: the rule by
which flattening tells copies. Tables that are no events are left out.

The accounts of the landing that 02 shows have counterparts: ``landing.ledger`` counts by date what
RudderStack loaded, what is kept and what is a copy. There are no files, and no record is set aside
whole: those tables are empty.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlglot

from engagement.records.files import PARTITION
from engagement.sql.dialect import Table
from engagement.warehouse.loaded import LoadedTable

NO_EVENTS = ("users", "rudder_discards", "_rudderstack")
"""What RudderStack keeps beside events: ``users`` is made of ``identifies`` by the models."""

_STAGING = "rudder_staging_"

Tables = Mapping[str, Mapping[str, str]]
"""Columns and their types, as the server calls them, by table."""

CATALOG = """
    select c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
    from pg_attribute as a
    join pg_class as c on c.oid = a.attrelid
    join pg_namespace as s on s.oid = c.relnamespace
    where s.nspname = {schema} and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
    order by c.relname, a.attnum
"""
"""Asks for table, column and type of a schema; its name is put in as a literal."""


@dataclass(frozen=True)
class Words:
    """What the engines of this family write differently.

    Attributes
    ----------
    text
        The type of a text of any length.
    as_text
        How values of other types are made texts, by the beginning of the type's name; ``{x}`` is
        the column.
    """

    text: str = "text"
    as_text: Mapping[str, str] | None = None


@dataclass(frozen=True)
class View:
    """A view to be made: its logical name, its query, and the loaded tables that it reads."""

    table: Table
    sql: str
    reads: tuple[str, ...]

    def mark(self, schema: str) -> str:
        """What is noted beside the view, for :func:`read_mark`: changes with the query."""
        digest = hashlib.sha256(self.sql.encode()).hexdigest()[:16]
        return json.dumps({"view": digest, "schema": schema, "reads": list(self.reads)})


def read_mark(noted: str | None) -> tuple[str, str, list[str]] | None:
    """Digest of the query, schema and loaded tables of a view; ``None`` if it is none of these."""
    if not noted or not noted.startswith('{"view"'):
        return None
    found = json.loads(noted)
    return found["view"], found["schema"], found["reads"]


def quoted(name: str) -> str:
    """A name as SQL reads it."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text as SQL reads it."""
    return "'" + value.replace("'", "''") + "'"


def by_table(rows: Iterable[Sequence[str]]) -> dict[str, dict[str, str]]:
    """What :data:`CATALOG` found, by table."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        found.setdefault(table, {})[column] = kind
    return found


def event_tables(tables: Tables) -> dict[str, Mapping[str, str]]:
    """Those of the tables that hold events."""
    return {
        name: columns
        for name, columns in tables.items()
        if name not in NO_EVENTS
        and not name.startswith(_STAGING)
        and {"id", "received_at"} <= columns.keys()
    }


def view_name(table: str, loaded: Collection[str]) -> str:
    """Name of the view over a loaded table: its own, but for the names that this project uses."""
    name = table
    while name in _OWN or (name != table and name in loaded):
        name = f"_{name}"
    return name


_OWN = ("events", "discards")


def why_no_event(name: str) -> str:
    """What a table of RudderStack's is for that holds no events."""
    if name.startswith(_STAGING):
        return "RudderStack is loading, or was stopped while it did"
    return {
        "users": "RudderStack's table of people: models make theirs from identifies",
        DISCARDS: "values that fitted no column: see events.discards",
        "_rudderstack": "RudderStack's own notes",
    }.get(name, "it lacks the columns id and received_at of events")


def state_sql(schema: str, table: str, columns: Mapping[str, str], *more: str) -> str:
    """Asks what tells one state of a loaded table from another, in one row of few values.

    RudderStack only ever adds rows, or (in merge mode) replaces them by ones it loaded later: both
    raise the number of rows or the latest time at which any was loaded. ``more`` are expressions in
    which an engine sees changes that others make, too.
    """
    parts = ["count(*)", *more]
    parts += [f"max({quoted(name)})" for name in ("received_at", "uuid_ts") if name in columns]
    return f"select {', '.join(parts)} from {quoted(schema)}.{quoted(table)}"


_NOT_LOADED = "is a copy"


def _marked_sql(
    schema: str, table: str, columns: Mapping[str, str], window_days: int, words: Words
) -> str:
    """Rows of a table as a view gives them, each with whether it is a copy of an earlier one."""
    chosen = []
    for name, kind in columns.items():
        as_text = next((w for k, w in (words.as_text or {}).items() if kind.startswith(k)), None)
        if kind.startswith("timestamp"):
            time = f"timezone('UTC', {quoted(name)})" if "with time zone" in kind else quoted(name)
            chosen.append(f"date_trunc('milliseconds', {time}) as {quoted(name)}")
        elif kind.startswith(("numeric", "real")):
            chosen.append(f"cast({quoted(name)} as double precision) as {quoted(name)}")
        elif as_text is not None:
            chosen.append(f"{as_text.format(x=quoted(name))} as {quoted(name)}")
        elif kind.startswith(("character", "json", "uuid")):
            chosen.append(f"cast({quoted(name)} as {words.text}) as {quoted(name)}")
        else:
            chosen.append(quoted(name))
    if PARTITION not in columns:
        chosen.append(f"to_char({quoted('received_at')}, 'YYYY-MM-DD') as {quoted(PARTITION)}")
    return (
        f"select {', '.join(chosen)}, {_is_copy(columns, window_days)} as {quoted(_NOT_LOADED)} "
        f"from {quoted(schema)}.{quoted(table)}"
    )


_ORDER = ("received_at", "sent_at", "uuid_ts", "timestamp", "event")
OF_COPIES = ("id", *_ORDER)
"""Columns by which copies are told."""


def _is_copy(columns: Mapping[str, str], window_days: int) -> str:
    order = ", ".join(quoted(name) for name in _ORDER if name in columns)
    day = f"cast({quoted('received_at')} as date)"
    earlier = f"lag({day}) over (partition by id order by {order})"
    return f"coalesce({day} - {earlier} <= {window_days}, false)"


def view_sql(
    schema: str,
    table: str,
    columns: Mapping[str, str],
    window_days: int,
    words: Words | None = None,
) -> str:
    """The query behind a view: no copies, times in UTC, and the date of receipt."""
    marked = _marked_sql(schema, table, columns, window_days, words or Words())
    names = list(columns) if PARTITION in columns else [*columns, PARTITION]
    return (
        f"select {', '.join(map(quoted, names))} from ({marked}) as loaded "
        f"where not {quoted(_NOT_LOADED)}"
    )


def copies_sql(
    schema: str | None, tables: Tables, window_days: int, words: Words, dialect: str
) -> str:
    """The SQL that leaves copies out, as it is in the view over ``tracks``, to be read."""
    columns = event_tables(tables).get("tracks", {"id": "text", "received_at": "timestamp"})
    few = {name: columns[name] for name in OF_COPIES if name in columns}
    sql = view_sql(schema or "rudderstack", "tracks", few, window_days, words)
    return sqlglot.transpile(sql, read=dialect, write=dialect, pretty=True)[0]


def described(tables: Tables, count: Callable[[str], int]) -> list[LoadedTable]:
    """The tables of RudderStack's schema, in order of name; ``count`` asks for a table's rows."""
    events = event_tables(tables)
    return [
        LoadedTable(name, columns, count(name), name in events)
        for name, columns in sorted(tables.items())
    ]


KINDS = {
    "tracks": "track",
    "identifies": "identify",
    "pages": "page",
    "screens": "screen",
    "groups": "group",
    "aliases": "alias",
}
"""Tables that together hold every event, and the type of event that is in each."""

_OF_EVERY = {
    "id": "text",
    "anonymous_id": "text",
    "user_id": "text",
    "sent_at": "timestamp",
    "timestamp": "timestamp",
    "received_at": "timestamp",
    "original_timestamp": "timestamp",
    "channel": "text",
    "context_ip": "text",
    "context_request_ip": "text",
    "context_passed_ip": "text",
}


def every_event_sql(tables: Tables, events: str, words: Words) -> str:
    """The query behind the view ``events``: a row per event, whatever its type."""
    parts = []
    for table, kind in KINDS.items():
        if table not in tables:
            continue
        have = tables[table]
        chosen = [
            f"cast({quoted(name) if name in have else 'null'} as "
            f"{words.text if wanted == 'text' else wanted}) as {quoted(name)}"
            for name, wanted in _OF_EVERY.items()
        ]
        event = next((quoted(n) for n in ("event_text", "event") if n in have), "null")
        event = event if table == "tracks" else "null"
        parts.append(
            f"select {', '.join(chosen)}, {_literal(kind, words)} as type, "
            f"cast({event} as {words.text}) as event, "
            f"{PARTITION} from {quoted(events)}.{quoted(table)}"
        )
    return " union all ".join(parts)


def _literal(value: str, words: Words) -> str:
    return f"cast({text(value)} as {words.text})"


DISCARDS = "rudder_discards"
_DISCARDED = ("table_name", "row_id", "column_name", "column_value")


def discards_sql(schema: str, have: Mapping[str, str], words: Words) -> str:
    """The query behind the view ``discards``: values that fitted no column, as RudderStack says.

    There is no row where RudderStack has not made its table yet.
    """
    if not {*_DISCARDED, "received_at"} <= have.keys():
        nothing = [*((name, words.text) for name in _DISCARDED), ("received_at", "timestamp")]
        return _empty([*nothing, ("reason", words.text), (PARTITION, words.text)])
    reason = quoted("reason") if "reason" in have else "'set aside by RudderStack'"
    chosen = [f"cast({quoted(name)} as {words.text}) as {quoted(name)}" for name in _DISCARDED]
    return (
        f"select distinct {', '.join(chosen)}, cast(received_at as timestamp) as received_at, "
        f"cast({reason} as {words.text}) as reason, "
        f"to_char(received_at, 'YYYY-MM-DD') as {PARTITION} "
        f"from {quoted(schema)}.{quoted(DISCARDS)}"
    )


def _empty(columns: Iterable[tuple[str, str]]) -> str:
    chosen = ", ".join(f"cast(null as {kind}) as {quoted(name)}" for name, kind in columns)
    return f"select {chosen} where false"


def names_sql(events: str, words: Words) -> str:
    """The query behind ``landing.event_names``: how often each event came, by date."""
    return (
        f"select type, coalesce(event, {_literal('', words)}) as event, count(*) as events, "
        f"{PARTITION} from {quoted(events)}.events group by 1, 2, 4"
    )


_COUNTED = ("records", "events", "duplicates")
_NOT_COUNTED = ("files", "bytes", "lines", "blank_lines")
_NOT_SEEN = (
    *("quarantined", "unreadable_files", "other_sources", "moved_received_at"),
    "unbelieved_timestamps",
)


def ledger_sql(schema: str, tables: Tables, events: str, window_days: int) -> str:
    """The query behind ``landing.ledger``: what was loaded, kept, and left out, by date.

    Each is counted by itself, so that records = events + duplicates is a finding.
    """
    kept = f"select {PARTITION}, 0 as records, 1 as events, 0 as duplicates from "
    parts = [f"{kept}{quoted(events)}.events"]
    for table in KINDS.keys() & tables.keys():
        columns = tables[table]
        day = PARTITION if PARTITION in columns else "to_char(received_at, 'YYYY-MM-DD')"
        parts.append(
            f"select {day} as {PARTITION}, 1 as records, 0 as events, "
            f"case when {_is_copy(columns, window_days)} then 1 else 0 end as duplicates "
            f"from {quoted(schema)}.{quoted(table)}"
        )
    chosen = [PARTITION]
    chosen += [f"cast(0 as bigint) as {name}" for name in _NOT_COUNTED]
    chosen += [f"cast(sum({name}) as bigint) as {name}" for name in _COUNTED]
    chosen += [f"cast(0 as bigint) as {name}" for name in _NOT_SEEN]
    return (
        f"select {', '.join(chosen)} from ({' union all '.join(sorted(parts))}) as counted "
        f"group by {PARTITION}"
    )


def _no_files(words: Words) -> dict[str, str]:
    """Queries behind what 02 says of landed files and records elsewhere: there are none here."""
    texts = words.text
    return {
        "files": _empty([("file", texts), ("error", texts), ("bytes", "bigint")]),
        "quarantine": _empty(
            [
                *((PARTITION, texts), ("file", texts), ("line_number", "bigint")),
                *((name, texts) for name in ("reason", "record", "record_encoding")),
            ]
        ),
        "quarantine_reasons": _empty(
            [("reason", texts), ("records", "bigint"), (PARTITION, texts)]
        ),
    }


OF_LANDING = ("event_names", "ledger", "files", "quarantine", "quarantine_reasons")
"""Views that are made in ``databases.landing``."""


def views(
    schema: str,
    tables: Tables,
    databases: Mapping[str, str],
    window_days: int,
    words: Words | None = None,
) -> list[View]:
    """All views over the tables of RudderStack's schema, in the order in which they are made.

    Parameters
    ----------
    tables
        Everything in the schema, whether it holds events or not.
    databases
        Physical names of the logical databases.
    """
    words, events = words or Words(), databases["events"]
    loaded = event_tables(tables)
    made = [
        View(
            Table("events", view_name(name, loaded)),
            view_sql(schema, name, columns, window_days, words),
            (name,),
        )
        for name, columns in loaded.items()
    ]
    every = tuple(name for name in KINDS if name in loaded)
    if every:
        made += [
            View(Table("events", "events"), every_event_sql(loaded, events, words), every),
            View(Table("landing", "event_names"), names_sql(events, words), every),
            View(
                Table("landing", "ledger"), ledger_sql(schema, loaded, events, window_days), every
            ),
        ]
    have = tables.get(DISCARDS, {})
    read = (DISCARDS,) if have else ()
    made.append(View(Table("events", "discards"), discards_sql(schema, have, words), read))
    made += [View(Table("landing", name), sql, ()) for name, sql in _no_files(words).items()]
    return made
