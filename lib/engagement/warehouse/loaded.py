"""What only an engine does whose tables of events RudderStack loads itself.

It is the counterpart of :mod:`.reading`: a warehouse has the one or the other. Whoever works on
landed files asks here what takes their place. What the tables of events hold is asked in SQL, as of
every other table: ``events.*`` are views over RudderStack's tables (see :mod:`.loaded_views`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from engagement.warehouse.protocol import Session, Warehouse


@dataclass(frozen=True)
class LoadedTable:
    """A table of RudderStack's schema.

    Attributes
    ----------
    columns
        Names and the engine's own types, in order.
    rows
        As they were loaded: copies of events that were sent again are among them.
    is_event
        Whether a view of ``events`` reads it; otherwise RudderStack keeps it for itself.
    """

    name: str
    columns: Mapping[str, str]
    rows: int
    is_event: bool


@runtime_checkable
class LoadedWarehouse(Warehouse, Protocol):
    """A warehouse whose tables of events are loaded by RudderStack."""

    rudderstack_schema: str | None
    """Where RudderStack loads; ``None`` where nobody has said."""

    def session(self, *, write: bool = False) -> AbstractContextManager[Session]:
        """Open a session; one that may publish holds the lease while it lasts."""
        ...

    def loaded_tables(self) -> Sequence[LoadedTable]:
        """The tables of RudderStack's schema as they are now, in order of name."""
        ...

    def copies_sql(self) -> str:
        """The SQL that leaves copies of an event out, as it is in the view over ``tracks``."""
        ...

    def delete_loaded(
        self, columns: Mapping[str, Sequence[str]], values: Collection[str], *, dry_run: bool = True
    ) -> Mapping[str, int]:
        """Delete rows of RudderStack's own tables for good, in one transaction.

        Those in which one of a table's ``columns`` holds one of some values; and what RudderStack
        set aside of them. Gives the rows that went, or would, by table; tables without any are left
        out. The caller holds the lease.

        Raises
        ------
        WarehouseError
            Where that is not allowed: nothing was deleted, and it says which statement somebody who
            may has to run first.
        """
        ...

    def forget_loaded(self, tables: Collection[str]) -> list[str]:
        """Give free what deleted rows took in loaded tables; says what could not be done."""
        ...
