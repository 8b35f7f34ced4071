"""What a session on Athena works with: tables of its storage database, parts and views of them."""

from __future__ import annotations

import logging
import re
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from engagement.aws import glue
from engagement.aws.s3 import Address
from engagement.sql.dialect import LOGICAL, WORK, Q, Table, bind, parse
from engagement.sql.rendering import render
from engagement.warehouse.athena.folders import folder_name, made_for, plain_name
from engagement.warehouse.athena.lake import Lake
from engagement.warehouse.athena.queries import arrow_schema, is_star, only_source, plain_columns
from engagement.warehouse.athena.rendering import ATHENA
from engagement.warehouse.athena.statements import StatementFailedError
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.json_values import JsonColumn
from engagement.warehouse.protocol import Select

logger = logging.getLogger("engagement")

_REFUSED_TYPE = re.compile(
    r"[Uu]nsupported (?:Hive )?type|timestamp precision|Column type is unknown|type not supported"
    r"|Unsupported type: |NOT_SUPPORTED"
)


@dataclass
class Work:
    """What ``work.<name>`` stands for: a table of the storage database, or a part of one.

    ``filter`` selects rows, or ``view`` is a query that is run wherever the table is read;
    ``columns`` are filled in when they are first asked for; ``uploaded`` are its rows where they
    came from here and are few.
    """

    physical: str
    folder: Address
    rows: int
    filter: exp.Expr | None = None
    hidden: frozenset[str] = frozenset()
    columns: dict[str, str] = field(default_factory=dict)
    view: exp.Query | None = None
    uploaded: pa.Table | None = None


