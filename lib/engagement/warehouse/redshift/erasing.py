"""Deleting people's rows from the tables that RudderStack loads into Redshift.

Who is meant and how many rows there are is found out first, in temporary tables; the deletes take
effect together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa

from engagement.warehouse import loaded_erasing
from engagement.warehouse.loaded_views import DISCARDS
from engagement.warehouse.redshift import uploads
from engagement.warehouse.redshift.sources import tables_of
from engagement.warehouse.redshift.statements import Statements
from engagement.warehouse.redshift.types import defined, quoted, text

_LABEL = "deleting rows"
_MOST_BYTES = 90_000


def delete(
    statements: Statements,
    schema: str,
    columns: Mapping[str, Sequence[str]],
    values: Collection[str],
    *,
    dry_run: bool,
) -> dict[str, int]:
    """See :meth:`engagement.warehouse.loaded.LoadedWarehouse.delete_loaded`."""
    deletes: list[str] = []

    def rows(sql: str) -> Sequence[Sequence[Any]]:
        if sql.startswith("delete from"):
            deletes.append(sql)
            return []
        return statements.rows(sql, _LABEL)

    def upload(name: str, texts: Sequence[str]) -> None:
        kinds = {"value": "varchar"}
        statements.run(f"drop table if exists {quoted(name)}", _LABEL)
        statements.run(f"create temp table {quoted(name)} ({defined(kinds)})", _LABEL)
        given = pa.table({"value": pa.array(texts, pa.string())})
        for one in uploads.inserts(quoted(name), given, kinds, _MOST_BYTES):
            statements.run(one, _LABEL)

    discards = "row_id" in tables_of(statements, schema).get(DISCARDS, {})
    found = loaded_erasing.delete(
        rows, upload, schema, columns, values, discards=discards, dry_run=dry_run
    )
    if deletes:
        statements.run_in_one_transaction(deletes, _LABEL)
    for name in (loaded_erasing.WHOSE, loaded_erasing.MESSAGES):
        statements.run(f"drop table if exists {quoted(name)}", _LABEL)
    return found


def vacuum(statements: Statements, schema: str, tables: Collection[str]) -> list[str]:
    """Let go of what deleted rows took; says of tables of another owner what that one has to do."""
    left = []
    for table in sorted(tables):
        owner = statements.rows(
            "select pg_get_userbyid(c.relowner) = current_user as is_own from pg_class as c "
            "join pg_namespace as s on s.oid = c.relnamespace "
            f"where s.nspname = {text(schema)} and c.relname = {text(table)}",
            "vacuum",
        )
        place = f"{quoted(schema)}.{quoted(table)}"
        statement = f"vacuum delete only {place} to 100 percent"
        if owner and owner[0][0]:
            statements.run(statement, "vacuum")
        else:
            left.append(f"{schema}.{table}: its owner has to run '{statement}'")
    return left
