"""The views over RudderStack's tables in PostgreSQL, and what tells their states apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import psycopg

from engagement.warehouse import loaded_views
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.loaded_views import OF_LANDING, View
from engagement.warehouse.postgres.statements import Connection, first_line
from engagement.warehouse.postgres.types import quoted, text
from engagement.warehouse.protocol import Published

EVERY_CHANGE = "pg_catalog.sum(cast(cast(xmin as text) as bigint))"
"""Changes with every change of a table, whoever makes it.

``xmin`` is the transaction that wrote a row's version: it is newer than those of all that were
there. So where as many rows were added as went, the sum has grown; otherwise their number differs.
"""


def tables_of(connection: Connection, schema: str) -> dict[str, dict[str, str]]:
    """All tables of a schema, with columns and types."""
    asked = loaded_views.CATALOG.format(schema=text(schema))
    return loaded_views.by_table(connection.execute(asked.encode()).fetchall())


def state(connection: Connection, schema: str, table: str) -> str:
    """What tells one state of a loaded table from another; empty where there is no such table."""
    columns = tables_of(connection, schema).get(table)
    if columns is None:
        return ""
    asked = loaded_views.state_sql(schema, table, columns, EVERY_CHANGE)
    return " ".join(map(str, connection.execute(asked.encode()).fetchone() or ()))


class States:
    """What there is of views over tables that RudderStack loads; a session looks once.

    It looks before anything is read, so what is loaded meanwhile makes the next look differ.

    Parameters
    ----------
    opened
        Opens a connection of the builder's, which may read RudderStack's tables; the role that
        only reads may not. It is called once, and only if there is something to look at.
    """

    def __init__(self, opened: Callable[[], Connection]) -> None:
        self._opened = opened
        self._connection: Connection | None = None
        self._seen: dict[tuple[str, str], str] = {}

    def published(self, digest: str, schema: str, reads: Sequence[str]) -> Published:
        """Version and rows of a view, of which :func:`loaded_views.read_mark` told these."""
        connection = self._connection = self._connection or self._opened()
        for table in reads:
            if (schema, table) not in self._seen:
                try:
                    self._seen[schema, table] = state(connection, schema, table)
                except psycopg.Error as error:
                    raise WarehouseError(f"{schema}.{table}: {first_line(error)}") from None
        states = [self._seen[schema, table] for table in reads]
        version = hashlib.sha256("\0".join([digest, *states]).encode()).hexdigest()[:32]
        return Published(version, sum(int(one.split()[0]) for one in states if one))


def planned_views(
    connection: Connection, raw: str, databases: Mapping[str, str], window_days: int
) -> list[View]:
    """The views as RudderStack's tables ask for them now."""
    return loaded_views.views(raw, tables_of(connection, raw), databases, window_days)


def create_views(
    connection: Connection, raw: str, databases: Mapping[str, str], window_days: int
) -> None:
    """Make the views, if RudderStack's tables have other columns than when they were made."""
    events, landing = databases["events"], databases["landing"]
    views = planned_views(connection, raw, databases, window_days)
    made = "\0".join(f"{view.table} {view.mark(raw)}" for view in views)
    mark = f"views {hashlib.sha256(made.encode()).hexdigest()[:16]}"
    there = f"to_regnamespace({text(quoted(events))})"
    found = connection.execute(f"select obj_description({there}, 'pg_namespace')".encode())
    if found.fetchone() == (mark,):
        return
    with connection.transaction():
        old = connection.execute(
            f"select relname from pg_class where relnamespace = {there} and relkind = 'v'".encode()
        ).fetchall()
        places = [f"{quoted(events)}.{quoted(name)}" for (name,) in old]
        places += [f"{quoted(landing)}.{quoted(name)}" for name in OF_LANDING]
        for place in places:
            connection.execute(f"drop view if exists {place} cascade".encode())
        for view in views:
            place = f"{quoted(databases[view.table.database])}.{quoted(view.table.name)}"
            connection.execute(f"create view {place} as {view.sql}".encode())
            connection.execute(f"comment on view {place} is {text(view.mark(raw))}".encode())
        connection.execute(f"comment on schema {quoted(events)} is {text(mark)}".encode())
