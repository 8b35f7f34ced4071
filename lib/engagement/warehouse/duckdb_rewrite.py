"""Writing a DuckDB file anew, so that nothing stays in it of what its tables no longer hold.

DuckDB frees the blocks of what was deleted and keeps what they held until they are used again. A
copy of the database has no such blocks; it takes the file's place in one step.
"""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

_DRAFT = ".rewriting"


def rewrite(path: Path) -> tuple[int, int]:
    """Replace a DuckDB file by a copy of its tables and views; gives its bytes before and after.

    The caller holds the lease, and no connection is open.
    """
    draft = path.with_name(path.name + _DRAFT)
    for left in (draft, draft.with_name(draft.name + ".wal")):
        left.unlink(missing_ok=True)  # of a rewriting that was killed
    before = path.stat().st_size
    with duckdb.connect(str(path)) as connection:
        connection.execute("checkpoint")
        name = connection.execute("select current_database()").fetchall()[0][0]
        quoted = '"' + str(name).replace('"', '""') + '"'
        at = str(draft).replace("'", "''")
        connection.execute(f"attach '{at}' as __rewritten")
        connection.execute(f"copy from database {quoted} to __rewritten")
        connection.execute("detach __rewritten")
    with draft.open("rb") as stream:
        os.fsync(stream.fileno())
    draft.replace(path)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
    return before, path.stat().st_size
