"""What every engine does: query, look around, work, publish, remember versions.

A ``Warehouse`` is opened from the settings by :func:`engagement.warehouse.open_warehouse` and holds
no connection. Work happens in a ``Session``: a short one that only reads, or one that may publish,
which needs the project's lease. Tables are named logically (``marts.sessions``); SQL is a query in
Athena's dialect, as a text or as a sqlglot tree.

What only an engine does that reads a landing itself is in :mod:`.reading`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import pandas as pd
import pyarrow as pa
from sqlglot import exp

from engagement.sql.dialect import Table
from engagement.warehouse.statements import StatementLog

T = TypeVar("T")
R = TypeVar("R")

Select = str | exp.Query


@dataclass(frozen=True)
class Publication:
    """A table that was published, and how many rows it now holds in what was replaced.

    All of its rows count where an engine made the whole table again in one statement, as Athena
    does with tables that have no partitions of their own and a query whose columns it was told.
    """

    table: Table
    rows: int


@dataclass(frozen=True)
class Published:
    """What is published of a table: which version, and how many rows it has."""

    version: str
    rows: int


@dataclass(frozen=True)
class Finding:
    """One thing that a run needs and that was tried; ``hint`` says what is missing."""

    name: str
    ok: bool
    found: str
    hint: str = ""

    @classmethod
    def privilege(cls, name: str, held: object, hint: str) -> Finding:
        """Something that is allowed or not; ``hint`` is what would allow it."""
        return cls(name, bool(held), "allowed" if held else "not allowed", hint)


class Session(Protocol):
    """A connection, for as long as one piece of work takes."""

    def query(
        self, select: Select, parameters: Mapping[str, Any] | None = None, *, label: str = "query"
    ) -> pd.DataFrame:
        """Run a query and fetch the whole result."""
        ...

    def columns(self, table: Table) -> dict[str, str]:
        """Column names and Athena types of a table, in order; empty where there is none."""
        ...

    def fetch(
        self, table: Table, columns: Sequence[str] | None = None, *, label: str
    ) -> pd.DataFrame:
        """Fetch all rows of a small table of ``landing`` or ``work``, of all its columns or some.

        Where its files can be read as they are, that takes no statement.
        """
        ...

    def tables(self, database: str) -> list[str]:
        """Names of the tables of a logical database, sorted."""
        ...

    def map(self, function: Callable[[int, T], R], items: Sequence[T]) -> list[R]:
        """Apply a function to items, several at once where the engine allows it.

        It is also given the number of a lane: no two calls are in one lane at once. Results come
        in the order of the items; the first error ends it.
        """
        ...

    def work(
        self,
        name: str,
        select: Select,
        parameters: Mapping[str, Any] | None = None,
        *,
        lazy: bool = False,
    ) -> Table:
        """Materialise a query as ``work.<name>``, which this session alone can see.

        A ``lazy`` one may be run wherever the table is read, if that takes the engine less.
        """
        ...

    def rows(self, name: str, rows: pa.Table, columns: Mapping[str, str]) -> Table:
        """Make rows that are here ``work.<name>``, with these Athena types."""
        ...

    def release(self, *tables: Table) -> None:
        """Let go of working tables that nothing will read again."""
        ...

    def publish(
        self,
        table: Table,
        select: Select,
        parameters: Mapping[str, Any] | None = None,
        *,
        partitions: Sequence[str] | None = None,
        columns: Mapping[str, str] | None = None,
        version: str | None = None,
    ) -> Publication:
        """Replace a table, or its partitions of these received dates, in one step.

        A reader sees the old rows or the new ones, never a mixture and never a gap. ``columns``
        are the names and types that the query gives, where they are known: they need not be found
        out then. A column that the other partitions lack is NULL there. ``version`` is what
        :meth:`published` tells of the table from then on; left out, it is one of its own.
        """
        ...

    def publish_rows(
        self,
        table: Table,
        select: Select,
        *,
        key: str,
        among: Select,
        version: str | None = None,
    ) -> Publication:
        """Replace the rows of a table whose ``key`` is one of some, in one step.

        ``among`` gives these keys, none of them NULL, and is run more than once; ``select`` the
        columns of the table for them. All other rows stay, a NULL key's among them.
        """
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Publish all that is published within in one step, where the engine can do that.

        Either all of it is there when the block was left, or, after an error, nothing. Elsewhere
        each table is published for itself, in order.
        """
        ...

    def append(
        self, table: Table, rows: pa.Table, keep: Callable[[pa.Table], pa.Table]
    ) -> Publication:
        """Add rows that are here to a small table, in one step and without a statement.

        ``keep`` says which of the table's rows stay; they come with the columns of ``rows``, NULL
        where the table lacks one. Texts, bigints, doubles and timestamps (of milliseconds) only.
        """
        ...

    def published(self, table: Table) -> Published | None:
        """Tell which version of a table is published, without reading it; ``None`` if none is.

        Of a view over tables that others load, the version changes with any change of these, and
        the rows are those that were loaded.
        """
        ...

    def drop(self, table: Table) -> None:
        """Remove a table; no error where there is none."""
        ...


class Warehouse(Protocol):
    """An engine that holds the tables."""

    engine: str
    log: StatementLog

    def describe(self) -> str:
        """Say in a few words what this is and where, without anything secret."""
        ...

    def exists(self) -> bool:
        """Whether anything was ever published."""
        ...

    def session(self, *, write: bool = False) -> AbstractContextManager[Session]:
        """Open a session; one that may publish holds the lease while it lasts.

        One that only reads is confined to the warehouse's tables: no file, no address, no setting.
        """
        ...

    def lease(self, holder: str) -> AbstractContextManager[str]:
        """Keep other runs out while the block lasts; gives the lease's token."""
        ...

    def render(self, select: Select, parameters: Mapping[str, Any] | None = None) -> str:
        """Show the SQL as this engine runs it."""
        ...

    def query(self, select: Select, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Run one query in a session of its own."""
        ...

    def clean(self, keep_days: float | None = None, *, dry_run: bool = False) -> list[str]:
        """Remove what no table has needed for a while, by default that of the settings.

        Says what was removed, or with ``dry_run`` what would be.
        """
        ...


@runtime_checkable
class Emptiable(Protocol):
    """A warehouse that belongs to this machine alone, and can be started over."""

    def start_over(self, kept: Sequence[Table], *, dry_run: bool = False) -> list[str]:
        """Remove every table but some, for good; gives the names of those that go, or would.

        The caller holds the lease, and no session is open.
        """
        ...
