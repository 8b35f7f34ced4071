"""Records of landed files on DuckDB: what was read, what stays, what tables are made of.

Their values are in Python's memory. A statement that reads some of them has them made known to the
connection just before it runs: see :meth:`DuckDBRecords.prepare`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from sqlglot import exp

from engagement.records.memory import Memory
from engagement.records.records import RecordGroup, Records
from engagement.sql.dialect import WORK, Table
from engagement.warehouse.duckdb import fields, json_sql
from engagement.warehouse.duckdb import records as duckdb_records
from engagement.warehouse.duckdb.statements import Statements
from engagement.warehouse.duckdb.tables import Tables
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.json_values import JsonColumn
from engagement.warehouse.protocol import Select
from engagement.warehouse.reading import FileLines


class DuckDBRecords:
    """See :class:`engagement.warehouse.reading.LandedRecords`.

    Parameters
    ----------
    passing
        Memory of the columns that one statement reads.
    """

    def __init__(
        self,
        statements: Statements,
        tables: Tables,
        records: Records,
        rows: pa.Table,
        passing: Memory,
    ) -> None:
        self.table, self.envelope = Table(WORK, "records"), Table(WORK, "envelope")
        self.files: Sequence[FileLines] = ()
        self._statements = statements
        self._tables = tables
        self._records: Records | None = records
        self._passing = passing
        self._asked: list[duckdb_records.Asked] = []
        self._ready: set[int] = set()
        self._kept: pa.Table | None = None
        statements.connection.register(duckdb_records.RECORDS, rows)

    def json_fields(
        self,
        source: Table,
        column: str,
        groups: Sequence[str],
        looked_into: Callable[[tuple[Any, ...], tuple[str, ...]], bool],
        within: Collection[str] | None = None,
    ) -> pa.Table:
        del within  # all paths have been found already
        rows = self._tables.physical(source)
        run, arrow = self._statements.run, self._statements.arrow
        return fields.json_fields(
            run, arrow, rows, column, groups, self.read, looked_into, self.ask
        )

    def with_texts(self, name: str, rows: Select, columns: Mapping[str, str]) -> DuckDBKept:
        found = self._statements.arrow(self._tables.sql(rows), name).select(list(columns))
        self._kept = self.read.with_texts(found)
        self._statements.connection.register(duckdb_records.KEPT, self._kept)
        table = self._tables.view(name, f"select * from {duckdb_records.KEPT}")
        return DuckDBKept(self, self._statements, self._tables, table)

    @property
    def read(self) -> Records:
        """The records as they were read, while they are here."""
        if self._records is None:
            raise WarehouseError("these records are gone: the session has read others since")
        return self._records

    def ask(self, asked: duckdb_records.Asked) -> str:
        """Make a note of columns that a statement will read; gives the name of their table."""
        self._asked.append(asked)
        return duckdb_records.values_table(len(self._asked) - 1)

    def prepare(self, sql: str) -> bool:
        """Make known what a statement reads of the records; false where it reads nothing of them.

        What was just read is one piece, which one thread goes through: others would wait.
        """
        if self._records is None or duckdb_records.READ not in sql:
            return False
        self._make_ready(duckdb_records.values_named(sql, len(self._asked)))
        return True

    def _make_ready(self, wanted: set[int]) -> None:
        """Let the connection know columns that were asked for, in the place of others."""
        if wanted and wanted <= self._ready:
            return
        connection = self._statements.connection
        for number in self._ready:
            connection.unregister(duckdb_records.values_table(number))
        self._passing.clear()
        self._ready = wanted
        for number in wanted:
            table = self._asked[number].table(self._kept)
            connection.register(duckdb_records.values_table(number), table)

    def release(self) -> None:
        """Let go of the records: they take as much memory as their files."""
        self._make_ready(set())
        self._statements.connection.unregister(duckdb_records.RECORDS)
        if self._kept is not None:
            self._statements.connection.unregister(duckdb_records.KEPT)
        self._records, self._kept, self._asked = None, None, []
        self._tables.just_read.clear()


class DuckDBKept:
    """See :class:`engagement.warehouse.reading.KeptRecords`."""

    def __init__(
        self, records: DuckDBRecords, statements: Statements, tables: Tables, table: Table
    ) -> None:
        self.table = table
        self._records = records
        self._statements = statements
        self._tables = tables

    def lay_out(self, readers: int, shared: Iterable[JsonColumn]) -> DuckDBLaidOut:
        del readers, shared  # their values have been found already
        odd: set[tuple[str, str]] = set()
        if duckdb_records.needs_texts(self._records.read):
            found = self._statements.run(duckdb_records.odd_events_sql(), "odd events")
            odd = set(found.fetchall())
        return DuckDBLaidOut(self._records, self._tables, self.table, odd)


class DuckDBLaidOut:
    """See :class:`engagement.warehouse.reading.LaidOutRecords`.

    Parameters
    ----------
    odd
        Types and names of events some of whose records have no values in columns.
    """

    def __init__(
        self, records: DuckDBRecords, tables: Tables, kept: Table, odd: set[tuple[str, str]]
    ) -> None:
        self._records = records
        self._tables = tables
        self._kept = kept
        self._odd = odd

    def rows(
        self,
        name: str,
        kept: exp.Query,
        columns: Mapping[str, str],
        events: Mapping[tuple[str, str], Mapping[str, str]],
    ) -> Table:
        groups = []
        for group in self._records.read.groups:
            # Only tracks have names; what else stands there is no name.
            same = events.get((group.kind, group.event if group.kind == "track" else ""))
            if same is not None:
                groups.append((group, same))
        same_names = {column for same in events.values() for column in same}
        own = [column for column in columns if column not in (*same_names, "record")]
        has_odd = not self._odd.isdisjoint(events)

        def values_sql(wanted: Mapping[str, JsonColumn]) -> str:
            return self._values_sql(wanted, own, groups, kept if has_odd or not groups else None)

        self._tables.views.pop(name, None)
        self._tables.just_read[name] = values_sql
        return Table(WORK, name)

    def _values_sql(
        self,
        wanted: Mapping[str, JsonColumn],
        columns: Sequence[str],
        groups: Sequence[tuple[RecordGroup, Mapping[str, str]]],
        odd: exp.Query | None,
    ) -> str:
        """The query for rows and values that their texts hold.

        The rows are in ``groups``, each with the texts that its rows have in common, beside
        ``columns``; and, where ``odd`` takes them from there, among the records that are in none.
        """
        parts = [
            duckdb_records.values_sql(group, columns, same, wanted, self._records.ask)
            for group, same in groups
        ]
        if odd is not None:
            own = f"select * from {duckdb_records.ODD}"
            views = {**self._tables.views, self._kept.name: own}
            rows = self._tables.sql(odd.select("record as __text"), None, views)
            parts.append(json_sql.columns_sql(f"({rows})", "__text", wanted, None, keep=False))
        return " union all by name ".join(parts)
