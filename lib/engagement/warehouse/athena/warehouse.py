"""The production engine: Athena over Glue and S3.

Every statement that writes makes new files, in a folder of its session, and a table over them in a
storage database. What others read is moved there afterwards, by one call on Glue; what a session
worked with goes when it ends. Nothing that a reader may be reading is ever written to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd

from engagement.aws.s3 import Address
from engagement.records.files import days_of, sort_out
from engagement.settings import Settings
from engagement.sql.dialect import LOGICAL, bind, confine, parse
from engagement.sql.rendering import render
from engagement.warehouse.athena import cleanup, preflight, setup
from engagement.warehouse.athena.lake import Lake
from engagement.warehouse.athena.objects import S3Objects
from engagement.warehouse.athena.queries import MOST_PARTITIONS
from engagement.warehouse.athena.rendering import ATHENA
from engagement.warehouse.athena.session import AthenaSession
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.protocol import Finding, Select
from engagement.warehouse.reading import Landing, LandingSession, Purged


class AthenaWarehouse(Lake):
    """Tables in Glue databases, their files in S3."""

    engine = "athena"
    batch_bytes: int | None = None
    batch_days: int = MOST_PARTITIONS
    rereads_tables = False

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._is_prepared = False

    def describe(self) -> str:
        """Name the engine and its region."""
        return f"Athena in {self.athena.region}, workgroup {self.athena.workgroup}"

    def exists(self) -> bool:
        """Whether anything was ever published."""
        return any(self.catalog.tables(self.databases[name]) for name in LOGICAL)

    def landing_files(self, *, whole: bool = False) -> Landing:
        """List the landing, within the received dates of the settings or whole."""
        wanted = self.settings.landing
        span = (None, None) if whole else (wanted.from_, wanted.to)
        listing = ((f.name, f.size, f.tag) for f in self.bucket.listing(self.landing))
        files, strays = sort_out(listing, *span)
        return Landing(wanted.location, files, strays)

    def landed_days(self) -> list[str]:
        """Received dates of which something has landed."""
        return days_of(self.bucket.folders(self.landing))

    @contextmanager
    def lease(self, holder: str) -> Iterator[str]:
        """Keep other runs from writing these tables."""
        with self.s3_lease.hold(holder) as token:
            yield token

    @contextmanager
    def session(self, *, write: bool = False) -> Iterator[LandingSession]:
        """Open a session; writing holds the lease."""
        if not write:
            if not self.catalog.has_database(self.databases["landing"]):
                raise WarehouseError(
                    "There is no warehouse yet in Glue: run the notebooks first "
                    "('engagement run', or 01 and 02 by hand)."
                )
            yield AthenaSession(self, token=None)
            return
        with self.s3_lease.hold("a notebook or script") as token:
            self.log.may_have_written = True
            self._prepare()
            session = AthenaSession(self, token=token)
            try:
                yield session
            finally:
                session.close()

    def _prepare(self) -> None:
        """Make sure, once a process, of what tables are written with."""
        if not self._is_prepared:
            setup.ensure_workgroup(self)
            for name in (*self.databases.values(), self.storage):
                self.catalog.ensure_database(name)
            self._is_prepared = True

    def findings(self) -> Iterator[Finding]:
        """Try one by one what a run needs on AWS."""
        return preflight.findings(self)

    def clean(self, keep_days: float | None = None, *, dry_run: bool = False) -> list[str]:
        """Remove files that nothing points at any more, after the grace period."""
        days = self.athena.keep_days if keep_days is None else keep_days
        return setup.clean(self, days, dry_run=dry_run)

    def landed_objects(self, location: str | None = None) -> S3Objects:
        """The objects of the landing, or of another place."""
        at = self.landing
        if location:
            at = Address.parse(location, folder=True, raises=WarehouseError)
        return S3Objects(self.bucket, at)

    def purge(self, holds: Callable[[str, bytes], bool]) -> Purged:
        """Remove superseded tables, old versions of objects, and kept results of queries."""
        return cleanup.purge(self, holds)

    def render(self, select: Select, parameters: Mapping[str, Any] | None = None) -> str:
        """Show the SQL as Athena runs it."""
        query = parse(select) if isinstance(select, str) else select
        return render(bind(query, parameters or {}), ATHENA, self.databases, pretty=True)

    def query(self, select: Select, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Run one query in a session of its own."""
        query = parse(select) if isinstance(select, str) else select
        confine(query)
        with self.session() as session:
            return session.query(query, parameters)
