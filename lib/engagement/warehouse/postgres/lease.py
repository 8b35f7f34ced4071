"""Keep two runs of one project from writing at once: an advisory lock, and who holds it.

The lock is the connection's, so a killed run lets go of it by dying. A row beside it says who holds
it; a run hands its token to the kernels that it starts.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from engagement.warehouse.errors import LeaseHeldError
from engagement.warehouse.lease import TOKEN_VARIABLE
from engagement.warehouse.postgres.statements import Connection
from engagement.warehouse.postgres.types import quoted, text


def table(storage: str) -> str:
    """The table that says who holds the lease."""
    return f"{quoted(storage)}.lease"


def create(connection: Connection, storage: str) -> None:
    """Make the table, where it is not there yet."""
    connection.execute(
        f"create table if not exists {table(storage)} "
        "(token text, holder text, process bigint, since text)".encode()
    )


def _note(connection: Connection, storage: str) -> tuple[str, str, int, str]:
    found = connection.execute(
        f"select token, holder, process, since from {table(storage)}".encode()
    ).fetchone()
    return found or ("", "another run", 0, "just now")


@contextmanager
def hold(connection: Connection, storage: str, holder: str) -> Iterator[str]:
    """Hold the lease while the block lasts, on a connection of its own.

    Raises
    ------
    LeaseHeldError
        When another session of the server holds it: who, and since when.
    """
    inherited = os.environ.get(TOKEN_VARIABLE)
    if inherited and _note(connection, storage)[0] == inherited:
        yield inherited
        return
    key = f"hashtextextended({text(storage)}, 20)"
    row = connection.execute(f"select pg_try_advisory_lock({key})".encode()).fetchone()
    if not (row and row[0]):
        _, who, process, since = _note(connection, storage)
        raise LeaseHeldError(
            f"the schema {storage} is being written by {who} (process {process}) since {since}. "
            "Wait until it has ended, or stop it; a killed run lets go by itself."
        )
    token = secrets.token_hex(8)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    values = f"{text(token)}, {text(holder)}, {os.getpid()}, {text(since)}"
    try:
        with connection.transaction():
            connection.execute(f"delete from {table(storage)}".encode())
            connection.execute(f"insert into {table(storage)} values ({values})".encode())
        yield token
    finally:
        if not connection.closed and not connection.broken:
            connection.execute(f"delete from {table(storage)} where token = {text(token)}".encode())
            connection.execute(f"select pg_advisory_unlock({key})".encode())


def check(connection: Connection, storage: str, token: str) -> None:
    """Make sure that the lease is still the one of this token.

    Raises
    ------
    LeaseHeldError
        When it is not: whoever took it over writes now, and this run must not.
    """
    held, who, _, _ = _note(connection, storage)
    if held != token:
        raise LeaseHeldError(
            f"this run's lease of {storage} is gone (held by {who}): nothing more was published. "
            "Run it again."
        )
