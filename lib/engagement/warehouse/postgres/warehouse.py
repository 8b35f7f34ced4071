"""PostgreSQL: the tables that RudderStack loads, and beside them those that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import pandas as pd
import psycopg

from engagement.settings import Settings
from engagement.sql.dialect import bind, parse
from engagement.sql.rendering import render
from engagement.warehouse import loaded_views
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.loaded import LoadedTable
from engagement.warehouse.postgres import erasing, functions, lease, preflight, sources
from engagement.warehouse.postgres.rendering import POSTGRES
from engagement.warehouse.postgres.session import PostgresSession
from engagement.warehouse.postgres.statements import Connection, first_line
from engagement.warehouse.postgres.types import quoted, text
from engagement.warehouse.protocol import Finding, Select, Session
from engagement.warehouse.statements import StatementLog


class PostgresWarehouse:
    """Tables in one database of a PostgreSQL server."""

    engine = "postgres"

    def __init__(self, settings: Settings) -> None:
        section = settings.warehouse.postgres
        assert section is not None  # noqa: S101 (the settings see to it)
        self._settings, self._section = settings, section
        self._storage = section.storage_schema or f"{settings.project}_storage"
        self._databases = {
            name: getattr(settings.warehouse.databases, name)
            for name in ("landing", "events", "marts")
        }
        self._window_days = settings.duplicates.window_days
        self.log = StatementLog()

    def describe(self) -> str:
        """Name the engine and where it is."""
        return f"PostgreSQL, database {self._section.database or 'by default'}"

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection that commits each statement, in UTC.

        Raises
        ------
        WarehouseError
            When there is none; the password is never in it.
        """
        one = self._section
        given: dict[str, Any] = {
            "host": one.host, "port": one.port, "dbname": one.database, "user": one.user,
            "sslmode": one.sslmode, "connect_timeout": one.wait_seconds,
        }  # fmt: skip
        try:
            connection: Connection = psycopg.connect(
                **{key: value for key, value in given.items() if value is not None},
                autocommit=True,
                application_name="engagement",
                client_encoding="UTF8",
            )
        except psycopg.Error as error:
            raise WarehouseError(
                f"PostgreSQL cannot be reached: {first_line(error)}. Set host, port and database "
                "in warehouse.postgres, and the password in PGPASSWORD or ~/.pgpass."
            ) from None
        try:
            path = f"{quoted(self._storage)}, pg_catalog"
            most = one.statement_seconds
            for setting in (
                "set timezone = 'UTC'",
                "set datestyle = 'ISO, YMD'",
                "set standard_conforming_strings = on",
                "set extra_float_digits = 1",
                "set client_min_messages = warning",
                # Nothing has an index: where the planner takes a few rows for granted, a nested
                # loop reads the other side once for each of thousands.
                "set enable_nestloop = off",
                "set jit = off",
                f"set work_mem = '{self._section.work_mem}'",
                f"set search_path = {path}",
                *([f"set statement_timeout = {most * 1000}"] if most else []),
            ):
                connection.execute(setting.encode())
            yield connection
        finally:
            connection.close()

    def findings(self, connection: Connection) -> Iterator[Finding]:
        """What a run needs, tried one by one."""
        return preflight.findings(connection, self._settings, self._section, self._storage)

    def exists(self) -> bool:
        """Whether anything was ever published."""
        with self.connected() as connection:
            return _is_there(connection, self._storage)

    @contextmanager
    def lease(self, holder: str) -> Iterator[str]:
        """Keep other runs from writing."""
        with self.connected() as connection:
            self._create(connection)
            with lease.hold(connection, self._storage, holder) as token:
                self._prepare(connection)
                yield token

    def _create(self, connection: Connection) -> None:
        """Make the schemas, where they are missing, and what a lease needs."""
        with connection.transaction():
            connection.execute(b"select pg_advisory_xact_lock(20250)")
            for schema in (*self._databases.values(), self._storage):
                found = connection.execute(
                    f"select to_regnamespace({text(quoted(schema))})".encode()
                ).fetchone()
                if not (found and found[0]):
                    connection.execute(f"create schema {quoted(schema)}".encode())
            lease.create(connection, self._storage)

    def _prepare(self, connection: Connection) -> None:
        with self._in_words("preparing the schemas"):
            self._made_ready(connection)

    def _made_ready(self, connection: Connection) -> None:
        """Create the functions, if they are not there as they are now, and the sources' views."""
        schema = quoted(self._storage)
        mark = f"functions {functions.digest()}"
        found = connection.execute(
            f"select obj_description(to_regnamespace({text(schema)}), 'pg_namespace')".encode()
        ).fetchone()
        if not found or found[0] != mark:
            with connection.transaction():
                for signature in functions.AGGREGATES:
                    connection.execute(f"drop aggregate if exists {schema}.{signature}".encode())
                named = connection.execute(functions.LETTERS.encode()).fetchone()
                letters = quoted(named[0] if named else "default")
                for statement in functions.statements(schema, letters):
                    connection.execute(statement.encode())
                connection.execute(f"comment on schema {schema} is {text(mark)}".encode())
        raw = self._section.rudderstack_schema
        if raw is not None:
            sources.create_views(connection, raw, self._databases, self._window_days)

    @contextmanager
    def session(self, *, write: bool = False) -> Iterator[Session]:
        """Connect; writing holds the lease."""
        with self.connected() as connection, ExitStack() as opened:
            if not write:
                is_there = _is_there(connection, self._storage)
                if not is_there and self._section.rudderstack_schema is not None:
                    with self.session(write=True):
                        is_there = True  # the views over RudderStack's tables are made
                if not is_there:
                    raise WarehouseError(
                        f"There is no warehouse yet in {self.describe()}: run the notebooks first "
                        "('engagement run', or 01 and 02 by hand)."
                    )
                connection.execute(b"set default_transaction_read_only = on")
                builder = None
                if self._section.read_role:
                    connection.execute(f"set role {quoted(self._section.read_role)}".encode())
                    builder = partial(opened.enter_context, self.connected())
                yield self._session(connection, None, builder)
                return
            self._create(connection)
            with lease.hold(connection, self._storage, "a notebook or script") as token:
                self.log.may_have_written = True
                self._prepare(connection)
                yield self._session(connection, token)

    def _session(
        self,
        connection: Connection,
        token: str | None,
        builder: Callable[[], Connection] | None = None,
    ) -> PostgresSession:
        return PostgresSession(connection, self._databases, self._storage, self.log, token, builder)

    # --- what RudderStack loads

    @property
    def rudderstack_schema(self) -> str | None:
        """Where RudderStack loads."""
        return self._section.rudderstack_schema

    def loaded_tables(self) -> list[LoadedTable]:
        """The tables of RudderStack's schema as they are now, in order of name."""
        raw = self._section.rudderstack_schema
        if raw is None:
            return []
        with self.connected() as connection, self._in_words("RudderStack's tables"):

            def count(name: str) -> int:
                place = f"{quoted(raw)}.{quoted(name)}"
                counted = connection.execute(f"select count(*) from {place}".encode()).fetchone()
                return int(counted[0]) if counted else 0

            return loaded_views.described(sources.tables_of(connection, raw), count)

    def copies_sql(self) -> str:
        """The SQL that leaves copies out, as it is in the view over ``tracks``."""
        raw = self._section.rudderstack_schema or "rudderstack"
        with self.connected() as connection, self._in_words("RudderStack's tables"):
            found = sources.tables_of(connection, raw)
        words = loaded_views.Words()
        return loaded_views.copies_sql(raw, found, self._window_days, words, "postgres")

    def delete_loaded(
        self, columns: Mapping[str, Sequence[str]], values: Collection[str], *, dry_run: bool = True
    ) -> Mapping[str, int]:
        """Delete rows of RudderStack's own tables, in one transaction."""
        raw = self._section.rudderstack_schema or ""
        with self.connected() as connection, self._in_words("deleting rows"):
            return erasing.delete(connection, raw, columns, values, dry_run=dry_run)

    def forget_loaded(self, tables: Collection[str]) -> list[str]:
        """Give free what deleted rows took; says what could not be done."""
        raw = self._section.rudderstack_schema or ""
        with self.connected() as connection, self._in_words("vacuum"):
            return erasing.vacuum(connection, raw, tables)

    @contextmanager
    def _in_words(self, label: str) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise WarehouseError(f"{label}: {first_line(error)}") from None

    def render(self, select: Select, parameters: Mapping[str, Any] | None = None) -> str:
        """Show the SQL as PostgreSQL runs it."""
        query = parse(select) if isinstance(select, str) else select
        return render(bind(query, parameters or {}), POSTGRES, self._databases, pretty=True)

    def query(self, select: Select, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Run one query in a session of its own."""
        with self.session() as session:
            return session.query(select, parameters)

    def clean(self, keep_days: float | None = None, *, dry_run: bool = False) -> list[str]:
        """Nothing is left behind: what was replaced is dropped with the swap."""
        del keep_days, dry_run
        return []


def _is_there(connection: Connection, storage: str) -> bool:
    found = connection.execute(
        f"select to_regclass({text(lease.table(storage))})".encode()
    ).fetchone()
    return bool(found and found[0])
