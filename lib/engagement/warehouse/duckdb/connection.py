"""A connection to the warehouse's file: waited for, set up, and confined where it only reads."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path

import duckdb

from engagement.output import notices
from engagement.settings import DuckDB
from engagement.warehouse.duckdb import file as duckdb_file
from engagement.warehouse.duckdb.place import Place
from engagement.warehouse.errors import WarehouseError

logger = logging.getLogger("engagement")

_CHECKPOINT_AFTER = "1GB"

_PYTHON_BYTES = 500_000_000
"""What Python takes besides, with what a notebook holds."""


def limit_memory(connection: duckdb.DuckDBPyConnection, most_bytes: int) -> None:
    """Let DuckDB use what Python leaves it of so many bytes."""
    limit = most_bytes - min(_PYTHON_BYTES, most_bytes // 2)
    connection.execute(f"set memory_limit = '{limit}B'")


_ALLOCATION = {
    "block_allocator_memory": "2GB",
    "allocator_flush_threshold": "100GB",
    "allocator_bulk_deallocation_flush_threshold": "100GB",
}
"""A connection that writes uses the memory of a block again, where DuckDB would give it back to the
system each time, and pay a page fault for every 4 kB of the next. Addresses are reserved; memory is
taken as blocks need it."""


class Connection:
    """Open the file, waiting for whoever holds it; close it at the end."""

    def __init__(self, place: Place, *, read_only: bool) -> None:
        self._place = place
        self._read_only = read_only

    def __enter__(self) -> duckdb.DuckDBPyConnection:
        settings, path = self._place.settings, self._place.path
        deadline = time.monotonic() + settings.wait_seconds
        told = False
        pause = 0.02
        while True:
            try:
                self._connection = duckdb_file.opened(path, read_only=self._read_only)
                break
            except duckdb.IOException as error:
                if "Could not set lock" not in str(error):
                    raise WarehouseError(f"{path} cannot be opened: {first_line(error)}") from None
                who = re.search(r"\(PID (\d+)\)", str(error))
                name = f"process {who[1]}" if who else "another process"
                if time.monotonic() >= deadline:
                    raise WarehouseError(
                        f"{path.name} is held by {name}; waited {settings.wait_seconds:g} s "
                        "(warehouse.duckdb.wait_seconds). Close it there, or wait longer."
                    ) from None
                if not told:
                    waiting = f"waiting for {name}, which holds {path.name}"
                    logger.warning(waiting)
                    notices.say_in_run(waiting)
                    told = True
                time.sleep(pause)
                pause = min(pause * 1.5, 0.5)
            except (duckdb.ConnectionException, duckdb.ResourceInUseException):
                raise _open_already(path) from None
            except duckdb.Error as error:
                raise WarehouseError(
                    f"{path} cannot be opened as a DuckDB file: {first_line(error)}"
                ) from None
        if told:
            notices.done()
        if duckdb_file.is_confined(self._connection):  # it is the other session's, then
            self._connection.close()
            raise _open_already(path)
        try:
            self._set_up(settings)
        except BaseException:
            self._connection.close()
            raise
        return self._connection

    def _set_up(self, settings: DuckDB) -> None:
        self._connection.execute("set timezone = 'UTC'")
        if not self._read_only:
            # By itself DuckDB would write the last rows of every table anew with each small one.
            self._connection.execute(f"set checkpoint_threshold = '{_CHECKPOINT_AFTER}'")
            for name, value in _ALLOCATION.items():
                self._connection.execute(f"set {name} = '{value}'")
        limit_memory(self._connection, self._place.memory_bytes)
        if settings.threads:
            self._connection.execute(f"set threads = {settings.threads}")
        if self._read_only:
            duckdb_file.confine(self._connection, [self._place.landing])

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _open_already(path: Path) -> WarehouseError:
    return WarehouseError(
        f"{path.name} is open in this process already: leave the block of the other session first."
    )


def first_line(error: Exception) -> str:
    """What DuckDB says, without the statement that it repeats: that may be pages long."""
    if isinstance(error, duckdb.PermissionException):
        return (
            "a session that only reads sees the warehouse's tables and the landing of the "
            "parameters (landing.location), no other file and no address"
        )
    said = str(error).split("\n\nLINE")[0].strip() or type(error).__name__
    return " ".join(line.strip() for line in said.splitlines()[:3])
