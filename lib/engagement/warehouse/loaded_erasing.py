"""Deleting people's rows from the tables that RudderStack loads, on any engine over them.

An engine gives what runs a statement and what uploads texts; it opens and ends the transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from engagement.messages import counted, some
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.loaded_views import DISCARDS, quoted, text

Rows = Callable[[str], Sequence[Sequence[Any]]]
"""Runs a statement, and gives the rows of a query."""

Upload = Callable[[str, Sequence[str]], None]
"""Makes a temporary table of a name, with the column ``value`` and these texts in it."""

WHOSE, MESSAGES = "whose_rows", "their_messages"


def delete(
    rows: Rows,
    upload: Upload,
    schema: str,
    columns: Mapping[str, Sequence[str]],
    values: Collection[str],
    *,
    discards: bool,
    dry_run: bool,
) -> dict[str, int]:
    """See :meth:`engagement.warehouse.loaded.LoadedWarehouse.delete_loaded`.

    Parameters
    ----------
    discards
        Whether the schema has the table of values that RudderStack set aside.
    """
    upload(WHOSE, sorted(values))
    upload(MESSAGES, [])
    found = {}
    for table, names in sorted(columns.items()):
        place, theirs = f"{quoted(schema)}.{quoted(table)}", _holds(names)
        count = _count(rows, place, theirs)
        if count:
            found[table] = count
            rows(f"insert into {MESSAGES} select id from {place} where {theirs}")
    of_them = f"row_id in (select value from {MESSAGES})"
    if discards:
        count = _count(rows, f"{quoted(schema)}.{quoted(DISCARDS)}", of_them)
        found |= {DISCARDS: count} if count else {}
    if dry_run or not found:
        return found
    _refuse_unless_allowed(rows, schema, sorted(found))
    for table in found:
        where = of_them if table == DISCARDS else _holds(columns[table])
        rows(f"delete from {quoted(schema)}.{quoted(table)} where {where}")
    return found


def _holds(names: Sequence[str]) -> str:
    return " or ".join(f"{quoted(name)} in (select value from {WHOSE})" for name in names)


def _count(rows: Rows, place: str, where: str) -> int:
    return int(rows(f"select count(*) from {place} where {where}")[0][0])


def _refuse_unless_allowed(rows: Rows, schema: str, tables: Sequence[str]) -> None:
    closed = [
        table
        for table in tables
        if not rows(
            f"select has_table_privilege({text(f'{quoted(schema)}.{quoted(table)}')}, 'delete')"
        )[0][0]
    ]
    if closed:
        user = str(rows("select current_user")[0][0])
        raise WarehouseError(
            f"{counted(len(closed), 'table')} of RudderStack's may not be deleted from "
            f"({some(closed)}): nothing was deleted. Let somebody who may run: grant delete on all "
            f"tables in schema {quoted(schema)} to {quoted(user)}; then run this again"
        )
