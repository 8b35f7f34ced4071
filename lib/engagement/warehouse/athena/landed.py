"""Records of landed files on Athena: what was read, what stays, what tables are made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any
from zlib import crc32

import pyarrow as pa
from sqlglot import exp

from engagement.sql.dialect import WORK, Table, literal
from engagement.warehouse.athena import json_sql
from engagement.warehouse.athena.statements import Statements
from engagement.warehouse.athena.work import WorkTables
from engagement.warehouse.frames import columns_of
from engagement.warehouse.json_values import JsonColumn, JsonField, fields_table
from engagement.warehouse.protocol import Select
from engagement.warehouse.reading import FileLines

_LAID_OUT = Table(WORK, "kept_by_name")
_TEXTS = ("record", "record_as_sent")
_PLACE, _PLACES = "__place", 64
"""What a run keeps is laid out by type and name in so many partitions."""

_USUAL_DEPTH = 4
"""How many keys lead to a value in most events, at most."""

_MANY_READERS = 5
"""For fewer tables, laying out costs a statement more than it saves."""


def json_columns(
    work: WorkTables,
    name: str,
    source: Table,
    column: str,
    wanted: Mapping[str, JsonColumn],
    *,
    where: str | None = None,
    keep: bool = False,
    lazy: bool = False,
) -> Table:
    """See :meth:`engagement.warehouse.reading.LandingSession.json_columns`."""
    through = {n: kind for n, kind in work.columns(source).items() if keep or n != column}
    there = work.ready.get(source.name, {})
    read = {alias: item.through() for alias, item in wanted.items()}
    query = json_sql.columns_query(
        source.node(),
        list(through),
        column,
        {alias: raw for alias, (raw, _) in read.items()},
        where,
        ready={alias: there[raw] for alias, (raw, _) in read.items() if raw in there},
        over={alias: sql for alias, (_, sql) in read.items() if sql != "leaf"},
    )
    if lazy:
        given = {alias: json_sql.TYPES[item.kind] for alias, item in wanted.items()}
        return work.view(name, work.physical(query), through | given)
    work.named[name] = work.create(name, work.sql(query))
    return Table(WORK, name)


class AthenaRecords:
    """See :class:`engagement.warehouse.reading.LandedRecords`."""

    def __init__(
        self, statements: Statements, work: WorkTables, table: Table, files: Sequence[FileLines]
    ) -> None:
        self.table, self.envelope = table, Table(WORK, "envelope")
        self.files = files
        self._statements = statements
        self._work = work

    def json_fields(
        self,
        source: Table,
        column: str,
        groups: Sequence[str],
        looked_into: Callable[[tuple[Any, ...], tuple[str, ...]], bool],
        within: Collection[str] | None = None,
    ) -> pa.Table:
        found: list[JsonField] = []
        rows: exp.Expr = source.node()
        depth = _USUAL_DEPTH
        while True:
            query = json_sql.fields_query(rows, column, groups, depth, within)
            table, _ = self._statements.query(self._work.sql(query), "fields of events")
            fields, deeper = json_sql.fields(table, len(groups), looked_into)
            found += [one for one in fields if one.group not in deeper]
            if not deeper:
                return fields_table(found, groups)
            # Few events nest so deep: only their groups are looked at again.
            rows = json_sql.rows_of(source.node(), groups, sorted(deeper, key=repr))
            depth = max(3 * _USUAL_DEPTH, 2 * depth)

    def with_texts(self, name: str, rows: Select, columns: Mapping[str, str]) -> AthenaKept:
        own = self._work.tree(rows, None).subquery("k", copy=False)
        number = exp.column("record_number", table="k").eq(exp.column("record_number", table="r"))
        chosen = [exp.column(column, table="k", quoted=True) for column in columns]
        chosen += [exp.column(column, table="r") for column in _TEXTS]
        query = exp.Select(expressions=chosen).from_(own, copy=False)
        query = query.join(self.table.node().as_("r"), on=number, copy=False)
        given = {**columns, **dict.fromkeys(_TEXTS, "varchar")}
        return AthenaKept(self._work, self._work.view(name, query, given))


class AthenaKept:
    """See :class:`engagement.warehouse.reading.KeptRecords`."""

    def __init__(self, work: WorkTables, table: Table) -> None:
        self.table = table
        self._work = work

    def lay_out(self, readers: int, shared: Iterable[JsonColumn]) -> AthenaLaidOut | None:
        """Lay the records out by type and name, so that a table of events reads its own alone."""
        if readers < _MANY_READERS:
            return None
        raw = dict.fromkeys(item.through()[0] for item in shared)
        ready = {item: f"__s{place}" for place, item in enumerate(raw)}
        values = {name: item for item, name in ready.items()}
        whole = self._as_read()
        taken = json_columns(
            self._work, "kept_values", whole, "record", values, keep=True, lazy=True
        )
        key = "crc32(to_utf8(type || '/' || coalesce(event, '')))"
        rows = self._work.sql(exp.select("*").from_(taken.node()))
        sql = f"select *, {key} % {_PLACES} as {_PLACE} from (\n{rows}\n) as kept_values"
        self._work.named[_LAID_OUT.name] = self._work.create("kept_by_name", sql, by=_PLACE)
        return AthenaLaidOut(self._work, self.table, ready)

    def _as_read(self) -> Table:
        """The records without those of their texts that were sent otherwise."""
        kinds = self._work.columns(self.table)
        columns = {name: kind for name, kind in kinds.items() if name != _TEXTS[1]}
        return self._work.view("texts_as_read", columns_of(self.table, columns), columns)


class AthenaLaidOut:
    """See :class:`engagement.warehouse.reading.LaidOutRecords`.

    Parameters
    ----------
    ready
        Values that have columns already, and the names of these.
    """

    def __init__(self, work: WorkTables, kept: Table, ready: Mapping[JsonColumn, str]) -> None:
        self._work = work
        self._kept = kept
        self._ready = ready

    def rows(
        self,
        name: str,
        kept: exp.Query,
        columns: Mapping[str, str],
        events: Mapping[tuple[str, str], Mapping[str, str]],
    ) -> Table:
        source = exp.Select(expressions=[exp.Star()]).from_(_LAID_OUT.node(), copy=False)
        places = {crc32(f"{kind}/{event}".encode()) % _PLACES for kind, event in events}
        if len(places) < _PLACES // 2:
            source = source.where(exp.column(_PLACE).isin(*map(literal, sorted(places))))
        query = kept.copy()
        for node in list(query.find_all(exp.Table)):
            if Table(node.db, node.name) == self._kept:
                node.replace(source.subquery(node.alias, copy=False))
        wanted = [one for one in query.expressions if one.alias_or_name in columns]
        wanted += [exp.column(n, quoted=True) for n in ("record", *self._ready.values())]
        query.set("expressions", wanted)
        table = self._work.view(name, query, columns)
        self._work.ready[name] = self._ready
        return table
