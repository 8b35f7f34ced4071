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


@dataclass(frozen=True)
class TheirRows:
    """Whose rows have to go: ids as they are in RudderStack's tables.

    ``devices`` are anonymous ids that nobody else uses: every row of theirs goes.
    """

    user_ids: Collection[str]
    devices: Collection[str]


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

    def erase_loaded(self, whose: TheirRows, *, dry_run: bool) -> Mapping[str, int]:
        """Delete people's rows from RudderStack's own tables, in one transaction.

        The caller holds the lease. Gives the rows that went, or would, by table.

        Raises
        ------
        WarehouseError
            Where that is not allowed: nothing was deleted, and it says which statement a user who
            may has to run first.
        """
        ...
