"""The embedded engine: one DuckDB file.

DuckDB lets one process write a file and shuts the others out meanwhile, and a reader blocks a
writer too. So connections are short: each session opens the file, works, and closes it, results
are fetched whole, and whoever has to wait is told for whom.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import duckdb
import pandas as pd

from engagement import owner_only
from engagement.records.files import days_of, list_folder, list_folders, sort_out
from engagement.settings import Settings
from engagement.sql.dialect import LOGICAL, Table, bind, parse
from engagement.sql.rendering import render
from engagement.warehouse import lease
from engagement.warehouse.duckdb import file as duckdb_file
from engagement.warehouse.duckdb.connection import Connection
from engagement.warehouse.duckdb.place import Place
from engagement.warehouse.duckdb.rendering import DUCKDB
from engagement.warehouse.duckdb.session import DuckDBSession
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.objects import FolderObjects
from engagement.warehouse.protocol import Select
from engagement.warehouse.reading import Landing, LandingSession, Purged
from engagement.warehouse.statements import StatementLog


class DuckDBWarehouse:
    """Tables in one local DuckDB file."""

    engine = "duckdb"
    batch_days: int = 1000
    rereads_tables = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._place = Place.of(settings)
        self.log = StatementLog()
        self.batch_bytes: int | None = self._place.batch_bytes

    def describe(self) -> str:
        """Name the engine and its version."""
        return f"DuckDB {duckdb.__version__}"

    def exists(self) -> bool:
        """Whether the file is there."""
        return self._place.path.exists()

    def landing_files(self, *, whole: bool = False) -> Landing:
        """List the landing folder, within the received dates of the settings or whole."""
        wanted = self._settings.landing
        span = (None, None) if whole else (wanted.from_, wanted.to)
        files, strays = sort_out(list_folder(self._place.landing), *span)
        return Landing(wanted.location, files, strays)

    def landed_days(self) -> list[str]:
        """Received dates of which something has landed."""
        return days_of(list_folders(self._place.landing))

    @contextmanager
    def lease(self, holder: str) -> Iterator[str]:
        """Keep other runs from writing this file."""
        with lease.hold(self._place.path, holder) as token:
            yield token

    @contextmanager
    def session(self, *, write: bool = False) -> Iterator[LandingSession]:
        """Open the file; writing holds the lease."""
        if not write:
            if not self.exists():
                raise WarehouseError(
                    f"There is no warehouse yet at {self._place.path}: run the notebooks first "
                    "('engagement run', or 01 and 02 by hand)."
                )
            with owner_only.umask(), Connection(self._place, read_only=True) as connection:
                yield DuckDBSession(self._place, connection, self.log, token=None)
            return
        with lease.hold(self._place.path, "a notebook or script") as token:
            owner_only.folder(self._place.path.parent)
            with owner_only.umask(), Connection(self._place, read_only=False) as connection:
                self.log.may_have_written = True
                for schema in self._place.databases.values():
                    connection.execute(f'create schema if not exists "{schema}"')
                yield DuckDBSession(self._place, connection, self.log, token=token)

    def render(self, select: Select, parameters: Mapping[str, Any] | None = None) -> str:
        """Show the SQL as DuckDB runs it."""
        query = parse(select) if isinstance(select, str) else select
        return render(bind(query, parameters or {}), DUCKDB, self._place.databases, pretty=True)

    def query(self, select: Select, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Run one query and let go of the file."""
        with self.session() as session:
            return session.query(select, parameters)

    def clean(self, keep_days: float | None = None, *, dry_run: bool = False) -> list[str]:
        """Nothing is left behind: DuckDB uses the room of what was replaced again."""
        del keep_days, dry_run
        return []

    def landed_objects(self, location: str | None = None) -> FolderObjects:
        """The files of the landing folder, or of another."""
        return FolderObjects(self._settings.path(location) if location else self._place.landing)

    def purge(self, holds: Callable[[str, bytes], bool]) -> Purged:
        """Write the file anew, without the blocks that were freed, and without what was spilled.

        A disk keeps no old versions.
        """
        del holds
        done = duckdb_file.rewrite(self._place.path)
        return Purged(
            {
                "bytes of the warehouse file": max(done.before - done.after, 0),
                "files that killed runs had spilled to disk": done.spilled,
            }
        )

    def start_over(self, kept: Collection[Table], *, dry_run: bool = False) -> list[str]:
        """Remove every table but some, for good; gives the names of those that go, or would.

        The caller holds the lease, and no session is open.
        """
        if not self.exists():
            return []
        with self.session(write=True) as session:
            assert isinstance(session, DuckDBSession)  # noqa: S101 (for the type checker)
            every = [Table(one, name) for one in LOGICAL for name in session.tables(one)]
            gone = [table for table in every if table not in kept]
            if dry_run:
                return [str(table) for table in gone]
            for table in gone:
                session.drop(table)
            session.drop_storage()
        if len(gone) == len(every):
            for end in ("", ".wal"):
                self._place.path.with_name(self._place.path.name + end).unlink(missing_ok=True)
            duckdb_file.remove_spilled(self._place.path)
        else:
            duckdb_file.rewrite(self._place.path)
        return [str(table) for table in gone]
