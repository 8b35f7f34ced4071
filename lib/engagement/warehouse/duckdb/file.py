"""The file of the embedded engine: how it is opened, and how it is written anew."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from engagement import owner_only
from engagement.warehouse.duckdb.json_sql import text_sql

FILE = "warehouse_file"
"""What a connection that writes calls the file; nothing that is kept in it has that name."""

_DRAFT = ".rewriting"

ROW_GROUP = 16_384
"""Rows of a table that DuckDB compresses together.

A group that is not full is compressed anew with every checkpoint. With DuckDB's own 122,880 rows
that is most of fifty tables of events, each time.
"""


def opened(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Open the file; one that is written becomes private.

    How many rows a group has is only told where it is attached.

    Raises
    ------
    duckdb.IOException
        Another process holds it; the message speaks of the lock.
    duckdb.ConnectionException, duckdb.ResourceInUseException
        It is open in this process.
    """
    if read_only:
        return duckdb.connect(str(path), read_only=True)
    for one in (path, path.with_name(path.name + ".wal")):
        owner_only.tighten(one)  # which an earlier version may have made
    # Groups of rows that are not full are put together by the session: see its ``finish``.
    connection = duckdb.connect(config={"temp_directory": f"{path}.tmp", "max_vacuum_tasks": "0"})
    try:
        connection.execute(f"attach {text_sql(str(path))} as {FILE} (row_group_size {ROW_GROUP})")
        connection.execute(f"use {FILE}")
    except BaseException:
        connection.close()
        raise
    return connection


def confine(connection: duckdb.DuckDBPyConnection, folders: Sequence[Path]) -> None:
    """Let a connection that only reads see its file, what it spills, and some folders; for good.

    No other file and no address can be read from then on, no extension be fetched or loaded, and
    none of this be changed.

    Parameters
    ----------
    folders
        Where views of the file read from: the landing.
    """
    allowed = ", ".join(text_sql(str(folder)) for folder in folders)
    for statement in (
        f"set allowed_directories = [{allowed}]",
        "set autoinstall_known_extensions = false",
        "set autoload_known_extensions = false",
        "set allow_community_extensions = false",
        "set python_enable_replacements = false",
        "set enable_external_access = false",
        "set lock_configuration = true",
    ):
        connection.execute(statement)


def is_confined(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether that was done: to another connection of this process, which shares its settings."""
    locked = connection.execute("select current_setting('lock_configuration')").fetchall()
    return bool(locked[0][0])


@dataclass(frozen=True)
class Rewritten:
    """What became of a file: its bytes before and after, and spilled files that were removed."""

    before: int
    after: int
    spilled: int


def rewrite(path: Path) -> Rewritten:
    """Replace the file by a copy of its tables and views, and remove what was spilled to disk.

    DuckDB frees the blocks of what was deleted and keeps what they held until they are used again.
    A copy has no such blocks; it takes the file's place in one step, so that nothing stays of what
    the tables no longer hold. What a statement spills is removed when it ends, but not if it was
    killed: whoever has the file to themselves can tell that nothing there is in use.

    The caller holds the lease, and no connection is open.
    """
    draft = path.with_name(path.name + _DRAFT)
    for left in (draft, draft.with_name(draft.name + ".wal")):
        left.unlink(missing_ok=True)  # of a rewriting that was killed
    before = path.stat().st_size
    with owner_only.umask(), opened(path, read_only=False) as connection:
        # Nobody else has the file now, and this connection has spilled nothing yet.
        spilled = remove_spilled(path)
        connection.execute("checkpoint")
        new = "__rewritten"
        connection.execute(f"attach {text_sql(str(draft))} as {new} (row_group_size {ROW_GROUP})")
        connection.execute(f"copy from database {FILE} to {new}")
        connection.execute("detach __rewritten")
    with draft.open("rb") as stream:
        os.fsync(stream.fileno())
    draft.replace(path)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
    return Rewritten(before, path.stat().st_size, spilled)


def remove_spilled(path: Path) -> int:
    """Remove what killed runs have spilled; gives how many files. A link's target stays.

    The caller has the warehouse's file to itself.
    """
    folder = path.with_name(path.name + ".tmp")
    if folder.is_symlink() or not folder.is_dir():
        return 0
    files = [one for one in folder.rglob("*") if one.is_symlink() or not one.is_dir()]
    for one in files:
        one.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    return len(files)
