"""Names of tables on one connection: which there are, what they have, what stands for them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import duckdb
from sqlglot import exp

from engagement.sql.dialect import LOGICAL, WORK, Table, bind, parse
from engagement.sql.rendering import render
from engagement.warehouse.duckdb.connection import first_line
from engagement.warehouse.duckdb.json_sql import name_sql
from engagement.warehouse.duckdb.rendering import DUCKDB
from engagement.warehouse.duckdb.types import athena_types
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.json_values import JsonColumn
from engagement.warehouse.protocol import Select

_TEMPORARY = "temp"
"""Where DuckDB has what goes with a connection, and may be written beside the file's tables."""

_VIEWS = """
    select schema_name, view_name from duckdb_views() where database_name = current_database()
"""

_COLUMNS = """
    select schema_name, table_name, column_name, data_type from duckdb_columns()
    where database_name = current_database() order by schema_name, table_name, column_index
"""

ValuesSql = Callable[[Mapping[str, JsonColumn]], str]
"""Gives the query for the values that are wanted."""


class Tables:
    """The tables of the warehouse and of one session.

    Attributes
    ----------
    views
        SQL of the working tables that are run wherever they are read.
    just_read
        What gives the values of working tables that nothing but :meth:`json_columns` reads.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        databases: Mapping[str, str],
        *,
        reads_only: bool,
    ) -> None:
        self._connection = connection
        self._databases = databases
        self._reads_only = reads_only
        self.views: dict[str, str] = {}
        self.just_read: dict[str, ValuesSql] = {}
        # Stands for a view's text until it is put in: no name or value of an event may be like it.
        self._secret = secrets.token_hex(8)
        self._columns: dict[Table, dict[str, str]] = {}
        self._there: set[Table] | None = None

    def listed(self, database: str) -> list[str]:
        """Names of the tables of a logical database, sorted."""
        rows = self._connection.execute(
            "select table_name from information_schema.tables "
            "where table_schema = ? and table_catalog = current_database() order by table_name",
            [self._databases[database]],
        ).fetchall()
        return [row[0] for row in rows]

    def columns(self, table: Table) -> dict[str, str]:
        """Column names and Athena types of a table; empty where there is none."""
        if table.database == WORK:
            return athena_types(self.stored(table))
        # Who only reads asks about a few tables, and is in no transaction.
        is_there = self._reads_only or table in self.there()
        if table not in self._columns:
            self._columns[table] = athena_types(self.stored(table)) if is_there else {}
        return dict(self._columns[table])

    def there(self) -> set[Table]:
        """The tables and views that there are; asked once, and with the columns of all tables.

        To describe what there is not would be an error, which ends a transaction.
        """
        if self._there is None:
            of = {name: database for database, name in self._databases.items()}
            views = self._connection.execute(_VIEWS).fetchall()
            # What a view gives may have changed with what it reads.
            tables = [
                row for row in self._connection.execute(_COLUMNS).fetchall() if row[:2] not in views
            ]
            stored: dict[Table, dict[str, str]] = {}
            for schema, name, column, kind in tables:
                if schema in of:
                    stored.setdefault(Table(of[schema], name), {})[column] = kind
            self._columns |= {table: athena_types(kinds) for table, kinds in stored.items()}
            self._there = stored.keys() | {Table(of[s], name) for s, name in views if s in of}
        return self._there

    def made(self, table: Table) -> None:
        """Take note of a table that is there, with other columns than before."""
        self.there().add(table)
        self._columns.pop(table, None)

    def gone(self, table: Table) -> None:
        """Take note of a table that is there no longer."""
        self.there().discard(table)
        self._columns.pop(table, None)

    def reset(self) -> None:
        """Ask again for everything: a transaction was rolled back."""
        self._there, self._columns = None, {}

    def stored(self, table: Table) -> dict[str, str]:
        """Columns of a table with DuckDB's own types; empty where there is no such table."""
        try:
            rows = self._connection.execute(f"describe from {self.physical(table)}").fetchall()
        except duckdb.CatalogException:
            return {}
        except duckdb.Error as error:
            raise WarehouseError(f"{table}: {first_line(error)}") from None
        return {row[0]: row[1] for row in rows}

    def is_view(self, table: Table) -> bool:
        """Whether a name of the warehouse stands for a view of the file."""
        found = self._connection.execute(
            "select 1 from duckdb_views() where schema_name = ? and view_name = ? "
            "and database_name = current_database()",
            [self.schema(table), table.name],
        ).fetchall()
        return bool(found)

    def schema(self, table: Table) -> str:
        """The schema that a table is in."""
        return "main" if table.database == WORK else self._databases[table.database]

    def physical(self, table: Table) -> str:
        """What stands for a table in DuckDB's SQL."""
        if table.database not in (*LOGICAL, WORK):
            raise WarehouseError(f"{table}: the databases are {', '.join(LOGICAL)}")
        if table.database == WORK and table.name in self.views:
            return f"({self.views[table.name]})"
        database = _TEMPORARY if table.database == WORK else self.schema(table)
        return exp.table_(table.name, db=database, quoted=True).sql("duckdb")

    def view(self, name: str, sql: str) -> Table:
        """Let a working table stand for a query."""
        # A subquery of whatever reads it: a view would be planned once more for itself.
        self.views[name] = sql
        self.just_read.pop(name, None)
        return Table(WORK, name)

    def sql(
        self,
        select: Select,
        parameters: Mapping[str, Any] | None = None,
        views: Mapping[str, str] | None = None,
    ) -> str:
        """A query in DuckDB's words; ``views`` are others than those of the session."""
        query = parse(select) if isinstance(select, str) else select.copy()
        views = self.views if views is None else views
        databases = {**self._databases, WORK: _TEMPORARY}
        places: dict[str, str] = {}
        for node in query.find_all(exp.Table):
            if node.db == WORK and node.name in views:
                place = f"__view {self._secret} {len(places)}"
                places[name_sql(place)] = f"({views[node.name]})"
                node.set("db", None)
                node.set("this", exp.to_identifier(place, quoted=True))
        sql = render(bind(query, parameters or {}, copy=False), DUCKDB, databases, copy=False)
        for place, view in places.items():
            sql = sql.replace(place, view)
        return sql
