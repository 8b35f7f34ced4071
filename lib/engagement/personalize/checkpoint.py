"""What a replay has sent, so that it can be killed at any moment and goes on.

One SQLite file, each change a transaction that is on disk before the next call: which landed files
are done, and the digest of every event that was acknowledged, for as long as a copy of it may still
land. No id of a person or of an event is in it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from engagement import owner_only
from engagement.errors import FailedError

_TABLES = """
create table if not exists meta (name text primary key, value text not null);
create table if not exists files (
    name text primary key, day text not null, tag text not null, records integer not null
);
create table if not exists sent (digest blob primary key, day text not null) without rowid;
create table if not exists counts (name text primary key, number integer not null);
"""


class CheckpointError(FailedError):
    """A checkpoint that cannot be used: what is wrong, and what to do."""


@dataclass(frozen=True)
class Progress:
    """What a checkpoint says: files done, events by what became of them."""

    files: int
    counts: Mapping[str, int]


def digest(call: str, message_id: str) -> bytes:
    """What an acknowledged event is remembered by."""
    text = f"{call}\0{message_id}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()


class Checkpoint:
    """A replay's memory; one process at a time has it open.

    Parameters
    ----------
    path
        The file; made if it is missing, readable by its owner only.
    target
        What is sent where: another target needs a checkpoint of its own.

    Raises
    ------
    CheckpointError
        When another replay has it open, it is of another target, or no checkpoint at all.
    """

    def __init__(self, path: Path, target: str) -> None:
        owner_only.folder(path.parent)
        self._lock = FileLock(f"{path}.lock", mode=0o600)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise CheckpointError(
                f"another replay is running with the checkpoint {path}: stop it first, or name "
                "another one in personalize.live.checkpoint"
            ) from None
        try:
            self._open(path, target)
        except BaseException:
            self._lock.release()
            raise

    def _open(self, path: Path, target: str) -> None:
        if not path.exists():
            owner_only.write(path, b"")
        self._base = sqlite3.connect(path, isolation_level=None)
        try:
            self._base.execute("pragma journal_mode = wal")
            self._base.execute("pragma synchronous = full")
            self._base.executescript(_TABLES)
            with self._base:
                self._base.execute("insert or ignore into meta values ('target', ?)", (target,))
            (known,) = self._base.execute("select value from meta where name = 'target'").fetchone()
        except sqlite3.DatabaseError as error:
            self._base.close()
            raise CheckpointError(
                f"{path} cannot be used as a checkpoint ({error}): remove it to send everything "
                "again; the service drops events whose id it knows"
            ) from None
        if known != target:
            self._base.close()
            raise CheckpointError(
                f"the checkpoint {path} belongs to another event tracker: name "
                "another one in personalize.live.checkpoint, or remove it to send everything "
                "from the start"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let others have it."""
        self._base.close()
        self._lock.release()

    def done(self) -> dict[str, str]:
        """The landed files that are done, by name, each with its tag."""
        return dict(self._base.execute("select name, tag from files").fetchall())

    def known(self, digests: Iterable[bytes]) -> set[bytes]:
        """Those of some digests whose events were acknowledged."""
        wanted, found = list(dict.fromkeys(digests)), set()
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            rows = self._base.execute(f"select digest from sent where digest in ({marks})", part)
            found |= {row[0] for row in rows}
        return found

    def acknowledge(
        self, digests: Iterable[bytes], day: str, counts: Mapping[str, int] | None = None
    ) -> None:
        """Remember events that were acknowledged, before anything else is done."""
        with _transaction(self._base) as base:
            base.executemany(
                "insert or ignore into sent values (?, ?)", [(one, day) for one in digests]
            )
            _count(base, counts or {})

    def finish(
        self, name: str, day: str, tag: str, records: int, counts: Mapping[str, int]
    ) -> None:
        """Remember that a file is done."""
        with _transaction(self._base) as base:
            base.execute(
                "insert or replace into files values (?, ?, ?, ?)", (name, day, tag, records)
            )
            _count(base, counts)

    def newest(self) -> str | None:
        """The newest received date of which a file is done."""
        row = self._base.execute("select max(day) from files").fetchone()
        return None if row[0] is None else str(row[0])

    def forget(self, window_days: int) -> None:
        """Forget events whose copies no longer land: see ``duplicates.window_days``."""
        newest = self.newest()
        if newest is not None:
            first = (date.fromisoformat(newest) - timedelta(days=window_days)).isoformat()
            with _transaction(self._base) as base:
                base.execute("delete from sent where day < ?", (first,))

    def progress(self) -> Progress:
        """What was done so far, in all runs together."""
        (files,) = self._base.execute("select count(*) from files").fetchone()
        return Progress(files, dict(self._base.execute("select name, number from counts")))


@contextmanager
def _transaction(base: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """A transaction that takes the write lock at once; a killed process leaves nothing of it."""
    base.execute("begin immediate")
    try:
        yield base
    except BaseException:
        base.execute("rollback")
        raise
    base.execute("commit")


def _count(base: sqlite3.Connection, counts: Mapping[str, int]) -> None:
    base.executemany(
        "insert into counts values (?, ?) on conflict (name) do update set number = number + ?",
        [(name, number, number) for name, number in Counter(counts).items()],
    )


def read_progress(path: Path) -> Progress | None:
    """What a checkpoint says, without opening it for a replay; ``None`` where there is none."""
    if not path.exists() or path.stat().st_size == 0:
        return None
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base:
            (files,) = base.execute("select count(*) from files").fetchone()
            return Progress(files, dict(base.execute("select name, number from counts")))
    except sqlite3.DatabaseError:
        return None
