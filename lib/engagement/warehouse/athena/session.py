"""A session on Athena: for as long as one piece of work takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from queue import SimpleQueue
from typing import Any

import pandas as pd
import pyarrow as pa
from sqlglot import exp

from engagement.aws import glue
from engagement.aws.s3 import Address
from engagement.records.files import LandedFile
from engagement.sql.dialect import WORK, Table
from engagement.warehouse.athena import reading_table
from engagement.warehouse.athena.lake import Lake
from engagement.warehouse.athena.landed import AthenaRecords, json_columns
from engagement.warehouse.athena.lines import LinesReader, records_query
from engagement.warehouse.athena.publisher import Publisher
from engagement.warehouse.athena.queries import are_plain, list_type, lists_as_json
from engagement.warehouse.athena.work import WorkTables
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.frames import columns_of, frame
from engagement.warehouse.json_values import JsonColumn
from engagement.warehouse.protocol import Publication, Published, R, Select, T


class AthenaSession:
    """See :class:`engagement.warehouse.reading.LandingSession`."""

    def __init__(self, lake: Lake, token: str | None) -> None:
        self._lake = lake
        self._token = token
        self._work = WorkTables(lake)
        self._publisher = Publisher(lake, self._work, self._writable)

    def close(self) -> None:
        self._work.close()

    def map(self, function: Callable[[int, T], R], items: Sequence[T]) -> list[R]:
        lanes: SimpleQueue[int] = SimpleQueue()
        for lane in range(self._lake.athena.concurrency):
            lanes.put(lane)

        def in_a_lane(item: T) -> R:
            lane = lanes.get()
            try:
                return function(lane, item)
            finally:
                lanes.put(lane)

        with ThreadPoolExecutor(self._lake.athena.concurrency) as pool:
            running = [pool.submit(in_a_lane, item) for item in items]
            try:
                return [future.result() for future in running]
            finally:
                for future in running:
                    future.cancel()

    # --- reading

    def query(
        self, select: Select, parameters: Mapping[str, Any] | None = None, *, label: str = "query"
    ) -> pd.DataFrame:
        tree = self._work.tree(select, parameters)
        table, outcome = self._lake.statements.query(self._work.sql(tree), label)
        lists = [n for n, (_, kind, *_) in enumerate(outcome.columns) if kind == "array"]
        if lists:
            names = [name for name, *_ in outcome.columns]
            again = lists_as_json(tree, names, {names[n] for n in lists})
            table, _ = self._lake.statements.query(self._work.sql(again), label)
            for place in lists:
                texts = table.column(place).to_pylist()
                values = [None if text is None else json.loads(text) for text in texts]
                table = table.set_column(
                    place, names[place], pa.array(values, type=list_type(values))
                )
        return frame(table)

    def fetch(
        self, table: Table, columns: Sequence[str] | None = None, *, label: str
    ) -> pd.DataFrame:
        if table.database == WORK:
            work = self._work.named[table.name]
            is_whole = work.view is None and work.filter is None
            kinds, files = self.columns(table), str(work.folder) if is_whole else ""
        else:
            found = self._lake.catalog.table(self._work.database(table), table.name)
            if found is None:
                raise WarehouseError(f"{table} is gone; was it dropped meanwhile?")
            kinds, files = glue.columns(found), glue.location(found)
        chosen = {name: kinds[name] for name in columns or kinds}
        if not files or not are_plain(chosen.values()):
            return self.query(columns_of(table, chosen), label=label)
        return frame(self._work.rows_of_files(Address.parse(files, folder=True), chosen))

    def tables(self, database: str) -> list[str]:
        return list(self._lake.catalog.tables(self._lake.databases[database]))

    def columns(self, table: Table) -> dict[str, str]:
        return self._work.columns(table)

    # --- working tables

    def work(
        self,
        name: str,
        select: Select,
        parameters: Mapping[str, Any] | None = None,
        *,
        lazy: bool = False,
    ) -> Table:
        del lazy  # a table is planned once
        return self._work.make(name, select, parameters)

    def release(self, *tables: Table) -> None:
        for table in tables:
            # Its files go when the session ends: another name may stand for the same.
            self._work.named.pop(table.name, None)

    def view(self, name: str, select: Select, columns: Mapping[str, str]) -> Table:
        return self._work.view(name, select, columns)

    def rows(self, name: str, rows: pa.Table, columns: Mapping[str, str]) -> Table:
        return self._work.rows(name, rows, columns)

    # --- JSON

    def json_columns(
        self,
        name: str,
        source: Table,
        column: str,
        wanted: Mapping[str, JsonColumn],
        *,
        where: str | None = None,
        keep: bool = False,
        lazy: bool = False,
    ) -> Table:
        return json_columns(
            self._work, name, source, column, wanted, where=where, keep=keep, lazy=lazy
        )

    def readable(self, name: str, events: exp.Query, columns: Mapping[str, str]) -> Table:
        # Athena's own reader takes the last value of a key given twice.
        return self.view(name, events, columns)

    def put_aside(self, kept: exp.Query, partitions: Sequence[str]) -> None:
        del kept, partitions  # see readable

    # --- the landing

    def read_records(
        self,
        files: Sequence[LandedFile],
        envelope: Mapping[str, JsonColumn],
        times: Mapping[str, str],
    ) -> AthenaRecords:
        lines, done = LinesReader(self._lake, self._work).read(files)
        self._work.named["lines"] = lines
        self._work.named["records"] = self._work.create("records", self._work.sql(records_query()))
        records = Table(WORK, "records")
        texts = self.json_columns(
            "envelope_texts", records, "record", envelope, where="is_object", keep=True, lazy=True
        )
        read = [
            exp.alias_(exp.func("parse_timestamp", exp.column(text)), name)
            for name, text in times.items()
        ]
        query = exp.select("*", *read).from_(texts.node())
        columns = {**self.columns(texts), **dict.fromkeys(times, "timestamp(3)")}
        self.view("envelope", query, columns)
        return AthenaRecords(self._lake.statements, self._work, records, done)

    def locate(self, name: str, source: Table, cut: Callable[[str], Sequence[str]]) -> Table:
        work = self._work.named[source.name]
        if work.rows:
            work = LinesReader(self._lake, self._work).locate(source, cut)
        self._work.named[name] = work
        return Table(WORK, name)

    def landing_table(self, table: Table, location: str, columns: Mapping[str, str]) -> None:
        self._writable()
        self._work.database(table)
        reading_table.define(self._lake, table, location, columns)
        self._work.changed(table)

    # --- publishing

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
        return self._publisher.publish(
            table, select, parameters, partitions=partitions, columns=columns, version=version
        )

    def publish_rows(
        self,
        table: Table,
        select: Select,
        *,
        key: str,
        among: Select,
        version: str | None = None,
    ) -> Publication:
        return self._publisher.publish_rows(table, select, key=key, among=among, version=version)

    def publish_empty(self, table: Table, columns: Mapping[str, str]) -> None:
        self._publisher.publish_empty(table, columns)

    def append(
        self, table: Table, rows: pa.Table, keep: Callable[[pa.Table], pa.Table]
    ) -> Publication:
        return self._publisher.append(table, rows, keep)

    def published(self, table: Table) -> Published | None:
        return self._publisher.published(table)

    def drop(self, table: Table) -> None:
        self._publisher.drop(table)

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    def finish(self) -> None:
        pass

    def _writable(self) -> str:
        if self._token is None:
            raise WarehouseError("this session only reads: open it with session(write=True)")
        return self._token
