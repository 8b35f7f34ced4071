"""Deleting people's rows from the tables that RudderStack loads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from engagement.messages import counted
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.loaded_views import DISCARDS
from engagement.warehouse.postgres.statements import Connection
from engagement.warehouse.postgres.types import quoted, text

_NAMED = 3


def delete(
    connection: Connection,
    schema: str,
    columns: Mapping[str, Sequence[str]],
    values: Collection[str],
    *,
    dry_run: bool,
) -> dict[str, int]:
    """See :meth:`engagement.warehouse.loaded.LoadedWarehouse.delete_loaded`."""
    with connection.transaction():
        for name, of in (("whose", sorted(values)), ("messages", [])):
            connection.execute(
                f"create temporary table {name} (value text) on commit drop".encode()
            )
            with connection.cursor().copy(f"copy pg_temp.{name} from stdin".encode()) as copy:
                for value in of:
                    copy.write_row([value])
        found = {}
        for table, names in sorted(columns.items()):
            rows = _count(connection, schema, table, _holds(names))
            if rows:
                found[table] = rows
                connection.execute(
                    "insert into pg_temp.messages select cast(id as text) "
                    f"from {_place(schema, table)} where {_holds(names)}".encode()
                )
        of_them = "row_id in (select value from pg_temp.messages)"
        if _there(connection, schema, DISCARDS):
            rows = _count(connection, schema, DISCARDS, of_them)
            found |= {DISCARDS: rows} if rows else {}
        if dry_run or not found:
            return found
        _refuse_unless_allowed(connection, schema, sorted(found))
        for table in found:
            where = of_them if table == DISCARDS else _holds(columns[table])
            connection.execute(f"delete from {_place(schema, table)} where {where}".encode())
    return found


def _place(schema: str, table: str) -> str:
    return f"{quoted(schema)}.{quoted(table)}"


def _holds(names: Sequence[str]) -> str:
    return " or ".join(
        f"cast({quoted(name)} as text) in (select value from pg_temp.whose)" for name in names
    )


def _count(connection: Connection, schema: str, table: str, where: str) -> int:
    asked = f"select count(*) from {_place(schema, table)} where {where}"
    found = connection.execute(asked.encode()).fetchone()
    return int(found[0]) if found else 0


def _there(connection: Connection, schema: str, table: str) -> bool:
    found = connection.execute(
        "select 1 from pg_attribute where attname = 'row_id' and attrelid = "
        f"to_regclass({text(_place(schema, table))})".encode()
    ).fetchone()
    return found is not None


def _refuse_unless_allowed(connection: Connection, schema: str, tables: Sequence[str]) -> None:
    closed = [
        table
        for table in tables
        if connection.execute(
            f"select has_table_privilege({text(_place(schema, table))}, 'delete')".encode()
        ).fetchone()
        != (True,)
    ]
    if closed:
        user = connection.execute(b"select current_user").fetchone() or ("",)
        named = ", ".join(closed[:_NAMED]) + (", …" if len(closed) > _NAMED else "")
        raise WarehouseError(
            f"{counted(len(closed), 'table')} of RudderStack's may not be deleted from ({named}): "
            "nothing was deleted. Let somebody who may run: grant delete on all tables in schema "
            f"{quoted(schema)} to {quoted(str(user[0]))}; then run this again"
        )


def vacuum(connection: Connection, schema: str, tables: Collection[str]) -> list[str]:
    """Let go of what deleted rows took; says of tables of another owner what that one has to do."""
    left = []
    for table in sorted(tables):
        owner = connection.execute(
            "select pg_has_role(relowner, 'usage') from pg_class "
            f"where oid = to_regclass({text(_place(schema, table))})".encode()
        ).fetchone()
        if owner == (True,):
            connection.execute(f"vacuum {_place(schema, table)}".encode())
        else:
            left.append(f"{schema}.{table}: its owner has to run 'vacuum {_place(schema, table)}'")
    return left
