"""Redshift: the tables that RudderStack loads, and beside them those that are made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import boto3
import pandas as pd

from engagement.settings import Settings
from engagement.sql.dialect import bind, parse
from engagement.warehouse import loaded_views
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.loaded import LoadedTable
from engagement.warehouse.protocol import Select, Session
from engagement.warehouse.redshift import catalog, erasing, lease, login, sources
from engagement.warehouse.redshift.lease import Lease
from engagement.warehouse.redshift.session import RedshiftSession
from engagement.warehouse.redshift.staging import Stage
from engagement.warehouse.redshift.statements import REDSHIFT_WORDS, Statements, Words
from engagement.warehouse.redshift.transport import StatementFailedError, Transport
from engagement.warehouse.redshift.types import quoted, text
from engagement.warehouse.redshift.unload import Staging
from engagement.warehouse.statements import StatementLog


class RedshiftWarehouse:
    """Tables in one database of a cluster, or of Serverless.

    Parameters
    ----------
    words
        How trees are written and statements judged: Redshift's.
    connect
        Opens a session; told whether it is one that only reads.
    """

    engine = "redshift"

    def __init__(
        self,
        settings: Settings,
        *,
        words: Words = REDSHIFT_WORDS,
        connect: Callable[[bool], Transport] | None = None,
    ) -> None:
        section = settings.warehouse.redshift
        assert section is not None  # noqa: S101 (the settings see to it)
        self._section = section
        self._storage = section.storage_schema or f"{settings.project}_storage"
        self._databases = {
            name: getattr(settings.warehouse.databases, name)
            for name in ("landing", "events", "marts")
        }
        self._window_days = settings.duplicates.window_days
        self._words = words
        self._connect = connect or (lambda reads: login.transport(section, reads=reads))
        self.log = StatementLog()

    def describe(self) -> str:
        """Name the engine and where it is."""
        one = self._section
        where = one.workgroup or one.cluster or "by its host"
        return f"Redshift, {where}, database {one.database}"

    @contextmanager
    def connected(self, *, reads: bool = False) -> Iterator[Statements]:
        """A session of Redshift's, set up: UTC, a time limit, where functions are looked for."""
        transport = self._set_up(reads)
        try:
            yield Statements(transport, self.log, self._words)
        finally:
            transport.close()

    def _set_up(self, reads: bool) -> Transport:
        transport = self._connect(reads)
        try:
            for setting in (
                "set timezone to 'UTC'",
                "set datestyle to 'ISO, YMD'",
                "set query_group to 'engagement'",
                f"set statement_timeout to {self._section.statement_seconds * 1000}",
                f"set search_path to {quoted(self._storage)}",
            ):
                transport.run(setting)
        except StatementFailedError as error:
            transport.close()
            raise WarehouseError(f"Redshift: {error}") from None
        return transport

    def exists(self) -> bool:
        """Whether anything was ever published."""
        with self.connected(reads=True) as statements:
            return self._is_there(statements)

    def _is_there(self, statements: Statements) -> bool:
        return bool(statements.rows(catalog.kind(self._storage, "lease"), "the lease's table"))

    @contextmanager
    def lease(self, holder: str) -> Iterator[str]:
        """Keep other runs from writing."""
        with self.connected() as statements:
            self._create(statements)
            with self._lease(statements).hold(holder) as token:
                self._prepare(statements)
                yield token

    def _lease(self, statements: Statements) -> Lease:
        return Lease(
            statements.transport,
            self._storage,
            self._section.lease_seconds,
            lambda: self._set_up(False),
        )

    def _create(self, statements: Statements) -> None:
        """Make the schemas, where they are missing, and the tables of this engine's own."""
        wanted = (*self._databases.values(), self._storage)
        there = {name for (name,) in statements.rows(catalog.schemas(*wanted), "schemas")}
        for schema in wanted:
            if schema not in there:
                statements.run(f"create schema if not exists {quoted(schema)}", "schemas")
        if not self._is_there(statements):
            statements.run(lease.creating(self._storage), "the lease's table")
        if not statements.rows(catalog.kind(self._storage, "made"), "what was made"):
            statements.run(
                f"create table if not exists {self._made} (name varchar(512), mark varchar(512))",
                "what was made",
            )

    @property
    def _made(self) -> str:
        """The table of what this engine has made, and in which version."""
        return f"{quoted(self._storage)}.made"

    def _prepare(self, statements: Statements) -> None:
        """Create the functions, if they are not there as they are now, and the sources' views."""
        marks = dict(statements.rows(f"select name, mark from {self._made}", "what was made"))
        wanted = self._words.functions(quoted(self._storage))
        mark = hashlib.sha256("\0".join(wanted).encode()).hexdigest()[:16]
        if marks.get("functions") != mark:
            for statement in wanted:
                statements.run(statement, "the project's functions")
            place = f"{self._made} (name, mark) values ('functions', {text(mark)})"
            statements.run_in_one_transaction(
                [f"delete from {self._made} where name = 'functions'", f"insert into {place}"],
                "the project's functions",
            )
        raw = self._section.rudderstack_schema
        if raw is not None:
            for label, sqls in sources.making(statements, raw, self._databases, self._window_days):
                statements.run_in_one_transaction(sqls, label)

    @contextmanager
    def session(self, *, write: bool = False) -> Iterator[Session]:
        """Open a session; writing holds the lease."""
        with self.connected(reads=not write) as statements, ExitStack() as opened:
            if not write:
                is_there = self._is_there(statements)
                if not is_there and self._section.rudderstack_schema is not None:
                    with self.session(write=True):
                        is_there = True  # the views over RudderStack's tables are made
                if not is_there:
                    raise WarehouseError(
                        f"There is no warehouse yet in {self.describe()}: run the notebooks first "
                        "('engagement run', or 01 and 02 by hand)."
                    )
                builder = None
                if self.has_reader:
                    builder = partial(opened.enter_context, self.connected())
                yield self._session(statements, builder=builder)
                return
            self._create(statements)
            held = self._lease(statements)
            with held.hold("a notebook or script") as token:
                self.log.may_have_written = True
                self._prepare(statements)
                yield self._session(statements, token=token, check=lambda: held.check(token))

    def _session(
        self,
        statements: Statements,
        *,
        builder: Callable[[], Statements] | None = None,
        token: str | None = None,
        check: Callable[[], None] | None = None,
    ) -> RedshiftSession:
        return RedshiftSession(
            statements,
            self._words,
            self._databases,
            self._storage,
            builder=builder,
            token=token,
            lease_check=check,
            stage=self.stage(),
        )

    # --- what RudderStack loads

    @property
    def rudderstack_schema(self) -> str | None:
        """Where RudderStack loads."""
        return self._section.rudderstack_schema

    def loaded_tables(self) -> list[LoadedTable]:
        """The tables of RudderStack's schema as they are now, in order of name.

        It is who builds that looks: who only reads is not let into that schema.
        """
        raw = self._section.rudderstack_schema
        if raw is None:
            return []
        with self.connected() as statements:

            def count(name: str) -> int:
                asked = f"select count(*) as n from {quoted(raw)}.{quoted(name)}"
                return int(statements.rows(asked, name)[0][0])

            return loaded_views.described(sources.tables_of(statements, raw), count)

    def copies_sql(self) -> str:
        """The SQL that leaves copies out, as it is in the view over ``tracks``."""
        raw = self._section.rudderstack_schema or "rudderstack"
        with self.connected() as statements:
            found = sources.tables_of(statements, raw)
        words = sources.WORDS
        return loaded_views.copies_sql(raw, found, self._window_days, words, "redshift")

    def delete_loaded(
        self, columns: Mapping[str, Sequence[str]], values: Collection[str], *, dry_run: bool = True
    ) -> Mapping[str, int]:
        """Delete rows of RudderStack's own tables, in one transaction."""
        raw = self._section.rudderstack_schema or ""
        with self.connected() as statements:
            return erasing.delete(statements, raw, columns, values, dry_run=dry_run)

    def forget_loaded(self, tables: Collection[str]) -> list[str]:
        """Give free what deleted rows took; says what could not be done."""
        raw = self._section.rudderstack_schema or ""
        with self.connected() as statements:
            return erasing.vacuum(statements, raw, tables)

    # --- the rest

    @property
    def has_reader(self) -> bool:
        """Whether sessions that only read log in as somebody else."""
        return bool(self._section.read_user or self._section.read_secret_arn)

    def stage(self) -> Stage | None:
        """Where files are staged in S3, if the parameters say so."""
        one = self._section
        if one.staging_location is None or one.staging_role is None:
            return None
        client = boto3.client("s3", region_name=one.region)
        return Stage(client, Staging(one.staging_location, one.staging_role))

    def render(self, select: Select, parameters: Mapping[str, Any] | None = None) -> str:
        """Show the SQL as Redshift runs it, but for what only its tables' types can tell."""
        query = parse(select) if isinstance(select, str) else select
        return self._words.write(bind(query, parameters or {}), self._databases)

    def query(self, select: Select, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Run one query in a session of its own."""
        with self.session() as session:
            return session.query(select, parameters)

    def clean(self, keep_days: float | None = None, *, dry_run: bool = False) -> list[str]:
        """Remove what a run that was killed had begun to build beside a table."""
        del keep_days
        if not self.exists():
            return []
        with self.connected() as statements, self._lease(statements).hold("a clean-up"):
            found = [
                f"{schema}.{name}"
                for schema in self._databases.values()
                for name, _ in statements.rows(catalog.tables(schema), f"tables of {schema}")
                if str(name).startswith("fresh ")
            ]
            if not dry_run:
                self._remove(statements, found)
        return found

    def _remove(self, statements: Statements, names: Sequence[str]) -> None:
        for one in names:
            schema, _, name = one.partition(".")
            statements.run(f"drop table if exists {quoted(schema)}.{quoted(name)}", one)
