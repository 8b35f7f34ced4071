"""Publishing on Athena: new files in a folder of the session, then one call on Glue."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
from engagement.warehouse.athena.queries import (
    ROWS,
    VERSION,
    arrow_schema,
    day_groups,
    is_small,
    is_star,
    only_source,
    plain_columns,
    quote,
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
        self._work = work
        self._token = token

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
        if table.database == _PARTITIONED and _PARTITION in self._given(query, columns):
            return self._publish_partitions(table, query, old, partitions, columns, version)
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
            parameters=self._about(work.rows, version) | {"classification": "parquet"},
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

    def _about(self, rows: int, version: str | None) -> dict[str, str]:
        return {
            glue.OWNER: self._lake.settings.project,
            ROWS: str(rows),
            VERSION: version or secrets.token_hex(16),
        }

    def _given(self, query: exp.Query, columns: Mapping[str, str] | None) -> Sequence[str]:
        """Names of a query's columns, as far as they can be told without running it."""
        if columns is not None:
            return list(columns)
        source = only_source(query)
        if source is not None and source.db == WORK and is_star(query):
            return list(self._work.columns(Table(WORK, source.name)))
        return [name for name in query.named_selects if name != "*"]

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

    # --- partitions

    def _publish_partitions(
        self,
        table: Table,
        query: exp.Query,
        old: Mapping[str, Any] | None,
        partitions: Sequence[str] | None,
        columns: Mapping[str, str] | None,
        version: str | None,
    ) -> Publication:
        """Publish a table whose files are kept by received date.

        Partitions are objects of their own in Glue and cannot be moved together. So a new physical
        table gets the new ones and the old ones that stay, and the view that carries the name is
        replaced, in one call.
        """
        token, catalog, storage = self._token(), self._lake.catalog, self._lake.storage
        before = glue.physical(old) if old else ""
        kept = catalog.dates(storage, before) if before else {}
        if partitions is None:
            replaced = set(kept)
        else:
            replaced = set(partitions)
            kept = {day: at for day, at in kept.items() if day not in replaced}
        work = self._write_partitions(table, query, partitions, columns)
        shown = self._work.columns_of(work)
        if partitions is not None:
            there = glue.columns(old) if old else {}
            merged = with_new_columns(there, shown)
            catalog.put(storage, glue.partitioned(catalog, storage, work.physical, merged))
            catalog.add_partitions(storage, work.physical, merged, kept)
            shown = merged
        self._lake.s3_lease.check(token)
        self._show(table, work, shown, version, old)
        marks.mark_partitions(self._lake, before, replaced if partitions else None)
        return Publication(table, work.rows)

    def _show(
        self,
        table: Table,
        work: Work,
        shown: Mapping[str, str],
        version: str | None,
        old: Mapping[str, Any] | None,
    ) -> None:
        """Let a table's name stand for a physical table with partitions, in one call."""
        # Before the view is replaced: whatever happens then, files and physical table stay.
        self._work.adopted.add(work.folder.key)
        self._work.made.remove(work.physical)
        self._lake.catalog.put(
            self._work.database(table),
            glue.view(
                table.name,
                f"select {', '.join(quote(name) for name in shown)} "
                f"from {quote(self._lake.storage)}.{quote(work.physical)}",
                self._work.database(table),
                shown,
                parameters=self._about(work.rows, version) | {glue.PHYSICAL: work.physical},
            ),
            is_new=old is None,
            seen=old,
        )
        self._work.changed(table)

    def publish_empty(self, table: Table, columns: Mapping[str, str]) -> None:
        """Publish a table of events without a statement: nothing has to be computed."""
        token = self._token()
        old = self._lake.catalog.table(self._work.database(table), table.name)
        physical, folder = self._work.place(table.name, of=str(table))
        own = {name: kind for name, kind in columns.items() if name != _PARTITION}
        self._lake.catalog.put(
            self._lake.storage,
            glue.external_table(
                physical, str(folder), own, glue.PARQUET, partition_keys={_PARTITION: "varchar"}
            ),
            is_new=True,
        )
        self._lake.s3_lease.check(token)
        self._show(table, Work(physical, folder, 0), columns, None, old)
        marks.mark_partitions(self._lake, glue.physical(old) if old else "", None)

    def _write_partitions(
        self,
        table: Table,
        query: exp.Query,
        partitions: Sequence[str] | None,
        columns: Mapping[str, str] | None,
    ) -> Work:
        """Write a query's rows as partitions of a new physical table, so many a statement."""
        names = columns or dict.fromkeys(self._given(query, None), "")
        order = [*(name for name in names if name != _PARTITION), _PARTITION]

        def some(days: Sequence[str] | None) -> str:
            if days is None and query.named_selects == order:
                return self._work.sql(query)
            chosen: list[exp.Expr] = [exp.column(name, quoted=True) for name in order]
            part = exp.Select(expressions=chosen).from_(query.subquery("whole"), copy=False)
            if days is not None:
                part = part.where(exp.column(_PARTITION, quoted=True).isin(*days))
            return self._work.sql(part)

        groups = day_groups(self._all_days() if partitions is None else sorted(partitions))
        if len(groups) < 2:
            return self._work.create(table.name, some(None), str(table), by=_PARTITION)
        work = self._work.create(table.name, some(groups[0]), str(table), by=_PARTITION)
        for days in groups[1:]:
            target = f"{quote(self._lake.storage)}.{quote(work.physical)}"
            sql = f"insert into {target}\n{some(days)}"
            outcome = self._lake.statements.write(partial(str, sql), str(table))
            work.rows += outcome.rows
        return work

    def _all_days(self) -> list[str]:
        """Received dates that the events of this warehouse have."""
        events = self._lake.catalog.table(self._lake.databases["events"], "events")
        physical = glue.physical(events) if events else ""
        return sorted(self._lake.catalog.dates(self._lake.storage, physical))

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
