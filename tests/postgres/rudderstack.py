"""Loads tables of events as RudderStack's Redshift destination does, from those DuckDB flattened.

Its COPY makes NULL of texts that are empty or blank, trims and cuts the others, and leaves times
without a zone. In append mode, the default, an event that was sent again is there again; in merge
mode the row of an id that was received last has taken the place of all others, however long ago:
what DuckDB keeps, the first copy, is gone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import duckdb
import psycopg

from engagement.records.files import PARTITION
from engagement.warehouse.postgres.types import quoted

Mode = Literal["append", "merge"]

SCHEMA = "rudderstack"
OF_THIS_PROJECT = ("events", "discards")
_LONGEST_NAME = 63
_LONGEST_TEXT = 65_535
_EVERY = 5
"""In append mode, each event whose row is such a multiple is there once more."""

LATER = f"received_at + case when hash(id) % {_EVERY} = 0 then interval 1 hour end"
"""When the last copy was received: an hour after the first; of every fifth id, in all tables."""

_TYPES = {
    "VARCHAR": "varchar(65535)",
    "BIGINT": "bigint",
    "DOUBLE": "double precision",
    "BOOLEAN": "boolean",
}


def load(
    warehouse: Path, connection: psycopg.Connection, *, mode: Mode, schema: str = SCHEMA
) -> Sequence[str]:
    """Fill a schema; gives the names of the tables."""
    connection.execute(f"create schema {quoted(schema)}".encode())
    with duckdb.connect(str(warehouse), read_only=True) as local:
        local.execute("set timezone = 'UTC'")
        names = [
            name
            for (name,) in local.execute(
                "select table_name from duckdb_tables() where schema_name = 'events' order by 1"
            ).fetchall()
            if name not in OF_THIS_PROJECT
        ]
        for name in names:
            _table(local, connection, schema, name, mode)
        _discards(local, connection, schema)
    return names


def _table(
    local: duckdb.DuckDBPyConnection,
    connection: psycopg.Connection,
    schema: str,
    name: str,
    mode: Mode,
) -> None:
    described = local.execute(f"describe events.{quoted(name)}").fetchall()
    columns = {row[0]: row[1] for row in described if row[0] != PARTITION}
    chosen = ", ".join(
        f"left(nullif(trim({quoted(column)}), ''), {_LONGEST_TEXT}) as {quoted(column)}"
        if kind == "VARCHAR"
        else quoted(column)
        for column, kind in columns.items()
    )
    place = f"events.{quoted(name)}"
    if mode == "merge":
        place = (
            "(select * from (select * replace "
            f"(coalesce({LATER}, received_at) as received_at) from {place}) "
            "qualify row_number() over (partition by id order by received_at desc) = 1)"
        )
    rows = f"select {chosen}, received_at + interval 1 minute as uuid_ts from {place}"
    if mode == "append":
        again = (
            f"select * replace (received_at + interval 1 hour as received_at, "
            f"uuid_ts + interval 1 hour as uuid_ts) from ({rows}) "
            f"qualify row_number() over (order by id) % {_EVERY} = 0"
        )
        rows = f"{rows} union all {again}"
    kinds = {column: _TYPES.get(kind, "timestamp") for column, kind in columns.items()}
    _copied(local, connection, schema, name, {**kinds, "uuid_ts": "timestamp"}, rows)


def _discards(
    local: duckdb.DuckDBPyConnection, connection: psycopg.Connection, schema: str
) -> None:
    columns = ("table_name", "row_id", "column_name", "column_value", "received_at")
    kinds = dict.fromkeys(columns, "varchar(65535)") | {"received_at": "timestamp"}
    rows = f"select {', '.join(columns)} from events.discards"
    _copied(local, connection, schema, "rudder_discards", kinds, rows)


def _copied(
    local: duckdb.DuckDBPyConnection,
    connection: psycopg.Connection,
    schema: str,
    name: str,
    kinds: dict[str, str],
    rows: str,
) -> None:
    defined = ", ".join(f"{quoted(column)} {kind}" for column, kind in kinds.items())
    place = f"{quoted(schema)}.{quoted(name[:_LONGEST_NAME])}"
    connection.execute(f"create table {place} ({defined})".encode())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        local.execute(f"copy ({rows}) to '{path}' (format csv, header false, nullstr '')")
        copying = f"copy {place} from stdin (format csv)".encode()
        with (
            connection.cursor() as cursor,
            path.open("rb") as file,
            cursor.copy(copying) as copy,
        ):
            while part := file.read(1 << 20):
                copy.write(part)
    connection.execute(f"analyze {place}".encode())
