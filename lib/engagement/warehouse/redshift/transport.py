"""How statements get to Redshift: over a connection, or by calls of the Data API.

Both give the same: a statement's rows with their types, or several statements that take effect
together. What is temporary stays while the transport is open.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from engagement.errors import FailedError
from engagement.warehouse.redshift.types import arrow


class StatementFailedError(FailedError):
    """Redshift did not run a statement: what it says about that, without the statement."""


@dataclass(frozen=True)
class Result:
    """What came of a statement.

    Attributes
    ----------
    names, kinds
        Its columns: names and Athena types; none where a statement gives no rows.
    rows
        As they came.
    affected
        How many rows it wrote or deleted, where Redshift says so; else 0.
    query_id
        By which Redshift, or the Data API, knows it; empty where it has none.
    """

    names: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    rows: Sequence[Sequence[Any]] = ()
    affected: int = 0
    query_id: str = ""

    def arrow(self, arrays: Collection[str] = ()) -> pa.Table:
        """The rows as an Arrow table, with types that depend on the columns alone.

        ``arrays`` are columns of lists of texts: Redshift has but one type for these and for JSON.
        """
        cells: Sequence[Sequence[Any]] = (
            list(zip(*self.rows, strict=True)) if self.rows else [[] for _ in self.kinds]
        )
        kinds = [
            "array(varchar)" if name in arrays else kind
            for name, kind in zip(self.names, self.kinds, strict=True)
        ]
        columns = [arrow(kind, column) for kind, column in zip(kinds, cells, strict=True)]
        return pa.Table.from_arrays(columns, names=list(self.names))


class Transport(Protocol):
    """One session of Redshift's."""

    most_bytes: int
    """How long a statement may be."""

    def run(self, sql: str) -> Result:
        """Run one statement, which takes effect at once.

        Raises
        ------
        StatementFailedError
            With what Redshift says; the session goes on working.
        """
        ...

    def run_in_one_transaction(self, statements: Sequence[str]) -> None:
        """Run statements in one transaction: all of them take effect, or none does.

        Raises
        ------
        StatementFailedError
            With what Redshift says.
        """
        ...

    def close(self) -> None:
        """End the session, and with it what is temporary."""
        ...
