"""Deleting people's rows from the tables that RudderStack loads into PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from engagement.warehouse import loaded_erasing
from engagement.warehouse.loaded_views import DISCARDS
from engagement.warehouse.postgres.sources import tables_of
from engagement.warehouse.postgres.statements import Connection
from engagement.warehouse.postgres.types import quoted, text


def delete(
    connection: Connection,
    schema: str,
    columns: Mapping[str, Sequence[str]],
    values: Collection[str],
    *,
    dry_run: bool,
) -> dict[str, int]:
    """See :meth:`engagement.warehouse.loaded.LoadedWarehouse.delete_loaded`."""

    def rows(sql: str) -> Sequence[Sequence[Any]]:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []

    def upload(name: str, texts: Sequence[str]) -> None:
        rows(f"create temporary table {name} (value text) on commit drop")
        with connection.cursor().copy(f"copy {name} from stdin".encode()) as copy:
            for one in texts:
                copy.write_row([one])

    discards = "row_id" in tables_of(connection, schema).get(DISCARDS, {})
    with connection.transaction():
        return loaded_erasing.delete(
            rows, upload, schema, columns, values, discards=discards, dry_run=dry_run
        )


def vacuum(connection: Connection, schema: str, tables: Collection[str]) -> list[str]:
    """Let go of what deleted rows took; says of tables of another owner what that one has to do."""
    left = []
    for table in sorted(tables):
        place = f"{quoted(schema)}.{quoted(table)}"
        owner = connection.execute(
            "select pg_has_role(relowner, 'usage') from pg_class "
            f"where oid = to_regclass({text(place)})".encode()
        ).fetchone()
        if owner == (True,):
            connection.execute(f"vacuum {place}".encode())
        else:
            left.append(f"{schema}.{table}: its owner has to run 'vacuum {place}'")
    return left
