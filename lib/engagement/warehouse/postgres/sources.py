"""Views over the tables that RudderStack loads, as the models' sources read tables of events.

RudderStack appends by default: an event that was sent twice is there twice. A row is left out if
another of its id was received before it, within the days of ``duplicates.window_days``: the rule by
which flattening tells copies. Tables that are no events are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from engagement.records.files import PARTITION
from engagement.warehouse.postgres.statements import Connection
from engagement.warehouse.postgres.types import quoted, text

NO_EVENTS = ("users", "rudder_discards", "_rudderstack")
"""What RudderStack keeps beside events: ``users`` is made of ``identifies`` by the models."""

_TABLES = """
    select c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
    from pg_attribute as a
    join pg_class as c on c.oid = a.attrelid
    join pg_namespace as s on s.oid = c.relnamespace
    where s.nspname = {schema} and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
    order by c.relname, a.attnum
"""


def loaded(connection: Connection, schema: str) -> dict[str, dict[str, str]]:
    """Tables of events that RudderStack has loaded, each with its columns and their types."""
    found: dict[str, dict[str, str]] = {}
    rows = connection.execute(_TABLES.format(schema=text(schema)).encode()).fetchall()
    for table, column, kind in rows:
        found.setdefault(table, {})[column] = kind
    return {
        name: columns
        for name, columns in found.items()
        if name not in NO_EVENTS
        and not name.startswith("rudder_staging_")
        and {"id", "received_at"} <= columns.keys()
    }


def view_sql(schema: str, table: str, columns: Mapping[str, str], window_days: int) -> str:
    """The query behind a view: no copies, times in UTC, and the date of receipt."""
    chosen = []
    for name, kind in columns.items():
        if kind.startswith("timestamp"):
            time = f"timezone('UTC', {quoted(name)})" if "with time zone" in kind else quoted(name)
            chosen.append(f"date_trunc('milliseconds', {time}) as {quoted(name)}")
        elif kind.startswith(("numeric", "real")):
            chosen.append(f"cast({quoted(name)} as double precision) as {quoted(name)}")
        elif kind.startswith(("character", "json", "uuid")):
            chosen.append(f"cast({quoted(name)} as text) as {quoted(name)}")
        else:
            chosen.append(quoted(name))
    if PARTITION not in columns:
        chosen.append(f"to_char({quoted('received_at')}, 'YYYY-MM-DD') as {quoted(PARTITION)}")
    order = ", ".join(
        quoted(name)
        for name in ("received_at", "sent_at", "uuid_ts", "timestamp", "event")
        if name in columns
    )
    day = f"cast({quoted('received_at')} as date)"
    earlier = f"lag({day}) over (partition by id order by {order})"
    return (
        f"select {', '.join(quoted(name) for name in _names(columns))} from ("
        f"select {', '.join(chosen)}, coalesce({day} - {earlier} <= {window_days}, false) "
        f'as "is a copy" from {quoted(schema)}.{quoted(table)}) as loaded where not "is a copy"'
    )


def _names(columns: Mapping[str, str]) -> list[str]:
    return list(columns) if PARTITION in columns else [*columns, PARTITION]


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


def every_event_sql(tables: Mapping[str, Mapping[str, str]], events: str) -> str:
    """The query behind the view ``events``: a row per event, whatever its type."""
    parts = []
    for table, kind in KINDS.items():
        if table not in tables:
            continue
        have = tables[table]
        chosen = [
            f"cast({quoted(name) if name in have else 'null'} as {wanted}) as {quoted(name)}"
            for name, wanted in _OF_EVERY.items()
        ]
        event = next((quoted(n) for n in ("event_text", "event") if n in have), "null")
        event = event if table == "tracks" else "null"
        parts.append(
            f"select {', '.join(chosen)}, {text(kind)} as type, cast({event} as text) as event, "
            f"{PARTITION} from {quoted(events)}.{quoted(table)}"
        )
    return " union all ".join(parts)


DISCARDS = "rudder_discards"
_DISCARDED = ("table_name", "row_id", "column_name", "column_value")


def discards_sql(connection: Connection, schema: str) -> str | None:
    """The query behind the view ``discards``: values that fitted no column, as RudderStack says."""
    rows = connection.execute(_TABLES.format(schema=text(schema)).encode()).fetchall()
    have = {column for table, column, _ in rows if table == DISCARDS}
    if not {*_DISCARDED, "received_at"} <= have:
        return None
    reason = quoted("reason") if "reason" in have else "'set aside by RudderStack'"
    chosen = [f"cast({quoted(name)} as text) as {quoted(name)}" for name in _DISCARDED]
    return (
        f"select distinct {', '.join(chosen)}, cast(received_at as timestamp) as received_at, "
        f"cast({reason} as text) as reason, to_char(received_at, 'YYYY-MM-DD') as {PARTITION} "
        f"from {quoted(schema)}.{quoted(DISCARDS)}"
    )


def names_sql(events: str) -> str:
    """The query behind ``landing.event_names``: how often each event came, by date."""
    return (
        f"select type, coalesce(event, '') as event, count(*) as events, {PARTITION} "
        f"from {quoted(events)}.events group by 1, 2, 4"
    )


def _views(
    connection: Connection, raw: str, databases: Mapping[str, str], window_days: int
) -> dict[str, str]:
    """The queries behind all views, by the views' names, in the order in which they are made."""
    events, landing = databases["events"], databases["landing"]
    tables = loaded(connection, raw)
    views = {
        f"{quoted(events)}.{quoted(name)}": view_sql(raw, name, columns, window_days)
        for name, columns in tables.items()
    }
    if KINDS.keys() & tables.keys():
        views[f"{quoted(events)}.events"] = every_event_sql(tables, events)
        views[f"{quoted(landing)}.event_names"] = names_sql(events)
    discards = discards_sql(connection, raw)
    if discards:
        views[f"{quoted(events)}.discards"] = discards
    return views


def create_views(
    connection: Connection, raw: str, databases: Mapping[str, str], window_days: int
) -> None:
    """Make the views, if RudderStack's tables have other columns than when they were made."""
    events = databases["events"]
    views = _views(connection, raw, databases, window_days)
    made = "\0".join(f"{name} {sql}" for name, sql in views.items())
    mark = f"views {hashlib.sha256(made.encode()).hexdigest()[:16]}"
    there = f"to_regnamespace({text(quoted(events))})"
    found = connection.execute(f"select obj_description({there}, 'pg_namespace')".encode())
    if found.fetchone() == (mark,):
        return
    with connection.transaction():
        old = connection.execute(
            f"select relname from pg_class where relnamespace = {there} and relkind = 'v'".encode()
        ).fetchall()
        for (name,) in old:
            place = f"{quoted(events)}.{quoted(name)}"
            connection.execute(f"drop view if exists {place} cascade".encode())
        for place, sql in views.items():
            connection.execute(f"create view {place} as {sql}".encode())
        connection.execute(f"comment on schema {quoted(events)} is {text(mark)}".encode())
