"""Tables of events on Athena: their files are kept by received date, behind a view."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlglot import exp

from engagement.aws import glue
from engagement.records.files import PARTITION as _PARTITION
from engagement.sql.dialect import Table
from engagement.warehouse.athena import marks
from engagement.warehouse.athena.lake import Lake
from engagement.warehouse.athena.queries import about, day_groups, quote
from engagement.warehouse.athena.work import Work, WorkTables
from engagement.warehouse.frames import with_new_columns
from engagement.warehouse.protocol import Publication


class Partitions:
    """Publishes tables by received date.

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

    def publish(
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
                parameters=about(self._project, work.rows, version)
                | {glue.PHYSICAL: work.physical},
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
        names = columns or dict.fromkeys(self._work.given(query, None), "")
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
