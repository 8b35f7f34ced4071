"""Publishing on Athena: new files in a folder of the session, then one call on Glue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from engagement.aws import glue
from engagement.aws.s3 import Address
from engagement.records.files import PARTITION as _PARTITION
from engagement.sql.dialect import WORK, Table
from engagement.warehouse.athena import marks
from engagement.warehouse.athena.lake import Lake
from engagement.warehouse.athena.partitions import Partitions
from engagement.warehouse.athena.queries import (
    ROWS,
    VERSION,
    about,
    arrow_schema,
    is_small,
    plain_columns,
)
from engagement.warehouse.athena.work import Work, WorkTables
from engagement.warehouse.frames import appended, columns_of, fitted, fresh_name, with_new_columns
from engagement.warehouse.protocol import Publication, Published, Select

_PARTITIONED = "events"
"""The logical database whose tables are large: their files are kept by received date. Those of the
others are small: they are made again as a whole."""


class Publisher:
    """Replaces tables of the warehouse.

    Parameters
    ----------
    token
        Gives the token of the lease, or raises where this session only reads.
    """

    def __init__(self, lake: Lake, work: WorkTables, token: Callable[[], str]) -> None:
        self._lake = lake
        self._project = lake.settings.project
        self._work = work
        self._token = token
        self._partitions = Partitions(lake, work, token)

    def publish(
        self,
        table: Table,
        select: Select,
        parameters: Mapping[str, Any] | None = None,
        *,
        partitions: Sequence[str] | None = None,
        columns: Mapping[str, str] | None = None,
        version: str | None = None,
    ) -> Publication:
        """Replace a table, or its partitions of these dates."""
        token = self._token()
        query = self._work.tree(select, parameters)
        old = self._lake.catalog.table(self._work.database(table), table.name)
        if table.database == _PARTITIONED and _PARTITION in self._work.given(query, columns):
            return self._partitions.publish(table, query, old, partitions, columns, version)
        if partitions is not None and old is not None:
            work, rows = self._with_other_partitions(table, query, old, partitions, columns)
            shown = list(self._work.columns_of(work))
        elif adopted := self._work.adoptable(query):
            # The working table's files are the result already: no statement is needed.
            work, rows = adopted, adopted.rows
            shown = plain_columns(query) or list(self._work.columns_of(work))
        else:
            work = self._work.create(table.name, self._work.sql(query), str(table))
            rows, shown = work.rows, list(self._work.columns_of(work))
        kinds = self._work.columns_of(work)
        description = glue.external_table(
            table.name,
            str(work.folder),
            {name: kinds[name] for name in shown},
            glue.PARQUET,
            parameters=about(self._project, work.rows, version) | {"classification": "parquet"},
        )
        self._lake.s3_lease.check(token)
        # Before the pointer moves: whatever happens then, its files stay.
        self._work.adopted.add(work.folder.key)
        self._lake.catalog.put(
            self._work.database(table), description, is_new=old is None, seen=old
        )
        self._work.changed(table)
        self._note_superseded(old)
        return Publication(table, rows)

    def publish_rows(
        self,
        table: Table,
        select: Select,
        *,
        key: str,
        among: Select,
        version: str | None = None,
    ) -> Publication:
        """Replace the rows of a table whose ``key`` is one of some."""
        columns = self._work.columns(table)
        names = [exp.column(name, quoted=True) for name in columns]
        new = exp.select(*names).from_(self._work.tree(select, None).subquery("new"))
        own = exp.column(key, quoted=True)
        is_among = exp.In(this=own, query=self._work.tree(among, None).subquery())
        kept = (
            exp.select(*names)
            .from_(table.node())
            .where(exp.or_(own.is_(exp.null()), is_among.not_()))
        )
        whole = exp.union(new, kept, distinct=False)
        return self.publish(table, whole, columns=columns, version=version)

    def append(
        self, table: Table, rows: pa.Table, keep: Callable[[pa.Table], pa.Table]
    ) -> Publication:
        """Add rows that are here to a small table."""
        self._token()
        found = self._lake.catalog.table(self._work.database(table), table.name)
        at = Address.parse(glue.location(found), folder=True) if found else None
        old, kinds = appended(self._lake.bucket.parquet(at) if at else None, rows)
        work = self._work.upload(
            f"{table.name}_rows", pa.concat_tables([keep(old), rows]), kinds, of=table
        )
        return self.publish(table, columns_of(work, kinds))

    def publish_empty(self, table: Table, columns: Mapping[str, str]) -> None:
        """Publish a table of events without rows."""
        self._partitions.publish_empty(table, columns)

    def published(self, table: Table) -> Published | None:
        """Which version of a table is published."""
        found = self._lake.catalog.table(self._work.database(table), table.name)
        about = found.get("Parameters", {}) if found else {}
        if VERSION not in about:
            return None
        return Published(about[VERSION], int(about.get(ROWS, 0)))

    def drop(self, table: Table) -> None:
        """Remove a table."""
        self._lake.s3_lease.check(self._token())
        before = self._lake.catalog.table(self._work.database(table), table.name)
        self._lake.catalog.drop(self._work.database(table), [table.name])
        self._note_superseded(before)
        if before and glue.physical(before):
            marks.mark_partitions(self._lake, glue.physical(before), None)
        self._work.changed(table)

    def _note_superseded(self, table: Mapping[str, Any] | None) -> None:
        at = glue.location(table) if table else ""
        if at.startswith(str(self._lake.files)):
            folder = Address.parse(at, folder=True)
            marks.mark_superseded(self._lake, folder)

    def _with_other_partitions(
        self,
        table: Table,
        query: exp.Query,
        before: Mapping[str, Any],
        partitions: Sequence[str],
        columns: Mapping[str, str] | None,
    ) -> tuple[Work, int]:
        """Make the whole table again: new rows of some partitions, the old ones of the others."""
        own, old = fresh_name(table), glue.columns(before)
        fresh = self._work.adoptable(query)
        if fresh is not None and fresh.uploaded is not None and is_small(before):
            kinds = arrow_schema(self._work.columns_of(fresh))
            # Where a type changes, the engine is to say what becomes of the old values.
            if all(field in kinds for field in arrow_schema(old) if field.name in kinds.names):
                return self._with_uploaded(table, fresh.uploaded, fresh, before, partitions)
        if fresh is None and columns is not None:
            self._work.view(own, query, columns)
        else:
            fresh = fresh or self._work.create(
                f"{table.name}_new", self._work.sql(query), f"{table}, new rows"
            )
            self._work.named[own] = fresh
        new = self._work.columns(Table(WORK, own))
        kinds = with_new_columns(old, new)
        names = list(kinds)

        def side(there: Mapping[str, str], node: exp.Table) -> exp.Select:
            values: list[exp.Expr] = []
            for n in names:
                value: exp.Expr = exp.column(n, quoted=True) if n in there else exp.null()
                if there.get(n) != kinds[n]:
                    value = exp.cast(value, exp.DataType.build(kinds[n], dialect="trino"))
                values.append(exp.alias_(value, n, quoted=True))
            return exp.Select(expressions=values).from_(node, copy=False)

        kept = side(old, table.node())
        if partitions:
            kept = kept.where(exp.column(_PARTITION, quoted=True).isin(*partitions).not_())
        whole = exp.union(side(new, Table(WORK, own).node()), kept, distinct=False)
        work = self._work.create(table.name, self._work.sql(whole), str(table))
        return work, fresh.rows if fresh is not None else work.rows

    def _with_uploaded(
        self,
        table: Table,
        rows: pa.Table,
        fresh: Work,
        before: Mapping[str, Any],
        partitions: Sequence[str],
    ) -> tuple[Work, int]:
        """Do so here, without a statement: new rows that came from here, and few old ones."""
        kinds = with_new_columns(glue.columns(before), self._work.columns_of(fresh))
        at = Address.parse(glue.location(before), folder=True)
        old = self._work.rows_of_files(at, glue.columns(before))
        replaced = pc.is_in(old.column(_PARTITION), pa.array(partitions, pa.string()))
        schema = arrow_schema(kinds)
        sides = [fitted(side, schema) for side in (rows, old.filter(pc.invert(replaced)))]
        whole = self._work.upload(f"{table.name}_whole", pa.concat_tables(sides), kinds, of=table)
        return self._work.named[whole.name], fresh.rows
