"""Views over the tables that RudderStack loads, as the models' sources read tables of events.

RudderStack appends by default: an event that was sent twice is there twice. Of the copies of an id
the one received first stays, as flattening does it. Tables that are no events are left out.
"""

from __future__ import annotations

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


def view_sql(schema: str, table: str, columns: Mapping[str, str]) -> str:
    """The query behind a view: one copy of each event, times in UTC, and the date of receipt."""
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
    return (
        f"select {', '.join(quoted(name) for name in _names(columns))} from ("
        f"select {', '.join(chosen)}, row_number() over (partition by id order by {order}) "
        f'as "copy of an event" from {quoted(schema)}.{quoted(table)}) as loaded '
        'where "copy of an event" = 1'
    )


def _names(columns: Mapping[str, str]) -> list[str]:
    return list(columns) if PARTITION in columns else [*columns, PARTITION]


def create_views(connection: Connection, schema: str, events: str) -> list[str]:
    """Make the views as the tables are now; gives the names of the tables."""
    tables = loaded(connection, schema)
    for name, columns in tables.items():
        place = f"{quoted(events)}.{quoted(name)}"
        with connection.transaction():
            connection.execute(f"drop view if exists {place}".encode())
            connection.execute(f"create view {place} as {view_sql(schema, name, columns)}".encode())
    return list(tables)
