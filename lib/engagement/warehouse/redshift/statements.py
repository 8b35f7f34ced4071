"""Statements in one session: checked against the allow-list, run, logged, errors in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.redshift import forms, functions
from engagement.warehouse.redshift.rendering import redshift_sql
from engagement.warehouse.redshift.transport import Result, StatementFailedError, Transport
from engagement.warehouse.statements import Statement, StatementLog


@dataclass(frozen=True)
class Words:
    """How trees are written, what may be sent, and what creates the project's functions.

    Attributes
    ----------
    write
        A tree as text, with the physical names of the logical databases.
    check
        What a statement has that the server does not know, a sentence for each.
    functions
        What creates the project's functions, in a schema whose name is quoted.
    """

    write: Callable[[exp.Expr, Mapping[str, str]], str]
    check: Callable[[str], list[str]]
    functions: Callable[[str], list[str]]


def _write(tree: exp.Expr, databases: Mapping[str, str]) -> str:
    return redshift_sql(tree, databases, copy=False)


REDSHIFT_WORDS = Words(_write, forms.statement_problems, functions.statements)


class Statements:
    """Runs SQL on a transport.

    Attributes
    ----------
    log
        What ran.
    """

    def __init__(self, transport: Transport, log: StatementLog, words: Words) -> None:
        self.transport = transport
        self.log = log
        self._words = words

    def _allow(self, sql: str, label: str) -> None:
        problems = self._words.check(sql)
        if problems:
            raise WarehouseError(f"{label}: not Redshift's SQL: {'; '.join(problems)}")
        size = len(sql.encode())
        if size > self.transport.most_bytes:
            raise WarehouseError(
                f"{label}: the statement has {size:,} bytes, and {self.transport.most_bytes:,} may "
                "be sent this way: use a connection (connect: password or iam)"
            )

    def run(self, sql: str, label: str) -> Result:
        """Run a statement, which is not logged; after an error the session goes on.

        Raises
        ------
        WarehouseError
            That begins with the label.
        """
        self._allow(sql, label)
        started = time.perf_counter()
        try:
            return self.transport.run(sql)
        except StatementFailedError as error:
            self.log.add(label, sql, 0, started, failed=True)
            raise WarehouseError(f"{label}: {error}") from None

    def rows(self, sql: str, label: str) -> list[tuple[Any, ...]]:
        """The rows of a query, which is not logged."""
        return [tuple(row) for row in self.run(sql, label).rows]

    def count(self, place: str, label: str) -> int:
        """How many rows there are at a place, as statements name it."""
        return int(self.rows(f"select count(*) as n from {place}", label)[0][0])

    def query(self, sql: str, label: str) -> Result:
        """The result of a query, logged."""
        started = time.perf_counter()
        found = self.run(sql, label)
        self.logged(label, sql, len(found.rows), started, found.query_id)
        return found

    def logged(self, label: str, sql: str, rows: int, started: float, query_id: str = "") -> None:
        """Note a statement that went well; ``started`` is a ``time.perf_counter()``."""
        seconds = time.perf_counter() - started
        self.log.keep(Statement(label, sql, rows, seconds, query_id=query_id or None))

    def run_in_one_transaction(self, statements: Sequence[str], label: str) -> None:
        """Run statements that take effect together, or not at all.

        Raises
        ------
        WarehouseError
            That begins with the label.
        """
        for sql in statements:
            self._allow(sql, label)
        started = time.perf_counter()
        try:
            self.transport.run_in_one_transaction(statements)
        except StatementFailedError as error:
            self.log.add(label, "; ".join(statements), 0, started, failed=True)
            raise WarehouseError(f"{label}: {error}") from None
