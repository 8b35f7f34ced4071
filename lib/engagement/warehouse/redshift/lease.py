"""Keep two runs of one project from writing at once: a row of a table that is locked to take it.

Redshift has no advisory locks. Who holds the lease writes the time into its row every now and then;
a row that was not touched for long is anybody's. Times are the server's own. What publishes asks in
the same transaction whether the lease is still its own, so that a run which lost it changes
nothing.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

from engagement.errors import FailedError
from engagement.warehouse.errors import LeaseHeldError, WarehouseError
from engagement.warehouse.lease import TOKEN_VARIABLE, signs_of_life
from engagement.warehouse.redshift.transport import StatementFailedError, Transport
from engagement.warehouse.redshift.types import quoted, text

logger = logging.getLogger("engagement")


def table(storage: str) -> str:
    """The table that says who holds the lease."""
    return f"{quoted(storage)}.lease"


def creating(storage: str) -> str:
    """What makes that table, where it is not there yet."""
    return (
        f"create table if not exists {table(storage)} (token varchar(64), holder varchar(256), "
        "process bigint, since varchar(64), seen timestamp)"
    )


def guard(storage: str, token: str) -> str:
    """A query that fails where a token is not the lease's: it divides by the rows it finds."""
    return f"select 1 / count(*) as held from {table(storage)} where token = {text(token)}"


class Lease:
    """The lease of one project's tables.

    Parameters
    ----------
    connect
        Opens another session, for the signs of life of a holder whose own is at work.
    seconds
        How long a holder may fall silent before others take over.
    """

    def __init__(
        self, transport: Transport, storage: str, seconds: float, connect: Callable[[], Transport]
    ) -> None:
        self._transport = transport
        self._table = table(storage)
        self._storage = storage
        self._seconds = seconds
        self._connect = connect

    @contextmanager
    def hold(self, holder: str) -> Iterator[str]:
        """Hold the lease while the block lasts; gives its token.

        Raises
        ------
        LeaseHeldError
            When another run holds it: who, and since when.
        """
        inherited = os.environ.get(TOKEN_VARIABLE)
        if inherited and self._note()[0] == inherited:
            yield inherited
            return
        token = secrets.token_hex(8)
        self._take(token, holder)
        life = _Life(self._connect, self._storage, token)
        try:
            with closing(life), signs_of_life(life.give, self._seconds / 4):
                yield token
        finally:
            self._let_go(token)

    def check(self, token: str) -> None:
        """Make sure that the lease is still the one of this token.

        Raises
        ------
        LeaseHeldError
            When it is not: whoever took it over writes now, and this run must not.
        """
        held, who, _, _ = self._note()
        if held != token:
            raise LeaseHeldError(
                f"this run's lease of {self._storage} is gone (held by {who}): nothing more was "
                "published. Run it again."
            )

    # --- inside

    def _note(self) -> tuple[str, str, int, str]:
        found = self._run(f"select token, holder, process, since from {self._table}")
        if not found:
            return "", "nobody", 0, "just now"
        token, who, process, since = found[0]
        return str(token), str(who), int(process), str(since)

    def _take(self, token: str, holder: str) -> None:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        note = f"{text(token)}, {text(holder[:60])}, {os.getpid()}, {text(since)}, getdate()"
        silent = f"dateadd('second', -{self._seconds:.0f}, getdate())"
        try:
            self._transport.run_in_one_transaction(
                [
                    f"lock {self._table}",
                    f"delete from {self._table} where seen < {silent}",
                    (
                        f"insert into {self._table} (token, holder, process, since, seen) "
                        f"select {note} where not exists (select 1 from {self._table})"
                    ),
                ]
            )
        except StatementFailedError as error:
            raise WarehouseError(f"the lease of {self._storage}: {error}") from None
        held, who, process, began = self._note()
        if held != token:
            raise LeaseHeldError(
                f"the schema {self._storage} is being written by {who} (process {process}) since "
                f"{began}. Wait until it has ended, or stop it; a killed run's lease ends "
                f"{self._seconds:g} s after its last sign of life."
            )

    def _let_go(self, token: str) -> None:
        try:
            self._transport.run(f"delete from {self._table} where token = {text(token)}")
        except StatementFailedError as error:
            logger.warning("the lease of %s was not let go of: %s", self._storage, error)

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        try:
            return [tuple(row) for row in self._transport.run(sql).rows]
        except StatementFailedError as error:
            raise WarehouseError(f"the lease of {self._storage}: {error}") from None


class _Life:
    """Signs of life by a session of their own, which is opened with the first."""

    def __init__(self, connect: Callable[[], Transport], storage: str, token: str) -> None:
        self._connect = connect
        self._storage = storage
        self._sign = f"update {table(storage)} set seen = getdate() where token = {text(token)}"
        self._own: Transport | None = None

    def give(self) -> bool:
        """Give one; the next may succeed where it fails, else what publishes finds out."""
        try:
            self._own = self._own or self._connect()
            self._own.run(self._sign)
        except FailedError as error:
            logger.warning("no sign of life for the lease of %s: %s", self._storage, error)
            self._own = None
        return True

    def close(self) -> None:
        """End the session."""
        if self._own is not None:
            self._own.close()