class WorkTables:
    """The working tables of one session, and names and columns of all tables."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._id = f"{datetime.now(UTC):%Y%m%dt%H%M%S}_{secrets.token_hex(3)}"
        self.named: dict[str, Work] = {}
        self.made: list[str] = []
        self._folders: dict[str, Address] = {}
        self.adopted: set[str] = set()
        self._columns: dict[Table, dict[str, str]] = {}
        self._numbering = threading.Lock()
        self._number = 0
        self.ready: dict[str, Mapping[JsonColumn, str]] = {}

    def close(self) -> None:
        """Remove what the session worked with; what was published stays.

        Where that fails, it is only said: what the session itself failed for is to be told.
        """
        try:
            self._lake.catalog.drop(self._lake.storage, self.made)
            for key, folder in self._folders.items():
                if key not in self.adopted:
                    self._lake.bucket.empty(folder)
        except WarehouseError as error:
            logger.warning("'engagement clean' will remove what is left behind: %s", error)

    def columns(self, table: Table) -> dict[str, str]:
        """Column names and Athena types of a table; empty where there is none."""
        if table.database == WORK:
            work = self.named.get(table.name)
            if work is None:
                return {}
            return {n: kind for n, kind in self.columns_of(work).items() if n not in work.hidden}
        if table not in self._columns:
            found = self._lake.catalog.table(self.database(table), table.name)
            self._columns[table] = glue.columns(found) if found else {}
        return dict(self._columns[table])

    def changed(self, table: Table) -> None:
        """Ask again for the columns of a table that was published or dropped."""
        self._columns.pop(table, None)

    def make(self, name: str, select: Select, parameters: Mapping[str, Any] | None) -> Table:
        """Make a query a working table, where it does not just pick rows of another."""
        bound = self.tree(select, parameters)
        part = self._part_of_work(bound)
        self.named[name] = part if part is not None else self.create(name, self.sql(bound))
        return Table(WORK, name)

    def _part_of_work(self, query: exp.Query) -> Work | None:
        """Tell a query that only picks rows of a working table: it needs no table of its own."""
        source = only_source(query)
        if source is None or source.db != WORK or not is_star(query):
            return None
        work = self.named.get(source.name)
        where = query.args.get("where")
        if work is None or work.view is not None:
            return None
        if where is not None and (
            work.filter is not None
            or work.hidden
            or where.find(exp.Query)
            or any(column.table for column in where.find_all(exp.Column))
        ):
            return None
        condition = work.filter if where is None else where.this
        return Work(work.physical, work.folder, work.rows, condition, work.hidden, work.columns)

    def create(
        self, name: str, sql: str, label: str | None = None, *, by: str | None = None
    ) -> Work:
        """Make a table of the storage database from a query, in partitions of its last column."""
        try:
            return self._create_as(name, sql, label or name, by)
        except StatementFailedError as error:
            if not _REFUSED_TYPE.search(error.reason):
                raise
            plain = self._with_plain_types(sql, name)
            return self._create_as(name, plain, label or name, by)

    def _create_as(self, name: str, sql: str, label: str, by: str | None) -> Work:
        made: list[tuple[str, Address]] = []

        def statement() -> str:
            # A failed attempt may leave files: each has a folder of its own.
            physical, folder = self.place(name, of=made_for(label))
            made.append((physical, folder))
            target = exp.table_(physical, db=self._lake.storage, quoted=True).sql("trino")
            at = exp.Literal.string(str(folder)).sql("trino")
            parts = f", partitioned_by = array['{by}']" if by else ""
            codec = self._lake.athena.compression
            return (
                f"create table {target} with (format = 'PARQUET', write_compression = '{codec}', "
                f"external_location = {at}{parts}) as\n{sql}"
            )

        outcome = self._lake.statements.write(statement, label)
        physical, folder = made[-1]
        return Work(physical, folder, outcome.rows)

    def _with_plain_types(self, sql: str, label: str) -> str:
        """Cast what a table cannot hold: JSON, other timestamps, NULLs of no type."""
        _, outcome = self._lake.statements.query(
            f"select * from (\n{sql}\n) limit 0", f"types of {label}"
        )
        chosen = []
        for name, kind, *_ in outcome.columns:
            quoted = exp.to_identifier(name, quoted=True).sql("trino")
            if kind == "json":
                chosen.append(f"json_format({quoted}) as {quoted}")
            elif kind.startswith("timestamp"):
                chosen.append(f"cast({quoted} as timestamp(3)) as {quoted}")
            elif kind == "unknown":
                chosen.append(f"cast({quoted} as integer) as {quoted}")
            elif kind == "char":
                chosen.append(f"cast({quoted} as varchar) as {quoted}")
            else:
                chosen.append(quoted)
        return f"select {', '.join(chosen)} from (\n{sql}\n)"

    def place(self, name: str, *, of: str = "") -> tuple[str, Address]:
        """Name and folder of a new table; ``of`` is the published one that it is made for."""
        with self._numbering:
            self._number += 1
            number = self._number
        plain = plain_name(name)
        physical = f"w_{self._id}_{number:04d}_{plain}"
        folder = self._lake.files / f"{self._id}/{folder_name(name, of, number)}/"
        self.made.append(physical)
        self._folders[folder.key] = folder
        return physical, folder

    def upload(
        self, name: str, rows: pa.Table, columns: Mapping[str, str], *, of: Table | None = None
    ) -> Table:
        """Make rows that are here a working table; ``of`` is the table that they will be."""
        physical, folder = self.place(name, of=str(of or ""))
        buffer = pa.BufferOutputStream()
        pq.write_table(rows, buffer, compression=self._lake.athena.compression)
        self._lake.bucket.write(folder / "rows.parquet", buffer.getvalue().to_pybytes())
        self._lake.catalog.put(
            self._lake.storage,
            glue.external_table(physical, str(folder), columns, glue.PARQUET),
            is_new=True,
        )
        self.named[name] = Work(physical, folder, rows.num_rows, columns=dict(columns))
        return Table(WORK, name)

    def view(self, name: str, select: Select, columns: Mapping[str, str]) -> Table:
        """Let a working table stand for a query."""
        query = self.tree(select, None)
        self.ready.pop(name, None)
        self.named[name] = Work("", self._lake.files, 0, columns=dict(columns), view=query)
        return Table(WORK, name)

    def rows(self, name: str, rows: pa.Table, columns: Mapping[str, str]) -> Table:
        """Make rows that are here a working table."""
        own = rows.select(list(columns)).cast(arrow_schema(columns))
        table = self.upload(name, own, columns)
        self.named[name].uploaded = own
        return table

    def rows_of_files(self, folder: Address, kinds: Mapping[str, str]) -> pa.Table:
        """All rows of a small table without partitions, from its files."""
        schema = arrow_schema(kinds)
        rows = self._lake.bucket.parquet(folder, schema.names)
        return schema.empty_table() if rows is None else rows.select(schema.names).cast(schema)

    def columns_of(self, work: Work) -> dict[str, str]:
        """All columns of what a working table stands for."""
        if not work.columns:
            found = self._lake.catalog.table(self._lake.storage, work.physical)
            if found is None:
                raise WarehouseError(
                    f"{work.physical} is gone; was 'engagement clean' run meanwhile?"
                )
            work.columns = glue.columns(found)
        return work.columns

    def adoptable(self, query: exp.Query) -> Work | None:
        """The working table whose files a query's result already is."""
        source = only_source(query)
        if source is None or source.db != WORK or query.args.get("where") is not None:
            return None
        work = self.named.get(source.name)
        if work is None or work.filter is not None or work.hidden or work.view is not None:
            return None
        return work if is_star(query) or plain_columns(query) else None

    def given(self, query: exp.Query, columns: Mapping[str, str] | None) -> Sequence[str]:
        """Names of a query's columns, as far as they can be told without running it."""
        if columns is not None:
            return list(columns)
        source = only_source(query)
        if source is not None and source.db == WORK and is_star(query):
            return list(self.columns(Table(WORK, source.name)))
        return [name for name in query.named_selects if name != "*"]

    def database(self, table: Table) -> str:
        """The physical name of a table's database."""
        if table.database not in LOGICAL:
            raise WarehouseError(f"{table}: the databases are {', '.join(LOGICAL)}")
        return str(self._lake.databases[table.database])

    def tree(self, select: Select, parameters: Mapping[str, Any] | None) -> exp.Query:
        """A query with its parameters filled in."""
        return bind(parse(select) if isinstance(select, str) else select, parameters or {})

    def sql(self, query: exp.Query) -> str:
        """A query in Athena's words, over the tables behind the working ones."""
        return render(self.physical(query), ATHENA, self._lake.databases, copy=False)

    def physical(self, query: Q) -> Q:
        """A query that names the tables behind the working ones."""
        tree = query.copy()
        for node in list(tree.find_all(exp.Table)):
            if node.db == WORK:
                node.replace(self._work_node(node))
        return tree

    def _work_node(self, node: exp.Table) -> exp.Expr:
        work = self.named.get(node.name)
        if work is None:
            raise WarehouseError(f"there is no work.{node.name} in this session")
        alias = node.alias or node.name
        if work.view is not None:
            name = exp.to_identifier(alias, quoted=True)
            return self.physical(work.view).subquery(name, copy=False)
        physical = exp.table_(work.physical, db=self._lake.storage, quoted=True)
        if work.filter is None and not work.hidden:
            physical.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
            return physical
        shown: list[exp.Expr] = [exp.Star()]
        if work.hidden:
            shown = [exp.column(n, quoted=True) for n in self.columns(Table(WORK, node.name))]
        inner = exp.Select(expressions=shown).from_(physical, copy=False)
        if work.filter is not None:
            inner = inner.where(work.filter.copy(), copy=False)
        return inner.subquery(exp.to_identifier(alias, quoted=True), copy=False)
