"""Statements on one connection: run, kept in the log, with as many threads as each needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import duckdb
import pyarrow as pa

from engagement.warehouse.duckdb.connection import first_line
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.statements import StatementLog

_LITTLE = ("comment on ", "delete from ", "drop ")
"""How statements begin for which it does not matter how many threads there are."""


class Statements:
    """Runs statements; several may be one transaction.

    Attributes
    ----------
    prepare
        Is given each statement before it runs; true if it reads what one thread alone goes through.
    rolled_back
        Is called when a transaction came to nothing.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, log: StatementLog) -> None:
        self.connection = connection
        self.log = log
        self.prepare: Callable[[str], bool] = lambda _: False
        self.rolled_back: Callable[[], None] = lambda: None
        self._is_open = False
        self._threads = self._most_threads = int(
            connection.execute("select current_setting('threads')").fetchall()[0][0]
        )

    def run(self, sql: str, label: str) -> duckdb.DuckDBPyConnection:
        """Run a statement; its rows are yet to be fetched."""
        started = time.perf_counter()
        # To change it takes longer than what is so little.
        threads = self._threads if sql.startswith(_LITTLE) else self._most_threads
        if self.prepare(sql):
            threads = 1
        try:
            if threads != self._threads:
                self.connection.execute(f"set threads = {threads}")
                self._threads = threads
            with self.log.running(label):
                return self.connection.execute(sql)
        except duckdb.Error as error:
            self.log.add(label, sql, 0, started, failed=True)
            raise WarehouseError(f"{label}: {first_line(error)}") from None

    def arrow(self, sql: str, label: str) -> pa.Table:
        """Run a query and fetch the whole result."""
        started = time.perf_counter()
        try:
            with self.log.running(label):
                found = self.connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            self.log.add(label, sql, 0, started, failed=True)
            raise WarehouseError(f"{label}: {first_line(error)}") from None
        self.log.add(label, sql, len(found), started)
        return found

    def described(self, sql: str, label: str) -> dict[str, str]:
        """Columns of a query, with DuckDB's own types."""
        return {row[0]: row[1] for row in self.run(f"describe {sql}", label).fetchall()}

    @contextmanager
    def at_most(self, threads: int | None) -> Iterator[None]:
        """Let statements have fewer threads; ``None`` changes nothing."""
        before = self._most_threads
        self._most_threads = threads or before
        try:
            yield
        finally:
            self._most_threads = before

    @contextmanager
    def transaction(self, label: str) -> Iterator[None]:
        """Make what is run within one step; within another transaction, a part of that."""
        if self._is_open:
            yield
            return
        self.run("begin transaction", label)
        self._is_open = True
        try:
            yield
            self.run("commit", label)
        except BaseException:
            # Where the disk is full nothing can be rolled back either; the reason is what counts.
            with suppress(duckdb.Error):
                self.connection.execute("rollback")
            self.rolled_back()
            raise
        finally:
            self._is_open = False

    @contextmanager
    def known(self, name: str, rows: pa.Table) -> Iterator[None]:
        """Let statements read rows that are here."""
        self.connection.register(name, rows)
        try:
            yield
        finally:
            # After an error there is nothing to be done within a transaction.
            with suppress(duckdb.TransactionException):
                self.connection.unregister(name)
